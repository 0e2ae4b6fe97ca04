"""The job: a model and labelled data in, how good it is out."""

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.classifier import Classifier, load_model
from framevote.datasets import FRAMES, Dataset, Item, Problem, read_dataset
from framevote.errors import InputError, UsageError
from framevote.evaluation.bootstrap import Figure, figures
from framevote.evaluation.classification import Answers, classify, scikit_metrics
from framevote.evaluation.looking import Looked, look
from framevote.evaluation.results import Evaluation, Making, Rejection
from framevote.evaluation.videos import compare_videos
from framevote.labeling import choose_vote
from framevote.model_file import Card
from framevote.records import Progress
from framevote.runtime import Device, Precision, RuntimeName
from framevote.smoothing import Smoother
from framevote.timelines import Cut

SIDES = ("auto", "all", "train", "validation", "test")


def evaluate(
    model: Classifier | str | Path,
    data: Dataset | str | Path,
    *,
    layout: str = "auto",
    group_by: str | None = None,
    side: str = "auto",
    frames: int | None = None,
    smoother: str | Smoother | None = None,
    unknown: float = 0.0,
    precision: Precision = "auto",
    device: Device = "cpu",
    runtime: RuntimeName | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> Evaluation:
    """Look how good a model is on data whose labels are known.

    Photos and clips are answered one by one, a clip by the mean of its frames' probabilities. Videos of which the data label
    pieces are labelled as a whole too, and their timelines are compared with the pieces.

    Args:
        model: a `.fvm` file, "imagenet", or a loaded model.
        data: a data set, or where one lies: a folder of class folders, a manifest …
        layout: how the data are to be read, as `read_dataset` takes it.
        group_by: what groups the items, as `read_dataset` takes it; the intervals draw whole groups anew.
        side: `train`, `validation` or `test` as the data mark them; `all`; `auto` is what is marked test, or all where nothing is.
        frames: how many frames of a clip are looked at, at most; None takes as many as in training, else 16.
        smoother: the vote of the timelines, as a part or its text; None takes the model's, else DEFAULT_SMOOTHER.
        unknown: answers below this probability (0–1) are called unknown, beside those that the model calls so by itself.
        precision: `auto`, `f32` or `bf16`.
        device: `cpu` or `gpu`.
        runtime: `openvino` or `keras`; None takes OpenVINO on the processor and Keras on a GPU.
        seed: of the intervals.
        progress: told how many items are done (then: seconds of video), and how many frames.
        notify: is told in a sentence when something takes long.

    Raises:
        UsageError: an argument is wrong, or the model and the data share no label.
        InputError: the data cannot be read, or none of its items.
        ModelError: the model cannot be found, read, or run as asked.
        MissingExtra: an optional package is absent.
    """
    _check(side, frames, unknown)
    scikit_metrics()
    choose_vote(None, smoother)  # a text that is no smoother is told before a model is loaded
    classifier = load_model(model, precision=precision, device=device, runtime=runtime, notify=notify)
    dataset = data if isinstance(data, Dataset) else read_dataset(data, layout, group_by)
    vote, cut = choose_vote(classifier.card.vote, smoother, unknown=unknown or None)
    where = "" if isinstance(data, Dataset) else str(data)
    plan = _Plan(where, side, frames or classifier.card.frames or FRAMES, vote, cut, unknown, seed)
    return _evaluation(classifier, dataset, plan, progress)


@dataclass(frozen=True)
class _Plan:
    """What is to be done, settled."""

    data: str
    side: str
    frames: int
    smoother: Smoother
    cut: Cut
    unknown: float
    seed: int


def _evaluation(classifier: Classifier, dataset: Dataset, plan: _Plan, progress: Progress | None) -> Evaluation:
    items, strangers, problems = known_items(side_items(dataset, plan.side), classifier)
    looked, damaged = look(classifier, [*items, *strangers], plan.frames, progress)
    known, strange = looked.of(items), looked.of(strangers)
    if not known.items:
        raise InputError(f"None of the {len(items)} items could be read. First problem: {damaged[0]}")
    answers = _answers(known, classifier.card, dataset.several)
    groups = np.array([item.group for item in known.items])
    videos = compare_videos(known.items, classifier, plan.smoother, plan.cut, progress)
    may_refuse = known.openness or plan.unknown > 0
    return Evaluation(
        making=_making(classifier, dataset, plan),
        items=known.items,
        answers=answers,
        classification=classify(answers, groups, plan.seed),
        unknown=known.unknown(plan.unknown),
        rejection=_rejection(answers, groups, known, strange, plan) if may_refuse else None,
        strangers=len(strange.items),
        timelines=videos.figures,
        videos=videos.compared,
        problems=(*dataset.problems, *problems, *damaged, *videos.problems),
    )


def _answers(known: Looked, card: Card, several: bool) -> Answers:
    targets = Dataset(known.items, card.labels, several=True).targets
    return Answers(known.probabilities, targets, card.labels, several or card.several, card.thresholds)


def _check(side: str, frames: int | None, unknown: float) -> None:
    if side not in SIDES:
        raise UsageError(f"side is one of {', '.join(SIDES)}. Received: {side!r}")
    if frames is not None and frames < 1:
        raise UsageError(f"frames is how many frames of a clip are looked at, at least 1. Received: {frames}")
    if not 0 <= unknown <= 1:
        raise UsageError(f"unknown is a probability from 0 to 1. Received: {unknown}")


def side_items(dataset: Dataset, side: str) -> tuple[Item, ...]:
    """Return the items of a side: one of SIDES, of which `auto` is what is marked test, or all where nothing is.

    Raises:
        InputError: there are no items.
        UsageError: none is marked so.
    """
    marked = Counter(item.side for item in dataset.items)
    if not dataset.items:
        told = f" First problem: {dataset.problems[0]}" if dataset.problems else ""
        raise InputError(f"The data hold no items. Expected photos or clips with labels.{told}")
    if side == "all" or (side == "auto" and not marked["test"]):
        return dataset.items
    wanted = "test" if side == "auto" else side
    if not marked[wanted]:  # type: ignore[index]
        has = ", ".join(f"{count} {name or 'unmarked'}" for name, count in marked.items())
        raise UsageError(f"The data mark no items as {wanted}; they have {has}. Choose another side, or all.")
    return tuple(item for item in dataset.items if item.side == wanted)


def known_items(items: Sequence[Item], classifier: Classifier) -> tuple[list[Item], list[Item], list[Problem]]:
    """Return the items that the model could know, those of classes that it has never seen, and which classes those are.

    Of several labels, those that the model does not know are taken off.

    Raises:
        UsageError: the model and the items share no label.
    """
    labels = set(classifier.card.labels)
    counts = Counter(label for item in items for label in item.labels)
    if counts and not labels & counts.keys():
        raise UsageError(_nothing_shared(classifier, list(counts)))
    known = [replace(item, labels=tuple(name for name in item.labels if name in labels)) for item in items]
    missing = [Problem(label, _unseen(label, counts[label], classifier), note=True) for label in counts if label not in labels]
    pairs = list(zip(items, known, strict=True))
    return [k for i, k in pairs if k.labels or not i.labels], [i for i, k in pairs if i.labels and not k.labels], missing


def _unseen(label: str, count: int, classifier: Classifier) -> str:
    near = _near(label, classifier)
    hint = f" Its nearest is {near!r}: rename the class if that is meant." if near else ""
    return f"the model {classifier.name} does not know this class; what shows it is told apart, as never seen (items: {count}).{hint}"


def _nothing_shared(classifier: Classifier, labels: list[str]) -> str:
    if not classifier.card.labels:
        return f"The model {classifier.name} is a backbone: it has no labels. Expected a model that was trained on some: framevote train."
    near = next(((label, near) for label in labels if (near := _near(label, classifier))), None)
    hint = f" Nearest: {near[0]!r} and {near[1]!r}." if near else ""
    if len(classifier.labels) > len(classifier.card.labels):
        hint += " How many strangers it calls unknown is told where they lie beside items of its classes: put both into one folder."
    return (
        f"The model {classifier.name} knows none of the data's {len(labels)} labels ({_some(labels)}). "
        f"Expected some of its {len(classifier.card.labels)}: {_some(classifier.card.labels)}.{hint}"
    )


def _near(label: str, classifier: Classifier) -> str | None:
    """Return the model's label that differs in case, or in a sign or two."""
    folded = {name.casefold(): name for name in classifier.card.labels}
    near = difflib.get_close_matches(label.casefold(), folded, n=1, cutoff=0.85)
    return folded[near[0]] if near else None


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:3]) + (" …" if len(labels) > 3 else "")


def _rejection(answers: Answers, groups: NDArray[Any], known: Looked, strange: Looked, plan: _Plan) -> Rejection:
    """Return how many known items are kept and rightly named, and how many strangers are caught."""
    kept = ~known.unknown(plan.unknown)
    parts = np.stack([kept, kept & answers.hits], axis=1).astype(np.float32)

    def of_known(weights: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        stays, right = (weights @ parts).astype(np.float64).T
        accuracy = np.divide(right, stays, out=np.full(len(stays), np.nan), where=stays > 0)
        return {"kept": stays / weights.sum(axis=1), "accuracy": accuracy}

    told = figures(of_known, groups, plan.seed)
    caught = Figure(float("nan"))
    if strange.items:
        low = strange.unknown(plan.unknown).astype(np.float32)
        mean = lambda weights: {"caught": (weights @ low) / weights.sum(axis=1)}  # noqa: E731
        caught = figures(mean, [item.group for item in strange.items], plan.seed)["caught"]
    return Rejection(known.openness, plan.unknown, told["kept"], told["accuracy"], len(strange.items), caught)


def _making(classifier: Classifier, dataset: Dataset, plan: _Plan) -> Making:
    card, marked = classifier.card, any(item.side == "test" for item in dataset.items)
    packages = ("framevote", "openvino", "av", "numpy", "scikit-learn")
    return Making(
        model=classifier.name,
        fingerprint=classifier.fingerprint,
        backbone=card.backbone,
        head=card.head,
        temperature=card.temperature,
        precision=classifier.precision,
        device=classifier.device,
        data=plan.data,
        layout=dataset.layout,
        side=plan.side if plan.side != "auto" else ("test" if marked else "all"),
        frames=plan.frames,
        smoother=repr(plan.smoother),
        cut=repr(plan.cut),
        seed=plan.seed,
        training=dict(card.metrics),
        versions={name: version(name) for name in packages},
    )

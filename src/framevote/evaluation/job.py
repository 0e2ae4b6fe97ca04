"""The job: a model and labelled data in, how good it is out."""

import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.classifier import Classifier, load_model
from framevote.datasets import FRAMES, Dataset, Item, Problem, frames_of
from framevote.errors import InputError, UsageError
from framevote.evaluation.bootstrap import Figure, figures
from framevote.evaluation.classification import Answers, classify, scikit_metrics
from framevote.evaluation.results import Evaluation, Making, Rejection, Thresholds
from framevote.evaluation.videos import compare_videos
from framevote.parts import DEFAULT_SMOOTHER, build
from framevote.records import Frame, Progress
from framevote.runtime import Device, Precision, RuntimeName
from framevote.smoothing import Smoother

SIDES = ("auto", "all", "train", "validation", "test")

_Floats = NDArray[np.float32]


def evaluate(
    model: Classifier | str | Path,
    data: Dataset | str | Path,
    *,
    layout: str = "auto",
    group_by: str | None = None,
    side: str = "auto",
    frames: int = FRAMES,
    smoother: str | Smoother = DEFAULT_SMOOTHER,
    unknown: float | None = None,
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
        frames: how many frames of a clip are looked at, at most.
        smoother: the vote of the timelines, as a part or its text.
        unknown: answers below this probability (0–1) are called unknown; None takes the thresholds of the model's card.
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
    vote: Smoother = build("smoother", smoother)
    classifier = load_model(model, precision=precision, device=device, runtime=runtime, notify=notify)
    dataset = data if isinstance(data, Dataset) else _read(data, layout, group_by)
    chosen = _chosen(dataset, side)
    known, strange, problems = _shared(chosen, classifier)
    scored = _scored(classifier, [*known, *strange], frames, progress)
    read, rows = _readable(known, scored.means[: len(known)], len(classifier.labels))
    if not read:
        raise InputError(f"None of the {len(known)} items could be read. First problem: {scored.problems[0]}")
    answers = Answers(rows, _targets(read, classifier.labels), classifier.labels, _several(dataset, classifier))
    groups = np.array([item.group for item in read])
    _, unseen = _readable(strange, scored.means[len(known) :], len(classifier.labels))
    videos = compare_videos(read, classifier, vote, unknown or 0.0, progress)
    thresholds = _thresholds(classifier, unknown)
    return Evaluation(
        making=_making(classifier, dataset, data, side, frames, vote, seed),
        items=read,
        answers=answers,
        classification=classify(answers, groups, seed),
        rejection=_rejection(answers, groups, unseen, thresholds, seed) if thresholds else None,
        strangers=len(unseen),
        timelines=videos.figures,
        videos=videos.compared,
        problems=(*dataset.problems, *problems, *scored.problems, *videos.problems),
    )


def _check(side: str, frames: int, unknown: float | None) -> None:
    if side not in SIDES:
        raise UsageError(f"side is one of {', '.join(SIDES)}. Received: {side!r}")
    if frames < 1:
        raise UsageError(f"frames is how many frames of a clip are looked at, at least 1. Received: {frames}")
    if unknown is not None and not 0 <= unknown <= 1:
        raise UsageError(f"unknown is a probability from 0 to 1. Received: {unknown}")


def _read(data: str | Path, layout: str, group_by: str | None) -> Dataset:
    from framevote.datasets import read_dataset  # noqa: PLC0415

    dataset: Dataset = read_dataset(Path(data), layout=layout, group_by=group_by)
    return dataset


def _chosen(dataset: Dataset, side: str) -> tuple[Item, ...]:
    """Return the items of a side."""
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


def _shared(items: Sequence[Item], classifier: Classifier) -> tuple[list[Item], list[Item], list[Problem]]:
    """Return the items that the model could know, those of classes that it has never seen, and which classes those are.

    Of several labels, those that the model does not know are taken off.
    """
    labels = set(classifier.labels)
    counts = Counter(label for item in items for label in item.labels)
    if counts and not labels & counts.keys():
        raise UsageError(_nothing_shared(classifier, list(counts)))
    known = [replace(item, labels=tuple(name for name in item.labels if name in labels)) for item in items]
    missing = [Problem(label, _unseen(label, counts[label], classifier)) for label in counts if label not in labels]
    pairs = list(zip(items, known, strict=True))
    return [k for i, k in pairs if k.labels or not i.labels], [i for i, k in pairs if i.labels and not k.labels], missing


def _unseen(label: str, count: int, classifier: Classifier) -> str:
    near = _near(label, classifier)
    hint = f" Its nearest is {near!r}: rename the class if that is meant." if near else ""
    return f"the model {classifier.name} does not know this class; its {count} items are told apart, as never seen.{hint}"


def _nothing_shared(classifier: Classifier, labels: list[str]) -> str:
    near = next(((label, near) for label in labels if (near := _near(label, classifier))), None)
    hint = f" Nearest: {near[0]!r} and {near[1]!r}." if near else ""
    return (
        f"The model {classifier.name} knows none of the data's {len(labels)} labels ({_some(labels)}). "
        f"Expected some of its {len(classifier.labels)}: {_some(classifier.labels)}.{hint}"
    )


def _near(label: str, classifier: Classifier) -> str | None:
    """Return the model's label that differs in case, or in a sign or two."""
    folded = {name.casefold(): name for name in classifier.labels}
    near = difflib.get_close_matches(label.casefold(), folded, n=1, cutoff=0.85)
    return folded[near[0]] if near else None


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:3]) + (" …" if len(labels) > 3 else "")


@dataclass(frozen=True, eq=False)
class _Scored:
    """The mean probabilities of each item (None: it could not be read), and why some could not."""

    means: list[_Floats | None]
    problems: list[Problem]


def _scored(classifier: Classifier, items: Sequence[Item], most: int, progress: Progress | None) -> _Scored:
    """Score the frames of all items in one stream: item by item, the network would wait for each to be opened."""
    owners: list[int] = []
    damaged: dict[int, Problem] = {}
    sums: list[NDArray[np.float64] | None] = [None] * len(items)
    done = 0
    for block in classifier.stream(_frames(items, classifier, most, owners, damaged)):
        for row, owner in zip(block.values, owners[done : done + len(block)], strict=True):
            before = sums[owner]
            sums[owner] = row.astype(np.float64) if before is None else before + row
        done += len(block)
        if progress:
            progress(float(owners[done - 1] + 1), done)
    counts = np.bincount(np.array(owners, np.int64), minlength=len(items))
    means = [_mean(total, counts[number], number in damaged) for number, total in enumerate(sums)]
    return _Scored(means, list(damaged.values()))


def _mean(total: NDArray[np.float64] | None, count: int, damaged: bool) -> _Floats | None:
    return None if total is None or damaged else np.clip(total / count, 0, 1).astype(np.float32)


def _frames(items: Sequence[Item], classifier: Classifier, most: int, owners: list[int], damaged: dict[int, Problem]) -> Iterator[Frame]:
    """Yield the frames of all items one after another, timed by a running count; whose each is, is noted in `owners`."""
    for number, item in enumerate(items):
        before = len(owners)
        try:
            for frame in frames_of(item, classifier.view, most):
                owners.append(number)
                yield replace(frame, time=float(len(owners)), duration=1.0)
            if len(owners) == before:
                damaged[number] = Problem(str(item.path), "no picture is shown within the piece; expected at least one.")
        except InputError as error:
            damaged[number] = Problem(str(item.path), str(error))


def _readable(items: Sequence[Item], means: Sequence[_Floats | None], classes: int) -> tuple[tuple[Item, ...], _Floats]:
    """Return the items that could be read, and their rows (N, C)."""
    pairs = [(item, mean) for item, mean in zip(items, means, strict=True) if mean is not None]
    return tuple(item for item, _ in pairs), np.array([mean for _, mean in pairs], np.float32).reshape(-1, classes)


def _targets(items: Sequence[Item], labels: tuple[str, ...]) -> NDArray[np.bool_]:
    return Dataset(tuple(items), labels, several=True).targets


def _several(dataset: Dataset, classifier: Classifier) -> bool:
    return dataset.several or bool(getattr(classifier.card, "several", False))


def _thresholds(classifier: Classifier, unknown: float | None) -> Thresholds:
    if unknown is not None:
        return (unknown,) * len(classifier.labels)
    return tuple(getattr(classifier.card, "thresholds", ()))


def _rejection(answers: Answers, groups: NDArray[Any], unseen: _Floats, thresholds: Thresholds, seed: int) -> Rejection:
    """Return how many known items are kept and rightly named, and how many strangers are caught."""
    least = np.asarray(thresholds, np.float32)
    kept = answers.confidence >= least[answers.winners]
    parts = np.stack([kept, kept & answers.hits], axis=1).astype(np.float32)

    def of_known(weights: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        stays, right = (weights @ parts).astype(np.float64).T
        accuracy = np.divide(right, stays, out=np.full(len(stays), np.nan), where=stays > 0)
        return {"kept": stays / weights.sum(axis=1), "accuracy": accuracy}

    told = figures(of_known, groups, seed)
    caught = Figure(float("nan"))
    if len(unseen):
        low = (unseen.max(axis=1) < least[unseen.argmax(axis=1)]).astype(np.float32)
        caught = figures(lambda weights: {"caught": (weights @ low) / weights.sum(axis=1)}, np.arange(len(low)), seed)["caught"]
    return Rejection(thresholds, told["kept"], told["accuracy"], len(unseen), caught)


def _making(
    classifier: Classifier, dataset: Dataset, data: Dataset | str | Path, side: str, frames: int, vote: Smoother, seed: int
) -> Making:
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
        data="" if isinstance(data, Dataset) else str(data),
        layout=dataset.layout,
        side=side if side != "auto" else ("test" if marked else "all"),
        frames=frames,
        smoother=repr(vote),
        seed=seed,
        training=dict(getattr(card, "metrics", None) or {}),
        versions={name: version(name) for name in packages},
    )

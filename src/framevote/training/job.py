"""The job: a folder of photos or clips in, a calibrated model file out, and what it is worth."""

import importlib.util
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from framevote.backbones import Backbone, find_backbone
from framevote.classifier import backbone_file
from framevote.datasets import FRAMES, Dataset, Problem, read_dataset
from framevote.descriptors import Grid, LocalFeatures
from framevote.encoders import Encoder, Projection
from framevote.engine import load_keras
from framevote.errors import InputError, PartError, UsageError, beforehand, missing_extra
from framevote.files import check_free, check_open
from framevote.heads import Head, R2Plus1D, check_size
from framevote.model_file import SUFFIX, Card, read_model_file
from framevote.parts import build
from framevote.runtime import Precision
from framevote.training.coding import Coding, check_network, coding_of
from framevote.training.fine_tuning import FineTuning
from framevote.training.frozen import train_frozen
from framevote.training.plan import Plan, Watch, prepare
from framevote.training.tuned import train_tuned

DEFAULT_BACKBONE = "efficientnet_lite0"
DEFAULT_HEAD = "Average()"
DEFAULT_HEAD_OF_ENCODINGS = "LinearSVM()"
PIXELS = "Pixels"
_PACKAGES = {"sklearn": "scikit-learn", "diskcache": "diskcache"}
_NOTHING_BESIDE: Mapping[str, str] = {}
_NETWORK_PACKAGES = {"keras": "keras", "tensorflow": "tensorflow-cpu"}


@dataclass(frozen=True)
class Chosen:
    """A head that was chosen for a data set, and why, in a sentence."""

    head: Head
    why: str


class Choose(Protocol):
    """Chooses a head by the data themselves, such as `framevote.doctor.auto`; the arguments are those of `train`."""

    def __call__(
        self,
        dataset: Dataset,
        *,
        backbone: str | Backbone | None,
        frames: int,
        window: float | None,
        seed: int,
        precision: Precision,
        watch: Watch,
    ) -> Chosen:
        """Return the head, and why it."""


@dataclass(frozen=True)
class Trained:
    """What came of training.

    Attributes:
        path: the model file.
        card: what it is; `card.metrics` tells what held-out items found, `card.training` what they were.
        problems: what of the data could not be used.
        seconds: from the data to the model file.
    """

    path: Path
    card: Card
    problems: tuple[Problem, ...]
    seconds: float


def train(
    data: str | Path | Dataset,
    path: str | Path,
    *,
    backbone: str | Backbone | None = None,
    head: str | Head | Choose | None = None,
    features: str | LocalFeatures | None = None,
    projection: str | Projection | None = None,
    encoder: str | Encoder | None = None,
    fine_tuning: FineTuning | None = None,
    layout: str = "auto",
    group_by: str | None = None,
    frames: int = FRAMES,
    window: float | None = None,
    seed: int = 0,
    precision: Precision = "auto",
    run: str | Path | None = None,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Trained:
    """Train a classifier on photos or clips, and write it to a model file.

    The head is fitted on the backbone's embeddings, which the fast runtime computes once; with `fine_tuning` the backbone's last
    layers learn on from there. Accuracy and calibration are measured on held-out items whose groups, and whose look-alikes, were not
    trained on.

    Args:
        data: a folder or a list of items in one of the layouts of `framevote.datasets`, or a data set.
        path: the `.fvm` file to write.
        backbone: the network below, as a part, its text, or a KerasHub preset; None takes what the head is made for.
        head: what learns the classes; or what chooses it by the data, such as `framevote.doctor.auto`. None is DEFAULT_HEAD, and of
            encodings DEFAULT_HEAD_OF_ENCODINGS.
        features: local features that are encoded in place of the backbone's embedding; None with an encoder is the backbone's grid.
        projection: what these go through first; None is what the encoder is made for.
        encoder: how they become a vector; None with features is the Fisher vector.
        fine_tuning: how the backbone's last layers learn; None leaves it as it is.
        layout: what the data are to be read as.
        group_by: a regular expression or a column: items that share its match stay on one side of every split.
        frames: how many frames of a clip are looked at; for a head that sees order, or an encoding of clips, of a window.
        window: seconds of a window, for a head that sees order or an encoding of clips; None takes the clips' median length, 4 at most.
        seed: of everything that is drawn; the same seed gives the same model twice on one machine.
        precision: what the embeddings are computed in.
        run: the folder in which fine-tuning is written down; None is `NAME.run` beside the model file.
        overwrite: whether a model file of that name may be replaced.
        watch: who is told.

    Raises:
        UsageError: the call is wrong.
        InputError: the data cannot be learned from.
        ModelError: the backbone's weights cannot be had, or the model cannot be exported.
        OutputError: the model file cannot be written.
        MissingExtra: an optional package is absent.
    """
    began, watch = time.monotonic(), watch or Watch()
    target = _target(path, overwrite)
    coding = coding_of(features, projection, encoder)
    head = head or (DEFAULT_HEAD_OF_ENCODINGS if coding else DEFAULT_HEAD)
    part, why = head if callable(head) and not isinstance(head, Head) else _head(head), ""
    check_numbers(frames, seed)
    if coding:
        _check_coding(coding, part, backbone, fine_tuning, precision)
    else:
        check_window(part, window, fine_tuning)
    check_packages(coding is None or coding.networked)
    if not isinstance(part, Head):
        data = data if isinstance(data, Dataset) else read_dataset(data, layout, group_by)
        check_dataset(data, frames)
        chosen = part(data, backbone=backbone, frames=frames, window=window, seed=seed, precision=precision, watch=watch)
        part, why = chosen.head, chosen.why
        window = window if part.temporal else None
        watch.notify(why)
    below = _below(coding, part, backbone)
    if below and below.weights is None and fine_tuning is None:
        raise UsageError(f"{below} has random weights, which tell nothing apart. Fine-tune it (--fine-tune N), or give it weights.")
    dataset = data if isinstance(data, Dataset) else read_dataset(data, layout, group_by)
    check_dataset(dataset, frames)
    if fine_tuning:
        load_keras("Fine-tuning")  # a backend that is none is told before the data are embedded
    where = Path(run) if run else target.with_suffix(".run")
    plan = Plan(dataset, target, below, part, fine_tuning, frames, seed, precision, where, watch, window, coding)
    watch.notify(_told(dataset))
    prepared = replace(prepare(plan, backbone_file(below, watch.notify) if below else None), chosen=why)
    problems = prepared.dataset.problems
    if fine_tuning:
        problems += train_tuned(plan, prepared)
    else:
        train_frozen(plan, prepared)
    return Trained(target, read_model_file(target).card, problems, time.monotonic() - began)


def _below(coding: Coding | None, head: Head, backbone: str | Backbone | None) -> Backbone | None:
    """Return the backbone that the head, or the features below it, stand on; None where these come from none."""
    if coding is None:
        return backbone_for(head, backbone)
    return backbone_for(head, backbone).by_region(coding.features.cells) if isinstance(coding.features, Grid) else None


def _check_coding(
    coding: Coding, head: Head | Choose, backbone: str | Backbone | None, fine_tuning: FineTuning | None, precision: Precision
) -> None:
    """Refuse what does not go with an encoding."""
    if not isinstance(head, Head) or head.temporal:
        told = f"{head}" if isinstance(head, Head) else "a head that the data choose"
        raise UsageError(f"An encoding gives one vector of each window. Expected the head LinearSVM() or Average(). Received: {told}.")
    if fine_tuning:
        raise UsageError("An encoding stands on a backbone as it is. Leave --fine-tune out, or --encoder and --features.")
    check_network(coding, backbone, precision)


def _head(head: str | Head) -> Head:
    part = build("head", head)
    if not isinstance(part, Head):
        raise PartError(f"Expected a head, as an object or as text such as {DEFAULT_HEAD}. Received: {head!r}")
    return part


def _target(path: str | Path, overwrite: bool) -> Path:
    target = Path(path)
    if target.suffix.lower() != SUFFIX:
        raise UsageError(
            f"A model file's name ends with {SUFFIX}. Received: {str(path)!r}; expected {target.name or 'model'}{SUFFIX}, say."
        )
    with beforehand():
        check_free(target, overwrite)
        check_open(target)
    return target


def backbone_for(head: Head, backbone: str | Backbone | None = None) -> Backbone:
    """Return the backbone that a head stands on, with the regions that it looks at.

    Raises:
        PartError: a backbone that the head cannot stand on.
    """
    if isinstance(head, R2Plus1D):
        below = find_backbone(backbone or PIXELS)
        if below.name != PIXELS:
            raise PartError(f"R2Plus1D sees motion in the pixels themselves. Expected the backbone {PIXELS}, or none. Received: {below}")
        return below
    below = find_backbone(backbone or DEFAULT_BACKBONE)
    return below if below.regions or below.name == PIXELS else below.by_region(head.regions)


def check_window(head: Head | Choose, window: float | None, fine_tuning: FineTuning | None = None) -> None:
    """Refuse a window, or fine-tuning, that does not go with the head."""
    if not isinstance(head, Head):
        if fine_tuning:
            raise UsageError("A head is chosen on frozen embeddings. Fine-tune with --head Average(), or leave --fine-tune out.")
    elif head.temporal and fine_tuning:
        raise UsageError(f"{head} learns on frozen embeddings. Fine-tune with --head Average(), or leave --fine-tune out.")
    if window is None:
        return
    if isinstance(head, Head) and not head.temporal:
        raise UsageError(f"{head} looks at single frames, which have no window. Leave --window out, or give a head such as TemporalConv().")
    if not 0 < window < 3600:
        raise UsageError(f"A window is some seconds long, above 0 and below 3600. Received: {window!r}")


def check_numbers(frames: int, seed: int) -> None:
    """Refuse numbers that are out of bounds."""
    if type(frames) is not int or frames < 1:
        raise UsageError(f"frames is how many frames of a clip are looked at, 1 or more. Received: {frames!r}")
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise UsageError(f"seed is a whole number from 0 to 2³² − 1. Received: {seed!r}")


def check_packages(networked: bool = True, purpose: str = "Training", beside: Mapping[str, str] = _NOTHING_BESIDE) -> None:
    """Tell of an absent package before the work for which it is needed at the end; features of no network need no Keras."""
    for module, package in {**_PACKAGES, **(_NETWORK_PACKAGES if networked else {}), **beside}.items():
        if importlib.util.find_spec(module) is None:
            raise missing_extra(package, "train", purpose)


def check_dataset(dataset: Dataset, frames: int) -> None:
    """Refuse what no model can be trained on, before anything is computed."""
    if len(dataset.labels) < 2:
        raise InputError(
            f"Training needs at least two classes. Received: {', '.join(dataset.labels) or 'none'}. Add items that show something else."
            f"{_first_problem(dataset)}"
        )
    counts = dataset.targets.sum(axis=0)
    if few := [f"{label!r} ({count})" for label, count in zip(dataset.labels, counts.tolist(), strict=True) if count < 2]:
        told = ", ".join(few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
        raise InputError(
            f"Every class needs at least two items: one to learn from, one to test with. Received: {told}.{_first_problem(dataset)}"
        )
    check_size(sum(1 if item.kind == "photo" else frames for item in dataset.items), len(dataset.labels))


def _first_problem(dataset: Dataset) -> str:
    """Return what of the data was left out, since that may be why."""
    return f" Left out: {len(dataset.problems)}; the first: {dataset.problems[0]}" if dataset.problems else ""


def _told(dataset: Dataset) -> str:
    kinds = Counter(item.kind for item in dataset.items)
    held = " and ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in sorted(kinds.items()))
    return f"{held} of {len(dataset.labels)} classes, read as {dataset.layout}"

"""What training was asked for, and the data made ready for it: embedded once, grouped, and put on their sides."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.backbones import Backbone
from framevote.classifier import Classifier
from framevote.datasets import Dataset
from framevote.encoders import Encoding
from framevote.errors import InputError, ModelError
from framevote.features import Done, Embedded, Rows, embed_items
from framevote.heads import Average, Head, minutes, spanned
from framevote.model_file import ModelFile
from framevote.records import Sampling
from framevote.runtime import Precision, open_runtime
from framevote.splits import FOLDS, Fold, copies, folds, merged_groups, near_duplicates
from framevote.training.coding import Coded, Coding, encode_dataset, looked_at
from framevote.training.cross_fitting import Material
from framevote.training.fine_tuning import FineTuning
from framevote.training.learning import Progress
from framevote.training.windows import joined, windows_of

WARNINGS = ("leak", "contradiction")
"""What of `Prepared` a card warns of."""

_TELLING = 512  # numbers of an encoding from which it tells look-alikes
_LONG = 2.0  # minutes of fitting from which the user is told beforehand


@dataclass(frozen=True)
class Watch:
    """Who is told while a model is trained.

    Attributes:
        notify: is told in a sentence what comes next, or takes long.
        embedded: is told how many items are embedded, and of how many.
        learned: is told after each batch of fine-tuning (see `framevote.training.learning`).
    """

    notify: Callable[[str], None] = lambda sentence: None
    embedded: Done = lambda done, items: None
    learned: Progress = lambda step: None


@dataclass(frozen=True, eq=False)
class Plan:
    """What was asked for, checked (see `framevote.training.train`); the backbone is None where features come from none."""

    dataset: Dataset
    path: Path
    backbone: Backbone | None
    head: Head
    fine_tuning: FineTuning | None
    frames: int
    seed: int
    precision: Precision
    run: Path
    watch: Watch = field(default_factory=Watch)
    window: float | None = None
    coding: Coding | None = None

    @property
    def network(self) -> Backbone:
        """The backbone; raises ModelError where there is none."""
        if self.backbone is None:
            raise ModelError("Training needs a backbone, or features that come from none. Received: neither.")
        return self.backbone


@dataclass(frozen=True, eq=False)
class Sides:
    """Item numbers on their sides.

    Attributes:
        learned: what the model may be fitted on.
        tested: what the data themselves keep for testing; may be empty.
        folds: pairs (train, held out) within `learned`; one pair where the data name a validation side.
        validated: whether they do.
        how: how the sides came about, in words.
    """

    learned: NDArray[np.intp]
    tested: NDArray[np.intp]
    folds: list[Fold]
    validated: bool
    how: str


@dataclass(frozen=True, eq=False)
class Prepared:
    """The data, ready to be learned from.

    Attributes:
        file: the backbone; None where features come from none.
        dataset: the items that could be read, and the problems of the others.
        material: their embeddings.
        groups: (N,), what stays together, look-alikes merged.
        sides: what is learned, held out and tested.
        leak: what is wrong with the sides that the data name, in a sentence; else empty.
        contradiction: which items look the same and have different labels, in a sentence; else empty.
        sampling: how time is sampled, for a head that sees order; else None.
        chosen: why the head was chosen by the data, in a sentence; empty where it was told.
        encoding: what the items were encoded with, where a coding was asked for; else None.
    """

    file: ModelFile | None
    dataset: Dataset
    material: Material
    groups: NDArray[np.intp]
    sides: Sides
    leak: str
    contradiction: str
    sampling: Sampling | None = None
    chosen: str = ""
    encoding: Encoding | None = None

    @property
    def below(self) -> ModelFile:
        """The backbone; raises ModelError where there is none."""
        if self.file is None:
            raise ModelError("Training needs a backbone, or features that come from none. Received: neither.")
        return self.file


def prepare(plan: Plan, file: ModelFile | None) -> Prepared:
    """Embed the items, find those that look the same, and put them on their sides.

    Raises:
        InputError: a class cannot be read, or cannot be tested without a leak.
    """
    seen, sampling, encoding = _seen(plan, file)
    dataset = _readable(plan.dataset, seen)
    differing = list[NDArray[np.intp]]()
    alike = _look_alikes(plan, seen.rows, seen.kept, encoding)
    groups = merged_groups([item.group for item in dataset.items], _noted(alike, dataset, differing))
    sides = _sides(dataset, groups, plan.seed)
    material = Material(seen.rows, dataset.targets, dataset.several, plan.seed)
    if isinstance(plan.head, Average):  # others take about a minute
        _tell_time(plan, material, len(sides.folds))
    leak, contradiction = leak_of(dataset, groups), _contradiction(dataset, differing)
    return Prepared(file, dataset, material, groups, sides, leak, contradiction, sampling, encoding=encoding)


def _seen(plan: Plan, file: ModelFile | None) -> tuple[Embedded, Sampling | None, Encoding | None]:
    """Return what is seen of the items, how it samples time, and what it was encoded with."""
    if plan.coding:
        coded = _coded(plan, plan.coding, file)
        return coded.embedded, coded.sampling, coded.encoding
    if file is None:
        raise ModelError(f"{plan.head} needs a backbone. Received: none.")
    return *_embedded(plan, Classifier(file, open_runtime(file, plan.precision))), None


def _coded(plan: Plan, coding: Coding, file: ModelFile | None) -> Coded:
    looking, pieces = looked_at(plan.dataset, coding, file, plan.frames, plan.window, plan.precision, plan.watch.notify)
    return encode_dataset(plan.dataset, pieces, coding, looking, plan.seed, plan.watch.embedded)


def _look_alikes(plan: Plan, rows: Rows, kept: Sequence[int], encoding: Encoding | None) -> Iterator[NDArray[np.intp]]:
    """Yield pairs of items that look the same, as far as what is seen of them can tell."""
    if encoding is None:
        # To a network of random weights everything looks the same.
        return near_duplicates(rows.frames) if plan.network.weights else iter(())
    if (plan.coding and plan.coding.features.moving) or encoding.length < _TELLING:
        # All who walk move alike, and few words tell little: only copies are sure.
        return copies([plan.dataset.items[number] for number in kept])
    # Products of rows are the same in the space that they span, where vectors are shorter.
    return near_duplicates(Rows(spanned(rows.values)[0].astype(np.float32), rows.owners, rows.items))


def _embedded(plan: Plan, model: Classifier) -> tuple[Embedded, Sampling | None]:
    """Return the items' frames, or for a head that sees order their windows and how these sample time."""
    if not plan.head.temporal:
        return embed_items(plan.dataset.items, model, plan.frames, plan.watch.embedded), None
    windows = windows_of(plan.dataset, plan.frames, plan.window, plan.head.causal)
    sampling = windows.sampling
    plan.watch.notify(f"Windows of {sampling.frames} frames in {sampling.seconds:.2g} s")
    return joined(windows, embed_items(windows.pieces, model, sampling.frames, plan.watch.embedded)), sampling


def _noted(pairs: Iterable[NDArray[np.intp]], dataset: Dataset, differing: list[NDArray[np.intp]]) -> Iterator[NDArray[np.intp]]:
    """Yield pairs as they come; those of different labels are noted."""
    targets = dataset.targets
    for some in pairs:
        apart = some[(targets[some[:, 0]] != targets[some[:, 1]]).any(axis=1)]
        if len(apart):
            differing.append(apart)
        yield some


def _contradiction(dataset: Dataset, pairs: Sequence[NDArray[np.intp]]) -> str:
    if not pairs:
        return ""
    one, other = (dataset.items[number] for number in pairs[0][0])
    names = [" and ".join(item.labels) or "nothing" for item in (one, other)]
    found = sum(map(len, pairs))
    count = f"{found} pair{'' if found == 1 else 's'}"
    return (
        f"{count} of items look the same and have different labels, such as {one.path} ({names[0]}) and {other.path} ({names[1]}): "
        "nothing can tell them apart."
    )


def _readable(dataset: Dataset, seen: Embedded) -> Dataset:
    """Return the items that could be read; refuse where too little is left of a class."""
    left = dataset.take(seen.kept, seen.problems)
    counts = left.targets.sum(axis=0)
    for label, count in zip(dataset.labels, counts.tolist(), strict=True):
        if count < 2:
            first = f" The first problem: {seen.problems[0]}" if seen.problems else ""
            raise InputError(f"Of the class {label!r} only {count} can be read. Expected at least two items of every class.{first}")
    if not np.isfinite(seen.rows.values).all():
        raise InputError(
            "The backbone gives embeddings that are no numbers. Expected finite ones: its weights are damaged, or are no weights of it."
        )
    return left


def _sides(dataset: Dataset, groups: NDArray[np.intp], seed: int) -> Sides:
    names = np.array([item.side or "train" for item in dataset.items])
    learned, tested = np.flatnonzero(names != "test"), np.flatnonzero(names == "test")
    check_learned(dataset, learned)
    within, own = dataset.take(learned.tolist()), groups[learned]
    validated = names[learned] == "validation"
    if validated.any() and within.targets[~validated].any(axis=0).all():
        pair = (learned[~validated], learned[validated])
        return Sides(learned, tested, [pair], True, "the sides that the data name")
    found = [(learned[train], learned[held]) for train, held in folds(within, own, FOLDS, seed)]
    parted = len(set(own.tolist())) < len(own)
    return Sides(learned, tested, found, False, f"{len(found)} folds" + (", by group and without look-alikes across" if parted else ""))


def check_learned(dataset: Dataset, learned: NDArray[np.intp]) -> None:
    """Refuse data whose train side lacks a class."""
    missing = [label for label, seen in zip(dataset.labels, dataset.targets[learned].sum(axis=0).tolist(), strict=True) if not seen]
    if missing:
        raise InputError(f"The class {missing[0]!r} has items to test with but none to learn from. Expected some on the train side.")


def leak_of(dataset: Dataset, groups: NDArray[np.intp]) -> str:
    """Return what is wrong with sides that the data name: groups, or look-alikes, on two of them."""
    sides = np.array([item.side or "train" for item in dataset.items])
    for side in ("test", "validation"):
        shared = np.flatnonzero(np.isin(groups, groups[sides == side]) & (sides != side))
        if len(shared):
            return (
                f"{len(shared)} items of another side belong together with items of the {side} side, or look the same, such as "
                f"{dataset.items[shared[0]].path}: what the {side} side finds is too good."
            )
    return ""


def _tell_time(plan: Plan, material: Material, count: int) -> None:
    fits = (count + 1) * len(plan.head.strengths) + count
    took = minutes(len(material.rows.values), material.rows.values.shape[1], material.targets.shape[1], fits)
    if took > _LONG:
        shape = f"{len(material.rows.values)} pictures of {material.targets.shape[1]} classes"
        plan.watch.notify(f"Fitting {shape}, {fits} times: about {took:.0f} minutes; Average(strength=0.1) needs a third of that")


def summary(prepared: Prepared) -> dict[str, Any]:
    """Return what a card tells of the training data."""
    dataset, targets = prepared.dataset, prepared.dataset.targets
    kinds = [item.kind for item in dataset.items]
    return {
        **{name: told for name in WARNINGS if (told := getattr(prepared, name))},
        **({"chosen": prepared.chosen} if prepared.chosen else {}),
        "layout": dataset.layout,
        "photos": kinds.count("photo"),
        "videos": kinds.count("video"),
        "items_of_label": {label: int(count) for label, count in zip(dataset.labels, targets.sum(axis=0), strict=True)},
        "groups": len(set(prepared.groups.tolist())),
        "unreadable": len(dataset.problems),
        "split": prepared.sides.how,
        "learned": len(prepared.sides.learned),
        "tested": len(prepared.sides.tested),
    }

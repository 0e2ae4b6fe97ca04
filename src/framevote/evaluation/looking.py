"""Every item is looked at: the frames of all of them in one stream, and of each the mean of what the model says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from framevote.classifier import Classifier
from framevote.datasets import Item, Problem, frames_of
from framevote.datasets.clips import clips_of, moving_clips_of
from framevote.errors import InputError
from framevote.records import Frame, Progress

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Looked:
    """The items that could be read, and what the model says of each.

    Attributes:
        items: N of them.
        probabilities: float32 (N, C), of the model's labels, as if each item were of one of them.
        shares: float32 (N, C), the same as timelines show them: what is unknown is taken off.
        unexplained: float32 (N,), the share that the model calls unknown by itself; zeros where it never does.
        openness: whether it ever does.
    """

    items: tuple[Item, ...]
    probabilities: NDArray[np.float32]
    shares: NDArray[np.float32]
    unexplained: NDArray[np.float32]
    openness: bool

    def of(self, items: Sequence[Item]) -> "Looked":
        """Return some of the items, in the order that they have here."""
        wanted = set(map(id, items))
        rows = [row for row, item in enumerate(self.items) if id(item) in wanted]
        kept = tuple(self.items[row] for row in rows)
        return Looked(kept, self.probabilities[rows], self.shares[rows], self.unexplained[rows], self.openness)

    def unknown(self, least: float) -> NDArray[np.bool_]:
        """Return (N,) which items a timeline would call unknown, where answers below `least` are called so too."""
        best = self.shares.max(axis=1, initial=0.0)
        return np.asarray((self.unexplained > best) | (best < np.float32(least)))


def look(classifier: Classifier, items: Sequence[Item], most: int, progress: Progress | None) -> tuple[Looked, list[Problem]]:
    """Look at every item, and return what could be read and why the rest could not.

    Item by item, the network would wait for each file to be opened; so the frames of all go through it one after another.
    """
    owners: list[int] = []
    damaged: dict[int, Problem] = {}
    sums: dict[int, _Floats] = {}
    classes, done = len(classifier.card.labels), 0
    openness = len(classifier.labels) > classes
    for block in classifier.clips(_timed(items, classifier, most, owners, damaged)):
        shares = block.values.astype(np.float64)
        rows = np.concatenate([_closed(shares[:, :classes], openness), shares], axis=1)
        for row, owner in zip(rows, owners[done : done + len(block)], strict=True):
            sums[owner] = sums.get(owner, 0.0) + row
        done += len(block)
        if progress:
            progress(float(owners[done - 1] + 1), done)
    counts = np.bincount(np.array(owners, np.int64), minlength=len(items))
    means = {number: sums[number] / counts[number] for number in sorted(sums) if number not in damaged}
    read = tuple(items[number] for number in means)
    values = np.array(list(means.values())).reshape(len(read), classes + len(classifier.labels))
    return _looked(read, np.clip(values, 0, 1).astype(np.float32), classes, openness), [damaged[number] for number in sorted(damaged)]


def _looked(items: tuple[Item, ...], values: NDArray[np.float32], classes: int, openness: bool) -> Looked:
    closed, shares = values[:, :classes], values[:, classes:]
    unexplained = shares[:, classes] if openness else np.zeros(len(items), np.float32)
    return Looked(items, closed, shares[:, :classes], unexplained, openness)


def _closed(shares: _Floats, openness: bool) -> _Floats:
    """Return the probabilities of the labels as if nothing were unknown: where something is, their shares sum to what is known."""
    return shares / shares.sum(axis=1, keepdims=True) if openness else shares


def _clips(item: Item, classifier: Classifier, most: int) -> Iterator[Sequence[Frame]]:
    """Yield what the model answers at once: windows, of a model that sees order, else single frames."""
    if classifier.view.motion:
        return moving_clips_of(item, classifier.sampling.seconds if classifier.sampling else 0.0, classifier.view, classifier.lead)
    if classifier.sampling:
        return clips_of(item, classifier.sampling.seconds, classifier.sampling.frames, classifier.view)
    return ([frame] for frame in frames_of(item, classifier.view, most))


def _timed(
    items: Sequence[Item], classifier: Classifier, most: int, owners: list[int], damaged: dict[int, Problem]
) -> Iterator[Sequence[Frame]]:
    """Yield the clips of all items one after another, timed by a running count; whose each is, is noted in `owners`."""
    for number, item in enumerate(items):
        before = len(owners)
        try:
            for clip in _clips(item, classifier, most):
                owners.append(number)
                yield [replace(frame, time=float(len(owners)), duration=1.0) for frame in clip]
            if len(owners) == before:
                damaged[number] = Problem(str(item.path), "no picture is shown within the piece; expected at least one.")
        except InputError as error:
            damaged[number] = Problem.of(item.path, error)

"""Splits that do not leak: what belongs together stays on one side.

Items of one group (one person, one source video) are never parted, and neither are near-duplicates, which are found by their
embeddings. Folds keep the shares of the classes as far as the groups allow.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from framevote.datasets import Dataset
from framevote.errors import InputError
from framevote.features import Rows
from framevote.records import FloatArray

FOLDS = 5

SAME = 0.97
"""Cosine of two frames' embeddings from which they are taken for the same picture.

On 2395 photos from a web search the pairs above 0.97 are those above 0.94 (16 pairs, all of one class; 15 of them above 0.995): copies
in another size or encoding. Different takes of one gesture by one person reach it in some frames, but not in all.
"""

_BLOCK = 1024  # rows that are compared with all others at a time

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


def merged_groups(groups: Sequence[str], rows: Rows) -> NDArray[np.intp]:
    """Return the number of each item's group (N,): groups that share near-duplicates are one.

    Two items are near-duplicates where they have as many frames and each frame looks like its counterpart (cosine at least SAME).
    """
    from scipy.sparse import coo_array  # noqa: PLC0415 - heavy
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - heavy

    numbers = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)[1]
    pairs = np.array(list(near_duplicates(rows)), np.intp).reshape(-1, 2)
    count = int(numbers.max(initial=-1)) + 1
    links = coo_array((np.ones(len(pairs), np.bool_), (numbers[pairs[:, 0]], numbers[pairs[:, 1]])), shape=(count, count))
    merged: NDArray[np.intp] = np.asarray(connected_components(links, directed=False)[1], np.intp)
    return merged[numbers]


def near_duplicates(rows: Rows) -> Iterator[tuple[int, int]]:
    """Yield pairs of items that look the same, frame by frame."""
    counts = np.bincount(rows.owners, minlength=rows.items)
    for frames in sorted(set(counts.tolist()) - {0}):
        items = np.flatnonzero(counts == frames)
        values = rows.values[np.isin(rows.owners, items)].reshape(len(items), frames, -1)
        for one, other in _same(values / np.maximum(np.linalg.norm(values, axis=2, keepdims=True), 1e-12)):
            yield int(items[one]), int(items[other])


def _same(values: FloatArray) -> Iterator[tuple[int, int]]:
    """Yield pairs of places whose frames (N, F, D), of length 1 each, are all alike."""
    flat = values.reshape(len(values), -1)
    for start in range(0, len(flat), _BLOCK):
        # The mean over the frames is at least SAME where each of them is, and is one product of matrices.
        means = flat[start : start + _BLOCK] @ flat[start:].T / values.shape[1]
        for row, column in np.argwhere(np.triu(means >= SAME, 1)):
            one, other = start + int(row), start + int(column)
            if (np.sum(values[one] * values[other], axis=1) >= SAME).all():
                yield one, other


def folds(dataset: Dataset, groups: NDArray[np.intp], count: int = FOLDS, seed: int = 0) -> list[Fold]:
    """Return pairs (train, held out) of item numbers; every item is held out once, with all of its group.

    Raises:
        InputError: a class lies within one group, so that it cannot be both learned and tested.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - heavy

    check_groups(dataset, groups)
    classes = strata(dataset)
    count = min(count, _least_groups(dataset, groups))
    split = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    return [(train, held) for train, held in split.split(classes, classes, groups)]


def random_folds(dataset: Dataset, count: int = FOLDS, seed: int = 0) -> list[Fold]:
    """Return folds that leave groups aside, stratified: what a random split would have made of the data."""
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415 - heavy

    classes = strata(dataset)
    count = max(min(count, int(np.bincount(classes).min())), 2)
    split = StratifiedKFold(count, shuffle=True, random_state=seed)
    return [(train, held) for train, held in split.split(classes, classes)]


def one_split(dataset: Dataset, groups: NDArray[np.intp], shares: int = FOLDS, seed: int = 0) -> Fold:
    """Return one pair (train, held out), a part in `shares` of the items held out."""
    return folds(dataset, groups, shares, seed)[0]


def strata(dataset: Dataset) -> NDArray[np.intp]:
    """Return the class (N,) by which items are spread over folds; with several labels, the rarest that an item has."""
    targets = dataset.targets
    if not dataset.several:
        return np.asarray(targets.argmax(axis=1), np.intp)
    counts = targets.sum(axis=0)
    ranked = np.where(targets, counts, len(targets) + 1)
    return np.asarray(np.where(targets.any(axis=1), ranked.argmin(axis=1), targets.shape[1]), np.intp)


def check_groups(dataset: Dataset, groups: NDArray[np.intp]) -> None:
    """Refuse groups that leave nothing to learn a class from once one of them is held out.

    Raises:
        InputError: a class has all its items in one group.
    """
    for column, label in enumerate(dataset.labels):
        own = np.flatnonzero(dataset.targets[:, column])
        if len(own) and len(set(groups[own].tolist())) < 2:
            held = f"its {len(own)} items are" if len(own) > 1 else "its only item is"
            raise InputError(
                f"The class {label!r} cannot be tested without a leak: {held} in one group "
                f"({dataset.items[own[0]].group!r} …), by group or because they look the same. "
                "Expected at least two groups a class: add items from another source, or group by something else (--group-by)."
            )


def _least_groups(dataset: Dataset, groups: NDArray[np.intp]) -> int:
    """Return how many groups the class with the fewest has."""
    counts: Counter[int] = Counter()
    for column in range(len(dataset.labels)):
        counts[column] = len(set(groups[dataset.targets[:, column]].tolist()))
    return max(min((count for count in counts.values() if count), default=2), 2)

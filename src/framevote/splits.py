"""Splits that do not leak: what belongs together stays on one side.

Items of one group (one person, one source video) are never parted, and neither are near-duplicates, which are found by their
embeddings. Folds keep the shares of the classes as far as the groups allow.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.datasets import Dataset, Item
from framevote.errors import InputError
from framevote.features import Rows, digest_of
from framevote.records import FloatArray

FOLDS = 5

SAME = 0.97
"""Cosine of two frames' embeddings from which they are taken for the same picture.

On 2395 photos from a web search the pairs above 0.97 are those above 0.94 (16 pairs, all of one class; 15 of them above 0.995): copies
in another size or encoding. Different takes of one gesture by one person reach it in some frames, but not in all.
"""

_BLOCK = 512  # items that are compared with all others at a time
_LEAST = (SAME - 1e-6) / 2  # of the squares' sum; a hair less, as products of matrices round otherwise than sums
_NUMBERS = ("no", "one", "two", "three")

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]


def merged_groups(groups: Sequence[str], pairs: Iterable[NDArray[np.intp]] = ()) -> NDArray[np.intp]:
    """Return the number of each item's group (N,): groups that share one of the `pairs` (P, 2), such as near-duplicates, are one."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - heavy
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - heavy

    merged: NDArray[np.intp] = np.unique(list(groups), return_inverse=True)[1]
    for some in pairs:  # merged as they come: where all look the same, the pairs would fill the memory
        one, other = merged[some].T
        count = int(merged.max()) + 1
        links = coo_array((np.ones(len(some), np.bool_), (one, other)), shape=(count, count))
        merged = np.asarray(connected_components(links, directed=False)[1], np.intp)[merged]
    return merged


def copies(items: Sequence[Item]) -> Iterator[NDArray[np.intp]]:
    """Yield pairs (P, 2) of items that are the same stretch of the same content, whatever their files are called."""
    first: dict[tuple[str, float, float | None], int] = {}
    digests = {path: digest_of(path) for path in dict.fromkeys(item.path for item in items)}
    pairs = []
    for number, item in enumerate(items):
        key = (digests[item.path] or str(item.path), item.start, item.end)
        if first.setdefault(key, number) != number:
            pairs.append((first[key], number))
    if pairs:
        yield np.array(pairs, np.intp)


def near_duplicates(rows: Rows) -> Iterator[NDArray[np.intp]]:
    """Yield pairs (P, 2) of items that look the same, some at a time.

    Two items look the same where they have as many frames and each frame looks like its counterpart: the cosine of their embeddings
    is at least SAME, and what they differ by is small (by 1 − SAME, in squares) against how they differ from the mean of all. The
    cosine alone would do for a network that was trained on many classes; of a poor one, all embeddings are nearly parallel.
    """
    counts = np.bincount(rows.owners, minlength=rows.items)
    lengths = np.linalg.norm(rows.values, axis=1, keepdims=True)
    directions = rows.values / np.maximum(lengths, np.float32(1e-12))
    centred = rows.values - rows.values.mean(axis=0, dtype=np.float64).astype(np.float32)
    for frames in sorted(set(counts.tolist())):
        items = np.flatnonzero(counts == frames)
        own = rows.of(items)
        views = [values[own].reshape(len(items), frames, -1) for values in (directions, centred)]
        yield from (items[pairs] for pairs in _alike(views))


def _alike(views: Sequence[FloatArray]) -> Iterator[NDArray[np.intp]]:
    """Yield pairs (P, 2) of places whose frames are alike in each of the views (N, F, D), all frames and each of them."""
    count, frames, _ = views[0].shape
    flat = [view.reshape(count, -1) for view in views]
    squares = [np.einsum("nd,nd->n", view, view) for view in flat]
    for start in range(0, count, _BLOCK):
        block = slice(start, start + _BLOCK)
        found = np.triu(np.ones((len(squares[0][block]), count - start), np.bool_), 1)
        for view, square in zip(flat, squares, strict=True):
            found &= view[block] @ view[start:].T >= _LEAST * (square[block, None] + square[None, start:])
        pairs = np.argwhere(found) + start
        if frames > 1:
            pairs = pairs[[_each_alike(views, one, other) for one, other in pairs]] if len(pairs) else pairs
        if len(pairs):
            yield pairs


def _each_alike(views: Sequence[FloatArray], one: int, other: int) -> bool:
    """Return whether two places are alike in every frame."""
    for view in views:
        a, b = view[one], view[other]
        if (np.sum(a * b, axis=1) < _LEAST * (np.sum(a * a, axis=1) + np.sum(b * b, axis=1))).any():
            return False
    return True


def folds(dataset: Dataset, groups: NDArray[np.intp], count: int = FOLDS, seed: int = 0, least: int = 2) -> list[Fold]:
    """Return pairs (train, held out) of item numbers; every item is held out once, with all of its group.

    Args:
        dataset: the items.
        groups: (N,), the number of each item's group.
        count: how many folds; fewer where a class has fewer groups.
        seed: of the order.
        least: how many groups every class needs.

    Raises:
        InputError: a class has fewer groups than that: it cannot be both learned and tested.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - heavy

    count = min(count, check_groups(dataset, groups, least))
    return _split(StratifiedGroupKFold(count, shuffle=True, random_state=seed), strata(dataset), groups)


def random_folds(dataset: Dataset, count: int = FOLDS, seed: int = 0) -> list[Fold]:
    """Return folds that leave groups aside, stratified: what a random split would have made of the data."""
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415 - heavy

    held = dataset.targets.sum(axis=0)
    count = max(min(count, int(held[held > 0].min(initial=count))), 2)
    return _split(StratifiedKFold(count, shuffle=True, random_state=seed), strata(dataset), None)


def _split(splitter: Any, classes: NDArray[np.intp], groups: NDArray[np.intp] | None) -> list[Fold]:
    """Return a splitter's folds, those that hold nothing left out."""
    if np.bincount(classes).max() < splitter.get_n_splits():  # of several labels: nothing could be spread evenly
        classes = np.zeros_like(classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of several labels: one that is few items' rarest is in few folds
        found = [(train, held) for train, held in splitter.split(classes, classes, groups)]
    return [(train, held) for train, held in found if len(train) and len(held)]


def one_split(dataset: Dataset, groups: NDArray[np.intp], seed: int = 0, left: int = 1) -> Fold:
    """Return one pair (train, held out), about a fifth held out, with at least `left` groups of every class on the train side.

    Raises:
        InputError: there is no such split.
    """
    targets = dataset.targets
    for train, held in folds(dataset, groups, FOLDS, seed, left + 1):
        own = [groups[train][targets[train, column]] for column in np.flatnonzero(targets.any(axis=0))]
        if all(len(np.unique(each)) >= left for each in own):
            return train, held
    raise InputError(
        "The groups leave no way to hold items out and to learn every class from the others. Expected groups that share fewer classes: "
        "group by something else (--group-by), or add items from other sources."
    )


def strata(dataset: Dataset) -> NDArray[np.intp]:
    """Return the class (N,) by which items are spread over folds; with several labels, the rarest that an item has."""
    targets = dataset.targets
    if not dataset.several:
        return np.asarray(targets.argmax(axis=1), np.intp)
    counts = targets.sum(axis=0)
    ranked = np.where(targets, counts, len(targets) + 1)
    return np.asarray(np.where(targets.any(axis=1), ranked.argmin(axis=1), targets.shape[1]), np.intp)


def check_groups(dataset: Dataset, groups: NDArray[np.intp], least: int = 2) -> int:
    """Return how many groups the class with the fewest has; refuse where these are too few to learn from some and test with others.

    Raises:
        InputError: a class has fewer than `least`.
    """
    fewest = len(groups)
    for column, label in enumerate(dataset.labels):
        own = np.flatnonzero(dataset.targets[:, column])
        if not len(own):
            continue
        held = len(np.unique(groups[own]))
        if held < least:
            items = f"its {len(own)} items are" if len(own) > 1 else "its only item is"
            raise InputError(
                f"The class {label!r} cannot be tested without a leak: {items} in {_NUMBERS[held]} group{'s' if held > 1 else ''} "
                f"({dataset.items[own[0]].group!r} …), by group or because they look the same. Expected at least {_NUMBERS[least]} "
                "groups a class: add items from another source, or group by something else (--group-by)."
            )
        fewest = min(fewest, held)
    return max(fewest, 2)

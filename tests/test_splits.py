"""Splits of made items: nothing leaks, classes are spread, look-alikes are found."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from framevote import splits
from framevote.datasets import Dataset, Item
from framevote.errors import InputError
from framevote.features import Rows
from framevote.splits import SAME, check_groups, folds, merged_groups, near_duplicates, one_split, random_folds, strata


def dataset(classes, groups=None, several: bool = False) -> Dataset:
    """Items of these classes (a number, or several of them) and groups."""
    held = [(each,) if isinstance(each, int | np.integer) else tuple(each) for each in classes]
    labels = tuple("abcdefgh"[: 1 + max((label for each in held for label in each), default=0)])
    named = range(len(held)) if groups is None else groups
    items = [
        Item(Path(f"{number}.png"), tuple(labels[label] for label in each), group=f"g{group}")
        for number, (each, group) in enumerate(zip(held, named, strict=True))
    ]
    return Dataset(tuple(items), labels, several)


def rows_of(items) -> Rows:
    """Items of frames (F, D) each, as one table."""
    owners = np.repeat(np.arange(len(items)), [len(item) for item in items])
    return Rows(np.concatenate(items), owners, len(items))


def unlike(random: np.random.Generator, count: int, frames: int = 1, numbers: int = 64) -> np.ndarray:
    """Frames that look like nothing else."""
    return random.normal(0, 1, (count, frames, numbers)).astype(np.float32)


def turned(values: np.ndarray, cosine: float, random: np.random.Generator) -> np.ndarray:
    """Embeddings at exactly that cosine to those given, of the same length."""
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    across = random.normal(0, 1, values.shape)
    across -= (across * values).sum(-1, keepdims=True) * values / length**2
    across *= length / np.linalg.norm(across, axis=-1, keepdims=True)
    return (cosine * values + np.sqrt(1 - cosine**2) * across).astype(np.float32)


def pairs_of(rows: Rows) -> set[tuple[int, int]]:
    return {(int(one), int(other)) for pairs in near_duplicates(rows) for one, other in pairs}


made_data = st.integers(0, 10_000).map(np.random.default_rng)


@given(random=made_data, classes=st.integers(2, 5), count=st.integers(8, 80), sources=st.integers(4, 30))
@settings(deadline=None, max_examples=60)
def test_no_group_is_on_both_sides_and_every_item_is_held_out_once(random, classes, count, sources):
    numbers, groups = random.integers(0, classes, count), random.integers(0, sources, count)
    data = dataset(numbers, groups)
    assume(all(len(set(groups[numbers == one])) >= 2 for one in set(numbers)))
    found = folds(data, groups, seed=3)
    assert len(found) >= 1
    assert sorted(np.concatenate([held for _, held in found])) == list(range(count))
    for train, held in found:
        assert not set(groups[train]) & set(groups[held])
        assert min(len(train), len(held)) > 0
        assert len(train) + len(held) == count
    again = folds(data, groups, seed=3)
    assert all(np.array_equal(a, b) for one, other in zip(found, again, strict=True) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("split", ["grouped", "random"])
def test_folds_keep_the_shares_of_the_classes(split):
    numbers = np.repeat([0, 1, 2], [200, 100, 50])
    data = dataset(numbers, np.arange(350) // 2)
    found = folds(data, np.arange(350) // 2) if split == "grouped" else random_folds(data)
    for _, held in found:
        assert np.abs(np.bincount(numbers[held]) - [40, 20, 10]).max() <= 2


def test_random_folds_part_groups():
    groups = np.arange(100) // 10
    parted = [set(groups[train]) & set(groups[held]) for train, held in random_folds(dataset(np.arange(100) % 2, groups))]
    assert len(parted) == 5
    assert all(len(shared) > 5 for shared in parted)
    assert len(random_folds(dataset([0, 0, 0, 1, 1, 1]))) == 3
    assert len(random_folds(dataset([0, 0, 0, 0, 0, 0, 1]))) == 2  # one item of a class: it is on one side


def test_no_more_folds_than_the_class_of_fewest_groups_has():
    groups = np.array([*range(10), 10, 10, 11, 11])
    assert len(folds(dataset([0] * 10 + [1] * 4, groups), groups)) == 2


@pytest.mark.parametrize("least", [2, 3])
def test_a_class_that_lies_in_too_few_groups_is_told(least):
    groups = np.array([0, 1, 2, 3, *[4] * 3, *[5] * (least - 2)])
    data = dataset([0] * 4 + [1] * (len(groups) - 4), groups)
    words = {2: "its 3 items are in one group", 3: "its 4 items are in two groups"}[least]
    number = {2: "two", 3: "three"}[least]
    wanted = rf"class 'b' cannot be tested without a leak: {words} \('g4' …\).*at least {number} groups a class: .*--group-by"
    with pytest.raises(InputError, match=wanted):
        check_groups(data, groups, least)
    with pytest.raises(InputError, match=wanted):
        folds(data, groups, least=least)
    with pytest.raises(InputError, match="its only item is in one group"):
        check_groups(dataset([0, 0, 1]), np.arange(3))


@given(random=made_data, classes=st.integers(2, 4), sources=st.integers(4, 15), left=st.integers(1, 2))
@settings(deadline=None, max_examples=60)
def test_one_split_leaves_every_class_to_learn_from(random, classes, sources, left):
    numbers, groups = random.integers(0, classes, 40), random.integers(0, sources, 40)
    try:
        train, held = one_split(dataset(numbers, groups), groups, 0, left)
    except InputError as error:
        assert "without a leak" in str(error) or "no way to hold items out" in str(error)  # noqa: PT017
        return
    assert not set(groups[train]) & set(groups[held])
    assert len(held)
    assert all(len(set(groups[train][numbers[train] == one])) >= left for one in set(numbers))


def test_groups_that_cannot_be_parted_so_are_told(monkeypatch):
    monkeypatch.setattr(splits, "folds", lambda *_: [(np.array([0, 1]), np.array([2, 3])), (np.array([2, 3]), np.array([0, 1]))])
    with pytest.raises(InputError, match=r"no way to hold items out .* group by something else \(--group-by\)"):
        one_split(dataset([0, 0, 1, 1]), np.arange(4))


@given(random=made_data, count=st.integers(2, 60))
@settings(deadline=None, max_examples=60)
def test_several_labels_are_split_too(random, count):
    targets = random.random((count, 4)) < 0.3
    targets[:2] = True  # every label has two items, so that there is a way
    groups = np.arange(count)
    data = dataset([np.flatnonzero(each) for each in targets], groups, several=True)
    for found in (folds(data, groups), random_folds(data)):
        assert sorted(np.concatenate([held for _, held in found])) == list(range(count))
        assert len(found) >= 2


def test_an_item_of_several_labels_counts_for_its_rarest():
    data = dataset([(0,), (0, 1), (0, 1, 2), (), (0, 2), (0, 1)], several=True)  # 5 of a, 3 of b, 2 of c
    assert strata(data).tolist() == [0, 1, 2, 3, 2, 1]
    assert strata(dataset([2, 0, 1])).tolist() == [2, 0, 1]


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("block", [3, 512])
def test_copies_are_found_from_the_stated_cosine_on(frames, block, monkeypatch):
    monkeypatch.setattr(splits, "_BLOCK", block)
    random = np.random.default_rng(0)
    items = unlike(random, 40, frames)
    copies = [items[3] * 7, turned(items[5], SAME + 0.004, random), turned(items[8], SAME - 0.004, random)]  # also in another light
    assert pairs_of(rows_of([*items, *copies[1:]])) == {(5, 40)}
    assert pairs_of(rows_of([*items, items[3], *copies[1:]])) == {(3, 40), (5, 41)}


def test_each_frame_must_look_like_its_counterpart():
    random = np.random.default_rng(0)
    items = unlike(random, 30, 4)
    one = items[0].copy()
    one[2] = turned(one[2], 0.9, random)  # on average they are alike, 0.975, but not in each frame
    assert np.mean(np.sum(one * items[0], axis=1) / np.sum(items[0] ** 2, axis=1)) > SAME
    assert pairs_of(rows_of([*items, one])) == set()
    assert pairs_of(rows_of([*items, items[0][::-1]])) == set()  # backwards it is another clip
    assert pairs_of(rows_of([*items, items[0][:3]])) == set()  # nor are clips of other lengths compared


def test_items_that_look_like_the_same_one_are_one_group():
    random = np.random.default_rng(0)
    items = unlike(random, 30)
    chain = [items[0], turned(items[0], SAME + 0.005, random)]
    chain.append(turned(chain[1], SAME + 0.005, random))  # like the second, not like the first
    assert (0, 31) not in pairs_of(rows_of([*items, *chain[1:]]))
    found = merged_groups([*"abcdefghijklmnopqrstuvwxyzABCD", "x", "y"], near_duplicates(rows_of([*items, *chain[1:]])))
    together = [{number for number in range(32) if found[number] == one} for one in np.unique(found)]
    assert {0, 23, 24, 30, 31} in together  # x and y are the groups of the items 23 and 24 as well
    assert len(together) == 28
    assert len(set(merged_groups(["a", "b", "a", "c"]).tolist())) == 3


@pytest.mark.parametrize("values", [np.ones((6, 1, 8)), np.zeros((6, 1, 8))])
def test_equal_items_are_alike_whatever_they_are(values):
    assert len(set(merged_groups("abcdef", near_duplicates(rows_of(values.astype(np.float32)))).tolist())) == 1


def test_of_a_poor_network_whose_embeddings_are_all_nearly_parallel_only_copies_are_alike():
    random = np.random.default_rng(0)
    items = 100 + unlike(random, 50)
    assert np.corrcoef(items[:2, 0])[0, 1] < 0.5
    assert pairs_of(rows_of([*items, items[7]])) == {(7, 50)}


def test_thousands_of_equal_items_are_merged_without_their_millions_of_pairs():
    import tracemalloc

    values = np.tile(np.random.default_rng(0).normal(0, 1, (2, 1, 8)).astype(np.float32), (2000, 1, 1))
    tracemalloc.start()
    found = merged_groups([str(number) for number in range(4000)], near_duplicates(rows_of(values)))
    assert tracemalloc.get_traced_memory()[1] < 150e6
    tracemalloc.stop()
    assert len(set(found.tolist())) == 2

"""Ways of looking, measured on the same held-out items: frames one by one, windows in order, shuffled and reversed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.assembly import Top
from framevote.doctor.results import Cost, Gain, Look
from framevote.evaluation.bootstrap import figures
from framevote.heads import Average, Fitted, Head
from framevote.records import FloatArray
from framevote.splits import Fold
from framevote.training.cross_fitting import Material, cross_fit

DRAWS = 5
"""How often a window's frames are shuffled."""

AVERAGING, ONE_FRAME, SHUFFLED, REVERSED = "averaging", "its middle frame alone", "its frames shuffled", "its frames reversed"

_TIMED = 256  # rows that a head is timed on at once
_LEAST_FOLDS = 3  # below that, their spread says nothing

Right = NDArray[np.float64]
"""(N,): how rightly each held-out item is named, 0 to 1 (several draws: their mean); NaN of an item without a label."""

Answers = dict[str, Right]
"""By the name of the look."""


@dataclass(frozen=True, eq=False)
class Bench:
    """Held-out items, the same for each look.

    Attributes:
        folds: pairs (train, held out) of item numbers.
        groups: (N,), of all items, in their order.
        seed: of everything that is drawn.
    """

    folds: list[Fold]
    groups: NDArray[np.intp]
    seed: int

    @property
    def held(self) -> NDArray[np.intp]:
        """The items that are held out in turn, fold by fold (M,)."""
        return np.concatenate([held for _, held in self.folds])

    @property
    def fold(self) -> NDArray[np.intp]:
        """The fold of each (M,)."""
        return np.repeat(np.arange(len(self.folds)), [len(held) for _, held in self.folds])


def average(material: Material, bench: Bench, length: int) -> tuple[Answers, Cost]:
    """Return what the average head says of all frames, and of each window's middle frame alone.

    Args:
        material: the windows' frames, one by one.
        bench: what is held out.
        length: frames of a window.
    """
    began = time.monotonic()
    said = cross_fit(material, Average(), bench.folds, familiar=False)
    fit = time.monotonic() - began
    table = np.zeros((len(material.rows.values), material.targets.shape[1]))
    table[said.rows] = said.probabilities
    middle = np.arange(len(table)) % length == length // 2
    right = {
        AVERAGING: _right(material, bench, table, np.ones(len(table), np.bool_)),
        ONE_FRAME: _right(material, bench, table, middle),
    }
    top = material.fit(Average(), bench.folds[0][0], said.strength)
    return right, Cost(fit, _step(top, material.rows.values), _parameters(top))


def temporal(material: Material, bench: Bench, head: Head) -> tuple[Answers, Cost]:
    """Return what a head that sees windows says of them in order, shuffled and reversed; it is fitted to windows in order only."""
    began = time.monotonic()
    fitted = [material.fit(head, train, 1.0) for train, _ in bench.folds]
    fit = time.monotonic() - began
    random = np.random.default_rng(bench.seed)

    def shown(change: Callable[[FloatArray], FloatArray]) -> Right:
        table = np.zeros((len(material.rows.values), material.targets.shape[1]))
        for one, (_, held) in zip(fitted, bench.folds, strict=True):
            rows = material.rows.of(held)
            table[rows] = one.probabilities(change(material.rows.values[rows]))
        return _right(material, bench, table, np.ones(len(table), np.bool_))

    right = {
        repr(head): shown(lambda windows: windows),
        SHUFFLED: np.mean([shown(lambda windows: shuffled(windows, random)) for _ in range(DRAWS)], axis=0),
        REVERSED: shown(lambda windows: windows[:, ::-1]),
    }
    return right, Cost(fit, _step(fitted[0], material.rows.values), _parameters(fitted[0]))


def shuffled(windows: FloatArray, random: np.random.Generator) -> FloatArray:
    """Return windows (N, T, D), the frames of each in an order of its own."""
    order = random.permuted(np.tile(np.arange(windows.shape[1]), (len(windows), 1)), axis=1)
    return np.take_along_axis(windows, order[:, :, None], axis=1)


def looks_of(right: Answers, heads: dict[str, str], costs: dict[str, Cost], bench: Bench) -> tuple[Look, ...]:
    """Return the looks as figures: with a 95 % interval over groups, and the spread over folds.

    Args:
        right: the answers.
        heads: the spec of each look's head.
        costs: of those looks that are a head of their own.
        bench: what was held out.
    """
    names = list(right)
    known = np.isfinite(right[names[0]])
    table = np.stack([right[name][known] for name in names], axis=1)
    groups, fold = bench.groups[bench.held][known], bench.fold[known]

    def means(weights: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        drawn = weights @ table / np.maximum(weights.sum(axis=1, dtype=np.float64), 1)[:, None]
        return dict(zip(names, np.asarray(drawn, np.float64).T, strict=True))

    accuracy = figures(means, groups, bench.seed)
    looks = []
    for name, column in zip(names, table.T, strict=True):
        by_fold = _means(column, fold)
        sd = float(np.std(by_fold, ddof=1)) if len(by_fold) > 1 else float("nan")
        looks.append(Look(name, heads[name], accuracy[name], tuple(by_fold.tolist()), sd, costs.get(name)))
    return tuple(looks)


def gain(one: Right, other: Right, bench: Bench) -> Gain:
    """Return how much more `one` names rightly than `other`: the mean of the differences in each fold, and its standard error.

    Where there are fewer than three folds (the data name a validation side), the groups stand for the folds.
    """
    known = np.isfinite(one)
    parts = bench.fold[known]
    if len(np.unique(parts)) < _LEAST_FOLDS:
        parts = bench.groups[bench.held][known]
    differences = _means((one - other)[known], parts)
    if len(differences) < 2:
        return Gain(float(differences.mean()), float("inf"))
    return Gain(float(differences.mean()), float(np.std(differences, ddof=1) / np.sqrt(len(differences))))


def chance(material: Material, bench: Bench) -> float:
    """Return the share of held-out items that the most frequent label would name rightly."""
    truth = material.targets[bench.held]
    return float(truth[truth.any(axis=1)].mean(axis=0).max(initial=0))


def _means(values: Right, parts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean of each part's values."""
    _, places = np.unique(parts, return_inverse=True)
    return np.bincount(places, values) / np.bincount(places)


def _right(material: Material, bench: Bench, table: NDArray[np.float64], counted: NDArray[np.bool_]) -> Right:
    """Return whether each held-out item is named rightly by the mean of its rows of a table (R, C) that count."""
    sums = np.zeros((material.rows.items, table.shape[1]))
    np.add.at(sums, material.rows.owners[counted], table[counted])
    truth = material.targets[bench.held]
    right = truth[np.arange(len(truth)), sums[bench.held].argmax(axis=1)]
    return np.where(truth.any(axis=1), right, np.nan)


def _step(fitted: Fitted, values: FloatArray) -> float:
    """Return the milliseconds of one answer, of many that are asked for at once; the first call, which compiles, does not count."""
    some = values[:_TIMED]
    fitted.probabilities(some)
    began = time.perf_counter()
    fitted.probabilities(some)
    return 1000 * (time.perf_counter() - began) / len(some)


def _parameters(fitted: Any) -> int:
    """Return how many numbers a fitted head holds."""
    held = (fitted.kernel, fitted.bias) if isinstance(fitted, Top) else fitted.weights
    return sum(int(weight.size) for weight in held)

"""What a comparison found: a row for each setting, with its interval and its cost, and which is best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from framevote.comparison.grid import Family
from framevote.comparison.record import Record
from framevote.datasets import Dataset, Problem
from framevote.encoders import Encoder
from framevote.evaluation.bootstrap import Figure, Weights, figures
from framevote.splits import Fold


@dataclass(frozen=True)
class Row:
    """One setting.

    Attributes:
        encoder: the part, with its pooling and normalisation.
        family: the text of the encoder whose codebook it shares.
        accuracy: mean class accuracy on held-out items, with its 95 % interval.
        behind: how far it is behind the best one, on the same draws of items.
        length: numbers of a vector.
        learning: seconds that its codebook took, all folds together.
        encoding: seconds an item, for all poolings of its family at once.
        fitting: seconds that the head took, all folds together.
    """

    encoder: Encoder
    family: str
    accuracy: Figure
    behind: Figure
    length: int
    learning: float
    encoding: float
    fitting: float

    @property
    def is_level(self) -> bool:
        """Whether the data do not tell it from the best one."""
        return not self.behind.low > 0


@dataclass(frozen=True)
class Comparison:
    """All settings, the best first.

    Attributes:
        rows: by falling accuracy.
        features: what was encoded.
        items, groups, classes: how many were held out, and of how many classes.
        folds: how many pairs of sides.
        problems: what of the data could not be used.
    """

    rows: tuple[Row, ...]
    features: str
    items: int
    groups: int
    classes: int
    folds: int
    problems: tuple[Problem, ...] = ()

    @property
    def best(self) -> Row:
        """The first."""
        return self.rows[0]

    @property
    def cheapest(self) -> Row:
        """Of those that are level with the best, the one whose vectors are shortest; of these, the quickest to encode."""
        return min((row for row in self.rows if row.is_level), key=lambda row: (row.length, row.encoding, -row.accuracy.value))

    @property
    def sentence(self) -> str:
        """What to take, and why."""
        best, cheap = self.best, self.cheapest
        level = sum(row.is_level for row in self.rows) - 1
        told = f"Best: {best.encoder}, {told_figure(best.accuracy)} of {self.classes} classes, {best.length} numbers a vector"
        if not level:
            return f"{told}; no other of {len(self.rows) - 1} is level with it."
        told = f"{told}. Level with it, as far as {self.items} items tell: {level} of {len(self.rows) - 1} others"
        if cheap is best:
            return f"{told}; none of these has shorter vectors."
        cost = f"{told_figure(cheap.accuracy)}, {cheap.length} numbers, {1000 * cheap.encoding:.2g} ms an item"
        return f"{told}; the shortest of these is {cheap.encoder}: {cost}."


def told_figure(figure: Figure) -> str:
    """Return a share in per cent, with its interval."""
    interval = f" ({100 * figure.low:.1f}–{100 * figure.high:.1f})" if np.isfinite(figure.low) else ""
    return f"{100 * figure.value:.1f} %{interval}"


def summed_up(dataset: Dataset, folds: Sequence[Fold], grid: Sequence[Family], record: Record, features: str) -> Comparison:
    """Return what the record of a whole study says."""
    held = np.concatenate([side for _, side in folds])
    truth = dataset.targets[held].argmax(axis=1)
    settings = [(setting, family) for family in grid for setting in family.settings]
    right = np.stack([_right(record, repr(setting), len(folds), truth) for setting, _ in settings])
    groups = [dataset.items[number].group for number in held]
    accuracy = figures(lambda weights: _named(_mean_class(right, truth, weights)), groups)
    best = max(range(len(settings)), key=lambda place: accuracy[str(place)].value)
    behind = figures(lambda weights: _named(_behind(_mean_class(right, truth, weights), best)), groups)
    rows = [
        _row(record, setting, family, len(folds), accuracy[str(place)], behind[str(place)])
        for place, (setting, family) in enumerate(settings)
    ]
    ordered = sorted(rows, key=lambda row: -row.accuracy.value)
    return Comparison(tuple(ordered), features, len(held), len(set(groups)), len(dataset.labels), len(folds), dataset.problems)


def _right(record: Record, setting: str, count: int, truth: NDArray[np.intp]) -> NDArray[np.bool_]:
    winners = [winner for fold in range(count) for winner in record.done[(setting, fold)].winners]
    return np.asarray(np.array(winners) == truth, np.bool_)


def _mean_class(right: NDArray[np.bool_], truth: NDArray[np.intp], weights: Weights) -> NDArray[np.float64]:
    """Return the mean over the classes of the share that is named rightly, (S, R), of S settings in R draws."""
    shares = []
    for label in np.unique(truth):
        own = truth == label
        total = weights[:, own].sum(axis=1, dtype=np.float64)
        with np.errstate(invalid="ignore"):  # a draw without that class says nothing of it
            shares.append(right[:, own].astype(np.float64) @ weights[:, own].T / np.where(total > 0, total, np.nan))
    return np.asarray(np.nanmean(np.stack(shares), axis=0))


def _behind(values: NDArray[np.float64], best: int) -> NDArray[np.float64]:
    return np.asarray(values[best] - values)


def _named(values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    return {str(place): row for place, row in enumerate(values)}


def _row(record: Record, setting: Encoder, family: Family, count: int, accuracy: Figure, behind: Figure) -> Row:
    done = [record.done[(repr(setting), fold)] for fold in range(count)]
    return Row(
        setting,
        family.name,
        accuracy,
        behind,
        done[0].length,
        sum(each.learning for each in done),
        sum(each.encoding for each in done) / count,
        sum(each.fitting for each in done),
    )

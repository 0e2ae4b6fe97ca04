"""Held-out answers: what heads say of items that they were not fitted on, and all that is read off them.

Everything that is chosen (the strength, the temperature) is chosen twice: for the model, by all held-out answers; and for the
figures, for each fold by the answers in the other folds only (those were given by models that had seen this fold).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.assembly import Top
from framevote.calibration import (
    as_targets,
    fit_openness,
    fit_temperature,
    fit_thresholds,
    is_unknown,
    negative_log_likelihood,
    pooled,
    tempered,
)
from framevote.features import Rows
from framevote.heads import Fitted, Head, fit_prototypes
from framevote.metrics import expected_calibration_error
from framevote.model_file import Openness
from framevote.records import UNKNOWN, FloatArray
from framevote.splits import Fold

LEAST_OPEN = 100
"""Held-out items below which nothing can be said of a twentieth of them."""


@dataclass(frozen=True, eq=False)
class Material:
    """What is learned from.

    Attributes:
        rows: embeddings of the items' frames.
        targets: bool (N, C).
        several: whether an item may have more than one label.
        seed: of everything that is drawn.
    """

    rows: Rows
    targets: NDArray[np.bool_]
    several: bool
    seed: int = 0

    def fit(self, head: Head, items: NDArray[np.intp], strength: float) -> Fitted:
        """Return the head fitted to some items."""
        own = self.rows.of(items)
        targets = self.targets[self.rows.owners[own]]
        return head(self.rows.values[own], targets, self.rows.weights[own], self.several, strength, self.seed)

    def prototypes(self, items: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the prototypes (D, K) of some items."""
        own = self.rows.of(items)
        return fit_prototypes(self.rows.described[own], self.targets[self.rows.owners[own]], self.seed)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What was said of rows that were held out, and what was chosen by it.

    Attributes:
        rows: numbers of the rows that were held out in some fold, (H,).
        folds: the fold of each, (H,).
        probabilities: (H, C), as the networks gave them, at the strength that was chosen for their fold by the others.
        familiarity: (H,).
        strength: chosen by all.
        temperature: chosen by all.
    """

    rows: NDArray[np.intp]
    folds: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    familiarity: NDArray[np.float64]
    strength: float
    temperature: float


def cross_fit(material: Material, head: Head, folds: Sequence[Fold], familiar: bool = True) -> HeldOut:
    """Fit the head anew without each fold, and return what it says of that fold.

    Args:
        material: what is learned from.
        head: what is fitted.
        folds: pairs (train, held out) of item numbers.
        familiar: whether to measure familiarity.
    """
    said = {strength: _said(material, head, folds, strength) for strength in head.strengths}
    rows = np.concatenate([material.rows.of(held) for _, held in folds])
    fold = np.concatenate([np.full(len(material.rows.of(held)), number) for number, (_, held) in enumerate(folds)])
    owners, several = material.rows.owners[rows], material.several

    def loss(strength: float, mask: NDArray[np.bool_]) -> float:
        given, truth = said[strength][mask], material.targets[owners[mask]]
        temperature = fit_temperature(given, truth, owners[mask], several)
        items, places = np.unique(owners[mask], return_inverse=True)
        return negative_log_likelihood(pooled(tempered(given, temperature, several), places), material.targets[items], several)

    def best(mask: NDArray[np.bool_]) -> float:
        return min(said, key=lambda strength: loss(strength, mask)) if len(said) > 1 else next(iter(said))

    strength = best(np.ones(len(rows), np.bool_))
    chosen = [best(fold != number) if len(folds) > 1 else strength for number in range(len(folds))]
    probabilities = np.concatenate([said[chosen[number]][fold == number] for number in range(len(folds))])
    temperature = fit_temperature(said[strength], material.targets[owners], owners, several)
    held = HeldOut(rows, fold, probabilities, _familiarity(material, folds, familiar), strength, temperature)
    return held if _gains(held, material) else replace(held, temperature=1.0)


def _gains(held: HeldOut, material: Material) -> bool:
    """Return whether a temperature that the other folds choose makes held-out items likelier; on very few items it may not."""
    items, places = np.unique(material.rows.owners[held.rows], return_inverse=True)
    before, after = (
        negative_log_likelihood(pooled(values, places), material.targets[items], material.several)
        for values in (held.probabilities, calibrated(held, material))
    )
    return after < before


def _said(material: Material, head: Head, folds: Sequence[Fold], strength: float) -> NDArray[np.float64]:
    """Return the probabilities (H, C) of the held-out rows, fold by fold."""
    return np.concatenate(
        [material.fit(head, train, strength).probabilities(material.rows.values[material.rows.of(held)]) for train, held in folds]
    )


def _familiarity(material: Material, folds: Sequence[Fold], familiar: bool) -> NDArray[np.float64]:
    if not familiar:
        return np.full(sum(len(material.rows.of(held)) for _, held in folds), np.nan)
    found, described = [], material.rows.described
    for train, held in folds:
        top = Top(np.zeros((described.shape[1], 0)), np.zeros(0), prototypes=material.prototypes(train))
        found.append(top.familiarity(described[material.rows.of(held)]))
    return np.concatenate(found)


def openness_of(held: HeldOut, material: Material, labels: Sequence[str]) -> Openness | None:
    """Return when the model says unknown; None where it has several labels, a class of that name, or too little to tell."""
    owners = material.rows.owners[held.rows]
    if material.several or UNKNOWN in labels or len(np.unique(owners)) < LEAST_OPEN:
        return None
    values = tempered(held.probabilities, held.temperature)
    found = fit_openness(values, held.familiarity, owners)
    lost = [_lost(held, values, owners, held.folds != number) for number in np.unique(held.folds)]
    return replace(found, loss=float(np.average(lost, weights=np.bincount(held.folds)))) if len(lost) > 1 else found


def _lost(held: HeldOut, values: FloatArray, owners: NDArray[np.intp], others: NDArray[np.bool_]) -> float:
    """Return the share of one fold's rows that is called unknown by what the other folds' rows choose."""
    if not others.any():
        return 0.0
    found = fit_openness(values[others], held.familiarity[others], owners[others])
    return float(is_unknown(found, values[~others], held.familiarity[~others]).mean())


def thresholds_of(held: HeldOut, material: Material) -> tuple[float, ...]:
    """Return the probability from which each of several labels is given; empty where an item has one label."""
    if not material.several:
        return ()
    truth = material.targets[material.rows.owners[held.rows]]
    return fit_thresholds(tempered(held.probabilities, held.temperature, several=True), truth)


def calibrated(held: HeldOut, material: Material) -> NDArray[np.float64]:
    """Return the held-out probabilities (H, C), each fold at the temperature that the other folds choose; a single one at its own."""
    if held.temperature == 1:
        return held.probabilities
    owners = material.rows.owners[held.rows]
    values = np.empty_like(held.probabilities)
    for number in np.unique(held.folds):
        own, others = held.folds == number, held.folds != number
        use = others if others.any() else own
        temperature = fit_temperature(held.probabilities[use], material.targets[owners[use]], owners[use], material.several)
        values[own] = tempered(held.probabilities[own], temperature, material.several)
    return values


def figures(held: HeldOut, values: FloatArray, material: Material) -> dict[str, Any]:
    """Return what the held-out answers, with calibrated `values` (H, C), are worth item by item (a clip: the mean of its frames)."""
    owners = material.rows.owners[held.rows]
    items, places = np.unique(owners, return_inverse=True)
    before, after = (pooled(given, places) for given in (held.probabilities, values))
    truth, fold = material.targets[items], held.folds[np.unique(places, return_index=True)[1]]
    shared = {
        "items": len(items),
        "folds": len(np.unique(fold)),
        "nll": negative_log_likelihood(after, truth, material.several),
        "ece_before": _calibration_error(before, truth, material.several),
        "ece": _calibration_error(after, truth, material.several),
        "temperature": held.temperature,
    }
    return {**(_of_several(after, truth) if material.several else _of_one(after, truth, fold)), **shared}


def _of_one(probabilities: FloatArray, truth: NDArray[np.bool_], folds: NDArray[np.intp]) -> dict[str, float]:
    right = truth[np.arange(len(truth)), probabilities.argmax(axis=1)]
    by_fold = [right[folds == number].mean() for number in np.unique(folds)]
    recalls = [right[own].mean() for own in truth.T if own.any()]
    return {
        "accuracy": float(right.mean()),
        "accuracy_sd": float(np.std(by_fold, ddof=1)) if len(by_fold) > 1 else 0.0,
        "mean_class_accuracy": float(np.mean(recalls)),
    }


def _of_several(probabilities: FloatArray, truth: NDArray[np.bool_]) -> dict[str, float]:
    from sklearn.metrics import average_precision_score  # noqa: PLC0415 - heavy

    seen = truth.any(axis=0)
    if not seen.any():  # a side without any label has no precision
        return {}
    return {"mean_average_precision": float(average_precision_score(truth[:, seen], probabilities[:, seen], average="macro"))}


def _calibration_error(probabilities: FloatArray, truth: NDArray[np.bool_], several: bool) -> float:
    if several:
        return expected_calibration_error(probabilities.ravel(), truth.ravel())
    winners = probabilities.argmax(axis=1)
    places = np.arange(len(winners))
    return expected_calibration_error(probabilities[places, winners], (as_targets(winners, truth.shape[1]) & truth).any(axis=1))

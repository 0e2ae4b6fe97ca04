"""The headline figures of weighted items, for a thousand weightings at once: what the bootstrap asks for.

With weights of one they are scikit-learn's figures (the tests hold them to that), which takes one weighting at a time.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from framevote.evaluation.bootstrap import Statistics, Weights
from framevote.metrics import calibration_bins

BINS = 15
"""Of the calibration error and the reliability diagram."""

_TOP = 5
_LEAST = float(np.finfo(np.float32).eps)  # a probability of 0 would cost infinitely much, and says no more than float32 can
_MANY = 100  # shown items of a class from which running sums are quicker than a product of matrices
_TOGETHER = 16  # classes with fewer, that are compared at once

_Floats = NDArray[np.float32]
_Flags = NDArray[np.bool_]
_Columns = dict[str, NDArray[np.float64]]


def statistics(probabilities: _Floats, targets: _Flags, said: _Flags, several: bool) -> Statistics:
    """Return what computes the headline figures from weights.

    top1: share of items whose most probable label is true; with several labels, of those items that have one.
    top5: share with a true label among the five most probable (only with more than five classes).
    mean_class_accuracy: mean over the classes of the share of their items for which they are said.
    macro_f1: mean over the classes of F1, of the labels that are said.
    map: mean over the classes of average precision, one class against the rest; no interpolation.
    ece: expected calibration error, 15 bins; of the winner's probability, or with several of every label's.
    nll: mean of -log of the true label's probability, or with several of every decision's (cross-entropy), in nats.
    brier: sum over the classes of (probability - truth)², mean over items (0 to 2; Brier, 1950); with several, mean over decisions.

    A class counts in a mean where at least one item (of the draw) shows it.

    Args:
        probabilities: float32 (N, C).
        targets: bool (N, C).
        said: bool (N, C), which labels are said of each item: the winner, or with several those that are sure enough.
        several: whether an item may have more than one label, or none.
    """
    means = dict(_item_columns(probabilities, targets, several))
    names = list(means)
    parts = np.stack([part.astype(np.float32) for name in names for part in means[name]], axis=1)
    gaps = _gaps(probabilities, targets, several)
    seen = np.flatnonzero(targets.any(axis=0))
    truth = targets[:, seen].astype(np.float32)
    claimed = said[:, seen].astype(np.float32)
    scores = probabilities[:, seen]

    def compute(weights: Weights) -> _Columns:
        sums = (weights @ parts).astype(np.float64)
        told = {name: _ratio(sums[:, 2 * at], sums[:, 2 * at + 1]) for at, name in enumerate(names)}
        support, hits, claims = (np.asarray(weights @ columns, np.float64) for columns in (truth, truth * claimed, claimed))
        told["mean_class_accuracy"] = _mean(hits, support, support > 0)
        told["macro_f1"] = _mean(2 * hits, support + claims, support > 0)
        told["map"] = _mean_average_precision(weights, scores, truth > 0)
        told["ece"] = _ratio(np.abs(weights @ gaps).sum(axis=1, dtype=np.float64), weights.sum(axis=1, dtype=np.float64))
        return told

    return compute


def _item_columns(probabilities: _Floats, targets: _Flags, several: bool) -> Iterator[tuple[str, tuple[NDArray[np.float64], ...]]]:
    """Yield the figures that are means over items: each item's part, and whether it counts."""
    exact = probabilities.astype(np.float64)
    every = np.ones(len(exact))
    counted = np.asarray(targets.any(axis=1), np.float64)
    order = np.argsort(-exact, axis=1, kind="stable")[:, :_TOP]
    found = np.take_along_axis(targets, order, axis=1)
    yield "top1", (np.asarray(found[:, 0] * counted), counted)
    if exact.shape[1] > _TOP:
        yield "top5", (np.asarray(found.any(axis=1) * counted), counted)
    likely = np.clip(np.where(targets, exact, 1 - exact), _LEAST, 1) if several else np.clip(exact[targets], _LEAST, 1)
    yield "nll", (_of_item(-np.log(likely)), every)
    squares = (exact - targets) ** 2
    yield "brier", (_of_item(squares) if several else np.asarray(squares.sum(axis=1)), every)


def _of_item(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N,) the mean of each item's decisions (N, C), or the costs themselves where there is one for each item."""
    return np.asarray(costs.mean(axis=1) if costs.ndim == 2 else costs)


def _gaps(probabilities: _Floats, targets: _Flags, several: bool) -> _Floats:
    """Return (N, bins): by how much each item's confidence exceeds what came true, in the bins of its answers."""
    rows, classes = probabilities.shape
    gaps = np.zeros((rows, BINS))
    winners = probabilities.argmax(axis=1)
    for column in range(classes) if several else (winners,):
        sure = probabilities[np.arange(rows), column].astype(np.float64)
        gaps[np.arange(rows), calibration_bins(sure, BINS)] += sure - targets[np.arange(rows), column]
    return (gaps / (classes if several else 1)).astype(np.float32)


def _mean_average_precision(weights: Weights, scores: _Floats, truth: _Flags) -> NDArray[np.float64]:
    """Return (R,) the mean over the classes that a draw shows; of each, the mean precision at the scores of its items."""
    drawn = np.ascontiguousarray(weights.T)
    total, count = np.zeros(len(weights)), np.zeros(len(weights))
    for place, positive, above in _counted_above(drawn, scores, truth):
        own = scores[positive, place]
        claims = np.cumsum(drawn[positive], axis=0)[_last(own, own)]
        precision = np.divide(claims, above, out=np.zeros_like(claims), where=above > 0)
        shown = drawn[positive].sum(axis=0, dtype=np.float64)
        sums = (precision * drawn[positive]).sum(axis=0, dtype=np.float64)
        total += np.divide(sums, shown, out=np.zeros(len(weights)), where=shown > 0)
        count += shown > 0
    return _ratio(total, count)


def _counted_above(drawn: _Floats, scores: _Floats, truth: _Flags) -> Iterator[tuple[int, NDArray[np.intp], _Floats]]:
    """Yield each class with its items, by falling score, and (P, R) how many drawn items have at least each one's score.

    Classes of few items are compared with all scores, many classes in one product of matrices; for others, sums run down the
    order of the scores.
    """
    ranked = [positive[np.argsort(-scores[positive, place], kind="stable")] for place, positive in enumerate(map(np.flatnonzero, truth.T))]
    few = [place for place, positive in enumerate(ranked) if len(positive) <= _MANY]
    for at in range(0, len(few), _TOGETHER):
        some = few[at : at + _TOGETHER]
        least = np.concatenate([scores[:, place] >= scores[ranked[place], place][:, None] for place in some])
        above = np.split(least.astype(np.float32) @ drawn, np.cumsum([len(ranked[place]) for place in some])[:-1])
        yield from ((place, ranked[place], counts) for place, counts in zip(some, above, strict=True))
    for place in set(range(len(ranked))) - set(few):
        order = np.argsort(-scores[:, place], kind="stable")
        last = _last(scores[order, place], scores[ranked[place], place])
        yield place, ranked[place], np.cumsum(drawn[order], axis=0)[last]


def _last(falling: _Floats, wanted: _Floats) -> NDArray[np.intp]:
    """Return the last place that holds each wanted score, of scores that fall."""
    return np.searchsorted(-falling, -wanted, side="right") - 1


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0))


def _mean(numerator: NDArray[np.float64], denominator: NDArray[np.float64], counted: _Flags) -> NDArray[np.float64]:
    """Return the mean (R,) of ratios (R, C) over those that count."""
    ratios = np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
    return _ratio((ratios * counted).sum(axis=1), counted.sum(axis=1).astype(np.float64))

"""Probabilities that mean what they say: temperature, thresholds, and when to say unknown; fitted on held-out items.

Applying what was fitted needs NumPy only; fitting needs SciPy and scikit-learn.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.assembly import sigmoid
from framevote.model_file import Openness
from framevote.records import FloatArray

LOSS = 0.05
"""The share of the known that is given up so that the unknown is caught."""

_LEAST_SHARE = 0.002  # no picture is more certainly known, or unknown, than this leaves room for
_LEAST_ITEMS = 40  # a label that wins rows of fewer held-out items has no quantiles of its own
_TINY = 1e-12


def tempered(probabilities: FloatArray, temperature: float, several: bool = False) -> NDArray[np.float32]:
    """Return softmax(logits / temperature) from softmax(logits), or with several labels the same of the sigmoid: (N, C).

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    if temperature == 1:
        return np.asarray(probabilities, np.float32)
    given = probabilities.astype(np.float64)
    with np.errstate(divide="ignore", over="ignore"):  # a logit without end gives 0 or 1, which is what it means
        if several:
            return np.asarray(sigmoid((np.log(given) - np.log1p(-given)) / temperature), np.float32)
        logits = np.log(given)
        powers = np.exp((logits - logits.max(axis=1, keepdims=True, initial=-np.inf)) / temperature)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def fit_temperature(
    probabilities: FloatArray, targets: NDArray[np.bool_], owners: NDArray[np.intp] | None = None, several: bool = False
) -> float:
    """Return the temperature (0.05 to 20) that makes held-out items' labels most likely.

    Every item leaves a little room for being wrong, as the rule of succession wants it (Laplace 1814; Platt 1999 for targets): of
    n items that are all right, the next one is so with n + 1 in n + 2. Without it, few or easy items would make a model sure
    beyond all reason.

    An item's answer is the mean of its rows', as a vote takes it. Rows that are each right in themselves would give means that
    are not: where a clip's frames doubt one by one and agree on the whole, the mean is surer to be right than it says.

    Args:
        probabilities: (R, C) as the network gives them.
        targets: which labels each row has, the same for all rows of an item.
        owners: (R,), the item of each row; None where each is one of its own.
        several: whether the probabilities are independent of each other.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - heavy

    places = np.arange(len(targets)) if owners is None else np.unique(owners, return_inverse=True)[1]
    truth = targets[np.unique(places, return_index=True)[1]]

    def loss(log: float) -> float:
        values = pooled(tempered(probabilities, float(np.exp(log)), several), places)
        return _doubting_likelihood(values, truth, several)

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def _doubting_likelihood(probabilities: FloatArray, targets: NDArray[np.bool_], several: bool) -> float:
    """Return the negative log-likelihood where two of n + 2 items may be anything."""
    doubt = 2 / (len(targets) + 2)
    values = np.clip(probabilities.astype(np.float64), _TINY, 1 - _TINY if several else None)
    anything = -(np.log(values) + np.log(1 - values)).mean() / 2 if several else -np.log(values).mean()
    return float((1 - doubt) * negative_log_likelihood(probabilities, targets, several) + doubt * anything)


def pooled(values: FloatArray, places: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the means (N, C) of the rows (R, C) of each item; `places` (R,) are the items' numbers, from 0 on."""
    sums = np.zeros((int(places.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(sums, places, values)
    return sums / np.bincount(places)[:, None]


def negative_log_likelihood(probabilities: FloatArray, targets: NDArray[np.bool_], several: bool = False) -> float:
    """Return the mean negative logarithm of the probability of what is true; with several labels, of each decision."""
    values = np.clip(probabilities.astype(np.float64), _TINY, 1 - _TINY if several else None)
    losses = -np.log(np.where(targets, values, 1 - values)).mean(axis=1) if several else -np.log(values[targets])
    return float(losses.mean())


def fit_thresholds(probabilities: FloatArray, targets: NDArray[np.bool_]) -> tuple[float, ...]:
    """Return for each of several labels the probability from which giving it has the best F1 on held-out rows.

    Anything between the last row that is to have the label and the next one below does as well: it is 0.5 where that lies between
    them, else the middle. It is 0.5 where no row has the label.
    """
    from sklearn.metrics import precision_recall_curve  # noqa: PLC0415 - heavy

    found = []
    for column, truth in zip(probabilities.astype(np.float64).T, targets.T, strict=True):
        best = 0.5
        if truth.any():
            precision, recall, thresholds = precision_recall_curve(truth, column)
            f1 = 2 * precision * recall / np.maximum(precision + recall, _TINY)
            place = int(f1[:-1].argmax())
            low, high = (float(thresholds[place - 1]) if place else 0.0), float(thresholds[place])
            best = 0.5 if low < 0.5 <= high else (low + high) / 2
        found.append(best)
    return tuple(found)


def known_share(openness: Openness, probabilities: FloatArray, familiarity: FloatArray) -> NDArray[np.float32]:
    """Return how far each row (N,) is a picture of what the model knows, 0 to 1.

    The less of two: how familiar the picture is (beside what was trained on), and how sure its label is (beside others). Each is
    0.5 at its half value and 1 from its full value on, in a straight line between and below.
    """
    winners = probabilities.argmax(axis=1)
    best = probabilities[np.arange(len(winners)), winners]
    doubtful, sure = (np.array(values)[winners] for values in (openness.doubtful, openness.sure))
    half, full = openness.familiar
    ramps = np.minimum((best - doubtful) / (sure - doubtful), (familiarity - half) / (full - half))
    return np.asarray(np.clip((1 + ramps) / 2, _LEAST_SHARE, 1 - _LEAST_SHARE), np.float32)


def is_unknown(openness: Openness, probabilities: FloatArray, familiarity: FloatArray) -> NDArray[np.bool_]:
    """Return for which rows (N,) unknown has a larger share than any label."""
    known = known_share(openness, probabilities, familiarity)
    return np.asarray(1 - known > known * probabilities.max(axis=1), np.bool_)


def fit_openness(
    probabilities: FloatArray, familiarity: FloatArray, owners: NDArray[np.intp] | None = None, loss: float = LOSS
) -> Openness:
    """Return when to say unknown, so that the share `loss` of held-out rows of the known classes is called so, at most.

    Both tests look at the same tail of what they see on held-out rows, and the tail's share is found by bisection: together they
    give up `loss`. The familiarity finds pictures that are like nothing in the training data; the probability finds those that
    lie between its classes. Either alone misses what the other sees (recipes/README.md).

    Args:
        probabilities: (N, C), calibrated.
        familiarity: (N,), each measured against training data that do not hold the row.
        owners: (N,), the item of each row; None where each is one of its own.
        loss: the share of the known that is given up.
    """
    own = np.arange(len(probabilities)) if owners is None else owners
    low, high = 0.0, 0.5
    for _ in range(30):
        middle = (low + high) / 2
        given_up = is_unknown(_openness(probabilities, familiarity, own, middle), probabilities, familiarity).mean()
        low, high = (middle, high) if given_up < loss else (low, middle)
    found = _openness(probabilities, familiarity, own, low)
    return Openness(found.familiar, found.doubtful, found.sure, float(is_unknown(found, probabilities, familiarity).mean()))


def _openness(probabilities: FloatArray, familiarity: FloatArray, owners: NDArray[np.intp], tail: float) -> Openness:
    best, winners = probabilities.max(axis=1), probabilities.argmax(axis=1)
    own = [winners == label for label in range(probabilities.shape[1])]
    edges = [_edges(best[rows] if len(np.unique(owners[rows])) >= _LEAST_ITEMS else best, tail) for rows in own]
    half, full = (tuple(side) for side in zip(*edges, strict=True))
    return Openness(_edges(familiarity, tail), half, full, 0.0)


def _edges(values: FloatArray, tail: float) -> tuple[float, float]:
    """Return the quantiles below which `tail` and twice as many of the values lie, a hair apart at least: values all alike are known."""
    half, full = (float(edge) for edge in np.quantile(values.astype(np.float64), [tail, 2 * tail]))
    return min(half, full - 1e-6), full


def as_targets(winners: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Return class indices (N,) as bool (N, count)."""
    return np.asarray(np.asarray(winners)[:, None] == np.arange(count), np.bool_)

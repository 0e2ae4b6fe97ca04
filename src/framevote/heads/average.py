"""The average head: a logistic classifier of single frames, whose answers the vote averages over time."""

import math
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.assembly import Top
from framevote.engine import fitted
from framevote.errors import InputError, PartError
from framevote.heads.base import Head
from framevote.records import FloatArray

STRENGTHS = (0.01, 0.1, 1.0)
"""What `strength=None` chooses from; on standardised embeddings of a thousand numbers, the optimum is flat and lies between."""

PROTOTYPES = 16
"""Prototypes a class. On photos of six sports against scenes, 8, 16 and 32 find the same; against a sport left out, more find more."""

_MOST_OF_PROTOTYPES = 16_000_000  # numbers: 64 MB of a model file; only long vectors of many classes have fewer prototypes for it
_MOST_NUMBERS = 250_000_000  # rows × classes: beyond that fitting would need more than 8 GB
_ITERATIONS = 300
_TOLERANCE = 1e-3  # of the gradient. At 1e-5 held-out likelihood and accuracy of 2395 photos are the same, at three times the time
_NEVER = -30.0  # the logit of a class that no row has
_USUAL_ITERATIONS, _FLOPS = 60, 2e10  # of a fit, and of a plain core a second; only to tell how long it will take


@final
@dataclass(frozen=True, repr=False)
class Average(Head):
    """A logistic classifier of single frames; a clip's answer is the average of its frames'.

    Args:
        strength: the inverse of the L2 penalty on standardised embeddings (scikit-learn's C), above 0; None chooses by held-out
            likelihood.

    Raises:
        PartError: a strength that is no number above 0.
    """

    strength: float | None = None

    def __post_init__(self) -> None:
        if not is_strength(self.strength):
            raise PartError(f"Average takes strength: a number above 0, or None to choose it. Received: strength={self.strength!r}")

    @property
    def strengths(self) -> tuple[float, ...]:
        """What to choose from."""
        return STRENGTHS if self.strength is None else (self.strength,)

    def at(self, strength: float) -> "Average":
        """Return the same head with its strength settled."""
        return replace(self, strength=strength)

    def __call__(
        self, values: FloatArray, targets: NDArray[np.bool_], weights: FloatArray, several: bool, strength: float, seed: int = 0
    ) -> Top:
        """Return the top fitted to rows; nothing is drawn."""
        del seed
        return fit_linear(values, targets, weights, several, strength)


def is_strength(value: object) -> bool:
    """Return whether a value is a strength: a number above 0, or None to choose one."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf)


def fit_linear(
    values: FloatArray, targets: NDArray[np.bool_], weights: FloatArray | None = None, several: bool = False, strength: float = 0.1
) -> Top:
    """Return a logistic classifier: one softmax over the classes, or with several labels a sigmoid for each.

    The embeddings are standardised for the fit, and that is folded into the arrays that come out.

    Args:
        values: embeddings (R, D).
        targets: which labels each row has, (R, C).
        weights: (R,), how much each row counts.
        several: whether a row may have more than one label, or none.
        strength: inverse of the L2 penalty.

    Raises:
        InputError: rows × classes are more than memory holds.
    """
    check_size(len(values), targets.shape[1])
    middle, spread = values.mean(axis=0, dtype=np.float64), values.std(axis=0, dtype=np.float64)
    spread = np.where(spread > 1e-6 * max(float(spread.max(initial=0)), 1e-12), spread, np.inf)
    scaled = ((values - middle) / spread).astype(np.float32)
    fit = _sigmoids if several else _softmax
    kernel, bias = fit(scaled, targets, weights, strength)
    kernel = kernel / spread[:, None]
    return Top(kernel.astype(np.float32), (bias - middle @ kernel).astype(np.float32), several)


def check_size(rows: int, classes: int) -> None:
    """Refuse what would not fit into memory, before anything is computed.

    Raises:
        InputError: rows × classes are too many.
    """
    if rows * classes > _MOST_NUMBERS:
        raise InputError(
            f"{rows} pictures of {classes} classes are more than can be fitted at once. Expected at most {_MOST_NUMBERS // classes} "
            "pictures of so many classes: take fewer frames a clip (--frames), or fewer classes."
        )


def minutes(rows: int, numbers: int, classes: int, fits: int) -> float:
    """Return about how many minutes so many fits take on one core; it is meant for a sentence, not for a promise."""
    return 4 * rows * numbers * classes * _USUAL_ITERATIONS * fits / _FLOPS / 60


def _softmax(scaled: FloatArray, targets: NDArray[np.bool_], weights: FloatArray | None, strength: float) -> tuple[FloatArray, FloatArray]:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - heavy

    seen = np.flatnonzero(targets.any(axis=0))
    full, level = np.zeros((scaled.shape[1], targets.shape[1])), np.full(targets.shape[1], _NEVER)
    if len(seen) < 2:  # nothing to tell apart
        level[seen] = 0.0
        return full, level
    model = LogisticRegression(C=strength, max_iter=_ITERATIONS, tol=_TOLERANCE)
    fitted(model, scaled, targets.argmax(axis=1), sample_weight=weights)
    # Of two classes scikit-learn fits the difference.
    kernel, bias = (model.coef_, model.intercept_) if len(seen) > 2 else _both(model.coef_, model.intercept_)
    full[:, seen], level[seen] = kernel.T, bias
    return full, level


def _both(difference: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.concatenate([-difference / 2, difference / 2]), np.concatenate([-bias / 2, bias / 2])


def _sigmoids(scaled: FloatArray, targets: NDArray[np.bool_], weights: FloatArray | None, strength: float) -> tuple[FloatArray, FloatArray]:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - heavy

    kernel, bias = np.zeros((scaled.shape[1], targets.shape[1])), np.zeros(targets.shape[1])
    for column, truth in enumerate(targets.T):
        if truth.all() or not truth.any():  # nothing to tell apart
            bias[column] = -_NEVER if truth.all() else _NEVER
            continue
        model = LogisticRegression(C=strength, max_iter=_ITERATIONS, tol=_TOLERANCE)
        fitted(model, scaled, truth, sample_weight=weights)
        kernel[:, column], bias[column] = model.coef_[0], model.intercept_[0]
    return kernel, bias


def _different(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows, each once; they may be long."""
    first = {row.tobytes(): number for number, row in reversed(list(enumerate(rows)))}
    return rows[sorted(first.values())]


def fit_prototypes(values: FloatArray, targets: NDArray[np.bool_], seed: int = 0) -> NDArray[np.float32]:
    """Return prototypes (D, K), columns of length 1: the centres of up to 16 clusters of each class's directions (fewer of long vectors).

    A picture that is near none of them is like nothing that was trained on. Spherical k-means, Dhillon and Modha 2001, by
    scikit-learn's k-means on vectors of length 1.
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415 - heavy

    lengths = np.linalg.norm(values.astype(np.float64), axis=1, keepdims=True)
    directions = (values / np.maximum(lengths, 1e-12)).astype(np.float32)
    centres = []
    most = max(min(PROTOTYPES, _MOST_OF_PROTOTYPES // max(values.shape[1] * targets.shape[1], 1)), 1)
    for truth in targets.T:
        own = _different(directions[truth])
        if len(own):
            count = min(most, len(own))
            clusters = KMeans(count, n_init=1, random_state=seed)
            fitted(clusters, own)  # fewer clusters than asked for: directions that differ by a rounding
            centres.append(clusters.cluster_centers_)
    joined = np.concatenate(centres)
    return np.asarray((joined / np.maximum(np.linalg.norm(joined, axis=1, keepdims=True), 1e-12)).T, np.float32)

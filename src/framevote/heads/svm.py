"""A linear support vector machine: the classifier of long vectors, of which there are fewer than numbers in each."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.assembly import Top
from framevote.engine import fitted
from framevote.errors import PartError
from framevote.heads.average import check_size, is_strength
from framevote.heads.base import Head
from framevote.records import FloatArray

STRENGTHS = (0.1, 1.0, 10.0)
"""What `strength=None` chooses from."""

_SCALE = 4.0  # from margins, which are about -1 to 1, to logits; calibration does the rest
_NEVER = -30.0  # the logit of a class that no row has
_LEAST = 1e-7  # of the largest: a direction in which rows differ by less is rounding
_ITERATIONS = 2000


@final
@dataclass(frozen=True, repr=False)
class LinearSVM(Head):
    """A linear support vector machine, one class against the rest, by scikit-learn's liblinear; its margins are calibrated.

    Cortes and Vapnik, "Support-vector networks", 1995; Fan et al., "LIBLINEAR", JMLR 2008. It is fitted in the space that the rows
    span, whose axes are as many as rows at most: the same classifier, however long the vectors.

    Args:
        strength: the price of a row within the margin (scikit-learn's C), on rows whose root mean square length is 1, above 0; None
            chooses by held-out likelihood.

    Raises:
        PartError: a strength that is no number above 0.
    """

    strength: float | None = None

    def __post_init__(self) -> None:
        if not is_strength(self.strength):
            raise PartError(f"LinearSVM takes strength: a number above 0, or None to choose it. Received: strength={self.strength!r}")

    @property
    def strengths(self) -> tuple[float, ...]:
        """What to choose from."""
        return STRENGTHS if self.strength is None else (self.strength,)

    def at(self, strength: float) -> "LinearSVM":
        """Return the same head with its strength settled."""
        return replace(self, strength=strength)

    def __call__(
        self, values: FloatArray, targets: NDArray[np.bool_], weights: FloatArray, several: bool, strength: float, seed: int = 0
    ) -> Top:
        """Return the top fitted to rows."""
        check_size(len(values), targets.shape[1])
        unit = float(np.sqrt(np.mean(np.einsum("rd,rd->r", values, values, dtype=np.float64)))) or 1.0
        rows, axes = spanned(values / np.float32(unit))
        kernel, bias = np.zeros((rows.shape[1], targets.shape[1])), np.zeros(targets.shape[1])
        for column, truth in enumerate(targets.T):
            kernel[:, column], bias[column] = _margin(rows, truth, weights, strength, seed)
        lifted = kernel if axes is None else axes @ kernel
        return Top((lifted * (_SCALE / unit)).astype(np.float32), (_SCALE * bias).astype(np.float32), several)


def spanned(values: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """Return rows (R, D) in the space that they span, (R, S) with S ≤ R, and its axes (D, S); (rows, None) where these are no fewer.

    Products of rows are the same in both, so a linear classifier whose penalty is the length of its kernel is too.
    """
    if len(values) >= values.shape[1]:
        return values, None
    squares, turned = np.linalg.eigh((values @ values.T).astype(np.float64))
    kept = squares > _LEAST * max(float(squares[-1]), 1e-30)
    if not kept.any():
        return np.zeros((len(values), 1)), np.zeros((values.shape[1], 1))
    lengths = np.sqrt(squares[kept])
    rows = turned[:, kept] * lengths
    return rows, values.T @ (turned[:, kept] / lengths).astype(np.float32)


def _margin(
    rows: FloatArray, truth: NDArray[np.bool_], weights: FloatArray, strength: float, seed: int
) -> tuple[NDArray[np.float64], float]:
    """Return the kernel and the bias of one class against the rest."""
    from sklearn.svm import LinearSVC  # noqa: PLC0415 - heavy

    if truth.all() or not truth.any():  # nothing to tell apart
        return np.zeros(rows.shape[1]), (-_NEVER if truth.all() else _NEVER) / _SCALE
    model = LinearSVC(C=strength, max_iter=_ITERATIONS, random_state=seed)
    fitted(model, rows, truth, sample_weight=weights / weights.mean())
    return model.coef_[0], float(model.intercept_[0])

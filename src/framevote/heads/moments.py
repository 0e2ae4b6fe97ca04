"""A linear head on the moments of a window: what is seen on the whole, and how much each number changes from frame to frame."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.assembly import Top
from framevote.engine import load_keras
from framevote.errors import PartError
from framevote.heads.average import is_strength
from framevote.heads.base import Head
from framevote.heads.checking import check_whole
from framevote.heads.familiar import familiarity_of, save_head
from framevote.heads.looks import LEAST_SPREAD
from framevote.records import FloatArray

STRENGTHS = (1.0, 10.0, 100.0)
"""What `strength=None` chooses from."""

_LEAST = 1e-12  # under the root: what never changes
_SCALE = 10.0  # from what least squares gives, 0 to 1, to logits; calibration does the rest


@final
@dataclass(frozen=True, repr=False)
class Moments(Head):
    """A ridge classifier of the mean over a window and of the logarithm of how much it changes from frame to frame.

    It sees what there is and how much of it moves, but not which way. Of few clips it learns more surely than a network does,
    and in no time. Statistics pooling as in Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018;
    least squares on the classes, as few clips of many numbers want (Hoerl and Kennard, "Ridge regression", 1970).

    Args:
        strength: the inverse of the L2 penalty, in units of a window's mean square, above 0; None chooses by held-out likelihood.
        regions: cells of a side that the backbone's grid is pooled to; 0 is the backbone's own embedding.
        causal: whether its windows end with the row that they are for (live video), or have it in their middle.

    Raises:
        PartError: an argument that does not fit.
    """

    strength: float | None = None
    regions: int = 0
    causal: bool = False

    temporal = True

    def __post_init__(self) -> None:
        if not is_strength(self.strength):
            raise PartError(f"Moments takes strength: a number above 0, or None to choose it. Received: strength={self.strength!r}")
        check_whole("Moments", "regions", self.regions, 0, 64)
        if not isinstance(self.causal, bool):
            raise PartError(f"Moments takes causal: True or False. Received: causal={self.causal!r}")

    @property
    def strengths(self) -> tuple[float, ...]:
        """What to choose from."""
        return STRENGTHS if self.strength is None else (self.strength,)

    def at(self, strength: float) -> "Moments":
        """Return the same head with its strength settled."""
        return replace(self, strength=strength)

    def __call__(
        self, values: FloatArray, targets: NDArray[np.bool_], weights: FloatArray, several: bool, strength: float, seed: int = 0
    ) -> "FittedMoments":
        """Return the head fitted to windows (R, T, D); nothing is drawn."""
        del seed
        unit = float(np.sqrt(values.reshape(-1, values.shape[2]).var(axis=0, dtype=np.float64).mean())) or 1.0
        return FittedMoments(_ridge(moments(values, unit), targets, weights, several, strength), unit)


def moments(windows: FloatArray, unit: float) -> NDArray[np.float32]:
    """Return the means of windows (N, T, D) over time and the logarithms of their changes, side by side: (N, 2 × D).

    A change is the root mean square of the differences from frame to frame, in `unit`s: its logarithm, since twice as much is as much
    more to a number that hardly moves as to one that does.
    """
    changes = np.diff(windows.astype(np.float64), axis=1)
    moved = np.sqrt(np.square(changes).sum(axis=1) / max(changes.shape[1], 1) + _LEAST)
    return np.concatenate([windows.mean(axis=1, dtype=np.float64), np.log(moved / unit + LEAST_SPREAD)], axis=1).astype(np.float32)


def _ridge(values: FloatArray, targets: NDArray[np.bool_], weights: FloatArray, several: bool, strength: float) -> Top:
    """Return least squares on moments (R, 2 × D); means and changes weigh the same, each number by how much it varies."""
    from sklearn.linear_model import Ridge  # noqa: PLC0415 - heavy

    middle = values.mean(axis=0, dtype=np.float64)
    halves = np.split(np.square(values - middle).mean(axis=0), 2)
    spread = np.repeat([np.sqrt(half.sum()) or 1.0 for half in halves], len(halves[0]))
    # So scaled, a row's mean square is 2: one for each half.
    model = Ridge(alpha=2 / strength).fit((values - middle) / spread, targets.astype(np.float64), sample_weight=weights / weights.mean())
    kernel = _SCALE * model.coef_.T / spread[:, None]
    bias = _SCALE * (model.intercept_ - (0.5 if several else 0.0)) - middle @ kernel
    return Top(kernel.astype(np.float32), bias.astype(np.float32), several)


@dataclass(frozen=True, eq=False)
class FittedMoments:
    """The head, fitted.

    Attributes:
        top: the linear classifier on the moments.
        unit: what changes are told in: the spread of a number over all training data.
        prototypes: float32 (D, K), by which familiarity is measured.
    """

    top: Top
    unit: float
    prototypes: NDArray[np.float32] | None = None

    def probabilities(self, embeddings: FloatArray) -> NDArray[np.float64]:
        """Return the probabilities (N, C) of windows (N, T, D)."""
        return self.top.probabilities(moments(embeddings, self.unit)) if len(embeddings) else np.empty((0, len(self.top.bias)))

    def familiarity(self, embeddings: FloatArray) -> NDArray[np.float64]:
        """Return the familiarity (N,) of windows (N, T, D); NaN without prototypes."""
        return familiarity_of(embeddings, self.prototypes)

    def with_prototypes(self, prototypes: FloatArray) -> "FittedMoments":
        """Return the same with prototypes (D, K)."""
        return replace(self, prototypes=prototypes.astype(np.float32))

    def save(self, path: Path) -> None:
        """Write its network as a `.keras` file."""
        keras = load_keras()
        layers, ops = keras.layers, keras.ops
        window = keras.Input((None, len(self.top.kernel) // 2), name="window")
        before, after = layers.Cropping1D((0, 1), name="before")(window), layers.Cropping1D((1, 0), name="after")(window)
        moved = ops.sqrt(ops.mean(ops.square(layers.Subtract(name="change")([after, before])), axis=[1]) + _LEAST)
        seen = layers.Concatenate(name="moments")([ops.mean(window, axis=[1]), ops.log(moved / self.unit + LEAST_SPREAD)])
        activation = "sigmoid" if self.top.several else "softmax"
        dense = layers.Dense(len(self.top.bias), activation=activation, dtype="float32", name="probabilities")
        model = keras.Model(window, {"probabilities": dense(seen)}, name="moments_head")
        dense.set_weights([self.top.kernel, self.top.bias])
        save_head(model, self.prototypes, path)

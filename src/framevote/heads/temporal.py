"""Heads that see order: they take the embeddings of a window of consecutive frames.

Each is a small Keras network with a free number of frames. The recurrent ones are the source paper's; after them came convolutions
over time, and attention. `R2Plus1D` needs no backbone: it sees the pixels of a small picture.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from framevote.engine import load_keras
from framevote.errors import PartError
from framevote.heads.base import Fitted, Head
from framevote.heads.checking import check_whole
from framevote.heads.learning import Course, learned
from framevote.heads.looks import LEAST_SPREAD, check_look, looked
from framevote.records import FloatArray

if TYPE_CHECKING:
    import keras

MOST_DROPOUT = 0.95

REGIONS = 3
"""Cells of a side unless told otherwise: where a hand is tells more than that there is one (recipes/README.md)."""


@dataclass(frozen=True, repr=False)
class TemporalHead(Head):
    """Base of the heads that see order.

    Args:
        units: the width of its layers.
        look: what it looks at: `embedding`, `change`, `centred`, or several joined by + (`framevote.heads.looks`).
        regions: cells of a side that the backbone's grid is pooled to; 0 is the backbone's own embedding.
        causal: whether its windows end with the row that they are for (live video), or have it in their middle.
        dropout: the share of its input that is left out at random while it learns.
        epochs: rounds through the data.
        rate: the highest learning rate.

    Raises:
        PartError: an argument that does not fit.
    """

    units: int = 128
    look: str = "centred"
    regions: int = REGIONS
    causal: bool = False
    dropout: float = 0.5
    epochs: int = 30
    rate: float = 0.003

    temporal = True

    def __post_init__(self) -> None:
        name = type(self).__name__
        check_look(name, self.look)
        for key, whole, least, most in (
            ("units", self.units, 1, 4096),
            ("regions", self.regions, 0, 64),
            ("epochs", self.epochs, 1, 10_000),
        ):
            check_whole(name, key, whole, least, most)
        if type(self.dropout) not in (int, float) or not 0 <= self.dropout <= MOST_DROPOUT:
            raise PartError(f"{name} takes dropout: a number from 0 to {MOST_DROPOUT}. Received: dropout={self.dropout!r}")
        if type(self.rate) not in (int, float) or not 0 < self.rate <= 1:
            raise PartError(f"{name} takes rate: a number above 0, up to 1. Received: rate={self.rate!r}")
        if not isinstance(self.causal, bool):
            raise PartError(f"{name} takes causal: True or False. Received: causal={self.causal!r}")

    @property
    def strengths(self) -> Sequence[float]:
        """One: its regulariser is the dropout."""
        return (1.0,)

    def at(self, strength: float) -> "TemporalHead":
        """Return the head itself: there is nothing to settle."""
        del strength
        return self

    def __call__(
        self, values: FloatArray, targets: NDArray[np.bool_], weights: FloatArray, several: bool, strength: float, seed: int = 0
    ) -> Fitted:
        """Return the head fitted to windows (R, T, D); Keras's optimiser AdamW (Loshchilov and Hutter, 2019), on a cosine."""
        del strength
        return learned(self, Course(values, targets, weights, several, seed))

    def network(self, size: int, classes: int, several: bool) -> "keras.Model":
        """Return the network: windows float32 (N, T, D = size), `window`, in; `probabilities` (N, C = classes) out.

        Its layer `standard` holds the mean and the variance of each number over the training data; what comes before its layer `seen`
        is not learned.
        """
        keras = load_keras()
        layers = keras.layers
        window = keras.Input((None, size), name="window")
        # Not trained: it is an affine map by the two that are read off the data.
        seen = layers.BatchNormalization(center=False, scale=False, epsilon=1e-6, trainable=False, name="standard")(window)
        seen = layers.Identity(name="seen")(self.look_at(seen))
        described = layers.Dropout(self.dropout, name="described_hidden")(self.describe(seen))
        activation = "sigmoid" if several else "softmax"
        answer = layers.Dense(classes, activation=activation, dtype="float32", name="probabilities")(described)
        return keras.Model(window, {"probabilities": answer}, name=type(self).__name__.lower())

    def look_at(self, window: Any) -> Any:
        """Return what the layers see of a standardised window (N, T, D), by what is not learned."""
        return looked(window, self.look)

    @abc.abstractmethod
    def describe(self, seen: Any) -> Any:
        """Return what the layers make of what they see: a description (N, U)."""

    def _projected(self, seen: Any) -> Any:
        """Return what is looked at in `units` numbers a frame; some of it is hidden while learning, over the whole window at once."""
        layers = load_keras().layers
        hidden = layers.SpatialDropout1D(self.dropout, name="hidden")(seen)
        return layers.LayerNormalization(name="projection_norm")(layers.Dense(self.units, name="projection")(hidden))


def time_pooled(seen: Any) -> Any:
    """Return the mean and the largest over time, side by side."""
    layers = load_keras().layers
    both = [layers.GlobalAveragePooling1D(name="time_mean")(seen), layers.GlobalMaxPooling1D(name="time_largest")(seen)]
    return layers.Concatenate(name="pooled")(both)


@final
@dataclass(frozen=True, repr=False)
class MLP(TemporalHead):
    """Two dense layers on the mean and the spread of what is looked at over the window: it sees how much moves, but not which way.

    Statistics pooling after Snyder et al., "X-vectors: robust DNN embeddings for speaker recognition", ICASSP 2018.
    """

    look: str = "embedding+change"

    def look_at(self, window: Any) -> Any:
        """Return the mean of the embedding over time, where it is looked at, and the logarithms of the spreads: (N, D × moments).

        Of what is centred the mean is nothing, and of changes it would be the last frame less the first, which tells the direction.
        """
        keras = load_keras()
        seen = looked(window, self.look)
        spread = keras.ops.log(keras.ops.sqrt(keras.ops.var(seen, axis=[1])) + LEAST_SPREAD)
        if "embedding" not in self.look.split("+"):
            return spread
        return keras.layers.Concatenate(name="moments")([keras.ops.mean(window, axis=[1]), spread])

    def describe(self, seen: Any) -> Any:
        """Return a dense layer on the moments."""
        layers = load_keras().layers
        return layers.Dense(self.units, activation="relu", name="dense")(layers.Dropout(self.dropout, name="hidden")(seen))


@dataclass(frozen=True, repr=False)
class _Recurrent(TemporalHead):
    """Base of the recurrent heads.

    Args:
        two_way: whether a second layer reads the window backwards.
    """

    two_way: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.two_way, bool):
            raise PartError(f"{type(self).__name__} takes two_way: True or False. Received: two_way={self.two_way!r}")

    def describe(self, seen: Any) -> Any:
        """Return the state behind the last frame; two-way, that before the first frame beside it."""
        layers = load_keras().layers
        cell = getattr(layers, type(self).__name__)(self.units, name="recurrent")
        return (layers.Bidirectional(cell, name="two_way") if self.two_way else cell)(self._projected(seen))


@final
@dataclass(frozen=True, repr=False)
class SimpleRNN(_Recurrent):
    """A plain recurrent network. Elman, "Finding structure in time", 1990."""


@final
@dataclass(frozen=True, repr=False)
class LSTM(_Recurrent):
    """Long short-term memory. Hochreiter and Schmidhuber, 1997."""


@final
@dataclass(frozen=True, repr=False)
class GRU(_Recurrent):
    """Gated recurrent units. Cho et al., "Learning phrase representations using RNN encoder–decoder", EMNLP 2014."""


@final
@dataclass(frozen=True, repr=False)
class TemporalConv(TemporalHead):
    """Convolutions over time with shortcuts, then the mean and the largest over the window.

    After Bai, Kolter and Koltun, "An empirical evaluation of generic convolutional and recurrent networks for sequence modeling", 2018.

    Args:
        kernel: frames that a convolution spans.
        layers: how many there are.
    """

    kernel: int = 3
    layers: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, value in (("kernel", self.kernel), ("layers", self.layers)):
            check_whole("TemporalConv", key, value, 1, 64)

    def describe(self, seen: Any) -> Any:
        """Return the mean and the largest over time of what the convolutions find."""
        layers = load_keras().layers
        found = layers.ReLU(name="first")(self._projected(seen))
        for number in range(self.layers):
            step = layers.Conv1D(self.units, self.kernel, padding="same", name=f"conv{number}")(found)
            step = layers.ReLU(name=f"relu{number}")(layers.LayerNormalization(name=f"norm{number}")(step))
            found = layers.Add(name=f"shortcut{number}")([found, step])
        return time_pooled(found)


@final
@dataclass(frozen=True, repr=False)
class Transformer(TemporalHead):
    """Attention between the frames of a window, before it a convolution that tells each its neighbours; then the mean.

    Vaswani et al., "Attention is all you need", 2017, normalised first (Xiong et al., 2020); the convolution stands for position
    codes (Islam et al., "How much position information do convolutional neural networks encode?", 2020), so that any length will do.

    Args:
        heads: of attention; they share `units` out.
        layers: how many there are.
    """

    epochs: int = 15
    heads: int = 4
    layers: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, value in (("heads", self.heads), ("layers", self.layers)):
            check_whole("Transformer", key, value, 1, 64)
        if self.units % self.heads:
            raise PartError(f"Transformer takes units that its heads can share out. Received: units={self.units}, heads={self.heads}")

    def describe(self, seen: Any) -> Any:
        """Return the mean over time of what attention makes of the frames."""
        layers = load_keras().layers
        found = self._projected(seen)
        found = layers.Add(name="placed")([found, layers.Conv1D(self.units, 5, padding="same", name="neighbours")(found)])
        for number in range(self.layers):
            calm = layers.LayerNormalization(name=f"attention_norm{number}")(found)
            told = layers.MultiHeadAttention(self.heads, self.units // self.heads, name=f"attention{number}")(calm, calm)
            found = layers.Add(name=f"told{number}")([found, told])
            calm = layers.LayerNormalization(name=f"dense_norm{number}")(found)
            thought = layers.Dense(2 * self.units, activation="gelu", name=f"wide{number}")(calm)
            found = layers.Add(name=f"thought{number}")([found, layers.Dense(self.units, name=f"narrow{number}")(thought)])
        return layers.GlobalAveragePooling1D(name="time_mean")(layers.LayerNormalization(name="last_norm")(found))

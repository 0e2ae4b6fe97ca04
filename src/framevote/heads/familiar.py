"""How familiar a window is: the largest cosine of its mean embedding with a prototype; as arrays, and as layers in a head's file."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from framevote.engine import load_keras
from framevote.records import FloatArray

if TYPE_CHECKING:
    import keras


def familiarity_of(windows: FloatArray, prototypes: NDArray[np.float32] | None) -> NDArray[np.float64]:
    """Return the familiarity (N,) of windows (N, T, D); NaN without prototypes (D, K)."""
    if prototypes is None or not prototypes.shape[1]:
        return np.full(len(windows), np.nan)
    means = windows.mean(axis=1, dtype=np.float64)
    lengths = np.maximum(np.linalg.norm(means, axis=1), 1e-12)  # as Keras has it
    return np.asarray((means @ prototypes).max(axis=1) / lengths)


def save_head(model: "keras.Model", prototypes: NDArray[np.float32] | None, path: Path) -> None:
    """Write a head's network as a `.keras` file: outputs `probabilities`, and `familiarity` where it has prototypes."""
    keras = load_keras()
    outputs = dict(model.output)
    if prototypes is not None and prototypes.shape[1]:
        layers = keras.layers
        mean = layers.GlobalAveragePooling1D(name="window_mean")(model.input)
        direction = layers.UnitNormalization(dtype="float32", name="direction")(mean)
        nearest = layers.Dense(prototypes.shape[1], use_bias=False, trainable=False, dtype="float32", name="prototypes")
        outputs["familiarity"] = keras.ops.max(nearest(direction), axis=1, keepdims=True)
        nearest.set_weights([prototypes])
    keras.Model(model.input, outputs, name=model.name).save(path)

"""What stands on a backbone: a linear top for the probabilities, and prototypes for the familiarity, as arrays and as Keras layers."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from framevote.engine import load_keras
from framevote.errors import ModelError
from framevote.records import FloatArray
from framevote.records.checking import check, frozen

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class Top:
    """Arrays that turn an embedding (D) into what a model says.

    Attributes:
        kernel: float32 (D, C), with bias (C,): the logits.
        bias: float32 (C,).
        several: whether the probabilities are the logits' sigmoid (several labels), or their softmax.
        prototypes: float32 (D, K), columns of length 1; the familiarity is the largest cosine with one. K may be 0: no familiarity.
    """

    kernel: FloatArray
    bias: FloatArray
    several: bool = False
    prototypes: FloatArray | None = None

    def __post_init__(self) -> None:
        for name in ("kernel", "bias"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float32))
        shapes = (self.kernel.shape, self.bias.shape)
        check(self.kernel.ndim == 2 and self.bias.shape == self.kernel.shape[1:], "Top", "kernel (D, C) and bias (C,)", shapes)
        prototypes = frozen(np.empty((len(self.kernel), 0)) if self.prototypes is None else self.prototypes, np.float32)
        check(prototypes.ndim == 2 and len(prototypes) == len(self.kernel), "Top", "prototypes (D, K)", prototypes.shape)
        object.__setattr__(self, "prototypes", prototypes)

    def __repr__(self) -> str:
        return f"Top({self.kernel.shape[0]} numbers → {self.kernel.shape[1]} labels)"

    def logits(self, embeddings: FloatArray) -> NDArray[np.float64]:
        """Return the logits (N, C) of embeddings (N, D)."""
        return np.asarray(embeddings.astype(np.float64) @ self.kernel + self.bias)

    def probabilities(self, embeddings: FloatArray) -> NDArray[np.float64]:
        """Return the probabilities (N, C) of embeddings (N, D), as the network gives them."""
        logits = self.logits(embeddings)
        if self.several:
            return sigmoid(logits)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def familiarity(self, embeddings: FloatArray) -> NDArray[np.float64]:
        """Return the familiarity (N,) of embeddings (N, D); NaN without prototypes."""
        if self.prototypes is None or not self.prototypes.shape[1]:
            return np.full(len(embeddings), np.nan)
        lengths = np.maximum(np.linalg.norm(embeddings.astype(np.float64), axis=1), 1e-12)  # as Keras has it
        return np.asarray((embeddings @ self.prototypes).max(axis=1) / lengths)

    def with_prototypes(self, prototypes: FloatArray) -> "Top":
        """Return the same top with prototypes (D, K)."""
        return replace(self, prototypes=prototypes.astype(np.float32))

    def save(self, path: Path) -> None:
        """Write the arrays to a `.npz` file."""
        np.savez(path, kernel=self.kernel, bias=self.bias, several=self.several, prototypes=np.asarray(self.prototypes))

    @classmethod
    def load(cls, path: Path | BinaryIO) -> "Top":
        """Return what `save` wrote."""
        with np.load(path, allow_pickle=False) as held:
            return cls(held["kernel"], held["bias"], bool(held["several"]), held["prototypes"])


def sigmoid(logits: FloatArray) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(−logits)), however large these are."""
    return np.asarray(np.exp(-np.logaddexp(0, -logits.astype(np.float64))))


def cooled(top: Top, temperature: float) -> Top:
    """Return a top whose probabilities are at a temperature already."""
    return replace(top, kernel=top.kernel / np.float32(temperature), bias=top.bias / np.float32(temperature))


def embedding_of(model: "keras.Model") -> Any:
    """Return the tensor of a model's embedding: its output of that name, or its only one.

    Raises:
        ModelError: it has other outputs.
    """
    given = model.output
    if isinstance(given, dict) and "embedding" in given:
        return given["embedding"]
    if isinstance(given, dict | list | tuple):
        raise ModelError(
            f"A model that is put under a head has one output, or one called embedding. Received: {', '.join(model.output_names)}."
        )
    return given


def embedding_model(model: "keras.Model") -> "keras.Model":
    """Return a model as one whose only output is called `embedding`."""
    keras = load_keras()

    return keras.Model(model.input, {"embedding": embedding_of(model)}, name=model.name)


def crowned(model: "keras.Model", top: Top) -> "keras.Model":
    """Return a model with the top on its embedding: outputs `probabilities`, `embedding`, and `familiarity` where it has prototypes."""
    keras = load_keras()

    embedding = embedding_of(model)
    activation = "sigmoid" if top.several else "softmax"
    dense = keras.layers.Dense(len(top.bias), activation=activation, dtype="float32", name="predictions")
    outputs = {"probabilities": dense(embedding), "embedding": embedding}
    dense.set_weights([top.kernel, top.bias])
    prototypes = np.asarray(top.prototypes)
    if prototypes.shape[1]:
        nearest = keras.layers.Dense(prototypes.shape[1], use_bias=False, trainable=False, dtype="float32", name="prototypes")
        cosines = nearest(keras.layers.UnitNormalization(dtype="float32", name="direction")(embedding))
        nearest.set_weights([prototypes])
        outputs["familiarity"] = keras.ops.max(cosines, axis=1, keepdims=True)
    return keras.Model(model.input, outputs, name=model.name)

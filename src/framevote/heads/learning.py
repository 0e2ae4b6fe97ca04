"""How a temporal head learns: one network, built and compiled once for all folds, and set back before each."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from framevote.engine import load_keras
from framevote.errors import ModelError
from framevote.heads.familiar import familiarity_of, save_head
from framevote.records import FloatArray

if TYPE_CHECKING:
    import keras

_BATCH = 64  # at most; of few windows fewer, so that an epoch has some steps
_LEAST_BATCH = 8
_STEPS = 5
_PREDICT = 256
_DECAY = 0.01  # AdamW's
_SMOOTHING = 0.1  # of the labels (Szegedy et al., 2016): few clips, and people who are new
_WARM = 0.1  # share of the epochs in which the rate rises


class Learner(Hashable, Protocol):
    """A head whose network learns: see `framevote.heads.TemporalHead`."""

    @property
    def epochs(self) -> int:
        """Rounds through the data."""

    @property
    def rate(self) -> float:
        """The highest learning rate."""

    def network(self, size: int, classes: int, several: bool) -> "keras.Model":
        """Return the network, new."""


@dataclass(frozen=True, eq=False)
class Course:
    """What is learned from: windows (R, T, D), targets (R, C), weights (R,); see `Head`."""

    values: FloatArray
    targets: NDArray[np.bool_]
    weights: FloatArray
    several: bool
    seed: int


@dataclass(frozen=True, eq=False)
class FittedWindows:
    """A temporal head that was fitted.

    Attributes:
        head: the part.
        size: numbers of an embedding.
        classes: how many labels.
        several: whether a window may have more than one, or none.
        weights: of its network, as Keras lists them.
        prototypes: float32 (D, K), by which familiarity is measured: the largest cosine of the window's mean embedding with one.
    """

    head: Learner
    size: int
    classes: int
    several: bool
    weights: tuple[NDArray[Any], ...]
    prototypes: NDArray[np.float32] | None = None

    def probabilities(self, embeddings: FloatArray) -> NDArray[np.float64]:
        """Return the probabilities (N, C) of windows (N, T, D)."""
        if not len(embeddings):
            return np.empty((0, self.classes))
        workshop = _workshop(self.head, self.size, self.classes, self.several)
        workshop.model.set_weights(self.weights)
        plain = load_keras().ops.convert_to_numpy  # torch's answers know how they came about, and NumPy takes none such
        answers = [
            plain(workshop.model(embeddings[at : at + _PREDICT], training=False)["probabilities"])
            for at in range(0, len(embeddings), _PREDICT)
        ]
        return np.concatenate(answers).astype(np.float64)

    def familiarity(self, embeddings: FloatArray) -> NDArray[np.float64]:
        """Return the familiarity (N,) of windows (N, T, D); NaN without prototypes."""
        return familiarity_of(embeddings, self.prototypes)

    def with_prototypes(self, prototypes: FloatArray) -> "FittedWindows":
        """Return the same with prototypes (D, K)."""
        return replace(self, prototypes=prototypes.astype(np.float32))

    def save(self, path: Path) -> None:
        """Write its network as a `.keras` file: outputs `probabilities`, and `familiarity` where it has prototypes."""
        model = self.head.network(self.size, self.classes, self.several)
        model.set_weights(self.weights)
        save_head(model, self.prototypes, path)


def learned(head: Learner, course: Course) -> FittedWindows:
    """Return a head fitted to windows.

    Raises:
        ModelError: what it learned are no numbers.
    """
    size, classes = course.values.shape[2], course.targets.shape[1]
    workshop = _workshop(head, size, classes, course.several)
    weights = workshop.fit(course)
    return FittedWindows(head, size, classes, course.several, weights)


class _Workshop:
    """A head's network, compiled; each course begins where the first began."""

    def __init__(self, head: Learner, size: int, classes: int, several: bool) -> None:
        keras = load_keras()
        self.head, self._shape = head, (size, classes, several)
        self.model: Any = head.network(*self._shape)
        seen = self.model.get_layer("seen").output
        self._eye = keras.Model(self.model.input, seen)
        self._mind = keras.Model(seen, self.model.output)
        losses = keras.losses
        loss = losses.BinaryCrossentropy() if several else losses.CategoricalCrossentropy(label_smoothing=_SMOOTHING)
        # XLA takes seconds to compile for TensorFlow, and on a processor such small networks are no faster for it.
        compiled = False if keras.backend.backend() == "tensorflow" else "auto"
        optimizer = keras.optimizers.AdamW(head.rate, weight_decay=_DECAY)
        self._mind.compile(optimizer, loss={"probabilities": loss}, jit_compile=compiled)
        self._mind.optimizer.build(self._mind.trainable_variables)

    def fit(self, course: Course) -> tuple[NDArray[Any], ...]:
        """Return the weights that a course ends with."""
        self._set_back(course.seed)
        self.model.get_layer("standard").set_weights(_standard(course.values))
        seen, targets = self._looked(course.values), course.targets.astype(np.float32)
        weighed = (course.weights / course.weights.mean()).astype(np.float32)
        size, random = min(max(len(seen) // _STEPS, _LEAST_BATCH), _BATCH), np.random.default_rng(course.seed)
        for epoch in range(self.head.epochs):
            self._mind.optimizer.learning_rate.assign(self._rate(epoch))
            order = random.permutation(len(seen))
            for own in np.split(order, range(size, len(order), size)):
                # Keras's fit takes a fifth longer: so small a network is done before its pipeline has the next batch.
                self._mind.train_on_batch(seen[own], {"probabilities": targets[own]}, sample_weight={"probabilities": weighed[own]})
        weights = tuple(self.model.get_weights())
        if not all(np.isfinite(array).all() for array in weights):
            raise ModelError(f"{self.head} did not learn: its weights are no numbers. Give a smaller rate.")
        return weights

    def _looked(self, values: FloatArray) -> NDArray[np.float32]:
        """Return what the head sees of windows: computed once, since no epoch changes it."""
        blocks = range(0, len(values), _PREDICT)
        plain = load_keras().ops.convert_to_numpy
        return np.concatenate([plain(self._eye(values[at : at + _PREDICT], training=False)) for at in blocks])

    def _set_back(self, seed: int) -> None:
        """Draw new weights, and forget what the optimiser remembers."""
        keras = load_keras()
        keras.utils.set_random_seed(seed)
        fresh = self.head.network(*self._shape)
        for own, new in zip(self.model.variables, fresh.variables, strict=True):
            own.assign(new.value)
        for variable in self._mind.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable.value))

    def _rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch: it rises, and falls along a cosine (Loshchilov and Hutter, 2017)."""
        done = (epoch + 0.5) / self.head.epochs
        share = done / _WARM if done < _WARM else 0.5 * (1 + np.cos(np.pi * (done - _WARM) / (1 - _WARM)))
        return float(self.head.rate * share)


def _standard(values: FloatArray) -> list[NDArray[np.float64]]:
    """Return the mean (D,) of each number over windows (N, T, D), and one variance for all, (D,).

    One for all, since numbers that hardly vary are mostly noise: each by its own, they would count as much as the others.
    """
    flat = values.reshape(-1, values.shape[2])
    variance = float(flat.var(axis=0, dtype=np.float64).mean())
    return [flat.mean(axis=0, dtype=np.float64), np.full(flat.shape[1], variance or 1.0)]


@lru_cache(maxsize=1)
def _workshop(head: Learner, size: int, classes: int, several: bool) -> _Workshop:
    """Return the workshop of a head; the last one is kept, since folds follow one another and compiling takes seconds."""
    return _Workshop(head, size, classes, several)

"""Epoch after epoch: learn, look at the validation side, keep what it takes to go on, and stop where nothing is gained any more."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from framevote.engine import load_keras
from framevote.errors import ModelError
from framevote.training.feeding import Batch, Samples, ahead, in_order
from framevote.training.logs import Arrays, Board, Epoch, RunFolder, kept

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Step:
    """How far the learning came; told after each batch.

    Attributes:
        epoch, epochs: the epoch, from 1 on, of how many at most.
        batch, batches: the batch, from 1 on, of how many.
        loss, accuracy: the mean of this epoch's batches so far.
        validation_loss, validation_accuracy: those of the epoch before.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float


Progress = Callable[[Step], None]


@dataclass(frozen=True, eq=False)
class Course:
    """What is learned, from what, and for how long.

    Attributes:
        model: compiled, with a metric `accuracy`.
        feed: gives the batches of an epoch.
        batches: how many these are.
        validation: as the model takes them.
        size: samples of a validation batch.
        epochs: at most.
        patience: how many epochs without a smaller validation loss end it.
        rate: as it was asked for, to name it where it proves too high.
    """

    model: "keras.Model"
    feed: Callable[[int], Iterator[Batch]]
    batches: int
    validation: Samples
    size: int
    epochs: int
    patience: int
    rate: float


def learn(course: Course, run: RunFolder, progress: Progress | None = None) -> None:
    """Train, or go on where the run was cut off, and leave the model with the weights of the epoch of the smallest validation loss.

    A run that has ended is not trained again: its weights are given anew.

    Raises:
        ModelError: the loss is no number any more; the run is discarded, and its folder free for another.
        OutputError: the run cannot be written down; what was before stays.
    """
    model = course.model
    model.optimizer.build(model.trainable_variables)
    history, arrays = run.read()
    if history:
        _set(model, arrays)
        best = {name: array for name, array in arrays.items() if name.startswith("best")}
    else:
        history = [Epoch(0, None, None, *_validated(course), rate=0.0, seconds=0.0)]
        best = _weights(model, "best")
    board = Board(run.path, history)
    try:
        while not _ended(history, course):
            history.append(_discarding(run, lambda: _epoch(course, history[-1], progress)))
            best = _weights(model, "best") if kept(history) is history[-1] else best
            run.write(history, {**_state(model), **best})
            board.add(history[-1])
    finally:
        board.close()
    run.draw(history)
    _restore(model, best, "best")


def _ended(history: list[Epoch], course: Course) -> bool:
    last = history[-1].epoch
    return last >= course.epochs or last - kept(history).epoch >= course.patience


def _discarding(run: RunFolder, epoch: Callable[[], Epoch]) -> Epoch:
    try:
        return epoch()
    except ModelError:
        run.discard()
        raise


class _Mean:
    """Loss and accuracy over the batches so far: Keras tells them of each batch alone."""

    def __init__(self) -> None:
        self._sums, self._counts = [0.0, 0.0], [0.0, 0.0]

    def add(self, told: Mapping[str, Any], weights: NDArray[np.float32]) -> None:
        for place, (name, count) in enumerate((("loss", len(weights)), ("accuracy", float(weights.sum())))):
            self._sums[place] += float(told[name]) * count
            self._counts[place] += count

    @property
    def values(self) -> tuple[float, float]:
        """Loss, which Keras divides by a batch's samples, and accuracy, which it divides by their weights."""
        return self._sums[0] / self._counts[0], self._sums[1] / self._counts[1]


def _epoch(course: Course, before: Epoch, progress: Progress | None) -> Epoch:
    begun, number, mean = time.perf_counter(), before.epoch + 1, _Mean()
    for place, batch in enumerate(ahead(course.feed(number)), 1):
        told = course.model.train_on_batch(batch.values, batch.targets, batch.weights, return_dict=True)
        mean.add(told, batch.weights)
        if not math.isfinite(mean.values[0]):
            raise ModelError(
                f"The loss is no number any more in epoch {number}, batch {place}: the learning rate may be too high. "
                f"Received: rate={course.rate:g}. Give a smaller one, such as rate={course.rate / 10:g}; the run is discarded."
            )
        if progress:
            progress(Step(number, course.epochs, place, course.batches, *mean.values, before.validation_loss, before.validation_accuracy))
    rate = float(course.model.optimizer.learning_rate)
    made = Epoch(number, *mean.values, *_validated(course), rate=rate, seconds=0.0)
    return replace(made, seconds=round(time.perf_counter() - begun, 3))


def _validated(course: Course) -> tuple[float, float]:
    """Return loss and accuracy of the validation samples."""
    side, mean = course.validation, _Mean()
    for rows in in_order(len(side), course.size):
        mean.add(
            course.model.test_on_batch(side.values[rows], side.targets[rows], side.weights[rows], return_dict=True), side.weights[rows]
        )
    return mean.values


def _state(model: "keras.Model") -> Arrays:
    """Return all that changes in training: weights, the states of dropout, and the optimiser's."""
    optimizer = {f"optimizer{n}": _array(v) for n, v in enumerate(model.optimizer.variables)}
    return {**_weights(model, "weight"), **optimizer}


def _set(model: "keras.Model", arrays: Arrays) -> None:
    _restore(model, arrays, "weight")
    for number, variable in enumerate(model.optimizer.variables):
        variable.assign(arrays[f"optimizer{number}"])


def _weights(model: "keras.Model", prefix: str) -> Arrays:
    return {f"{prefix}{n}": _array(v) for n, v in enumerate(_variables(model))}


def _restore(model: "keras.Model", arrays: Arrays, prefix: str) -> None:
    for number, variable in enumerate(_variables(model)):
        variable.assign(arrays[f"{prefix}{number}"])


def _variables(model: "keras.Model") -> list[Any]:
    return [*model.trainable_variables, *model.non_trainable_variables]


def _array(variable: Any) -> Any:
    keras = load_keras()

    return keras.ops.convert_to_numpy(variable.value).copy()

"""The work of an export, in a TensorFlow process of its own: load, write, run in the target's runtime, compare with Keras."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from framevote.engine import load_keras
from framevote.errors import ModelError
from framevote.targets.networks import WRITTEN, Network, Order, Written, save_answer
from framevote.targets.runtimes import RUNTIMES, Batch, Opened
from framevote.targets.table import TARGETS
from framevote.targets.tempering import tempered_network
from framevote.targets.writing import WRITERS
from framevote.tensorflow_process import telling

if TYPE_CHECKING:
    import keras

TOLERANCE = 1e-4
"""The most that a runtime may differ from Keras, over max(1, the largest number)."""

_BATCHES = (1, 3)
_MOST_REASON = 300  # signs of what a converter says


def main(arguments: list[str] | None = None) -> None:
    """Carry out the order that lies in a folder (in the TensorFlow process)."""
    parser = argparse.ArgumentParser(prog="python -m framevote.targets.process", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    with telling(folder):
        carry_out(folder)


def carry_out(folder: Path) -> None:
    """Write every network of the order into the folder, and the answer beside them."""
    order = Order.load(folder)
    (folder / WRITTEN).mkdir()
    networks = [replace(network, keras=str(folder / network.keras), graph=str(folder / network.graph)) for network in order.networks]
    save_answer(folder, [_written(order, network, folder / WRITTEN) for network in networks])


def _written(order: Order, network: Network, folder: Path) -> Written:
    """Write a network, and compare it."""
    model = load_keras().models.load_model(network.keras, compile=False, safe_mode=True)
    model = tempered_network(model, network.temperature)
    opened = _opened(order.target, model, network, folder)
    difference = max(compare(order.target, model, opened, batch) for batch in _batches(model, order.lengths))
    return Written(network.name, opened.inputs, opened.outputs, difference)


def _opened(target: str, model: "keras.Model", network: Network, folder: Path) -> Opened:
    """Write a network, and open it in its runtime, which may be the first to say that something is lacking."""
    path = folder / f"{network.name}{TARGETS[target].suffix}"
    try:
        WRITERS[target](model, network, path)
        return RUNTIMES[target](path)
    except ModelError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = next((line for line in lines if "error:" in line.lower()), lines[0] if lines else type(error).__name__)[:_MOST_REASON]
        raise ModelError(
            f"The network {network.name!r} ({model.name}) cannot be written for {target}, which lacks something that it has ({reason}). "
            "Choose another target."
        ) from error


def _batches(model: "keras.Model", lengths: tuple[int, int]) -> Iterator[Batch]:
    """Yield made inputs: of two sizes, and of two lengths where that is free."""
    (given,) = model.inputs
    for size in _BATCHES:
        for length in lengths if None in given.shape[1:] else lengths[:1]:
            shape = (size, *(length if axis is None else axis for axis in given.shape[1:]))
            random = np.random.default_rng((size, length))
            pictures = given.dtype == "uint8"
            yield random.integers(0, 256, shape, dtype=np.uint8) if pictures else random.normal(0, 1, shape).astype(np.float32)


def compare(target: str, model: "keras.Model", opened: Opened, batch: Batch) -> float:
    """Return how far a runtime's answers are from Keras's, over max(1, the largest number).

    Raises:
        ModelError: further than the tolerance, other outputs than Keras's, or answers that are no numbers.
    """
    expected = {name: np.asarray(values) for name, values in model(batch, training=False).items()}
    received = opened.run(batch)
    given = {name: values.shape for name, values in received.items()}
    if given != {name: values.shape for name, values in expected.items()}:
        raise ModelError(f"The network {model.name} as {target} gives {given}. Expected what Keras gives: {', '.join(expected)}.")
    largest = 0.0
    for name, values in expected.items():
        if not np.isfinite(values).all():
            raise ModelError(f"The network {model.name} gives answers that are no numbers ({name}): its weights are damaged.")
        distance = float(np.abs(values - received[name]).max() / max(1.0, float(np.abs(values).max())))
        if not distance <= TOLERANCE:  # not a number is no answer either
            raise ModelError(
                f"{target} and Keras differ by {distance:.2g} in {name} of {model.name} on inputs {batch.shape}; expected at most "
                f"{TOLERANCE}. The network is not written; choose another target."
            )
        largest = max(largest, distance)
    return largest


if __name__ == "__main__":
    main()

"""The backbone's last grid, pooled by region: where something is, beside what it is. This module imports Keras."""

from collections.abc import Iterator
from typing import Any

import keras

from framevote.errors import PartError


def regional(model: keras.Model, cells: int, name: str) -> keras.Model:
    """Return a network that gives the means of cells × cells regions of the last grid, (N, cells × cells × channels).

    The grid is the narrowest through which everything flows at the network's last resolution: in EfficientNets the bottleneck before
    the last convolutions, which has a tenth of their channels and has forgotten less of where things are.

    Raises:
        PartError: the network has no such grid, or a smaller one.
    """
    grid = _grid(model, name)
    side = min(grid.shape[1], grid.shape[2])
    if side < cells:
        raise PartError(f"The last grid of {name} is {grid.shape[1]}×{grid.shape[2]}. Received: regions={cells}; give {side} or fewer.")
    steps = tuple(length // cells for length in grid.shape[1:3])
    # The cells overlap by what is left over, so that all of the grid counts.
    sizes = tuple(length - (cells - 1) * step for length, step in zip(grid.shape[1:3], steps, strict=True))
    pooled = keras.layers.AveragePooling2D(sizes, steps, name="regions")(grid)
    return keras.Model(model.input, keras.layers.Flatten(name="by_region")(pooled), name=model.name)


def _grid(model: keras.Model, name: str) -> Any:
    grids = [tensor for tensor in _narrows(model) if len(tensor.shape) == 4 and tensor.shape[1]]
    if not grids:
        raise PartError(f"{name} has no grid of activations that could be pooled by region. Give the head regions=0.")
    last = [grid for grid in grids if grid.shape[1:3] == grids[-1].shape[1:3]]
    least = min(grid.shape[3] for grid in last)
    return [grid for grid in last if grid.shape[3] == least][-1]


def _narrows(model: keras.Model) -> Iterator[Any]:
    """Yield the tensors through which everything flows from a network's input to its output, in order."""
    place = {layer.name: number for number, layer in enumerate(model.layers)}
    reach = [0] * len(place)  # of each layer: the last that takes what it gives
    for layer in model.layers:
        for tensor in _inputs(layer):
            giver = place.get(tensor._keras_history.operation.name)
            if giver is not None:
                reach[giver] = max(reach[giver], place[layer.name])
    open_until = 0
    for number, layer in enumerate(model.layers):
        # Nothing that was given earlier is taken later than here: all goes through this one.
        if number and open_until <= number:
            yield layer.output
        open_until = max(open_until, reach[number])


def _inputs(layer: Any) -> list[Any]:
    try:
        given = layer.input
    except AttributeError:  # an input of the network's own
        return []
    return list(given) if isinstance(given, list | tuple) else [given]

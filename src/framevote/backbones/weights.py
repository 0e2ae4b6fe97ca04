"""Weights for a model that is built: from files that Keras wrote, old and new, and from PyTorch checkpoints.

What does not fit is told with the layer and both shapes, before anything in the model is changed.
This module imports Keras: it is loaded when a model is built.
"""

import contextlib
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from framevote.backbones.backbone import Backbone
from framevote.backbones.checkpoint import read_checkpoint
from framevote.backbones.pictures import TORCH_DEVIATION
from framevote.backbones.table import weights_folder
from framevote.errors import ModelError, missing_extra

TORCH_SUFFIXES = (".pth", ".pt")
_ROUNDING = 1e-3

Tensors = dict[str, NDArray[Any]]


class Given(NamedTuple):
    """One layer's weights in a file."""

    name: str
    arrays: list[NDArray[Any]]


FromTorch = Callable[[Tensors], Iterator[Given]]


def fetched(backbone: Backbone, file: str, build: Callable[[], keras.Model]) -> keras.Model:
    """Return what `build` builds with ImageNet's weights, which Keras fetches where they are not here yet.

    Args:
        backbone: for the sentence where they cannot be had.
        file: how Keras calls the file.
        build: builds the model, with Keras's own download.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Keras tells there of its download; stdout is for results
            return build()
    except Exception as error:  # whatever the network, the disk and Keras raise
        path = weights_folder() / file
        state = "do not fit, or are not the file that Keras expects" if path.exists() else "are not on this machine"
        raise ModelError(
            f"The ImageNet weights of {backbone.name} {state}, and fetching them failed ({_told(error)}). "
            f"Put the file {file} into {path.parent}, or give a file of your own: {backbone.name}(weights='FILE')."
        ) from error


def load_weights(model: keras.Model, file: str | Path, from_torch: FromTorch | None = None) -> None:
    """Give a model the weights of a file; a top that the file has beyond the model's layers is left out.

    Args:
        model: with random weights, which are not changed unless all fits.
        file: `.h5` from before Keras 3, `.weights.h5`, `.keras`, or a PyTorch checkpoint (`.pth`, `.pt`).
        from_torch: turns a PyTorch checkpoint's tensors into layers' weights, where the network's names there are known.

    Raises:
        ModelError: the file cannot be read or does not fit.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise ModelError(f"There is no file {path} with weights of {model.name}. Expected a file, 'imagenet' or None.")
    if path.suffix.lower() in TORCH_SUFFIXES:
        _load_torch(model, path, from_torch)
    elif (layers := _legacy_layers(path)) is not None:
        _assign(model, path, _paired(model, path, layers))
    else:
        _load_keras(model, path)


def mend_deviation(model: keras.Model) -> None:
    """Square the variance that ImageNet's EfficientNet files hold: by a mistake at its source it is the deviation.

    Keras mends it by one more layer, and only where it fetches such a file itself; the same file given by name needs it too.
    """
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            mean, variance, count = layer.get_weights()
            if variance.shape == (3,) and np.abs(variance - TORCH_DEVIATION).max() < _ROUNDING:
                layer.set_weights([mean, variance**2, count])
                layer.finalize_state()


def _load_torch(model: keras.Model, path: Path, from_torch: FromTorch | None) -> None:
    if from_torch is None:
        raise ModelError(f"The weights {path} are a PyTorch checkpoint, and {model.name} takes files of Keras. Expected .h5 or .keras.")
    tensors = read_checkpoint(path)
    try:
        given = list(from_torch(tensors))
    except KeyError as error:
        raise ModelError(f"The checkpoint {path.name} has no tensor {error}, which {model.name} needs.") from None
    _assign(model, path, [(model.get_layer(layer.name), layer) for layer in given])


def _load_keras(model: keras.Model, path: Path) -> None:
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            model.load_weights(path)
        said = [str(warning.message) for warning in heard if "freshly-initialized" in str(warning.message)]
        if said:  # Keras goes on with random weights where a file lacks some
            raise ValueError(said[0])
    except Exception as error:  # Keras raises what its storage raises
        raise ModelError(
            f"The weights {path} do not fit {model.name}, or cannot be read: {_told(error)} Expected a file for this network: "
            ".weights.h5 or .keras, or an .h5 of older Keras."
        ) from error


def _legacy_layers(path: Path) -> list[Given] | None:
    """Return the layers that have weights, in the file's order, of an .h5 file from before Keras 3; None if it is none."""
    try:
        import h5py  # type: ignore[import-untyped]  # noqa: PLC0415 - heavy; Keras brings it
    except ImportError:
        raise missing_extra("h5py", "train", "Reading .h5 weights") from None
    if zipfile.is_zipfile(path) or not h5py.is_hdf5(path):
        return None
    try:
        with h5py.File(path) as file:
            group = file.get("model_weights", file)  # a whole model has them there
            if not _listed(group, "layer_names"):
                return None
            return [layer for name in _listed(group, "layer_names") if (layer := _layer(group, name)).arrays]
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise ModelError(f"The weights {path} are damaged: {_told(error)} Expected an .h5 file as Keras writes it.") from error


def _layer(group: Any, name: str) -> Given:
    arrays = [np.asarray(group[name][weight]) for weight in _listed(group[name], "weight_names")]
    return Given(name.replace("/", "_"), arrays)  # Keras 3 has no slash in a layer's name


def _listed(group: Any, key: str) -> list[str]:
    """Return a list of names that hangs on a group; long ones are cut into key0, key1 and so on, as HDF5 allows 64 KB each."""
    pieces = [key] if key in group.attrs else []
    while f"{key}{len(pieces)}" in group.attrs:
        pieces.append(f"{key}{len(pieces)}")
    names = [name for piece in pieces for name in group.attrs[piece]]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _paired(model: keras.Model, path: Path, given: list[Given]) -> list[tuple[Any, Given]]:
    """Pair layers with the file's: by name where the file has all of them, else in order, as Keras does (names count up by themselves)."""
    wanted = [layer for layer in model.layers if layer.weights]
    by_name = {layer.name: layer for layer in given}
    if all(layer.name in by_name for layer in wanted):
        return [(layer, by_name[layer.name]) for layer in wanted]
    if len(wanted) > len(given):
        raise ModelError(
            f"The weights {path} do not fit {model.name}: they are for {len(given)} layers, the network has {len(wanted)} with weights."
        )
    return list(zip(wanted, given, strict=False))  # what is left over is the top


def _assign(model: keras.Model, path: Path, pairs: list[tuple[Any, Given]]) -> None:
    for layer, given in pairs:
        expected, received = ([tuple(array.shape) for array in arrays] for arrays in (_variables(layer), given.arrays))
        if expected != received:
            raise ModelError(
                f"The weights {path} do not fit {model.name}: its layer {layer.name} takes {_shapes(expected)}; "
                f"the file has {_shapes(received)} in {given.name}."
            )
    for layer, given in pairs:
        for variable, array in zip(_variables(layer), given.arrays, strict=True):
            variable.assign(array)
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it works from a copy


def _variables(layer: Any) -> list[Any]:
    """Return a layer's variables in the order of Keras's old files."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _shapes(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join("×".join(map(str, shape)) or "one number" for shape in shapes)


def _told(error: Exception) -> str:
    """Return what a library said first, on one line; not the list of all layers, which Keras adds."""
    lines = [line.strip() for line in str(error).partition("List of objects that")[0].splitlines() if line.strip()]
    text = " ".join(lines) or type(error).__name__
    return text if len(text) <= 400 else f"{text[:399]}…"

"""SqueezeNet 1.1 in Keras: AlexNet's accuracy with fifty times fewer parameters.

Source: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", 2016; version 1.1 is
its authors' own. Layers bear the names of the original, with `_` for its `/`. The embedding is the mean of fire9's 512 maps.
This module imports Keras: `framevote.backbones` loads it when a model is built.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from framevote.backbones.backbone import Backbone
from framevote.backbones.pictures import CAFFE_MEAN, TORCH_DEVIATION, TORCH_MEAN, pictures_of, prepared
from framevote.backbones.weights import Given, Tensors, load_weights

SQUEEZED = {
    2: 16,
    3: 16,
    4: 32,
    5: 32,
    6: 48,
    7: 48,
    8: 64,
    9: 64,
}  # maps that a fire module squeezes to; it expands to eight times as many
_POOLED_BEFORE = (2, 4, 6)
_TORCH_PLACES = dict(zip(SQUEEZED, (3, 4, 6, 7, 9, 10, 11, 12), strict=True))


def squeezenet(backbone: Backbone) -> keras.Model:
    """Return SqueezeNet 1.1 up to its embedding (N, 512), with the backbone's weights.

    Raises:
        ModelError: the weights cannot be read or do not fit.
    """
    pictures = pictures_of(backbone)
    x = prepared(pictures, "caffe")  # as its authors trained it
    x = keras.layers.Conv2D(64, 3, strides=2, activation="relu", name="conv1")(x)
    for number, squeezed in SQUEEZED.items():
        if number in _POOLED_BEFORE:
            x = keras.layers.MaxPooling2D(3, strides=2, name=f"pool{max(number - 1, 1)}")(x)
        x = _fire(x, f"fire{number}", squeezed)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    model = keras.Model(pictures, x, name="squeezenet")
    if backbone.weights:
        load_weights(model, backbone.weights, _from_torch)
    return model


def _fire(x: Any, name: str, squeezed: int) -> Any:
    """Squeeze to few maps by 1×1, then expand by 1×1 and 3×3 side by side."""
    convolve = partial(keras.layers.Conv2D, activation="relu", padding="same")
    x = convolve(squeezed, 1, name=f"{name}_squeeze1x1")(x)
    sides = [convolve(4 * squeezed, size, name=f"{name}_expand{size}x{size}")(x) for size in (1, 3)]
    return keras.layers.Concatenate(name=f"{name}_concat")(sides)


def _from_torch(tensors: Tensors) -> Iterator[Given]:
    """Yield each layer's weights from a checkpoint with the names that torchvision gives SqueezeNet 1.1."""
    yield Given("conv1", _as_caffe_sees(_kernel(tensors, "features.0"), tensors["features.0.bias"]))
    for number, place in _TORCH_PLACES.items():
        for theirs, ours in (("squeeze", "squeeze1x1"), ("expand1x1", "expand1x1"), ("expand3x3", "expand3x3")):
            prefix = f"features.{place}.{theirs}"
            yield Given(f"fire{number}_{ours}", [_kernel(tensors, prefix), tensors[f"{prefix}.bias"]])


def _kernel(tensors: Tensors, prefix: str) -> NDArray[Any]:
    return np.transpose(tensors[f"{prefix}.weight"], (2, 3, 1, 0))


def _as_caffe_sees(kernel: NDArray[Any], bias: NDArray[Any]) -> list[NDArray[Any]]:
    """Return a first convolution that was trained on torch's pictures for caffe's: the same numbers come out, to the last digit or two.

    It has no padding, so that the other scale and mean can be put into kernel and bias.
    """
    deviation, mean, other = (np.array(values, np.float64) for values in (TORCH_DEVIATION, TORCH_MEAN, CAFFE_MEAN))
    scaled = kernel / (255 * deviation)[:, None]
    shift = (kernel * ((other / 255 - mean) / deviation)[:, None]).sum(axis=(0, 1, 2))
    return [scaled[:, :, ::-1], bias + shift]

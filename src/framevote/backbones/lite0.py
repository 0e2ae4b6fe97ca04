"""EfficientNet-Lite0 in Keras: EfficientNet-B0 without squeeze-and-excitation and with ReLU6 for swish.

Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, and the Lite
variants that its authors released in 2020. Layers bear the names that `keras.applications` gives EfficientNet's.
This module imports Keras: `framevote.backbones` loads it when a model is built.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from framevote.backbones.imagenet import lite0_weights
from framevote.backbones.weights import Given, Tensors, load_weights
from framevote.errors import UsageError

NAME = "efficientnet_lite0"
SIZE = 224
EMBEDDING = 1280
CLASSES = 1000


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expand: int
    filters: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


def efficientnet_lite0(
    include_top: bool = True,
    weights: str | Path | None = "imagenet",
    classes: int = CLASSES,
    pooling: Literal["avg"] | None = None,
    input_shape: tuple[int | None, int | None, int] = (SIZE, SIZE, 3),
) -> keras.Model:
    """Return EfficientNet-Lite0 as a functional Keras model that takes uint8 RGB pictures as they are (N, 224, 224, 3).

    Args:
        include_top: end in class probabilities (N, classes); without, in the feature map, or in its mean with pooling="avg".
        weights: "imagenet", None for random ones, or a file: of Keras, or a checkpoint like the package's.
        classes: the number of classes of the top; ImageNet's weights have 1000.
        pooling: "avg" ends a model without top in the embedding (N, 1280).
        input_shape: (height, width, 3) of the pictures.

    Raises:
        UsageError: classes that the weights do not have.
        ModelError: weights that cannot be read or do not fit.
        MissingExtra: the package with ImageNet's weights is absent.
    """
    if include_top and weights == "imagenet" and classes != CLASSES:
        raise UsageError(
            f"The ImageNet weights have {CLASSES} classes. Received: classes={classes}. Give include_top=False or weights=None."
        )
    pictures = keras.Input(input_shape, dtype="uint8", name="image")
    x = _features(pictures)
    if include_top or pooling == "avg":
        x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if include_top:
        x = keras.layers.Dropout(0.2, name="top_dropout")(x)
        x = keras.layers.Dense(classes, activation="softmax", name="predictions")(x)
    model = keras.Model(pictures, x, name=NAME)
    if weights is not None:
        _load(model, weights)
    return model


def _features(pictures: Any) -> Any:
    """Return the feature map of uint8 pictures: stem, sixteen inverted residual blocks, top convolution."""
    x = keras.layers.Rescaling(1 / 128, offset=-127 / 128, name="rescaling")(pictures)
    x = _convolve(x, "stem_conv", 32, kernel=3, stride=2)
    x = keras.layers.ReLU(6.0, name="stem_activation")(x)
    for name, stage, first in _blocks():
        x = _block(x, name, stage, stage.stride if first else 1)
    x = _convolve(x, "top_conv", EMBEDDING, kernel=1)
    return keras.layers.ReLU(6.0, name="top_activation")(x)


def _blocks() -> Iterator[tuple[str, _Stage, bool]]:
    """Yield each block's name (block1a, block2a, block2b, …), its stage and whether it opens the stage."""
    for number, stage in enumerate(_STAGES, 1):
        for repeat in range(stage.repeats):
            yield f"block{number}{chr(ord('a') + repeat)}", stage, repeat == 0


def _block(x: Any, name: str, stage: _Stage, stride: int) -> Any:
    """Inverted residual: expand by 1×1, filter each channel, project by 1×1, add the input where the shape stays."""
    given, channels = x, x.shape[-1]
    if stage.expand > 1:
        x = _convolve(x, f"{name}_expand_conv", channels * stage.expand, kernel=1)
        x = keras.layers.ReLU(6.0, name=f"{name}_expand_activation")(x)
    x = keras.layers.DepthwiseConv2D(stage.kernel, stride, padding="same", use_bias=False, name=f"{name}_dwconv")(x)
    x = _normalise(x, f"{name}_bn")
    x = keras.layers.ReLU(6.0, name=f"{name}_activation")(x)
    x = _convolve(x, f"{name}_project_conv", stage.filters, kernel=1)
    return keras.layers.Add(name=f"{name}_add")([x, given]) if stride == 1 and channels == stage.filters else x


def _convolve(x: Any, name: str, filters: int, kernel: int, stride: int = 1) -> Any:
    x = keras.layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)
    return _normalise(x, f"{name.removesuffix('conv')}bn")


def _normalise(x: Any, name: str) -> Any:
    return keras.layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=name)(x)


def _load(model: keras.Model, weights: str | Path) -> None:
    load_weights(model, lite0_weights() if weights == "imagenet" else weights, partial(_from_torch, model))


def _from_torch(model: keras.Model, tensors: Tensors) -> Iterator[Given]:
    """Yield each layer's weights from a checkpoint with the names of Lite0's packages for PyTorch."""
    present = {layer.name for layer in model.layers}
    for name, prefix in _torch_names():
        if name in present:
            yield Given(name, _layer_weights(name, prefix, tensors))


def _torch_names() -> Iterator[tuple[str, str]]:
    """Yield pairs of a Keras layer's name and the checkpoint's prefix for it."""
    yield from (("stem_conv", "_conv_stem"), ("stem_bn", "_bn0"), ("top_conv", "_conv_head"), ("top_bn", "_bn1"), ("predictions", "_fc"))
    for number, (name, _, _) in enumerate(_blocks()):
        for layer, torch in (("expand_conv", "_expand_conv"), ("dwconv", "_depthwise_conv"), ("project_conv", "_project_conv")):
            yield f"{name}_{layer}", f"_blocks.{number}.{torch}"
        for layer, torch in (("expand_bn", "_bn0"), ("bn", "_bn1"), ("project_bn", "_bn2")):
            yield f"{name}_{layer}", f"_blocks.{number}.{torch}"


def _layer_weights(name: str, prefix: str, tensors: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Return one layer's weights in Keras's order and axes (PyTorch: out, in, height, width)."""
    kernel = tensors[f"{prefix}.weight"]
    if name.endswith("bn"):
        return [kernel, *(tensors[f"{prefix}.{part}"] for part in ("bias", "running_mean", "running_var"))]
    if name == "predictions":
        return [kernel.T, tensors[f"{prefix}.bias"]]
    axes = (2, 3, 0, 1) if name.endswith("dwconv") else (2, 3, 1, 0)
    return [np.transpose(kernel, axes)]

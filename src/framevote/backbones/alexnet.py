"""AlexNet in Keras, in the one column that today's pretrained weights have.

Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014, after Krizhevsky, Sutskever and Hinton,
"ImageNet Classification with Deep Convolutional Neural Networks", NeurIPS 2012. The embedding is fc7's 4096 numbers after ReLU, which
the field has used as features since, and not the mean of the last grid: so the pretrained layers fc6 and fc7 are of use.
This module imports Keras: `framevote.backbones` loads it when a model is built.
"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from framevote.backbones.backbone import Backbone
from framevote.backbones.pictures import pictures_of, prepared
from framevote.backbones.weights import Given, Tensors, load_weights

UNITS = 4096
_GRID = 6  # cells of a side of the last grid, whatever the picture's size
_MAPS = 256
_TORCH_NAMES = {
    "conv1": "features.0",
    "conv2": "features.3",
    "conv3": "features.6",
    "conv4": "features.8",
    "conv5": "features.10",
    "fc6": "classifier.1",
    "fc7": "classifier.4",
}


def alexnet(backbone: Backbone) -> keras.Model:
    """Return AlexNet up to its embedding (N, 4096), with the backbone's weights.

    Raises:
        ModelError: the weights cannot be read or do not fit.
    """
    pictures = pictures_of(backbone)
    x = prepared(pictures, "torch")
    x = keras.layers.ZeroPadding2D(2, name="pad1")(x)
    x = _pool(keras.layers.Conv2D(64, 11, strides=4, activation="relu", name="conv1")(x), "pool1")
    x = _pool(_convolve(x, "conv2", 192, 5), "pool2")
    x = _convolve(x, "conv3", 384, 3)
    x = _convolve(x, "conv4", _MAPS, 3)
    x = _pool(_convolve(x, "conv5", _MAPS, 3), "pool5")
    if x.shape[1:3] != (_GRID, _GRID):  # 224 pixels give it as it is
        x = keras.layers.AdaptiveAveragePooling2D(_GRID, name="avg_pool")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    for name in ("fc6", "fc7"):
        x = keras.layers.Dropout(0.5, name=f"{name}_dropout")(x)
        x = keras.layers.Dense(UNITS, activation="relu", name=name)(x)
    model = keras.Model(pictures, x, name="alexnet")
    if backbone.weights:
        load_weights(model, backbone.weights, _from_torch)
    return model


def _convolve(x: Any, name: str, filters: int, size: int) -> Any:
    return keras.layers.Conv2D(filters, size, padding="same", activation="relu", name=name)(x)


def _pool(x: Any, name: str) -> Any:
    return keras.layers.MaxPooling2D(3, strides=2, name=name)(x)


def _from_torch(tensors: Tensors) -> Iterator[Given]:
    """Yield each layer's weights from a checkpoint with the names that torchvision gives AlexNet."""
    for name, prefix in _TORCH_NAMES.items():
        kernel = tensors[f"{prefix}.weight"]
        if name == "fc6":  # it was flattened by maps, rows, columns; here by rows, columns, maps
            kernel = kernel.reshape(-1, _MAPS, _GRID, _GRID).transpose(0, 2, 3, 1).reshape(len(kernel), -1)
        turned = kernel.T if kernel.ndim == 2 else np.transpose(kernel, (2, 3, 1, 0))
        yield Given(name, [turned, tensors[f"{prefix}.bias"]])

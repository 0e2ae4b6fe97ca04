"""What a network's pictures go through first, as plain layers without weights: part of the graph, so that nothing can forget it.

`tf` brings 0 … 255 to -1 … 1; `torch` subtracts ImageNet's mean colour and divides by its deviation, both of 0 … 1; `caffe` turns RGB
to BGR and subtracts the mean colour; `inside` is nothing: the network does so itself. They are the modes of
`keras.applications.imagenet_utils.preprocess_input`. This module imports Keras: it is loaded when a model is built.
"""

from collections.abc import Callable
from typing import Any

import keras

from framevote.backbones.backbone import Backbone
from framevote.backbones.table import Mode

TORCH_MEAN = (0.485, 0.456, 0.406)
TORCH_DEVIATION = (0.229, 0.224, 0.225)
CAFFE_MEAN = (123.68, 116.779, 103.939)  # of R, G, B


def pictures_of(backbone: Backbone) -> Any:
    """Return the input of a backbone's model: uint8 RGB pictures."""
    return keras.Input((backbone.view.height, backbone.view.width, 3), dtype="uint8", name="image")


def prepared(pictures: Any, mode: Mode) -> Any:
    """Return uint8 RGB pictures as a network of that mode takes them."""
    return _MODES[mode](pictures)


def _tf(pictures: Any) -> Any:
    return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="prepared")(pictures)


def _torch(pictures: Any) -> Any:
    scales = [1 / (255 * deviation) for deviation in TORCH_DEVIATION]
    offsets = [-mean / deviation for mean, deviation in zip(TORCH_MEAN, TORCH_DEVIATION, strict=True)]
    return keras.layers.Rescaling(scales, offset=offsets, name="prepared")(pictures)


def _caffe(pictures: Any) -> Any:
    centred = keras.layers.Rescaling(1.0, offset=[-mean for mean in CAFFE_MEAN], name="prepared")(pictures)
    return keras.ops.flip(centred, axis=-1)


def _inside(pictures: Any) -> Any:
    return pictures


_MODES: dict[Mode, Callable[[Any], Any]] = {"tf": _tf, "torch": _torch, "caffe": _caffe, "inside": _inside}

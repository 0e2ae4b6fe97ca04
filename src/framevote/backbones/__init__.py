"""Backbones: networks that turn a picture into an embedding, each known by its real name.

`find_backbone("ResNet50(size=160)")` gives one, and calling it builds the Keras model. See docs/backbones.md.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from framevote.backbones.backbone import IMAGENET, NOTHING, Backbone, named
from framevote.backbones.hub import PREFIX, find_preset
from framevote.backbones.imagenet import WEIGHTS_VERSION, lite0_weights
from framevote.backbones.table import NETWORKS, weights_file, weights_folder
from framevote.errors import MissingExtra, ModelError
from framevote.parts import build, parse

if TYPE_CHECKING:
    import keras

__all__ = [
    "IMAGENET",
    "AlexNet",
    "Backbone",
    "Listed",
    "Pixels",
    "SqueezeNet",
    "classifying",
    "efficientnet_lite0",
    "find_backbone",
    "listed",
]

_LITE0 = ("efficientnet_lite0", 224, 3.4, "Tan and Le, 2020")
_ALEXNET = ("AlexNet", 224, 57.0, "Krizhevsky, 2014")
_SQUEEZENET = ("SqueezeNet", 224, 0.7, "Iandola et al., 2016")


def find_backbone(text: str | Backbone) -> Backbone:
    """Return the backbone that a text names: a part, such as `MobileNet(alpha=0.5)`, or a KerasHub preset, `keras_hub:NAME`.

    Raises:
        PartError: there is no such backbone, or it does not take these arguments.
        ModelError: a preset cannot be fetched or read.
        MissingExtra: KerasHub is asked for and absent.
    """
    if isinstance(text, str) and text.strip().startswith(PREFIX):
        return find_preset(text)
    name, positional, arguments = parse(text) if isinstance(text, str) else ("", [], {})
    if "regions" not in arguments:
        found: Backbone = build("backbone", text)
        return found
    cells = arguments.pop("regions")
    told = [*map(repr, positional), *(f"{key}={value!r}" for key, value in arguments.items())]
    whole: Backbone = build("backbone", f"{name}({', '.join(told)})")
    return whole.by_region(cells)


def efficientnet_lite0(size: int = 224, weights: str | None = IMAGENET, fit: str = "centre") -> Backbone:
    """3.4 million parameters, 224×224 pixels (Tan and Le, 2020); built in, and made for fast integer and bf16 arithmetic."""
    return named(_LITE0[0], _make_lite0, size, weights, fit, own_size=224, edition=WEIGHTS_VERSION)


def AlexNet(size: int = 224, weights: str | None = IMAGENET, fit: str = "centre") -> Backbone:  # noqa: N802 - its real name
    """57.0 million parameters, 224×224 pixels (Krizhevsky, 2014); the embedding is fc7, takes torchvision's weights."""
    return named("AlexNet", _make_alexnet, size, weights, fit, own_size=224, least=63)


def SqueezeNet(size: int = 224, weights: str | None = IMAGENET, fit: str = "centre") -> Backbone:  # noqa: N802 - its real name
    """0.7 million parameters, 224×224 pixels (Iandola et al., 2016); version 1.1, takes Keras's and torchvision's weights."""
    return named("SqueezeNet", _make_squeezenet, size, weights, fit, own_size=224)


def Pixels(size: int = 64, fit: str = "squash") -> Backbone:  # noqa: N802 - a part's name
    """No network: a small picture as it is, in grey, for heads that see motion end to end; nothing to fetch."""
    plain = named("Pixels", _make_pixels, size, None, fit, own_size=64, least=8)
    told = [f"{key}={value!r}" for key, value, usual in (("size", size, 64), ("fit", fit, "squash")) if value != usual]
    return replace(plain, weights=NOTHING, text=f"Pixels({', '.join(told)})" if told else "Pixels")


def _make_pixels(backbone: Backbone) -> "keras.Model":
    import keras  # noqa: PLC0415 - heavy

    pictures = keras.Input((backbone.view.height, backbone.view.width, 3), dtype="uint8", name="image")
    bright = keras.layers.Rescaling(1 / 64, offset=-2, name="rescaling")(pictures)
    grey = keras.ops.mean(bright, axis=3)
    return keras.Model(pictures, keras.layers.Flatten(name="pixels")(grey), name="pixels")


def _make_lite0(backbone: Backbone) -> "keras.Model":
    from framevote.backbones import lite0  # noqa: PLC0415 - heavy: it imports Keras

    shape = (backbone.view.height, backbone.view.width, 3)
    return lite0.efficientnet_lite0(include_top=False, pooling="avg", weights=backbone.weights, input_shape=shape)


def _make_alexnet(backbone: Backbone) -> "keras.Model":
    from framevote.backbones.alexnet import alexnet  # noqa: PLC0415 - heavy: it imports Keras

    _refuse_imagenet(backbone, "alexnet.pth")
    return alexnet(backbone)


def _make_squeezenet(backbone: Backbone) -> "keras.Model":
    from framevote.backbones.squeezenet import squeezenet  # noqa: PLC0415 - heavy: it imports Keras

    _refuse_imagenet(backbone, "squeezenet.h5")
    return squeezenet(backbone)


def _refuse_imagenet(backbone: Backbone, example: str) -> None:
    if backbone.weights == IMAGENET:
        raise ModelError(
            f"There are no ImageNet weights of {backbone.name} that Keras could fetch. Give a file, "
            f"{backbone.name}(weights='{example}') or --weights FILE, or {backbone.name}(weights=None) to train from scratch."
        )


def classifying(backbone: Backbone) -> "keras.Model":
    """Return EfficientNet-Lite0 with its ImageNet top as a model of two outputs: `probabilities` (N, 1000), `embedding` (N, D).

    Raises:
        ModelError: another backbone.
    """
    import keras  # noqa: PLC0415 - heavy

    from framevote.backbones import lite0  # noqa: PLC0415 - heavy: it imports Keras

    if backbone.name != lite0.NAME:
        raise ModelError(f"Only {lite0.NAME} is built in with ImageNet's classes. Received: {backbone}; train a head on it.")
    whole = lite0.efficientnet_lite0(weights=backbone.weights, input_shape=(backbone.view.height, backbone.view.width, 3))
    outputs = {"probabilities": whole.output, "embedding": whole.get_layer("avg_pool").output}
    return keras.Model(whole.input, outputs, name=backbone.name)


class Listed(NamedTuple):
    """One line of the list of backbones.

    Attributes:
        name: its name.
        parameters: millions of them up to the embedding.
        size: pixels of a side.
        source: who published it, and when.
        state: of its ImageNet weights: `packaged`, `here`, `to be fetched`, `package missing`, `none public` or `needs none`.
        file: the file that they are, or are to be, in; empty where there is none.
    """

    name: str
    parameters: float
    size: int
    source: str
    state: str
    file: str = ""

    @property
    def here(self) -> bool:
        """Whether the weights are on this machine."""
        return self.state in ("packaged", "here")


def listed() -> Iterator[Listed]:
    """Yield every backbone that framevote brings, the built-in one first; no Keras is loaded."""
    name, size, parameters, source = _LITE0
    try:
        yield Listed(name, parameters, size, source, "packaged", str(lite0_weights()))
    except (MissingExtra, ModelError):
        yield Listed(name, parameters, size, source, "package missing")
    for name, size, parameters, source in (_ALEXNET, _SQUEEZENET):
        yield Listed(name, parameters, size, source, "none public")
    yield Listed("Pixels", 0.0, 64, "no network: a small grey picture, for R2Plus1D()", "needs none")
    for network in NETWORKS:
        path = weights_folder() / weights_file(network, network.size)
        state = "here" if path.is_file() else "to be fetched"
        yield Listed(network.name, network.parameters, network.size, network.source, state, str(path))

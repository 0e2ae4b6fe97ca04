"""Backbones: networks that turn a picture into an embedding, each known by its real name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from framevote.records import View

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, repr=False)
class Backbone:
    """A network by name; calling it builds the Keras model, with the arguments that `keras.applications` uses.

    Attributes:
        name: the network's real name, which is also its text as a part.
        view: how a picture becomes its input.
        embedding: how many numbers describe a picture.
        make: what builds the model.
    """

    name: str
    view: View
    embedding: int
    make: Callable[..., Any] = field(compare=False)

    def __repr__(self) -> str:
        return self.name

    def __call__(self, **arguments: Any) -> "keras.Model":
        """Return the Keras model (see `framevote.backbones.lite0` for the arguments)."""
        return self.make(**arguments)


def efficientnet_lite0() -> Backbone:
    """4.7 million parameters, 224×224 pixels; made for fast integer and bf16 arithmetic (Tan and Le, 2019)."""
    return Backbone("efficientnet_lite0", View(224, 224, "centre", crop=0.875), 1280, _make_lite0)


def _make_lite0(**arguments: Any) -> "keras.Model":
    from framevote.backbones import lite0  # noqa: PLC0415 - heavy: it imports Keras

    return lite0.efficientnet_lite0(**arguments)


def classifying(backbone: Backbone) -> "keras.Model":
    """Return the backbone with its ImageNet top as a model of two outputs: `probabilities` (N, 1000), `embedding` (N, D)."""
    import keras  # noqa: PLC0415 - heavy

    whole = backbone()
    outputs = {"probabilities": whole.output, "embedding": whole.get_layer("avg_pool").output}
    return keras.Model(whole.input, outputs, name=backbone.name)

"""Every network of `keras.applications` as a backbone, under its own name; Keras is loaded when a model is built.

The makers are not written out: `applications.ResNet50` is made from the row of that name in `framevote.backbones.table`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from framevote.backbones.backbone import IMAGENET, Backbone, named
from framevote.backbones.table import BY_NAME, Network, weights_file
from framevote.errors import PartError

if TYPE_CHECKING:
    import keras


def __getattr__(name: str) -> Callable[..., Backbone]:
    """Return the maker of that name; how entry points find it."""
    if (network := BY_NAME.get(name)) is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    maker = _maker_with_width(network) if network.alphas else _maker(network)
    maker.__name__, maker.__doc__ = name, network.summary
    return maker


def _maker(network: Network) -> Callable[..., Backbone]:
    def make(size: int = network.size, weights: str | None = IMAGENET, fit: str = "centre") -> Backbone:
        return _named(network, size, weights, fit, {})

    return make


def _maker_with_width(network: Network) -> Callable[..., Backbone]:
    def make(size: int = network.size, weights: str | None = IMAGENET, fit: str = "centre", alpha: float = 1.0) -> Backbone:
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha <= 4:
            raise PartError(f"{network.name} takes alpha, the width against the paper's, above 0 and at most 4. Received: alpha={alpha!r}.")
        if weights == IMAGENET and alpha not in network.alphas:
            published = ", ".join(map(str, network.alphas))
            raise PartError(
                f"ImageNet weights of {network.name} are published for alpha {published}. Received: alpha={alpha!r}. "
                "Give one of these, a file of your own as weights, or weights=None."
            )
        return _named(network, size, weights, fit, {"alpha": (alpha, 1.0)})

    return make


def _named(network: Network, size: int, weights: str | None, fit: str, options: dict[str, tuple[Any, Any]]) -> Backbone:
    return named(network.name, _build, size, weights, fit, own_size=network.size, least=network.least, options=options)


def _build(backbone: Backbone) -> "keras.Model":
    from framevote.backbones.weights import fetched, load_weights, mend_deviation  # noqa: PLC0415 - heavy: it imports Keras

    network = BY_NAME[backbone.name]
    if backbone.weights == IMAGENET:
        file = weights_file(network, backbone.view.width, **dict(backbone.options))
        return fetched(backbone, file, lambda: _graph(network, backbone, IMAGENET))
    model = _graph(network, backbone, None)
    if backbone.weights:
        load_weights(model, backbone.weights)
        mend_deviation(model)
    return model


def _graph(network: Network, backbone: Backbone, weights: str | None) -> "keras.Model":
    """Return the network of Keras behind what its pictures go through, all in one flat model."""
    import warnings  # noqa: PLC0415 - for this one call

    import keras  # noqa: PLC0415 - heavy

    from framevote.backbones.pictures import pictures_of, prepared  # noqa: PLC0415 - heavy: it imports Keras

    pictures = pictures_of(backbone)
    with warnings.catch_warnings():
        # MobileNets warn that weights of 224 pixels are taken at sizes that they were not trained at: as we say in the docs.
        warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
        model = getattr(keras.applications, network.name)(
            include_top=False,
            pooling="avg",
            weights=weights,
            input_tensor=prepared(pictures, network.mode),
            input_shape=tuple(pictures.shape[1:]),
            **dict(backbone.options),
        )
    return keras.Model(pictures, model.output, name=network.name.lower())

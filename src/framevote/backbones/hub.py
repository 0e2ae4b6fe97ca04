"""KerasHub's presets as backbones: `keras_hub:resnet_18_imagenet`, or a preset in a folder, `keras_hub:./folder`.

The network's layers are laid out flat behind what the preset's image converter does to a picture. Most image presets are made of
Keras's own layers and make `.keras` files that load with Keras alone; where a network has layers of KerasHub's own, whoever loads
its `.keras` file needs the package too, which a plain `import keras_hub` before loading satisfies. OpenVINO's graph needs neither.
"""

import difflib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framevote.backbones.backbone import Backbone
from framevote.errors import Error, MissingExtra, ModelError, PartError, missing_extra
from framevote.records import View

PREFIX = "keras_hub:"
_SIZE = 224  # where neither the preset nor its network says


def find_preset(text: str) -> Backbone:
    """Return the backbone that a text such as `keras_hub:resnet_18_imagenet` names; may fetch the preset's description.

    Raises:
        PartError: the text names nothing, or no preset that there is.
        ModelError: the preset cannot be fetched or read, or takes no pictures.
        MissingExtra: KerasHub is absent.
    """
    preset = text.strip().removeprefix(PREFIX).strip()
    if not preset:
        raise PartError(f"A KerasHub backbone is written {PREFIX}NAME, such as {PREFIX}resnet_18_imagenet. Received: {text!r}.")
    hub = _keras_hub(f"{PREFIX}{preset}")
    _check_name(hub, preset)
    pixels = _pixels(hub, preset)
    return Backbone(
        preset,
        pixels.view,
        str(folder) if (folder := Path(preset).expanduser()).is_dir() else "imagenet",
        f"{PREFIX}{preset}",
        lambda backbone: _build(hub, backbone, pixels),
        edition=f"keras_hub {hub.__version__}",
    )


@dataclass(frozen=True)
class _Pixels:
    """What a preset's image converter does: the size and fit of pictures, and what their numbers 0 … 255 become."""

    view: View
    scale: Any = 1.0
    offset: Any = 0.0


def _keras_hub(text: str) -> Any:
    if importlib.util.find_spec("keras_hub") is None:
        error = missing_extra("keras-hub", "hub", f"The backbone {text}")
        raise MissingExtra(
            f"{error}, best in an environment of its own, as it brings the whole of TensorFlow: "
            "python -m venv hub && hub/bin/pip install 'framevote[hub]'"
        )
    import keras_hub  # noqa: PLC0415 - heavy

    return keras_hub


def _check_name(hub: Any, preset: str) -> None:
    """Raise PartError, with the nearest name, where a plain name is none of KerasHub's and no folder."""
    if "://" in preset or Path(preset).expanduser().is_dir() or preset in hub.models.Backbone.presets:
        return
    near = difflib.get_close_matches(preset, hub.models.Backbone.presets, n=1, cutoff=0.6)
    hint = f" Did you mean {PREFIX}{near[0]}?" if near else ""
    raise PartError(
        f"There is no KerasHub preset, and no folder with one, named {preset!r}.{hint} "
        "Expected a name that keras_hub.models.Backbone.presets lists, a folder, or a kaggle:// or hf:// address."
    )


def _pixels(hub: Any, preset: str) -> _Pixels:
    """Return what the preset's image converter says; a folder may have none, and its pixels come as they are."""
    try:
        converter = hub.layers.ImageConverter.from_preset(preset)
    except Exception as error:  # the network, the disk, KerasHub
        folder = Path(preset).expanduser()
        if not folder.is_dir() or (folder / "image_converter.json").exists():  # one that is damaged must not pass for none
            raise _not_had(preset, error) from error
        height, width = _own_size(hub, preset)
        return _Pixels(View(width, height))
    height, width = converter.image_size or _own_size(hub, preset)
    fit = "centre" if converter.crop_to_aspect_ratio else "letterbox" if converter.pad_to_aspect_ratio else "squash"
    scale, offset = (_plain(value) for value in (converter.scale, converter.offset))
    return _Pixels(View(width, height, fit), 1.0 if scale is None else scale, 0.0 if offset is None else offset)  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    """Return numbers as a layer's config can hold them."""
    return value if value is None or isinstance(value, int | float) else [float(number) for number in value]


def _own_size(hub: Any, preset: str) -> tuple[int, int]:
    shape = getattr(_network(hub, preset, load_weights=False), "image_shape", None) or (None, None, 3)
    return shape[0] or _SIZE, shape[1] or _SIZE


def _network(hub: Any, preset: str, load_weights: bool) -> Any:
    try:
        return hub.models.Backbone.from_preset(preset, load_weights=load_weights)
    except Exception as error:  # the network, the disk, KerasHub
        raise _not_had(preset, error) from error


def _not_had(preset: str, error: Exception) -> Error:
    said = " ".join(str(error).split())[:300]
    return ModelError(
        f"The KerasHub preset {preset} cannot be had: {said}. Where there is no network, fetch it elsewhere, save it with "
        f"save_to_preset, and give its folder: {PREFIX}./folder"
    )


def _build(hub: Any, backbone: Backbone, pixels: _Pixels) -> Any:
    """Lay the network's layers flat behind the pictures and their scaling, and end in one row of numbers for each picture."""
    import keras  # noqa: PLC0415 - heavy

    from framevote.backbones.pictures import pictures_of  # noqa: PLC0415 - heavy: it imports Keras

    network = _network(hub, backbone.name, load_weights=True)
    if isinstance(network.input, dict | list) or len(network.input.shape) != 4:
        raise ModelError(f"The KerasHub preset {backbone.name} takes more or other than pictures. Expected one for images.")
    plain = keras.Model(network.inputs[0], _embedded(network.output, getattr(network, "use_class_token", False)))
    pictures = pictures_of(backbone)
    scaled = keras.layers.Rescaling(pixels.scale, offset=pixels.offset, name="prepared")(pictures)

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        """Call a layer in the copy as it is called in the original, with scaled pictures for its input."""
        return layer(*(scaled if given is pictures else given for given in inputs), **options)

    flat = keras.models.clone_model(plain, input_tensors=pictures, call_function=call)
    flat.set_weights(plain.get_weights())
    return flat


def _embedded(output: Any, class_token: bool) -> Any:
    """Return one row for each picture: the pooled output if there is one, else the class token or the mean."""
    import keras  # noqa: PLC0415 - heavy

    if isinstance(output, dict):
        return _embedded(output.get("pooled_output", next(reversed(output.values()))), class_token)
    if len(output.shape) == 4:
        return keras.layers.GlobalAveragePooling2D(name="avg_pool")(output)
    if len(output.shape) == 3:
        return output[:, 0] if class_token else keras.layers.GlobalAveragePooling1D(name="avg_pool")(output)
    return output

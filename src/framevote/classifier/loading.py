"""Models by name or file, ready to score frames; those that can be made again are kept in a cache folder."""

import difflib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import platformdirs

from framevote.backbones import Backbone, efficientnet_lite0
from framevote.backbones.imagenet import WEIGHTS_VERSION, imagenet_labels, lite0_weights
from framevote.classifier.scoring import Classifier
from framevote.errors import ModelError, OutputError, UsageError
from framevote.export import export_model
from framevote.model_file import FORMAT, SUFFIX, Card, ModelFile, read_model_file
from framevote.runtime import Device, Precision, RuntimeName, open_runtime

IMAGENET = "imagenet"
_EDITION = 1  # of the built-in model: raise it where its labels, its graph or its card change


def load_model(
    model: "str | Path | Classifier" = IMAGENET,
    *,
    precision: Precision = "auto",
    device: Device = "cpu",
    runtime: RuntimeName | None = None,
    known_only: bool = False,
    threads: int | None = None,
    notify: Callable[[str], None] | None = None,
) -> Classifier:
    """Return a model that is ready to score frames.

    Args:
        model: "imagenet", a `.fvm` file, or a classifier, which is returned as it is.
        precision: what the network computes in: `f32`, `bf16`, or `auto`: bf16 where the processor has it.
        device: `cpu`, or `gpu` for the Keras backend's.
        runtime: `openvino` or `keras`; None takes OpenVINO on the processor and Keras on a GPU.
        known_only: never say unknown, but always the best of the model's labels.
        threads: how many OpenVINO computes with; None is one for each core.
        notify: is told in a sentence when something takes long: the ImageNet model is built on first use.

    Raises:
        UsageError: an argument that is not known; a model that is neither "imagenet" nor a `.fvm` file by its name.
        ModelError: the model cannot be found, read, or run as asked.
        MissingExtra: an optional package is absent.
    """
    if isinstance(model, Classifier):
        return model
    file = _imagenet(notify) if model == IMAGENET else read_model_file(_find(model))
    return open_classifier(file, precision, device, runtime, known_only, threads)


def open_classifier(
    file: ModelFile,
    precision: Precision = "auto",
    device: Device = "cpu",
    runtime: RuntimeName | None = None,
    known_only: bool = False,
    threads: int | None = None,
) -> Classifier:
    """Return a model file that is ready to score frames; the arguments are those of `load_model`."""
    if file.card.backbone:
        return Classifier(file, open_runtime(file, precision, device, runtime, threads), known_only)
    if precision == "bf16" or device == "gpu" or runtime == "keras":
        wanted = {"precision": (precision, "bf16"), "device": (device, "gpu"), "runtime": (runtime, "keras")}
        asked = ", ".join(f"{name}={value!r}" for name, (value, wrong) in wanted.items() if value == wrong)
        kind = file.card.features.partition("(")[0]
        raise ModelError(f"The model {file.card.name} has no network: {kind} is computed on the processor, in f32. Received: {asked}.")
    return Classifier(file, None, known_only)


def _find(model: str | Path) -> Path:
    path = Path(model)
    if path.suffix.lower() == SUFFIX:
        return path
    near = difflib.get_close_matches(str(model).lower(), [IMAGENET], n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UsageError(f"There is no model {str(model)!r}.{hint} Expected {IMAGENET}, or a model file, whose name ends with {SUFFIX}.")


def _imagenet(notify: Callable[[str], None] | None) -> ModelFile:
    """Return the built-in ImageNet model from the cache folder; build it on first use, and again where its file is damaged.

    Two processes may build at once: each writes a file of its own and renames it.
    """
    path = imagenet_path()
    if path.exists():
        try:
            return read_model_file(path)
        except ModelError as error:
            _tell(notify, f"{error} It is built anew.")
    _build_imagenet(path, notify)
    return read_model_file(path)


def backbone_file(backbone: Backbone, notify: Callable[[str], None] | None = None) -> ModelFile:
    """Return a backbone's model file, which gives embeddings, from the cache folder; exported on first use.

    EfficientNet-Lite0 as it is built in is the ImageNet model, whose embeddings are the same.

    Raises:
        ModelError: the weights cannot be had, or the network cannot be exported.
        MissingExtra: Keras or TensorFlow is absent.
    """
    if backbone == efficientnet_lite0():
        return _imagenet(notify)
    path = cache_folder() / f"{backbone.name.rpartition('/')[2]}-{backbone.fingerprint}-{FORMAT}{SUFFIX}"
    if path.exists():
        try:
            return read_model_file(path)
        except ModelError as error:
            _tell(notify, f"{error} It is made anew.")
    _open_folder(path.parent)
    _tell(notify, f"Exporting {backbone} once; it is kept in {path.parent}")
    export_model(backbone, Card(repr(backbone), (), repr(backbone), "", backbone.view), path)
    return read_model_file(path)


def imagenet_path() -> Path:
    """Return where the built-in model's file lies; its name holds all that decides its content, so that no other version reads it."""
    return cache_folder() / f"{IMAGENET}-{efficientnet_lite0()}-{WEIGHTS_VERSION}-{FORMAT}.{_EDITION}{SUFFIX}"


def cache_folder() -> Path:
    """Return where models that can be made again are kept: FRAMEVOTE_CACHE, or the user's cache folder."""
    told = os.environ.get("FRAMEVOTE_CACHE")
    return Path(told) if told else platformdirs.user_cache_path("framevote")


def _build_imagenet(path: Path, notify: Callable[[str], None] | None) -> None:
    lite0_weights()  # an absent package or a closed folder is told before the long work
    backbone = efficientnet_lite0()
    card = Card(IMAGENET, imagenet_labels(), repr(backbone), "linear", backbone.view)
    _open_folder(path.parent)
    _tell(notify, f"Building the ImageNet model once, about 20 s; it is kept in {path.parent}")
    export_model(backbone, card, path)


def _open_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise OutputError(
            f"The model cannot be kept in {folder}: {error.strerror}. Set FRAMEVOTE_CACHE to a folder that can be written to."
        ) from error


def _tell(notify: Callable[[str], None] | None, sentence: str) -> None:
    if notify:
        notify(sentence)

"""A look into a `.keras` file before Keras does: it is a zip within the zip, and names the classes that Keras will build.

Keras's own safe mode refuses Lambda layers; this look refuses as well whatever is no layer of Keras or KerasHub, layers that run code
or read files, zips that unpack to more than they may, and members that no such file has.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framevote.errors import ModelError

_MOST_BYTES = {"metadata.json": 1 << 20, "config.json": 256 << 20, "model.weights.h5": 16 << 30}
_MOST_GROWTH = 200  # of a member's size over its packed size; weights hardly pack at all, configurations some thirty times

# Where Keras and KerasHub keep what a network is made of; `keras` itself holds DTypePolicy and Sequential.
_PLACES = (
    *(f"keras.{place}" for place in ("layers", "initializers", "regularizers", "constraints", "activations", "dtype_policies")),
    *(f"keras.{place}" for place in ("quantizers", "random", "models")),
    *(f"keras.src.{place}" for place in ("layers", "models", "ops", "applications")),
    *(f"keras_hub.{place}" for place in ("layers", "models", "src.layers", "src.models")),
)
_OF_KERAS_ITSELF = ("DTypePolicy", "Functional", "Model", "Sequential")
_REGISTERED = ("keras", "keras_hub")
_RUNS_CODE = ("Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer", "__lambda__", "__typespec__", "function")
_READS_FILES = ("StringLookup", "IntegerLookup", "TextVectorization")

# What Keras writes of values that are no layers; these name no module.
_VALUES = ("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__")


def check_keras_file(path: Path, owner: str) -> None:
    """Refuse a `.keras` file that is more than a Keras model of plain layers.

    Args:
        path: the file.
        owner: what the file is called in the sentence.

    Raises:
        ModelError: it is damaged, larger than it may be, or holds code or names that lead to it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, owner)
            config = json.loads(archive.read("config.json"))
        config.pop("compile_config", None)  # how it was trained, which is never loaded
        bad = next((reason for part in _objects(config) if (reason := _reason(part))), "")
    except (
        zipfile.BadZipFile,
        KeyError,
        TypeError,
        AttributeError,
        ValueError,
        RuntimeError,
        NotImplementedError,
        EOFError,
        RecursionError,
        OSError,
    ) as error:
        raise ModelError(f"The Keras model in {owner} is damaged ({type(error).__name__}: {error}). Export the model again.") from None
    if bad:
        raise ModelError(
            f"The Keras model in {owner} holds {bad}. Expected plain Keras layers, which run no code of the file: do not use it."
        )


def _check_members(archive: zipfile.ZipFile, owner: str) -> None:
    names = archive.namelist()
    for info in archive.infolist():
        if info.filename not in _MOST_BYTES or names.count(info.filename) > 1:
            raise ModelError(
                f"The Keras model in {owner} holds a member {info.filename!r}. Expected only {', '.join(_MOST_BYTES)}, each once: "
                "do not use it."
            )
        if info.file_size > min(_MOST_BYTES[info.filename], max(info.compress_size, 4096) * _MOST_GROWTH):
            raise ModelError(f"The Keras model in {owner} holds {info.filename} that unpacks to {info.file_size} bytes: do not use it.")


def _objects(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every dict of a configuration, to the bottom."""
    waiting = [part]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _reason(part: dict[str, Any]) -> str:
    """Return what is wrong with an object of a configuration; empty where nothing is."""
    if "class_name" not in part:
        return f"a {part['spec_name']}" if "spec_name" in part else ""
    name, module, registered = (part.get(key) for key in ("class_name", "module", "registered_name"))
    if name in _RUNS_CODE:
        return f"a {name}"
    if name in _READS_FILES or str(name).endswith("Tokenizer"):
        return f"a {name}, which reads files"
    if module is None:
        return "" if name in _VALUES else f"the class {name!r} of no module"
    if not (module == "keras" and name in _OF_KERAS_ITSELF) and not f"{module}.".startswith(tuple(f"{place}." for place in _PLACES)):
        return f"the class {name!r} of {module!r}"
    package, parted, _ = str(registered).partition(">")
    return f"the class {registered!r}" if parted and package not in _REGISTERED else ""

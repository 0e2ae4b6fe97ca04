"""A look into a `.keras` file before Keras does: it is a zip within the zip, and names the classes that Keras will build.

Keras's own safe mode refuses Lambda layers; this look refuses as well whatever is no layer of Keras, zips that unpack to more than
they may, and members that no such file has.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from framevote.errors import ModelError

_MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
_MOST_BYTES = {"metadata.json": 1 << 20, "config.json": 256 << 20, "model.weights.h5": 16 << 30}
_MOST_GROWTH = 200  # of a member's size over its packed size; weights hardly pack at all, configurations some thirty times

# Packages whose classes may be named; None stands for Python's own values and for those that Keras registers.
_PACKAGES = ("keras", "keras_hub", "builtins")
_RUNS_CODE = ("Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer", "__lambda__", "function")


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
        bad = next((reason for part in _objects(config) if (reason := _reason(part))), "")
    except (zipfile.BadZipFile, KeyError, ValueError, RuntimeError, NotImplementedError, EOFError, RecursionError, OSError) as error:
        raise ModelError(f"The Keras model in {owner} is damaged ({type(error).__name__}: {error}). Export the model again.") from None
    if bad:
        raise ModelError(
            f"The Keras model in {owner} holds {bad}. Expected plain Keras layers, which run no code of the file: do not use it."
        )


def _check_members(archive: zipfile.ZipFile, owner: str) -> None:
    for info in archive.infolist():
        if info.filename not in _MEMBERS:
            raise ModelError(
                f"The Keras model in {owner} holds a member {info.filename!r}. Expected only {', '.join(_MEMBERS)}: do not use it."
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
    name, module = part.get("class_name"), part.get("module")
    if name in _RUNS_CODE:
        return f"a {name}"
    if isinstance(module, str) and module.split(".")[0] not in _PACKAGES:
        return f"a class of the package {module!r}"
    registered = part.get("registered_name")
    if name is not None and isinstance(registered, str) and ">" in registered and registered.split(">")[0] not in _PACKAGES:
        return f"the class {registered!r}"
    return ""

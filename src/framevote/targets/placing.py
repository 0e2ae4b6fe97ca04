"""Where an export goes: names, refusals before any work, and writing whole or not at all."""

import secrets
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from framevote.errors import OutputError, UsageError
from framevote.files import check_free, check_open, make_folder, whole_file
from framevote.targets.table import Target

BESIDE = ".json"
_SAVED = "saved_model.pb"


def main_path(target: Target, stem: Path, output: str | Path | None) -> Path:
    """Return what the model's network will be called.

    Args:
        target: what is written.
        stem: the model file's path without its suffix; its name serves in a folder, the whole where no output is named.
        output: a file with the target's suffix, or a folder: one that is there, or a name without a suffix.

    Raises:
        UsageError: the name is empty, or its suffix does not fit the target.
    """
    if output is None:
        return stem.with_name(stem.name + target.suffix)
    if not str(output):
        raise UsageError("The name of the output is empty. Leave it out, or name a file or folder.")
    path = Path(output)
    if path.suffix == target.suffix:
        return path
    if path.is_dir() or not path.suffix:
        return path / (stem.name + target.suffix)
    raise UsageError(
        f"{target.name} is written as {target.suffix}. Received: {path}; expected {path.with_suffix(target.suffix)}, or a folder."
    )


def network_path(main: Path, network: str) -> Path:
    """Return what a network is called: the model as asked for, others with their name before the suffix."""
    return main if network == "model" else main.with_suffix(f".{network}{main.suffix}")


def beside_path(main: Path) -> Path:
    """Return where the labels lie."""
    return main.with_name(main.name + BESIDE)


def check_place(target: Target, main: Path, networks: Iterable[str], overwrite: bool) -> None:
    """Refuse, before any work, what cannot be written; a folder that is named and absent is made.

    Raises:
        OutputError: something is there already (and `overwrite` is False, or it is none that we wrote), or the folder takes nothing.
    """
    make_folder(main.parent)
    for network in networks:
        path = network_path(main, network)
        if target.folder:
            _check_folder(path, overwrite)
        else:
            for suffix in target.suffixes:
                check_free(path.with_suffix(suffix), overwrite)
    check_free(beside_path(main), overwrite)
    check_open(main)


def _check_folder(path: Path, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists. Choose another name, or replace it with --overwrite (in Python: overwrite=True).")
    if path.exists() and not (path / _SAVED).is_file():
        raise OutputError(f"{path} is no SavedModel, and is not replaced by one. Choose another name.")


def place(target: Target, written: Path, main: Path, networks: Iterable[str], beside: str, overwrite: bool) -> tuple[Path, ...]:
    """Bring what was written to its names, and return these; files are all complete before the first has its name.

    Args:
        target: what was written.
        written: the folder of it, with the networks' names.
        main: what the model's network is called.
        networks: their names.
        beside: the JSON.
        overwrite: whether what is there is replaced.

    Raises:
        OutputError: it cannot be written there.
    """
    placed: list[Path] = []
    with ExitStack() as stack:
        labels = stack.enter_context(whole_file(beside_path(main), overwrite))  # the last to have its name
        labels.write_text(beside, "utf-8")
        for network in networks:
            for suffix in target.suffixes:
                source, path = written / f"{network}{suffix}", network_path(main, network).with_suffix(suffix)
                if target.folder:
                    _place_folder(source, path, overwrite)
                else:
                    shutil.copyfile(source, stack.enter_context(whole_file(path, overwrite)))
                placed.append(path)
    return (*placed, beside_path(main))


def _place_folder(source: Path, path: Path, overwrite: bool) -> None:
    """Copy a folder beside its name, then rename it; what was there is removed at the end."""
    hidden = path.with_name(f".framevote-{secrets.token_hex(6)}.partial")
    replaced = hidden.with_suffix(".replaced")
    try:
        shutil.copytree(source, hidden)
        _check_folder(path, overwrite)  # somebody else may have written it meanwhile
        if path.exists():
            path.rename(replaced)
        hidden.rename(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}. Mend that, or write elsewhere.") from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)

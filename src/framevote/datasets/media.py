"""Which files are photos and which are videos, and the one walk over a folder that finds them."""

import os
from collections.abc import Iterator
from pathlib import Path

from framevote.datasets.items import Kind, Problem
from framevote.photos import PHOTO_SUFFIXES
from framevote.video import VIDEO_SUFFIXES

_KINDS: dict[str, Kind] = {**dict.fromkeys(PHOTO_SUFFIXES, "photo"), **dict.fromkeys(VIDEO_SUFFIXES, "video")}

# Pictures that neither Pillow nor FFmpeg reads here: worth a word, where a README or an annotation is passed over in silence.
_RAW = "arw braw cr2 cr3 dng nef orf pef r3d raf raw rw2"
_UNREADABLE = frozenset(f".{name}" for name in f"{_RAW} ai eps exr heic heif jxl psd svg xcf".split())

# What archives leave behind.
_LITTER = frozenset({"__MACOSX", "@eaDir", "__pycache__"})


def kind_of(name: str) -> Kind | None:
    """Return what a file is by its suffix; None where it is neither photo nor video."""
    return _KINDS.get(_suffix(name))


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is passed over: hidden, or left behind by an archive."""
    return name.startswith(".") or name in _LITTER


def subfolders(folder: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted, without the hidden ones; none where it is no folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not is_hidden(entry.name) and entry.is_dir())


def files_in(folder: Path, *suffixes: str) -> list[Path]:
    """Return the files that lie in a folder itself and have one of the suffixes, sorted, without the hidden ones."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.lower().endswith(suffixes) and not is_hidden(entry.name))
    return [folder / name for name in names]


def walk(folder: Path) -> Iterator[Path | Problem]:
    """Yield every photo and video at or below a folder in the order of the names, and a Problem for what looks like one and is not.

    Links are followed, but not in circles. No file is looked at more closely than the folder's own listing does.
    """
    return _walk(str(folder), frozenset({os.path.realpath(folder)}))


def any_media(folder: Path) -> bool:
    """Return whether a photo or video lies at or below a folder."""
    return any(isinstance(found, Path) for found in walk(folder))


def _walk(folder: str, above: frozenset[str]) -> Iterator[Path | Problem]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted((entry for entry in listing if not is_hidden(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        yield Problem(folder, f"the folder cannot be read: {error.strerror}")
        return
    for entry in entries:
        if not entry.is_dir():
            yield from _file(entry)
        elif not entry.is_symlink():
            yield from _walk(entry.path, above)
        elif not _leads_up(real := os.path.realpath(entry.path), above):
            yield from _walk(entry.path, above | {real})


def _file(entry: os.DirEntry[str]) -> Iterator[Path | Problem]:
    suffix = _suffix(entry.name)
    if suffix in _UNREADABLE:
        yield Problem(entry.path, f"{suffix} files cannot be read here; export it as JPEG, PNG or MP4")
    elif suffix not in _KINDS:
        return
    elif entry.is_file():
        yield Path(entry.path)
    else:
        yield Problem(entry.path, "this is no file but a broken link or a device")


def _suffix(name: str) -> str:
    """Return a name's suffix in small letters; quicker than a Path for each of 100,000 files."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def _leads_up(real: str, above: frozenset[str]) -> bool:
    return any(f"{folder}/".startswith(f"{real.rstrip('/')}/") for folder in above)

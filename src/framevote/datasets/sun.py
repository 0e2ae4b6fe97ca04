"""SUN397: scenes in folders by their first letter, some with a folder more: a/apartment_building/outdoor."""

import re
from collections.abc import Iterator
from pathlib import Path

from framevote.datasets.items import Problem, Side
from framevote.datasets.media import files_in, subfolders, walk
from framevote.datasets.sources import Entry, Reading
from framevote.errors import InputError

_NAME = "SUN397"
_LETTER = re.compile(r"[a-z]")
_PARTITION = re.compile(r"(training|testing)_(\d+)\.txt", re.IGNORECASE)


def is_sun(path: Path) -> bool:
    """Return whether a folder holds scenes by their first letter, and says so: letters alone may well be classes."""
    root = _root(path)
    return (root.name == _NAME or (root / "ClassName.txt").is_file()) and any(map(_LETTER.fullmatch, subfolders(root)))


def read_sun(path: Path) -> Reading:
    """Read SUN397; with a partition (Training_01.txt, Testing_01.txt) the photos that it lists, on their sides."""
    root = _root(path)
    found = [one for letter in subfolders(root) if _LETTER.fullmatch(letter) for one in walk(root / letter)]
    problems = tuple(one for one in found if isinstance(one, Problem))
    photos = [one for one in found if isinstance(one, Path)]
    sides = _partition(root)
    entries = tuple(_entries(root, photos, sides))
    if not entries:
        raise InputError(f"{path} looks like SUN397, and holds none of its photos. Expected them in folders such as a/abbey.")
    return Reading(path, root, entries, order=_order(root), problems=(*problems, *_absent(root, photos, sides)))


def _root(path: Path) -> Path:
    return path / _NAME if (path / _NAME).is_dir() else path


def _entries(root: Path, photos: list[Path], sides: dict[str, Side]) -> Iterator[Entry]:
    for photo in photos:
        within = photo.relative_to(root).as_posix()
        if not sides or within in sides:
            yield Entry(photo, (_scene(within.rpartition("/")[0]),), side=sides.get(within, ""))


def _scene(folder: str) -> str:
    return folder.strip("/").partition("/")[2]


def _order(root: Path) -> tuple[str, ...]:
    names = root / "ClassName.txt"
    return tuple(_scene(line.strip()) for line in _lines(names)) if names.is_file() else ()


def _partition(root: Path) -> dict[str, Side]:
    """Return the side of each photo in the first partition that lies by."""
    lists = [list_ for folder in (root, root / "Partitions", root.parent / "Partitions") for list_ in files_in(folder, ".txt")]
    numbered = [(int(match[2]), match[1].lower(), path) for path in lists if (match := _PARTITION.fullmatch(path.name))]
    first = min((number for number, _, _ in numbered), default=0)
    sides: dict[str, Side] = {}
    for number, word, path in numbered:
        if number == first:
            sides.update((line.strip().strip("/"), "train" if word == "training" else "test") for line in _lines(path))
    return sides


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]


def _absent(root: Path, photos: list[Path], sides: dict[str, Side]) -> Iterator[Problem]:
    there = {photo.relative_to(root).as_posix() for photo in photos}
    yield from (Problem(str(root / name), "listed in the partition, but not on disk") for name in sides if name not in there)

"""PASCAL VOC: photos, the objects on each as XML, and lists of the sides."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from framevote.datasets.items import Problem, Side
from framevote.datasets.media import files_in, kind_of, subfolders
from framevote.datasets.sources import Entry, Reading, side_of
from framevote.errors import InputError

_YEAR = re.compile(r"VOC\d{4}")
_MAIN = Path("ImageSets") / "Main"
_SIDE_LIST = re.compile(r"(train|val|test)\.txt")
_CLASS_LIST = re.compile(r"(.+)_(train|val|test)\.txt")


def is_voc(path: Path) -> bool:
    """Return whether a folder is laid out as VOC2007 and VOC2012 are, or holds such folders."""
    return bool(_roots(path))


def read_voc(path: Path) -> Reading:
    """Read PASCAL VOC: the labels of a photo are its objects, difficult ones too; its side is that of ImageSets/Main.

    Where there is no XML, the lists of the classes (cat_train.txt) give the labels. Photos in no list of Main are left out where
    there are lists, since they are annotated in part only.
    """
    found = [one for root in _roots(path) for one in _year(root)]
    problems = tuple(one for one in found if isinstance(one, Problem))
    entries = tuple(one for one in found if isinstance(one, Entry))
    return Reading(path, path, entries, each="several", listed=True, problems=problems)


def _roots(path: Path) -> list[Path]:
    if (path / "JPEGImages").is_dir():
        return [path] if (path / "Annotations").is_dir() or (path / _MAIN).is_dir() else []
    return [path / name for name in subfolders(path) if _YEAR.fullmatch(name) and _roots(path / name)]


def _year(root: Path) -> Iterator[Entry | Problem]:
    photos = {photo.stem: photo for photo in files_in(root / "JPEGImages", "") if kind_of(photo.name) == "photo"}
    sides = _sides(root)
    marked = {} if files_in(root / "Annotations", ".xml") else _marked(root)
    for name in sides or photos:
        photo = photos.get(name, root / "JPEGImages" / f"{name}.jpg")
        side = sides.get(name, "")
        if marked:
            yield Entry(photo, marked.get(name, ()), side=side, where=str(photo))
        else:
            yield _annotated(root / "Annotations" / f"{name}.xml", photo, side)


def _annotated(xml: Path, photo: Path, side: Side) -> Entry | Problem:
    if not xml.is_file():
        return Problem(str(photo), f"it has no annotation {xml.name}")
    try:
        names = [(one.text or "").strip() for one in ElementTree.parse(xml).getroot().iterfind("object/name")]
    except (ElementTree.ParseError, ValueError) as error:
        return Problem(str(xml), f"cannot be read as XML: {error}")
    if "" in names:
        return Problem(str(xml), "an object in it has no name")
    return Entry(photo, tuple(dict.fromkeys(names)), side=side, where=str(photo))


def _sides(root: Path) -> dict[str, Side]:
    """Return the side of each photo by the lists train.txt, val.txt and test.txt; without these, by those of the classes."""
    lists = files_in(root / _MAIN, ".txt")
    plain = [(path, match[1]) for path in lists if (match := _SIDE_LIST.fullmatch(path.name))]
    listed = plain or [(path, match[2]) for path in lists if (match := _CLASS_LIST.fullmatch(path.name))]
    return {row[0]: side_of(word) or "" for path, word in listed for row in _rows(path)}


def _marked(root: Path) -> dict[str, tuple[str, ...]]:
    """Return the classes of each photo by the lists of the classes, where 1 is yes, -1 no, and 0 difficult to say."""
    marked: dict[str, tuple[str, ...]] = {}
    for path in files_in(root / _MAIN, ".txt"):
        if match := _CLASS_LIST.fullmatch(path.name):
            for name, *mark in _rows(path):
                marked[name] = (*marked.get(name, ()), *([match[1]] if mark == ["1"] else []))
    return marked


def _rows(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error}). Expected the name of a photo in each line.") from None

"""MSRC-21: photos named by number (1_1_s.bmp), and beside each a picture whose colours say what is seen where."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from framevote.datasets.items import Problem
from framevote.datasets.media import files_in
from framevote.datasets.sources import Entry, Reading

_PHOTO = re.compile(r"(\d+)_\d+_s\.(bmp|png|jpg)", re.IGNORECASE)

# The 21 classes by the colours of the ground truth (Shotton et al. 2006, TextonBoost); black, horses and mountains are void.
_COLOURS = """
    building 128 0 0, grass 0 128 0, tree 128 128 0, cow 0 0 128, sheep 0 128 128, sky 128 128 128, aeroplane 192 0 0, water 64 128 0,
    face 192 128 0, car 64 0 128, bicycle 192 0 128, flower 64 128 128, sign 192 128 128, bird 0 64 0, book 128 64 0, chair 0 192 0,
    road 128 64 128, cat 0 192 128, dog 128 192 128, body 64 64 0, boat 192 64 0
"""
_CLASSES = {tuple(map(int, rgb)): name for name, *rgb in (one.split() for one in _COLOURS.split(","))}


def is_msrc(path: Path) -> bool:
    """Return whether a folder, or its Images folder, holds photos such as 1_1_s.bmp."""
    return path.is_dir() and any(_PHOTO.fullmatch(one.name) for one in files_in(_photos(path), "_s.bmp", "_s.png", "_s.jpg"))


def read_msrc(path: Path) -> Reading:
    """Read MSRC-21: several labels from the ground truth's colours; without it one, the photo's first number."""
    photos = [one for one in files_in(_photos(path), "_s.bmp", "_s.png", "_s.jpg") if _PHOTO.fullmatch(one.name)]
    truths = {photo: truth for photo in photos if (truth := _truth(path, photo))}
    if not truths:
        numbers = [photo.name.split("_")[0] for photo in photos]
        entries = tuple(Entry(photo, (number,)) for photo, number in zip(photos, numbers, strict=True))
        return Reading(path, path, entries, order=tuple(sorted(set(numbers), key=int)))
    found = list(_seen(photos, truths))
    problems = tuple(one for one in found if isinstance(one, Problem))
    entries = tuple(one for one in found if isinstance(one, Entry))
    return Reading(path, path, entries, each="several", order=tuple(_CLASSES.values()), problems=problems)


def _photos(path: Path) -> Path:
    return path / "Images" if (path / "Images").is_dir() else path


def _truth(path: Path, photo: Path) -> Path | None:
    names = [f"{photo.stem}_GT{suffix}" for suffix in (".bmp", ".png")]
    folders = (path / "GroundTruth", photo.parent)
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def _seen(photos: list[Path], truths: dict[Path, Path]) -> Iterator[Entry | Problem]:
    for photo in photos:
        if photo not in truths:
            yield Problem(str(photo), "no ground truth lies by, which others have")
            continue
        try:
            yield Entry(photo, _labels(truths[photo]))
        except Exception as error:  # a damaged file may make a decoder raise nearly anything
            yield Problem(str(truths[photo]), f"cannot be read as a picture: {error}")


def _labels(truth: Path) -> tuple[str, ...]:
    with Image.open(truth) as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    colours = {tuple(map(int, colour)) for colour in np.unique(pixels, axis=0)}
    return tuple(name for colour, name in _CLASSES.items() if colour in colours)

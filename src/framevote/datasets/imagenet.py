"""ImageNet: folders named by WordNet ids, as people unpack it or as Kaggle's ILSVRC archive lays it out."""

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from framevote.datasets.assembly import look_alike
from framevote.datasets.folders import Branch, gather
from framevote.datasets.items import Problem
from framevote.datasets.media import files_in, kind_of, subfolders
from framevote.datasets.sources import Entry, Reading, side_of

_SYNSET = re.compile(r"n\d{8}")
_NAMES = ("LOC_synset_mapping.txt", "words.txt")
_SOLUTION = "LOC_val_solution.csv"


def is_imagenet(path: Path) -> bool:
    """Return whether the class folders are named by WordNet ids, such as n01440764."""
    return bool(_branches(path))


def read_imagenet(path: Path) -> Reading:
    """Read ImageNet folders: classes in the order of their ids, with their first name where a list of names lies by."""
    branches = _branches(path)
    synsets = sorted({name for branch in branches for name in subfolders(branch.path) if _SYNSET.fullmatch(name)})
    labels = _labels(synsets, _beside(path, *_NAMES))
    reading = gather(path, branches, lambda folder: labels.get(folder, ""), order=tuple(labels.values()))
    solved = tuple(_solved(path, branches, labels))
    told = tuple(one for one in reading.problems if not solved or not _is_flat(one, branches))
    return replace(reading, entries=(*reading.entries, *solved), problems=told)


def _branches(path: Path) -> list[Branch]:
    for trunk in (path, path / "Data" / "CLS-LOC", path / "ILSVRC" / "Data" / "CLS-LOC"):
        if _holds_synsets(trunk):
            return [Branch(trunk)]
        sides = [Branch(trunk / name, side) for name in subfolders(trunk) if (side := side_of(name))]
        if any(_holds_synsets(branch.path) for branch in sides):
            return sides
    return []


def _holds_synsets(folder: Path) -> bool:
    names = subfolders(folder)
    return bool(names) and all(map(_SYNSET.fullmatch, names))


def _beside(path: Path, *names: str) -> Path | None:
    """Return the first of the files that lies in the folder, or beside it as in Kaggle's archive."""
    return next((folder / name for folder in (path, path / "ILSVRC", path.parent) for name in names if (folder / name).is_file()), None)


def _labels(synsets: list[str], names: Path | None) -> dict[str, str]:
    """Return a label for each id: its first name, with the id where others have that name too (crane, cardigan)."""
    if names is None:
        return {synset: synset for synset in synsets}
    told = dict(_named(names))
    first = {synset: told.get(synset, synset) for synset in synsets}
    shared = {name for group in look_alike(first.values()) for name in group}
    return {synset: f"{name} ({synset})" if name in shared else name for synset, name in first.items()}


def _named(names: Path) -> Iterator[tuple[str, str]]:
    for line in names.read_text(encoding="utf-8", errors="replace").splitlines():
        synset, _, words = line.replace("\t", " ").partition(" ")
        if name := words.split(",")[0].strip():
            yield synset, name


def _solved(path: Path, branches: list[Branch], labels: dict[str, str]) -> Iterator[Entry]:
    """Yield the photos of a validation folder without class folders, whose classes a table tells."""
    table = _beside(path, _SOLUTION)
    flat = next((branch for branch in branches if branch.side == "validation" and not subfolders(branch.path)), None)
    if table is None or flat is None:
        return
    with table.open(encoding="utf-8", newline="") as lines:
        told = {row[0]: row[1].split(" ")[0] for row in csv.reader(lines) if len(row) > 1}
    for photo in files_in(flat.path, ""):
        label = labels.get(told.get(photo.stem, ""))
        if label and kind_of(photo.name):
            yield Entry(photo, (label,), side="validation")


def _is_flat(problem: Problem, branches: list[Branch]) -> bool:
    return any(problem.where == str(branch.path) and branch.side == "validation" for branch in branches)

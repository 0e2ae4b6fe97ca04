"""Class folders: a folder for each class, perhaps within train/, validation/ and test/; Caltech's are of this kind."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from framevote.datasets.items import Problem, Side
from framevote.datasets.media import any_media, files_in, kind_of, subfolders, walk
from framevote.datasets.sources import Entry, Reading, side_of
from framevote.errors import InputError

CALTECH101 = "101_ObjectCategories"
CALTECH256 = "256_ObjectCategories"

_NUMBERED = re.compile(r"\d{3}\.(.+)")

_LISTS = (".csv", ".tsv", ".jsonl", ".json", ".parquet")

_EXPECTED = "Expected a folder for each class, with its photos or videos in it, or a list of them (CSV, JSONL, Parquet)."


@dataclass(frozen=True)
class Branch:
    """A folder of class folders, and the side that its items are on."""

    path: Path
    side: Side = ""


def is_folder(path: Path) -> bool:
    """Return whether there can be class folders."""
    return path.is_dir()


def read_class_folders(path: Path) -> Reading:
    """Read class folders; what lies deeper in a class folder belongs to its class."""
    branches, left_out = branches_of(path)
    return gather(path, branches, problems=left_out)


def is_caltech101(path: Path) -> bool:
    """Return whether a folder is Caltech-101's, or holds it."""
    return path.is_dir() and (path.name == CALTECH101 or (path / CALTECH101).is_dir())


def read_caltech101(path: Path) -> Reading:
    """Read Caltech-101. BACKGROUND_Google is a class as the others; remove its folder where it shall not be one."""
    return gather(path, [Branch(_within(path, CALTECH101))])


def is_caltech256(path: Path) -> bool:
    """Return whether the class folders are numbered as Caltech-256's are: 001.ak47."""
    names = subfolders(_within(path, CALTECH256))
    return len(names) > 1 and all(map(_NUMBERED.fullmatch, names))


def read_caltech256(path: Path) -> Reading:
    """Read Caltech-256: classes in the order of their numbers, which are no part of their names."""
    folder = _within(path, CALTECH256)
    return gather(path, [Branch(folder)], _without_number, order=tuple(map(_without_number, subfolders(folder))))


def branches_of(root: Path) -> tuple[list[Branch], list[Problem]]:
    """Return the folders that hold the class folders, and what stands beside them without being one.

    Folders named as sides are sides where they hold folders of their own; a class may well be called train.
    """
    names = subfolders(root)
    sides = {name: side for name in names if (side := side_of(name)) is not None}
    split = {side for name, side in sides.items() if subfolders(root / name)}
    if not split and len(sides) < len(names):
        return [Branch(root)], []
    others = [name for name in names if name not in sides and any_media(root / name)] if sides else []
    if not sides or (others and len(split) < 2):
        return [Branch(root)], []
    left_out = [
        Problem(str(root / name), "left out: it is no side, and stands beside folders that are sides", note=True) for name in others
    ]
    return [Branch(root / name, side) for name, side in sides.items()], left_out


def gather(
    source: Path,
    branches: Sequence[Branch],
    name: Callable[[str], str] = str,
    order: tuple[str, ...] = (),
    problems: Sequence[Problem] = (),
) -> Reading:
    """Read the class folders of all branches in one walk; `name` gives a folder's label, or nothing where it is no class.

    Raises:
        InputError: there are no class folders, or some are empty.
    """
    entries: list[Entry] = []
    told = [*problems]
    counts: Counter[str] = Counter()
    for branch in branches:
        told.extend(_strays(branch.path))
        for folder in subfolders(branch.path):
            if not (label := name(folder)):
                told.append(Problem(str(branch.path / folder), "left out: it is no class folder of this layout", note=True))
                continue
            found = list(walk(branch.path / folder))
            told.extend(one for one in found if isinstance(one, Problem))
            new = [Entry(one, (label,), side=branch.side) for one in found if isinstance(one, Path)]
            counts[folder] += len(new)
            told.extend(Problem(str(branch.path / folder), "no photo or video in it", note=True) for _ in range(not new))
            entries.extend(new)
    _check_counts(source, branches, counts, told)
    return Reading(source, source, tuple(entries), order=order, problems=tuple(told))


def _within(path: Path, name: str) -> Path:
    return path / name if (path / name).is_dir() else path


def _without_number(folder: str) -> str:
    numbered = _NUMBERED.fullmatch(folder)
    return numbered[1] if numbered else ""


def _strays(folder: Path) -> Iterator[Problem]:
    media = [path for path in files_in(folder, "") if kind_of(path.name)]
    if media:
        yield Problem(str(folder), f"{len(media)} photos or videos lie in no class folder, {media[0].name} is the first")


def _check_counts(source: Path, branches: Sequence[Branch], counts: Counter[str], problems: Sequence[Problem]) -> None:
    empty = [folder for folder, count in counts.items() if not count]
    if not counts.total():
        why = f" ({problems[0]})" if problems else ""
        lists = ", ".join(one.name for one in files_in(source, *_LISTS)[:3])
        hint = f" Give the list itself, if it is one of {lists}." if lists else ""
        raise InputError(f"{source} holds no class folder with photos or videos in it{why}. {_EXPECTED}{hint}")
    if empty:
        more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        why = next((f" ({one.reason})" for one in problems if f"/{empty[0]}/" in one.where), "")
        raise InputError(
            f"{source}: the class folder {empty[0]}{more} holds no photo or video{why}. Expected some in each; fill it or remove it."
        )
    if len(counts) == 1 and len(branches) == 1:
        _check_level(branches[0].path / next(iter(counts)))


def _check_level(only: Path) -> None:
    inner = [name for name in subfolders(only) if any_media(only / name)]
    if len(inner) > 1:
        raise InputError(
            f"{only.parent} holds one class folder only, {only.name}. Expected at least two; where {inner[0]} and the other "
            f"{len(inner) - 1} folders in it are the classes, give {only}."
        )

"""What a layout reads before it is checked: entries, where they stand, and what could not be used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from framevote.datasets.items import Problem, Side

Each = Literal["one", "several", "any"]

_WORDS: dict[Side, str] = {"train": "train training", "validation": "val valid validate validation dev", "test": "test testing"}
_SIDES: dict[str, Side] = {word: side for side, words in _WORDS.items() for word in words.split()}

SIDE_WORDS = ", ".join(_SIDES)
"""The words that name a side, for sentences."""


@dataclass(frozen=True)
class Entry:
    """A photo, video or piece as its source names it.

    Attributes:
        path, labels, start, end, group, side: as in Item; whether the file is there has not been looked at.
        where: the line that names it, such as `clips.csv, line 7`; empty where a folder was walked.
        cells: what else the line says, by column.
    """

    path: Path
    labels: tuple[str, ...]
    start: float = 0.0
    end: float | None = None
    group: str = ""
    side: Side = ""
    where: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """What a layout's reader found.

    Attributes:
        source: the path that was given.
        root: the folder from which `group_by` sees the paths.
        entries: in the order of the source.
        each: how many labels an entry may have: `one`, `several`, or `any`, where the entries themselves tell.
        order: labels in the format's own order; those that are not in it follow by name.
        listed: whether a list names the files, so that some may not be there.
        columns: names of the columns, where there are any.
        problems: what was left out, and why.
    """

    source: Path
    root: Path
    entries: tuple[Entry, ...]
    each: Each = "one"
    order: tuple[str, ...] = ()
    listed: bool = False
    columns: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Layout:
    """A way in which people keep data sets.

    Attributes:
        name: as on the command line.
        description: one line.
        fits: whether a path looks like it, at a glance.
        read: reads it.
    """

    name: str
    description: str
    fits: Callable[[Path], bool]
    read: Callable[[Path], Reading]


def side_of(word: str) -> Side | None:
    """Return the side that a word names, in any case; None where it names none."""
    return _SIDES.get(word.strip().lower())

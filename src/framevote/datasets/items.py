"""What a data set is made of: items with labels, and what could not be used."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from framevote.records.checking import check

Kind = Literal["photo", "video"]
Side = Literal["", "train", "validation", "test"]

# What errors go on with after the file's name: "a.jpg is no photo …".
_VERBS = ("is ", "cannot ", "has ", "does ", "holds ")


@dataclass(frozen=True)
class Item:
    """A photo, a video, or a piece of a video, and what it shows.

    Attributes:
        path: the file.
        labels: what it shows; more than one only in a data set of several labels, none where nothing of the classes is seen.
        kind: `photo` or `video`.
        start: seconds at which the piece begins, as a player shows them.
        end: seconds at which it ends; None is the end of the video.
        group: items of one group stay on one side of every split; the file itself where nobody says otherwise.
        side: `train`, `validation` or `test` where the data say so themselves, else empty.
    """

    path: Path
    labels: tuple[str, ...]
    kind: Kind = "photo"
    start: float = 0.0
    end: float | None = None
    group: str = ""
    side: Side = ""

    def __post_init__(self) -> None:
        check(self.kind in ("photo", "video"), "Item", "kind photo or video", self.kind)
        check(self.side in ("", "train", "validation", "test"), "Item", "side train, validation, test or none", self.side)
        check(len(set(self.labels)) == len(self.labels), "Item", "labels, no two alike", self.labels)
        check(0 <= self.start < float("inf"), "Item", "a start of at least 0 s", self.start)
        check(self.end is None or self.start < self.end < float("inf"), "Item", "an end after the start", (self.start, self.end))
        if not self.group:
            object.__setattr__(self, "group", str(self.path))


@dataclass(frozen=True)
class Problem:
    """A file or a line that could not be used, and why, in a sentence.

    Attributes:
        where: the file, or the line of a list.
        reason: what is wrong with it.
        note: whether it is only worth knowing: no input is lost by it.
    """

    where: str
    reason: str
    note: bool = False

    @classmethod
    def of(cls, path: Path, error: Exception) -> "Problem":
        """Return why a file cannot be used, without its name at the front of the sentence, which is told already."""
        return cls(str(path), str(error).removeprefix(str(path)).lstrip(": "))

    def __str__(self) -> str:
        """Return one sentence that names the file once."""
        if self.reason.startswith(self.where):
            return self.reason
        return f"{self.where}{' ' if self.reason.startswith(_VERBS) else ': '}{self.reason}"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Items and the classes that they show.

    Attributes:
        items: in the order of the source.
        labels: the class names, in the order of the scores' columns.
        several: whether an item may have more than one label, or none.
        layout: what the source was read as, one of LAYOUTS, such as `folders`.
        problems: what was left out, and why.
    """

    items: tuple[Item, ...]
    labels: tuple[str, ...]
    several: bool = False
    layout: str = ""
    problems: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        check(len(set(self.labels)) == len(self.labels), "Dataset", "labels, no two alike", self.labels)
        known = set(self.labels)
        strange = sorted({label for item in self.items for label in item.labels} - known)
        check(not strange, "Dataset", "items whose labels are among its own", strange[:3])
        odd = [item for item in self.items if len(item.labels) != 1] if not self.several else []
        check(not odd, "Dataset", "one label an item, unless it has several", odd[:1])

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"Dataset({len(self.items)} items, {len(self.labels)} labels, {self.layout})"

    @property
    def targets(self) -> NDArray[np.bool_]:
        """Which labels each item has: bool (N, C)."""
        column = {label: place for place, label in enumerate(self.labels)}
        targets = np.zeros((len(self.items), len(self.labels)), np.bool_)
        for row, item in enumerate(self.items):
            targets[row, [column[label] for label in item.labels]] = True
        return targets

    def take(self, rows: Iterable[int], problems: Iterable[Problem] = ()) -> "Dataset":
        """Return some of the items, under the same labels; `problems` are added to those there are."""
        kept = tuple(self.items[row] for row in rows)
        return replace(self, items=kept, problems=(*self.problems, *problems))

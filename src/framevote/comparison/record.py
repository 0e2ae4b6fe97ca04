"""The record of a study: a line for each setting and fold that is done, so that a study that was stopped goes on where it was."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from framevote.errors import OutputError, UsageError
from framevote.files import check_free, make_folder

NAME, PAGE, TABLE = "results.jsonl", "index.html", "results.csv"
_EDITION = 1  # of what the lines mean


@dataclass(frozen=True)
class Done:
    """What came of one setting on one fold.

    Attributes:
        setting: the encoder's text.
        fold: its number.
        kept: which items could be described, as a digest.
        winners: the class that is named for each held-out item of the fold, in their order.
        length: numbers of a vector.
        learning: seconds that the codebook took.
        encoding: seconds that encoding an item took, with all poolings of its family.
        fitting: seconds that the classifier took.
    """

    setting: str
    fold: int
    kept: str
    winners: tuple[int, ...]
    length: int
    learning: float
    encoding: float
    fitting: float


class Record:
    """The lines of one study in its folder; whatever was asked of it is in its first line."""

    def __init__(self, folder: Path, asked: dict[str, Any], overwrite: bool) -> None:
        """Open the record, or begin it.

        Raises:
            UsageError: the folder holds another study.
            OutputError: it cannot be written to.
        """
        make_folder(folder)
        self.path = folder / NAME
        self._first = json.dumps({"edition": _EDITION, **asked}, sort_keys=True)
        lines = [] if overwrite else self._lines()
        if not lines and not overwrite:
            for name in (PAGE, TABLE):
                check_free(folder / name, overwrite=False)
        if lines and lines[0] != self._first:
            told = _difference(lines[0], self._first)
            raise UsageError(f"{folder} holds another study: {told}. Choose another folder, or replace it with --overwrite.")
        self.done = {(done.setting, done.fold): done for done in map(_done, lines[1:]) if done}
        if not lines:
            self._write(self._first, "w")
        elif not self.path.read_bytes().endswith(b"\n"):  # a line that was torn by the end of a process
            self._write("", "a")

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text("utf-8", errors="replace").splitlines() if self.path.exists() else []
        except OSError as error:
            raise OutputError(f"{self.path} cannot be read: {error.strerror}. Choose another folder.") from error

    def has(self, setting: str, fold: int, kept: str, held: int) -> bool:
        """Return whether a setting is done on a fold of the same items, of which so many are held out."""
        done = self.done.get((setting, fold))
        return done is not None and done.kept == kept and len(done.winners) == held

    def add(self, done: Done) -> None:
        """Write a line, to the disk itself."""
        self.done[(done.setting, done.fold)] = done
        self._write(json.dumps(asdict(done)), "a")

    def _write(self, line: str, mode: str) -> None:
        try:
            with self.path.open(mode, encoding="utf-8") as file:
                file.write(line + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}. Free some room, or choose another folder.") from error


def _done(line: str) -> Done | None:
    """Return what a line tells; None where it is torn."""
    try:
        told = json.loads(line)
        done = Done(**{**told, "winners": tuple(map(int, told["winners"]))})
        kinds = (type(done.setting), type(done.fold), type(done.kept), type(done.length))
        costs = (done.learning, done.encoding, done.fitting)
        return done if kinds == (str, int, str, int) and all(isinstance(cost, int | float) for cost in costs) else None
    except (ValueError, TypeError, KeyError):
        return None


def _difference(one: str, other: str) -> str:
    """Return what differs between what two studies were asked, in words."""
    try:
        old, new = json.loads(one), json.loads(other)
    except ValueError:
        return "its record is damaged"
    return "; ".join(_differing(old, new)) if isinstance(old, dict) else "its record is damaged"


def _differing(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"{name} was {old.get(name)!r}, and is {new.get(name)!r} now"

"""What is learned from: samples, decoded once and kept in memory or in a file, and the batches of an epoch made ahead of their use."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from framevote.datasets.items import Item, Problem
from framevote.datasets.looking import frames_of
from framevote.errors import InputError, OutputError
from framevote.records import Image, View

BUDGET = 2 << 30
"""Bytes of samples that are held in memory; what is more lies in a file of the run's folder, mapped into memory."""

_AHEAD = 2
_PIECE = 32

T = TypeVar("T")
Values = NDArray[Any]
Look = Callable[[NDArray[np.uint8]], Values]


class Shelf:
    """Room for samples: in memory while the budget lasts, then in files of a folder.

    The files go when the shelf is closed; those of a killed run are written over by the next.
    """

    def __init__(self, folder: Path, budget: int = BUDGET) -> None:
        self._folder = folder
        self._left = budget
        self._files: list[Path] = []

    def array(self, name: str, shape: tuple[int, ...], dtype: Any) -> Values:
        """Return an array to be filled.

        Raises:
            OutputError: it needs a file, and the disk has no room for it.
        """
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if size <= self._left:
            self._left -= size
            return np.empty(shape, dtype)
        path = self._folder / f"{name}.raw"
        self._files.append(path)
        try:
            with path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk must show here: under a mapped file it kills the process
            return np.memmap(path, dtype, "r+", shape=shape)
        except OSError as error:
            self.close()
            raise OutputError(
                f"{path} cannot be written: {error.strerror}. Expected room for {size / 1e9:.1f} GB of decoded pictures; free some, "
                "choose another folder, or take fewer frames of each video."
            ) from error

    def close(self) -> None:
        """Remove the files."""
        for path in self._files:
            with suppress(OSError):
                path.unlink(missing_ok=True)


@dataclass(frozen=True, eq=False)
class Samples:
    """Pictures, or what the trunk made of them, with what they show.

    Attributes:
        values: (N, …), a row for each photo and each frame.
        targets: float32 (N, C), 1 where the label holds.
        weights: float32 (N,): all of an item's frames together count as much as a photo; 1 on average.
    """

    values: Values
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch as the tail takes it."""

    values: Values
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Reading:
    """How items become samples.

    Attributes:
        labels: in the order of the targets' columns.
        view: the size and the cut of the pictures.
        frames: how many a video gives at most.
        look: what is kept of the pictures, asked for a few dozen at a time; None keeps the pictures.
    """

    labels: Sequence[str]
    view: View
    frames: int
    look: Look | None = None


def read_samples(items: Sequence[Item], reading: Reading, shelf: Shelf, name: str, problems: list[Problem] | None = None) -> Samples:
    """Decode items in their order; those that cannot be read are put on the list of problems and left out.

    Raises:
        InputError: no item can be read.
        OutputError: the disk has no room.
    """
    found = [] if problems is None else problems
    rows: list[int] = []
    values: Values | None = None
    for pictures, owners in _pieces(_looked_at(items, reading, found), _PIECE):
        part = reading.look(pictures) if reading.look else pictures
        if values is None:
            most = sum(1 if item.kind == "photo" else reading.frames for item in items)
            values = shelf.array(name, (most, *part.shape[1:]), part.dtype)
        values[len(rows) : len(rows) + len(part)] = part
        rows += owners
    if values is None:
        told = f" The first: {found[-len(items)]}" if items and len(found) >= len(items) else ""
        raise InputError(f"None of the {len(items)} items to {name} with can be read. Expected photos or videos.{told}")
    counts = np.bincount(rows, minlength=len(items))
    weights = 1 / counts[rows]
    return Samples(values[: len(rows)], targets_of(items, reading.labels)[rows], (weights / weights.mean()).astype(np.float32))


def targets_of(items: Sequence[Item], labels: Sequence[str]) -> NDArray[np.float32]:
    """Return 1 where an item has a label: float32 (N, C)."""
    return np.array([[label in item.labels for label in labels] for item in items], np.float32).reshape(len(items), len(labels))


def shuffled(count: int, size: int, seed: int, epoch: int) -> list[NDArray[np.intp]]:
    """Return the rows of an epoch's batches: the same for the same seed and epoch."""
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return np.array_split(order, range(size, count, size))


def in_order(count: int, size: int) -> Iterator[slice]:
    """Yield the rows of batches, one after the other."""
    yield from (slice(at, min(at + size, count)) for at in range(0, count, size))


def ahead(source: Iterator[T]) -> Iterator[T]:
    """Yield what a source yields, made by a thread while the caller works with what came before; errors reach the caller."""
    with ThreadPoolExecutor(1, "feeding") as thread:
        waiting = deque(thread.submit(next, source, None) for _ in range(_AHEAD))
        while (made := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, source, None))
            yield made


def _looked_at(items: Sequence[Item], reading: Reading, problems: list[Problem]) -> Iterator[tuple[int, Image]]:
    """Yield the place of an item and a picture of it, for every picture; what was seen of an item that breaks later stays."""
    for place, item in enumerate(items):
        try:
            yield from ((place, frame.image) for frame in frames_of(item, reading.view, reading.frames))
        except InputError as error:
            problems.append(Problem.of(item.path, error))


def _pieces(source: Iterator[tuple[int, Image]], most: int) -> Iterator[tuple[NDArray[np.uint8], list[int]]]:
    waiting: list[tuple[int, Image]] = []
    for one in source:
        waiting.append(one)
        if len(waiting) == most:
            yield np.stack([image for _, image in waiting]), [place for place, _ in waiting]
            waiting.clear()
    if waiting:
        yield np.stack([image for _, image in waiting]), [place for place, _ in waiting]

"""Items through the fast runtime, as one stream, and what is remembered of them."""

import hashlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.classifier import Classifier, cache_folder
from framevote.datasets import FRAMES, Item, Problem, frames_of
from framevote.errors import InputError, missing_extra
from framevote.features.rows import Rows
from framevote.records import Frame

_EDITION = 1  # of what is remembered: raise it where the same file gives other pictures, or the same network other answers

Done = Callable[[int, int], None]
"""Told the items that are done, and how many there are."""


@dataclass(frozen=True, eq=False)
class Embedded:
    """What came of embedding items: the rows, which items they are of, and what could not be read.

    Attributes:
        rows: of the items that could be read.
        kept: their numbers among those that were given, in order.
        problems: of the others.
        computed: how many items the network was run for; the others were remembered.
    """

    rows: Rows
    kept: tuple[int, ...]
    problems: tuple[Problem, ...]
    computed: int


def embed_items(items: Sequence[Item], model: Classifier, frames: int = FRAMES, done: Done | None = None, keep: bool = True) -> Embedded:
    """Embed the frames of items.

    What was embedded before is remembered, in the user's cache folder: by the content of the file, the piece, the frames, and all
    that decides the network's answers. So a file may move, and only what changed is computed. Stopped halfway, it goes on there.

    Args:
        items: photos, clips and pieces.
        model: what embeds them.
        frames: how many frames of a video are looked at.
        done: told how far it is.
        keep: whether to remember.
    """
    told = _Told(items, model, frames, done)
    with open_store(keep) as store:
        found = told.look_up(store)
        missing = [number for number, values in enumerate(found) if values is None]
        for number, values in told.embed(missing):
            found[number] = values
            told.remember(store, number, values)
    kept = tuple(number for number, values in enumerate(found) if values is not None)
    held = [values for values in found if values is not None]
    owners = np.repeat(np.arange(len(held)), [len(values) for values in held])
    values = np.concatenate(held) if held else np.empty((0, model.embedding), np.float32)
    return Embedded(Rows(values, owners, len(held)), kept, tuple(told.problems), told.computed)


class _Told:
    """One call of `embed_items`: what was asked for, and what has come of it so far."""

    def __init__(self, items: Sequence[Item], model: Classifier, frames: int, done: Done | None) -> None:
        self.items, self.model, self.frames, self._done = items, model, frames, done
        self.problems: list[Problem] = []
        self.computed = 0
        self._ready = 0
        self._keys: dict[int, str] = {}
        self._contents: dict[Path, str] = {}

    def look_up(self, store: Any) -> list[NDArray[np.float32] | None]:
        """Return the remembered rows of each item, or None."""
        found: list[NDArray[np.float32] | None] = []
        for number, item in enumerate(self.items):
            key = self._keys[number] = self._key(item)
            values = self._rows(store.get(key) if key else None, 1 if item.kind == "photo" else self.frames)
            found.append(values)
            if values is not None:
                self._tick()
        return found

    def _key(self, item: Item) -> str:
        """Return what decides an item's rows, as a digest; empty where the file cannot be read."""
        if item.path not in self._contents:
            self._contents[item.path] = digest_of(item.path)  # once, however many pieces of a video there are
        if not (content := self._contents[item.path]):
            return ""
        looked = "photo" if item.kind == "photo" else f"{item.start!r} {item.end!r} {self.frames}"
        told = f"{_EDITION} {content} {looked} {self.model.fingerprint} {self.model.precision} {self.model.view!r}"
        return hashlib.sha256(told.encode()).hexdigest()

    def _rows(self, kept: bytes | None, most: int) -> NDArray[np.float32] | None:
        """Return what was remembered as rows; None where it cannot be those of an item."""
        size = np.dtype(np.float32).itemsize * self.model.embedding
        if not kept or len(kept) % size or len(kept) > most * size:
            return None
        return np.frombuffer(kept, np.float32).reshape(-1, self.model.embedding)

    def remember(self, store: Any, number: int, values: NDArray[np.float32]) -> None:
        """Keep the rows of an item."""
        if self._keys[number]:
            store.set(self._keys[number], values.tobytes())

    def embed(self, numbers: Sequence[int]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the rows of items, each as soon as it is whole; all of them go through the network as one stream."""
        waiting: list[tuple[int, int]] = []  # of items under way: number and frames
        rows: list[NDArray[np.float32]] = []

        def frames() -> Iterator[Frame]:
            for number in numbers:
                pictures = self._pictures(number)
                if pictures:
                    waiting.append((number, len(pictures)))
                    yield from pictures

        for block in self.model.embed_stream(frames()):
            rows.append(block.values)
            while waiting and sum(map(len, rows)) >= waiting[0][1]:
                number, count = waiting.pop(0)
                joined = np.concatenate(rows)
                rows = [joined[count:]]
                self.computed += 1
                self._tick()
                yield number, joined[:count].copy()  # a view would keep the whole block

    def _pictures(self, number: int) -> list[Frame]:
        """Return an item's frames; none, and a problem, where it cannot be read."""
        path = self.items[number].path
        problem = Problem(str(path), "has no picture that can be read. Expected a photo or a video.")
        try:
            if pictures := list(frames_of(self.items[number], self.model.view, self.frames)):
                return pictures
        except InputError as error:
            problem = Problem.of(path, error)
        self.problems.append(problem)
        self._tick()
        return []

    def _tick(self) -> None:
        self._ready += 1
        if self._done:
            self._done(self._ready, len(self.items))


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def open_store(keep: bool) -> Any:
    """Return what remembers bytes by key, or what forgets them."""
    if not keep:
        return closing(_Nothing())
    if importlib.util.find_spec("diskcache") is None:
        raise missing_extra("diskcache", "train", "Remembering embeddings")
    from framevote.features.store import Store  # noqa: PLC0415 - an optional package

    return closing(Store(cache_folder() / "embeddings"))


class _Nothing:
    """Remembers nothing."""

    def get(self, key: str) -> None:
        return None

    def set(self, key: str, value: bytes) -> None:
        return None

    def close(self) -> None:
        return None

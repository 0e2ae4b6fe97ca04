"""Local descriptors of a data set's items: computed once, remembered by content, and read from the disk item by item.

There are far more of them than memory holds: a photo has a thousand, of a hundred numbers each.
"""

import hashlib
import os
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from framevote.datasets import Item, Problem, frames_of
from framevote.datasets.clips import moving_frames
from framevote.descriptors import Descriptors, Extractor
from framevote.errors import InputError, OutputError
from framevote.features.embedding import Done, digest_of, open_store
from framevote.records import Frame

_EDITION = 2  # of what is remembered: raise it where the same file gives other descriptors


@dataclass(frozen=True)
class Looking:
    """How items are looked at.

    Attributes:
        extractor: what describes frames.
        name: all that decides its answers, as text.
        frames: how many frames of a video are looked at, spread evenly; of a moving extractor, all.
    """

    extractor: Extractor
    name: str
    frames: int

    def frames_of(self, item: Item) -> list[Frame]:
        """Return the frames of an item; raise InputError where it cannot be read, or nothing can move in it."""
        if not self.extractor.moving:
            return list(frames_of(item, self.extractor.view, self.frames))
        return moving_frames(item, self.extractor.view, self.extractor.lead)

    def key(self, item: Item, content: str) -> str:
        """Return what decides an item's descriptors, as a digest; empty where the file cannot be read."""
        frames = "all" if self.extractor.moving else self.frames
        looked = "photo" if item.kind == "photo" else f"{item.start!r} {item.end!r} {frames}"
        told = f"descriptors {_EDITION} {content} {looked} {self.name} {self.extractor.view!r}"
        return hashlib.sha256(told.encode()).hexdigest() if content else ""


class Described:
    """The descriptors of items, on the disk until it is closed.

    Attributes:
        kept: numbers of the items that could be read, in order.
        problems: of the others.
        computed: how many were computed; the others were remembered.
        numbers: D, of a descriptor.
        moments: how many all items have together.
    """

    def __init__(self, numbers: int) -> None:
        self.numbers = numbers
        self.kept: tuple[int, ...] = ()
        self.problems: tuple[Problem, ...] = ()
        self.computed = self.moments = 0
        self._places: dict[int, tuple[int, int]] = {}
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="framevote-")  # noqa: SIM115 - closed with this

    def __len__(self) -> int:
        return len(self.kept)

    def close(self) -> None:
        """Let go of the disk."""
        self._file.close()

    def of(self, number: int) -> list[Descriptors]:
        """Return the descriptors of an item by its number among all, moment by moment."""
        start, length = self._places[number]
        found = unpacked(os.pread(self._file.fileno(), length, start), self.numbers)  # by several threads at once
        if found is None:
            raise InputError("What was computed of the videos has gone from the disk. Free some room for temporary files (TMPDIR).")
        return found

    def put(self, number: int, packed: bytes) -> None:
        """Take what `packed` made of an item's descriptors."""
        start = self._file.seek(0, 2)
        try:
            self._file.write(packed)
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"What is computed of the videos cannot be kept in {tempfile.gettempdir()}: {error.strerror}. Free some room there, or set "
                "TMPDIR to another folder."
            ) from error
        self._places[number] = (start, len(packed))
        self.moments += int(np.frombuffer(packed, np.int32, 1)[0])

    def close_list(self, problems: Sequence[Problem], computed: int) -> None:
        """Settle which items there are."""
        self.kept, self.problems, self.computed = tuple(sorted(self._places)), tuple(problems), computed


def describe_items(items: Sequence[Item], looking: Looking, done: Done | None = None, keep: bool = True) -> Described:
    """Describe the frames of items.

    What was described before is remembered as embeddings are (`embed_items`); stopped halfway, it goes on there.

    Args:
        items: photos, clips and pieces.
        looking: how they are looked at.
        done: told how far it is.
        keep: whether to remember.
    """
    described = Described(looking.extractor.numbers)
    try:
        _fill(described, items, looking, done, keep)
    except BaseException:
        described.close()
        raise
    return described


def _fill(described: Described, items: Sequence[Item], looking: Looking, done: Done | None, keep: bool) -> None:
    """Put the descriptors of items, remembered ones first."""
    problems, contents, missing = list[Problem](), dict[Path, str](), list[int]()
    with open_store(keep) as store:
        for number, item in enumerate(items):
            if item.path not in contents:
                contents[item.path] = digest_of(item.path)
            kept = _remembered(store, looking.key(item, contents[item.path]), described.numbers)
            if kept is None:
                missing.append(number)
            else:
                described.put(number, kept)
        for ready, (number, found) in enumerate(_computed(items, missing, looking), len(items) - len(missing) + 1):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                data = packed(found)
                described.put(number, data)
                if key := looking.key(items[number], contents[items[number].path]):
                    store.set(key, data)
            if done:
                done(ready, len(items))
    described.close_list(problems, len(missing) - len(problems))


def _remembered(store: Any, key: str, numbers: int) -> bytes | None:
    kept = store.get(key) if key else None
    return kept if kept is not None and unpacked(kept, numbers) is not None else None


def _computed(items: Sequence[Item], missing: Sequence[int], looking: Looking) -> Iterator[tuple[int, list[Descriptors] | Problem]]:
    """Yield the descriptors of items, or why there are none; single frames of all items go through the extractor as one stream."""
    if looking.extractor.moving:
        for number in missing:
            yield number, _moved(items[number], looking)
        return
    waiting: deque[tuple[int, int]] = deque()
    refused: deque[tuple[int, Problem]] = deque()

    def frames() -> Iterator[Frame]:
        for number in missing:
            try:
                own = looking.frames_of(items[number])
            except InputError as error:
                refused.append((number, Problem.of(items[number].path, error)))
                continue
            if own:
                waiting.append((number, len(own)))
                yield from own
            else:
                problem = Problem(str(items[number].path), "has no picture that can be read. Expected a photo or a video.")
                refused.append((number, problem))

    found: list[Descriptors] = []
    for descriptors in looking.extractor(frames()):
        found.append(descriptors)
        if len(found) == waiting[0][1]:
            yield waiting.popleft()[0], found
            found = []
        while refused:
            yield refused.popleft()
    yield from refused


def _moved(item: Item, looking: Looking) -> list[Descriptors] | Problem:
    try:
        frames = looking.frames_of(item)
        return [found for frame, found in zip(frames, looking.extractor(frames), strict=True) if frame.frames]
    except InputError as error:
        return Problem.of(item.path, error)


def packed(several: Sequence[Descriptors]) -> bytes:
    """Return descriptors as bytes: how many moments, how many each has, their values in half precision, their places in single."""
    counts = np.array([len(several), *map(len, several)], np.int32)
    values = np.concatenate([each.values for each in several]) if several else np.empty((0, 0))
    limits = np.finfo(np.float16)
    halves: bytes = np.clip(values, limits.min, limits.max).astype(np.float16).tobytes()
    return counts.tobytes() + halves + b"".join(np.ascontiguousarray(each.places).tobytes() for each in several)


def unpacked(data: bytes, numbers: int) -> list[Descriptors] | None:
    """Return what `packed` was given, of descriptors of so many numbers; None where the bytes are something else."""
    if len(data) < 4 or len(data) < 4 * (1 + (moments := int(np.frombuffer(data, np.int32, 1)[0]))) or moments < 0:
        return None
    counts = np.frombuffer(data, np.int32, moments, offset=4)
    count, start = int(counts.sum()), 4 * (1 + moments)
    if (counts < 0).any() or len(data) != start + count * (2 * numbers + 8):
        return None
    values = np.frombuffer(data, np.float16, count * numbers, offset=start).reshape(count, numbers).astype(np.float32)
    places = np.frombuffer(data, np.float32, 2 * count, offset=start + 2 * count * numbers).reshape(count, 2)
    ends = np.cumsum(counts)
    return [Descriptors(values[end - own : end], places[end - own : end]) for own, end in zip(counts, ends, strict=True)]

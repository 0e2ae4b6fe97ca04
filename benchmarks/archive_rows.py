"""An archive of many rows: does writing to it, and asking it, slow down as it grows; and how does it lie on the disk."""

import shutil
import statistics
import time
from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from benchmarks.measuring import OUT, Spread, Usage, alternated, used
from benchmarks.table import Row, Setting
from framevote.archive.entries import Entry, Piece, Settings, Source
from framevote.archive.querying import query
from framevote.archive.status import Status
from framevote.archive.store import Archive, open_archive

_MANY, _MANY_QUICKLY, _FEW = 20_000, 2_000, 200
_BATCH = 64
_COMPACTED = 50
"""Batches from one compaction to the next, as `framevote archive add` does it."""

_LENGTH, _LABELS = 1280, 400
_SETTINGS = Settings("imagenet", "0" * 12)
_CONDITION = "label = 'label 7' and score > 0.5"
_AT_ONCE = timedelta(milliseconds=1)
_GOAL = 3.0


def archive_rows(setting: Setting) -> Iterator[Row]:
    """Yield a row for commits, one for queries, and one for files and bytes."""
    many = _MANY_QUICKLY if setting.quick else _MANY
    small, _ = _filled("few", _FEW)
    large, commits = _filled("many", many)
    early, late = (statistics.median(part) for part in (commits[2:10], commits[-_COMPACTED:]))
    yield Row(
        f"archive of {many:,} videos, a commit of {_BATCH} against the same at {_FEW} videos",
        f"≤ {_GOAL:.0f} ×",
        f"{late / early:.2f} ×",
        late <= _GOAL * early,
        f"{late * 1e3:.0f} ms, the median of the last {_COMPACTED}, from one compaction to the next; {early * 1e3:.0f} ms at the beginning",
        {"late": late, "early": early},
    )
    compacting, after = _compacted(large)
    _compacted(small)
    yield _asked(small, large, setting)
    count = large.table(f"segments_{_LENGTH}").count_rows()
    vectors = 4 * _LENGTH * (many + count)
    yield Row(
        f"the same after compaction: {many:,} videos, {count:,} segments, each with {_LENGTH} values of embedding",
        "stated",
        f"{after.files} files, {(after.bytes or 0) / 1e6:.0f} MB",
        None,
        f"of which {vectors / 1e6:.0f} MB are the embeddings; compacting all of it took {compacting:.1f} s",
        {"files": after.files or 0, "bytes": after.bytes or 0, "seconds": compacting},
    )
    shutil.rmtree(OUT / "archive_rows")


def _asked(small: Archive, large: Archive, setting: Setting) -> Row:
    """Measure one query on both in turn."""

    def ask(archive: Archive) -> Usage:
        return used(lambda: query(archive, _CONDITION, limit=20).num_rows)

    for archive in (small, large):
        ask(archive)
    pairs = alternated(4 * setting.rounds + 1, lambda: ask(large), lambda: ask(small))
    slower = Spread.of([many.wall / few.wall for many, few in pairs])
    late, early = (statistics.median(pair[side].wall for pair in pairs) for side in (0, 1))
    words = f"{late * 1e3:.0f} ms and {early * 1e3:.0f} ms; the first 20 segments where `{_CONDITION}`, once compacted"
    numbers = {"late": late, "early": early}
    return Row("the same, a query", f"≤ {_GOAL:.0f} ×", slower.text(2), slower.median <= _GOAL, words, numbers)


def _filled(name: str, count: int) -> tuple[Archive, list[float]]:
    """Return a new archive of made videos, and the seconds that each batch took."""
    folder = OUT / "archive_rows" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    archive = open_archive(folder, create=True)
    draw, commits = np.random.default_rng(0), []
    for number, first in enumerate(range(0, count, _BATCH), start=1):
        entries = [_entry(place, draw) for place in range(first, min(first + _BATCH, count))]
        began = time.perf_counter()
        archive.write(entries)
        if len(entries) == _BATCH:
            commits.append(time.perf_counter() - began)
        if number % _COMPACTED == 0:
            archive.compact()
    return archive, commits


def _compacted(archive: Archive) -> tuple[float, Status]:
    began = time.perf_counter()
    archive.compact(_AT_ONCE)
    return time.perf_counter() - began, archive.status()


def _entry(number: int, draw: np.random.Generator) -> Entry:
    """A short clip of one to three segments, nothing of it decoded."""
    vectors = draw.random((4, _LENGTH), dtype=np.float32)
    pieces = (
        Piece(4.0 * n, 4.0 * n + 4, f"label {draw.integers(_LABELS)}", float(draw.random()), vectors[n]) for n in range(1 + number % 3)
    )
    return Entry(
        source=Source(f"/videos/{number // 1000:03}/clip-{number:06}.mp4", 900_000 + number, 1.7e9 + number),
        content=draw.bytes(16).hex(),
        settings=_SETTINGS,
        state="done",
        probe={"width": 640, "height": 360, "duration": 12.0, "frame_rate": "25", "codec": "h264"},
        label=f"label {number % _LABELS}",
        score=0.5,
        embedding=vectors[3],
        pieces=tuple(pieces),
        looked=3,
        decoded=3,
        seconds=0.1,
        finished=1.8e9 + number,
    )

"""The same list by Ray with two workers and by two workers here: are the rows the same, and what does the way through Ray cost?"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks import media
from benchmarks.measuring import OUT, Spread, Usage, Worker, alternated, told
from benchmarks.table import Row, Setting

_STRATEGY = "Keyframes(step=4)"
_WORKERS = 2
_FILES, _FEW = 36, 8
_CLIPS, _FEW_CLIPS = 200, 20
_ROUNDS = 3
_OVERHEAD = 0.25


def archive_ray(setting: Setting) -> Iterator[Row]:
    """Yield a row for videos of some minutes, and one for short clips, where what is done for each file weighs most."""
    yield _compared("videos of 3–4 minutes", media.library(_FEW if setting.quick else _FILES), 1 if setting.quick else _ROUNDS)
    yield _compared("clips of 10–30 s", media.clips(_FEW_CLIPS if setting.quick else _CLIPS), 1 if setting.quick else _ROUNDS)


def _compared(what: str, folder: Path, times: int) -> Row:
    rows: dict[str, set[str]] = {"local": set(), "": set()}
    starts: dict[str, list[float]] = {"local": [], "": []}

    def added(on: str) -> Usage:
        # A process for each, so that neither finds anything warm.
        with Worker() as worker:
            answer = worker.ask("add_on_ray", folder=folder, on=on)
        rows[on].add(answer["rows"])
        starts[on].append(answer["start"])
        return Usage(**answer["usage"])

    rounds = alternated(times, lambda: added("local"), lambda: added(""))
    ratio = Spread.of([pair[0].wall / pair[1].wall for pair in rounds])
    same = rows["local"] == rows[""] and len(rows[""]) == 1
    work = Spread.of([pair[0].processor / pair[1].processor for pair in rounds])
    ray, here = (Spread.of([pair[side].rate for pair in rounds]) for side in (0, 1))
    return Row(
        f"archive by Ray, here, {_WORKERS} workers, {what}, `{_STRATEGY}`: time after start-up over that without Ray",
        f"rows equal, ≤ {1 + _OVERHEAD} ×",
        f"{'the same rows' if same else 'other rows'}; {ratio.text()}",
        same and ratio.median <= 1 + _OVERHEAD,
        f"processor seconds of every process meanwhile {work.text()}; seconds of video a second: "
        f"{ray.text(0, 'by Ray')}, {here.text(0, 'without')}; "
        f"until every worker has done a file "
        f"{Spread.of(starts['local']).text(1, 's')} and {Spread.of(starts['']).text(1, 's')}",
        {"ratio": ratio.median, "processor": work.median, "by Ray": ray.median, "without": here.median},
    )


def add_on_ray(folder: str, on: str) -> dict[str, Any]:
    """Add a folder to a new archive, by Ray or by workers here; the clock runs from each worker's first file to the last file."""
    from framevote.archive.adding import add  # noqa: PLC0415 - with the workers alone
    from framevote.archive.cluster import engine_on  # noqa: PLC0415

    into, steps = OUT / f"archive-{on or 'here'}", [(0.0, 0, 0.0)]
    shutil.rmtree(into, ignore_errors=True)
    began = time.perf_counter()

    used: list[float] = []

    def note(now: Any) -> None:
        if now.files > steps[-1][1]:
            steps.append((time.perf_counter() - began, now.files, now.video))
            if now.files == now.of or (now.files >= _WORKERS and not used):
                used.append(_processor())

    engine = engine_on(on, _WORKERS) if on else None
    done = add([folder], into, strategy=_STRATEGY, workers=_WORKERS, engine=engine, progress=note)
    if done.done != done.of:
        raise RuntimeError(f"{done.failed} files failed")
    start = next(step for step in steps if step[1] >= _WORKERS)
    end = steps[-1]
    usage = Usage(end[0] - start[0], used[-1] - used[0], round(end[2] - start[2]))
    return {"usage": told(usage), "start": start[0], "rows": _rows(into)}


def _processor() -> float:
    """Return the processor seconds of this process and of all that live below it."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _rows(into: Path) -> str:
    """Return what names all that was found, whatever the order in which it was."""
    from framevote.archive.store import open_archive  # noqa: PLC0415 - with the workers alone
    from framevote.archive.tables import scan  # noqa: PLC0415

    opened = open_archive(into)
    columns = {"videos": ("key", "path", "state", "label", "score", "looked"), "segments_1280": ("video", "start", "end", "label", "score")}
    rows = [sorted(json.dumps(row) for row in scan(opened.table(name), wanted).to_pylist()) for name, wanted in columns.items()]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

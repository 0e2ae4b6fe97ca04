"""An archive under `kill -9`: rows lost, rows twice, and strange files among others."""

import hashlib
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks import media
from benchmarks.measuring import OUT, ROOT
from benchmarks.table import Row, Setting

_FILES, _FEW = 200, 40
_KILLS, _SOME = 10, 3
_LIFE = 0.1  # seconds for each file at most: what is looked at here takes about twice that
_SEED = 6
_MORE = ("--strategy", "Every(seconds=0.25)", "--quiet")


def archive_kills(setting: Setting) -> Iterator[Row]:
    """Yield a row for the kills, and one for the odd files."""
    folder, into = media.clips(_FEW if setting.quick else _FILES), OUT / "archive-kills"
    yield _killed(sorted(folder.iterdir()), into, _SOME if setting.quick else _KILLS)
    yield _odd(sorted(folder.iterdir()), OUT / "archive-odd")


def _killed(files: Sequence[Path], into: Path, kills: int) -> Row:
    """Kill a run again and again, look at what is there, and let it end at last."""
    shutil.rmtree(into, ignore_errors=True)
    moments = [random.Random(_SEED + number).uniform(0.5, _LIFE * len(files)) for number in range(kills)]
    unreadable = outlived = finished = 0
    seen: list[int] = []
    for moment in moments:
        run = _begun(files, into)
        try:
            run.wait(moment)
            finished += 1
        except subprocess.TimeoutExpired:
            workers = psutil.Process(run.pid).children(recursive=True)
            run.kill()
            run.wait()
            outlived += len(psutil.wait_procs(workers, 5)[1])
        try:
            seen.append(len(_rows(into)) if into.exists() else 0)
        except Exception:
            unreadable += 1
    began = time.perf_counter()
    _begun(files, into).wait()
    last = time.perf_counter() - began
    rows = _rows(into)
    lost = len({_content(path) for path in files} - {row["content"] for row in rows})
    twice = len(rows) - len({row["key"] for row in rows})
    wrong = _wrong_segments(into, rows)
    return Row(
        f"`kill -9` at {kills} random moments of a run over {len(files)} files, then again until done",
        "0 rows lost, 0 twice, 0 unreadable",
        f"{lost} lost, {twice} twice, {unreadable} unreadable",
        lost == twice == unreadable == wrong == outlived == 0 and finished < kills,
        f"killed after {', '.join(f'{moment:.1f}' for moment in moments)} s, with {', '.join(map(str, seen))} rows in the archive; "
        f"{wrong} videos with segments too few or too many, {outlived} workers that outlived their run; the last run took {last:.0f} s",
        {"lost": lost, "twice": twice, "unreadable": unreadable},
    )


def _odd(files: Sequence[Path], into: Path) -> Row:
    """Add strange files among good ones, all in one run."""
    name, goal = "strange files of `odd/` in one run with good ones", "each done, or with its sentence"
    if not media.SHARED.is_dir():
        return Row(name, goal, media.NO_SHARED)
    odd = [path for path in sorted((media.SHARED / "odd").rglob("*")) if path.is_file()]
    good = files[: max(_FILES - len(odd), 0)]
    shutil.rmtree(into, ignore_errors=True)
    code = _begun([*good, *odd], into).wait()
    rows = {row["content"]: row for row in _rows(into)}
    found = [rows.get(_content(path)) for path in odd]
    failed = [row for row in found if row and row["state"] == "failed"]
    silent = sum(row is None or (row["state"] == "failed" and not row["error"]) for row in found)
    fine = sum(row is not None and row["state"] == "done" for row in (rows.get(_content(path)) for path in good))
    return Row(
        f"{len(odd)} {name} ({len(odd) + len(good)} in all)",
        goal,
        f"{len(odd) - len(failed) - silent} done, {len(failed)} with a sentence, {silent} without",
        silent == 0 and fine == len(good) and code in (0, 1),
        f"{fine} of {len(good)} good ones done; exit code {code}",
        {"silent": silent},
    )


def _begun(files: Sequence[Path], into: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "framevote", "archive", "add", *map(str, files), "--into", str(into), *_MORE]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _rows(into: Path) -> list[dict[str, Any]]:
    from framevote.archive.store import open_archive  # noqa: PLC0415 - here alone
    from framevote.archive.tables import scan  # noqa: PLC0415

    columns = ("key", "content", "state", "error", "segments")
    return list(scan(open_archive(into).table("videos"), columns).to_pylist())


def _wrong_segments(into: Path, rows: Sequence[dict[str, Any]]) -> int:
    """Return how many videos have not just the segments that their rows tell of."""
    from framevote.archive.store import open_archive  # noqa: PLC0415 - here alone
    from framevote.archive.tables import scan  # noqa: PLC0415

    held: Counter[str] = Counter()
    for table in open_archive(into).segment_tables():
        held.update(row["video"] for row in scan(table, ("video",)).to_pylist())
    told = {row["key"]: row["segments"] for row in rows if row["state"] == "done"}
    return sum(held[key] != told.get(key, 0) for key in {*held, *told})


def _content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Peak memory of the command line on a short and on a long video: it shall not grow with the length."""

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import media
from benchmarks.measuring import OUT, Usage, command
from benchmarks.table import Row, Setting

_HEIGHT = 360
_MOST = 1e9


def memory(setting: Setting) -> Iterator[Row]:
    """Yield the row: 1 minute against 10 (quick: 2)."""
    minutes = 2 if setting.quick else 10
    short, long = (_labelled(media.repeated(_HEIGHT, length)) for length in (1, minutes))
    ratio = long.peak / short.peak
    yield Row(
        f"peak memory, {minutes}-minute over 1-minute video, every frame, annotated",
        "within 10 %, under 1 GB",
        f"{ratio:.3f} × ({long.peak / 1e6:.0f} MB over {short.peak / 1e6:.0f} MB)",
        abs(ratio - 1) <= 0.1 and long.peak < _MOST,
        f"`framevote label FILE -o out.mp4`, {_HEIGHT}p, whole processes; {short.wall:.0f} s and {long.wall:.0f} s",
        {"ratio": ratio, "short MB": short.peak / 1e6, "long MB": long.peak / 1e6},
    )


def _labelled(path: Path) -> Usage:
    output = OUT / "memory.mp4"
    return command([sys.executable, "-m", "framevote", "label", path, "-o", output, "--quiet", "--overwrite"])

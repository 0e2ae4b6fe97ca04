"""How many cores so many hours a minute take: `python -m benchmarks.sizing` measures and prints, `--write` puts it into docs/cluster.md."""

import argparse
import math
import sys
from collections.abc import Sequence

from benchmarks import media
from benchmarks.measuring import ROOT, OthersWork, cores
from benchmarks.table import processor
from framevote.archive.entries import Entry
from framevote.archive.listing import list_sources
from framevote.archive.settling import settle
from framevote.archive.workers import Workers
from framevote.archive.working import Task

_STRATEGY = "Keyframes(step=4)"
_HEIGHTS = (360, 720, 1080)
_HOURS = (1, 10, 100)
_FILES = 12
PAGE = ROOT / "docs" / "cluster.md"
BEGIN, END = "<!-- sizing: begin -->", "<!-- sizing: end -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser("python -m benchmarks.sizing", description="Measure what a core does, and print what many need.")
    parser.add_argument("--write", action="store_true", help="put the table into docs/cluster.md")
    parser.add_argument("--files", type=int, default=_FILES, help="how many videos of three minutes of each size")
    chosen = parser.parse_args(arguments)
    others = OthersWork()
    rows = [_row(height, *_measured(height, chosen.files)) for height in _HEIGHTS]
    text = "\n".join(
        [
            *_head(),
            *rows,
            "",
            f"Measured on {processor()}, {cores()} cores, all of them at work; {others.cores():.2f} of them had other work.",
        ]
    )
    print(text)
    if chosen.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


def _measured(height: int, files: int) -> tuple[float, float]:
    """Return seconds of video a processor second, and Mbit a second of video."""
    sources = list(list_sources([media.sized(height, files)], print))
    with Workers(settle(strategy=_STRATEGY)) as workers:
        list(workers.run(map(Task, sources[: cores()]), lambda _: False))  # until every model is loaded
        found = [result for some in workers.run(map(Task, sources), lambda _: False) for result in some if isinstance(result, Entry)]
    video = sum(float(entry.probe["duration"]) for entry in found)
    # Of the processor, not of the clock: so it holds beside other work too.
    return video / sum(entry.seconds for entry in found), sum(source.size for source in sources) * 8e-6 / video


def _head() -> list[str]:
    asked = [f"{hours} h a minute" for hours in _HOURS]
    titles = ["H.264", "Mbit/s", "video a second of one core", *asked, f"to be read for {_HOURS[-1]} h a minute"]
    return [f"| {' | '.join(titles)} |", f"|---|{'--:|' * (len(titles) - 1)}"]


def _row(height: int, rate: float, megabits: float) -> str:
    needed = [f"{_cores(hours * 60 / rate)}" for hours in _HOURS]
    read = f"{_HOURS[-1] * 60 * megabits / 1000:.1f} Gbit/s"
    return f"| {' | '.join([f'{height}p', f'{megabits:.1f}', f'{rate:.0f} s', *needed, read])} |"


def _cores(number: float) -> str:
    return f"{math.ceil(number):,} core{'s' if number > 1 else ''}"


if __name__ == "__main__":
    sys.exit(main())

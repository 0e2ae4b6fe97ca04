"""How long the command line takes to answer for help."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measuring import Spread, Usage, alternated, command
from benchmarks.table import Row, Setting

_GOAL = 0.3
_ROUNDS = 9


def start(setting: Setting) -> Iterator[Row]:
    """Yield a row for each help page, beside an import of typer alone."""
    del setting
    program = Path(sys.executable).parent / "framevote"
    asked: Sequence[str | Path] = [program] if program.exists() else [sys.executable, "-m", "framevote"]
    bare = [sys.executable, "-c", "import typer"]
    for arguments in (["--help"], ["label", "--help"]):
        yield _row(" ".join(arguments), [*asked, *arguments], bare)


def _row(words: str, asked: Sequence[str | Path], bare: Sequence[str | Path]) -> Row:
    def ours() -> Usage:
        return command(asked)

    def typer() -> Usage:
        return command(bare)

    ours(), typer()  # files are in memory from here on
    pairs = alternated(_ROUNDS, ours, typer)
    seconds, alone = (Spread.of([pair[side].wall for pair in pairs]) for side in (0, 1))
    beside = f'{seconds.median / alone.median:.2f} × `python -c "import typer"` ({alone.text(2, "s")})'
    numbers = {"seconds": seconds.median, "typer": alone.median}
    return Row(f"`framevote {words}`, median of {_ROUNDS}", f"≤ {_GOAL} s", seconds.text(2, "s"), seconds.median <= _GOAL, beside, numbers)

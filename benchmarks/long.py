"""Peak memory of every strategy on a video of ten hours against one of ten minutes: it shall not grow."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import media
from benchmarks.measuring import OUT, Usage, Worker, command, told, used
from benchmarks.table import Row, Setting

_STRATEGIES = (
    "EveryFrame()",
    "Every(seconds=1)",
    "Keyframes()",
    "Uniform(frames=64)",
    "ShotChanges()",
    "MotionUniform(frames=64)",
    "CoarseToFine()",
    "Budget(seconds=30)",
)
_WITHIN = 0.1


def long(setting: Setting) -> Iterator[Row]:
    """Yield a row for each strategy; quick: one hour."""
    hours = 1 if setting.quick else 10
    with Worker() as worker:
        model = Path(worker.ask("make_small_model")["model"])
    for strategy in _STRATEGIES:
        yield _row(strategy, hours, model, ".mkv")
    yield _row("Keyframes()", hours, model, ".mp4")


def _row(strategy: str, hours: int, model: Path, suffix: str) -> Row:
    short, whole = media.walk(10, suffix), media.walk(60 * hours, suffix)
    less, more = (_labelled(path, strategy, model) for path in (short, whole))
    opened = _opened(whole)
    ratio = more.peak / less.peak
    return Row(
        f"peak memory, {hours} hours over 10 minutes, `{strategy}`, {suffix[1:].upper()}",
        f"within {100 * _WITHIN:.0f} %",
        f"{ratio:.3f} × ({more.peak / 1e6:.0f} MB over {less.peak / 1e6:.0f} MB)",
        abs(ratio - 1) <= _WITHIN,
        f"`framevote label`, whole processes, a small network; {less.wall:.0f} s and {more.wall:.0f} s; FFmpeg alone takes "
        f"{opened / 1e6:.0f} MB to open the long one",
        {"ratio": ratio, "short MB": less.peak / 1e6, "long MB": more.peak / 1e6},
    )


def _opened(path: Path) -> float:
    """Return by how many bytes a process grows as FFmpeg opens a video, measured by itself."""
    grown = "import av, resource as r; k = lambda: r.getrusage(r.RUSAGE_SELF).ru_maxrss; a = k(); c = av.open({!r}); print(k() - a)"
    done = subprocess.run([sys.executable, "-c", grown.format(str(path))], check=True, capture_output=True, text=True)
    return int(done.stdout) * 1024


def _labelled(path: Path, strategy: str, model: Path) -> Usage:
    options = ["--model", str(model), "--strategy", strategy, "-o", str(OUT / "long.csv"), "--quiet", "--overwrite"]
    return command([sys.executable, "-m", "framevote", "label", str(path), *options])


def make_small_model() -> dict[str, Any]:
    """Make a model that costs next to nothing: what is measured is all around it."""
    path = OUT / "long" / "small.fvm"
    return {"usage": told(used(lambda: int(path.exists() or _make(path)))), "model": str(path)}


def _make(path: Path) -> int:
    from framevote.assembly import Top  # noqa: PLC0415
    from framevote.backbones import Pixels  # noqa: PLC0415
    from framevote.classifier import backbone_file  # noqa: PLC0415
    from framevote.export import export_model  # noqa: PLC0415
    from framevote.model_file import Card  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    backbone = Pixels()
    labels = tuple(f"label {number}" for number in range(10))
    with tempfile.TemporaryDirectory() as folder:
        source = backbone_file(backbone).extract_keras(Path(folder))
        size = int(backbone().output_shape[1])
        kernel = np.random.default_rng(0).normal(size=(size, len(labels))) / size**0.5 * 8
        export_model(source, Card("small", labels, repr(backbone), "Average()", backbone.view), path, Top(kernel, np.zeros(len(labels))))
    return 1

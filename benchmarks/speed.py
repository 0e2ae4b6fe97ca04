"""How much faster than the tutorial's loop: labels only, labels with the annotated video, and on a GPU."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import media
from benchmarks.measuring import OUT, Spread, Usage, Worker, alternated, middle
from benchmarks.table import Row, Setting

# The tutorial's time is linear in the frames, and minutes long on a whole video.
_TUTORIAL_FRAMES = 150
_WARM_FRAMES = 20


@dataclass(frozen=True)
class _Case:
    """One comparison: what is made of which video, and how many times faster it shall be."""

    name: str
    height: int
    goal: float
    precision: str = "auto"
    preset: str | None = None
    annotated: bool = False


_LABELS = (
    _Case("labels only, 360p", 360, 25),
    _Case("labels only, 720p", 720, 18),
    _Case("labels only, 720p in f32", 720, 12, precision="f32"),
)
_ANNOTATED = (
    _Case("labels + annotated video, 720p, default preset", 720, 10, annotated=True),
    _Case("labels + annotated video, 720p, veryfast", 720, 6, preset="veryfast", annotated=True),
)


def labels(setting: Setting) -> Iterator[Row]:
    """Yield the rows of labels only."""
    yield from _rows(_LABELS, setting)


def annotated(setting: Setting) -> Iterator[Row]:
    """Yield the rows of labels with the annotated video."""
    yield from _rows(_ANNOTATED, setting)


def gpu(setting: Setting) -> Iterator[Row]:
    """Yield the row of the Keras backend's GPU against the processor; it is skipped where there is none."""
    name, path = 'labels only, 720p, `device="gpu"` against `device="cpu"`', media.video(720)
    with Worker() as graphics, Worker() as processor:
        try:
            graphics.ask("load", device="gpu")
        except RuntimeError as error:
            yield Row(name, "", f"skipped: {str(error).removeprefix('load: ')}")
            return
        works = (lambda: graphics.time("label", path=path, device="gpu"), lambda: processor.time("label", path=path))
        alternated(1, *works)
        pairs = alternated(setting.rounds, *works)
    ratio = Spread.of([ours.rate / theirs.rate for ours, theirs in pairs])
    beside = f"GPU {middle([a for a, _ in pairs]).rate:.0f}, processor {middle([b for _, b in pairs]).rate:.0f} frames/s"
    yield Row(name, "", ratio.text(1), None, beside, {"ratio": ratio.median})


def _rows(cases: tuple[_Case, ...], setting: Setting) -> Iterator[Row]:
    with ExitStack() as stack:
        ours, theirs, stages = (stack.enter_context(Worker()) for _ in range(3))
        waits = f"loading, not counted: {theirs.time('load_keras').wall:.1f} s tutorial"
        for case in cases:
            told = ours.ask("load", precision=case.precision)
            yield _row(case, setting, ours, theirs, stages, f"{waits}, {told['usage']['wall']:.1f} s framevote ({told['precision']})")


def _row(case: _Case, setting: Setting, ours: Worker, theirs: Worker, stages: Worker, waits: str) -> Row:
    path = media.video(case.height)
    output = {"output": OUT / "speed.mp4"} if case.annotated else {}
    preset = {"preset": case.preset} if case.preset else {}

    def framevote() -> Usage:
        return ours.time("label", path=path, precision=case.precision, **output, **preset)

    def tutorial() -> Usage:
        return theirs.time("tutorial", path=path, limit=_TUTORIAL_FRAMES)

    framevote(), theirs.time("tutorial", path=path, limit=_WARM_FRAMES)
    pairs = alternated(setting.rounds, framevote, tutorial)
    ratio = Spread.of([mine.rate / other.rate for mine, other in pairs])
    mine, other = (middle([pair[side] for pair in pairs]) for side in (0, 1))
    alone = _alone(case, path, stages)
    beside = (
        f"framevote {mine.rate:.0f}, tutorial {other.rate:.1f} frames/s (its first {other.frames} frames); alone: "
        + ", ".join(f"{name} {rate:.0f}" for name, rate in alone.items())
        + f"; {media.bits(path)}; {waits}"
    )
    numbers = {"ratio": ratio.median, "framevote": mine.rate, "tutorial": other.rate, **alone}
    return Row(f"{case.name}, against the tutorial", f"≥ {case.goal:.0f} ×", ratio.text(1), ratio.median >= case.goal, beside, numbers)


def _alone(case: _Case, path: Path, worker: Worker) -> dict[str, float]:
    """Return the frames a second of each stage by itself: no way through all of them can be faster than the slowest."""
    rates = {"decode + scale": worker.time("decode_scale", path=path).rate}
    worker.time("network", path=path, precision=case.precision)  # the first pass makes its requests
    rates["network"] = worker.time("network", path=path, precision=case.precision).rate
    if case.annotated:
        rates["decode again"] = worker.time("decode", path=path).rate
        rates["encode"] = worker.time("encode", path=path, preset=case.preset).rate
    return rates

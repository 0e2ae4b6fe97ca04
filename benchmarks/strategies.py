"""What looking at little saves and what it loses: strategies against every frame, on clear and on doubtful films."""

import random
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import media
from benchmarks.measuring import OUT, ROOT, Spread, Usage, Worker, told, used
from benchmarks.table import Row, Setting

# Clips that show what the model of ../shared/data/sports has learned; in the fifth, lifting1, it sees now this and now that.
_CLEAR = {"tennis": 13.1, "lifting": 18.4, "basketball": 7.1, "baseball": 5.5}
_OTHERS = ("Keyframes()", "Every(seconds=0.5)", "ShotChanges()", "Uniform(frames=64)", "MotionUniform(frames=64)", "Budget(seconds=2)")
_FINE = "CoarseToFine()"


def strategies(setting: Setting) -> Iterator[Row]:
    """Yield the rows: a clear film of ten minutes, and doubtful ones."""
    if not media.SHARED.is_dir():
        yield Row("looking at little", "98 %, a tenth", media.NO_SHARED, None)
        return
    with Worker() as worker:
        yield from _clear(worker, setting)
        yield from _doubtful(worker, setting)


def _clear(worker: Worker, setting: Setting) -> Iterator[Row]:
    film, model = sports_film(120 if setting.quick else 600), sports_model()
    every, reference = _look(worker, [film], "EveryFrame()", model, known_only=True)
    for strategy in (_FINE, *_OTHERS):
        rounds = [_look(worker, [film], strategy, model, known_only=True) for _ in range(setting.rounds if strategy == _FINE else 1)]
        times = Spread.of([usage.wall / every.wall for usage, _ in rounds])
        same, away = compared(reference, rounds[0][1])
        kept = same >= 0.98 and times.median <= 0.1 if strategy == _FINE else None
        goal = "≥ 98 %, ≤ 0.1 × the time" if strategy == _FINE else "–"
        yield Row(
            f"`{strategy}` against every frame, clear film",
            goal,
            f"{100 * same:.1f} % of the time labelled alike; {times.text(3)} the time",
            kept,
            f"{film.name}: {_words(rounds[0], every)}",
            {"agreement": same, "time": times.median},
        )
        if strategy == _FINE:
            yield Row(
                "boundaries of it, median distance to every frame's",
                "≤ 0.2 s",
                f"{away:.2f} s",
                away <= 0.2,
                f"{len(reference[0])} segments",
            )


def _doubtful(worker: Worker, setting: Setting) -> Iterator[Row]:
    films = sorted((media.SHARED / "clips").glob("*.mp4")) + ([] if setting.quick else sorted((media.SHARED / "long").iterdir()))
    every, reference = _look(worker, films, "EveryFrame()", "imagenet")
    for strategy in (_FINE, "Keyframes()", "Every(seconds=0.5)"):
        usage, segments = found = _look(worker, films, strategy, "imagenet")
        same, away = compared(reference, segments)
        time = usage.wall / every.wall
        yield Row(
            f"`{strategy}` against every frame, ImageNet labels on real films",
            "≥ 95 %, ≤ 0.33 × the time" if strategy == _FINE else "–",
            f"{100 * same:.1f} % of the time labelled alike; {time:.3f} × the time",
            same >= 0.95 and time <= 1 / 3 if strategy == _FINE else None,
            f"{len(films)} films of ../shared/data, all together; boundaries {away:.2f} s off (median); {_words(found, every)}",
            {"agreement": same, "time": time},
        )


Segments = list[list[tuple[float, float, str]]]


def _look(worker: Worker, films: Sequence[Path], strategy: str, model: Path | str, known_only: bool = False) -> tuple[Usage, Segments]:
    answers = [worker.ask("look", path=film, model=str(model), strategy=strategy, known_only=known_only) for film in films]
    usage = sum((Usage(**answer["usage"]) for answer in answers), start=Usage(0, 0))
    return usage, [[(start, end, label) for start, end, label in answer["segments"]] for answer in answers]


def _words(found: tuple[Usage, Segments], every: Usage) -> str:
    usage = found[0]
    wall = f"{usage.wall:.2f} s against {every.wall:.1f} s, {every.frames} frames"
    return f"{wall}; processor {usage.processor:.2f} s against {every.processor:.1f} s"


def compared(reference: Segments, other: Segments) -> tuple[float, float]:
    """Return the share of the time that is labelled alike, and the median distance in seconds of the reference's boundaries."""
    from framevote.metrics import agreement  # noqa: PLC0415
    from framevote.records import Segment  # noqa: PLC0415

    pairs = [([Segment(*s, 1.0) for s in a], [Segment(*s, 1.0) for s in b]) for a, b in zip(reference, other, strict=True)]
    seconds = [a[-1].end for a, _ in pairs]
    same = sum(agreement(a, b) * length for (a, b), length in zip(pairs, seconds, strict=True)) / sum(seconds)
    aways = [
        min((abs(s.start - o.start) for o in b[1:]), default=length) for (a, b), length in zip(pairs, seconds, strict=True) for s in a[1:]
    ]
    return same, statistics.median(aways) if aways else 0.0


def look(path: str, model: str, strategy: str, known_only: bool) -> dict[str, Any]:
    """Label a video by a strategy; counted are all its frames, however many were looked at."""
    import framevote  # noqa: PLC0415

    timelines = []

    def job() -> int:
        timelines.append(framevote.label(path, _loaded(model, known_only), strategy=strategy))
        return round(timelines[-1].effort.frames)

    _loaded(model, known_only)
    usage, (timeline,) = used(job), timelines
    return {"usage": told(usage), "segments": [(s.start, s.end, s.label) for s in timeline.segments], "scored": timeline.effort.scored}


@cache
def _loaded(model: str, known_only: bool) -> Any:
    import framevote  # noqa: PLC0415

    loaded = framevote.load_model(model, known_only=known_only)
    framevote.label(media.video(360), loaded, strategy="Keyframes()")  # warm
    return loaded


def sports_model(size: int = 224) -> Path:
    """Return a model of the six sports of ../shared/data that looks at so many pixels a side, trained once."""
    path = OUT / "strategies" / f"sports-{size}.fvm"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "framevote", "train", str(media.SHARED / "sports"), "-o", str(path), "--quiet"]
        command += ["--backbone", f"efficientnet_lite0(size={size})"]
        subprocess.run(command, check=True, cwd=ROOT, stdin=subprocess.DEVNULL)
    return path


def sports_film(seconds: int) -> Path:
    """Return a film joined from pieces of real clips, 5 to 20 s each, coded as x264 does of itself."""
    chance, pieces, total, last = random.Random(1), [], 0.0, ""
    while total < seconds:
        last = chance.choice([name for name in _CLEAR if name != last])
        length = min(_CLEAR[last], chance.uniform(5, 20))
        pieces.append((last, chance.uniform(0, _CLEAR[last] - length), length))
        total += length
    inputs: list[str] = []
    for name, start, length in pieces:
        inputs += ["-ss", f"{start:.3f}", "-t", f"{length:.3f}", "-i", str(media.SHARED / "clips" / f"{name}.mp4")]
    fit = "fps=25,scale=640:360:force_original_aspect_ratio=decrease,pad=640:360:-1:-1,setsar=1"
    chains = [f"[{number}:v]{fit}[v{number}]" for number in range(len(pieces))]
    joined = "".join(f"[v{number}]" for number in range(len(pieces))) + f"concat=n={len(pieces)}:v=1:a=0[v]"
    return media.made(
        f"sports-film-{seconds}s.mp4", *inputs, "-filter_complex", ";".join([*chains, joined]), "-map", "[v]", "-c:v", "libx264"
    )

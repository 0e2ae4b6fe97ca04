"""Many files on one machine: seconds of video a second, and what the run costs beyond decoding and the network."""

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psutil

from benchmarks import media
from benchmarks.measuring import OUT, Spread, Usage, Worker, alternated, cores, middle, told
from benchmarks.strategies import sports_model
from benchmarks.table import Row, Setting
from framevote.model_file import read_model_file

_STRATEGY = "Keyframes(step=4)"
_RATE, _CHEAP_RATE, _OVERHEAD = 900.0, 1500.0, 1.3
_CHEAP, _LEAST = 128, 0.93  # pixels: the smallest input at which Lite0, frozen, is right on so many photos of sports
_FILES, _FEW = 36, 6
_ROUNDS = 3
_INTO = OUT / "archive"


def archive(setting: Setting) -> Iterator[Row]:
    """Yield a row for the speed, and one for the cost against the stages alone; then the same with a cheaper network."""
    yield from _added(setting, "Lite0", "imagenet", _RATE)
    if not media.SHARED.is_dir():
        yield Row("archive with a cheaper network", f"≥ {_CHEAP_RATE:.0f}", media.NO_SHARED, None)
        return
    model = sports_model(_CHEAP)
    accuracy = read_model_file(model).card.metrics["accuracy"]
    words = f"Lite0 at {_CHEAP} pixels, {100 * accuracy:.1f} % on held-out photos of sports ({100 * _LEAST:.0f} wanted)"
    yield from _added(setting, words, str(model), _CHEAP_RATE)


def _added(setting: Setting, network: str, model: str, goal: float) -> Iterator[Row]:
    folder = media.library(_FEW if setting.quick else _FILES)
    with Worker() as worker:

        def added() -> Usage:
            return worker.time("add_library", folder=folder, model=model)

        def alone() -> Usage:
            return worker.time("library_alone", folder=folder, model=model)

        rounds = alternated(1 if setting.quick else _ROUNDS, added, alone)
        beside = worker.ask("add_library", folder=folder, model=model)["beside"]
    whole = middle([pair[0] for pair in rounds])
    speed = Spread.of([pair[0].rate for pair in rounds])
    overhead = Spread.of([pair[0].processor / pair[1].processor for pair in rounds])
    words = f"`framevote archive add`, H.264 with a keyframe every 2 s, `{_STRATEGY}`, {network}, {cores()} cores"
    yield Row(
        f"archive, 360p, {words}: seconds of video a second after start-up",
        f"≥ {goal:.0f}",
        speed.text(0, "s/s"),
        speed.median >= goal,
        f"{speed.median / 60:.1f} h a minute; {whole.frames / 3600:.1f} h of video in {whole.wall:.1f} s with "
        f"{whole.processor / whole.wall:.2f} cores busy; {beside}",
        {"seconds a second": speed.median, "cores": whole.processor / whole.wall},
    )
    each = middle([pair[1] for pair in rounds])
    yield Row(
        "its processor seconds over keyframes decoded and scaled + network, each alone",
        f"≤ {_OVERHEAD} ×",
        overhead.text(),
        overhead.median <= _OVERHEAD,
        f"{whole.processor:.1f} s over {each.processor:.1f} s; alone on one core, {whole.frames / each.processor:.0f} seconds of video a "
        "processor second",
        {"ratio": overhead.median},
    )


def add_library(folder: str, model: str) -> dict[str, Any]:
    """Add a folder to a new archive by workers that have begun already; `frames` are whole seconds of video."""
    from framevote.archive.adding import add  # noqa: PLC0415 - with the workers alone
    from framevote.archive.listing import list_sources  # noqa: PLC0415
    from framevote.archive.settling import settle  # noqa: PLC0415
    from framevote.archive.workers import Workers  # noqa: PLC0415
    from framevote.archive.working import Task  # noqa: PLC0415

    settings = settle(model, strategy=_STRATEGY)
    shutil.rmtree(_INTO, ignore_errors=True)
    few = media.library(2)
    with Workers(settings) as workers:
        # Two files first: every worker has loaded its model, and the archive is open, before the clock starts.
        list(workers.run([Task(source) for source in list_sources([few], print)], lambda _: False))
        add([next(few.iterdir())], _INTO, model=model, strategy=_STRATEGY, engine=lambda _: nullcontext(workers))
        shutil.rmtree(_INTO, ignore_errors=True)
        before, began = _processor(), time.perf_counter()
        done = add([folder], _INTO, model=model, strategy=_STRATEGY, engine=lambda _: nullcontext(workers))
        wall, used = time.perf_counter() - began, _processor() - before
        memory = max(child.memory_info().rss for child in psutil.Process().children())
    if done.done != done.of:
        raise RuntimeError(f"{done.failed} files failed")
    beside = f"{done.done} files, {done.size / done.video / 1e3:.0f} kB a second of video; workers take up to {memory / 1e6:.0f} MB each"
    return {"usage": told(Usage(wall, used, round(done.video))), "beside": beside}


def library_alone(folder: str, model: str) -> dict[str, Any]:
    """Look at the same frames without a network, and then carry them through it: each on one thread, nothing else."""
    from framevote.classifier import imagenet_path  # noqa: PLC0415 - with the workers alone
    from framevote.runtime import open_runtime  # noqa: PLC0415
    from framevote.video import probe  # noqa: PLC0415

    file = read_model_file(imagenet_path() if model == "imagenet" else model)
    runtime = open_runtime(file, threads=1)
    paths = sorted(Path(folder).iterdir())
    _looked(paths[0], file.card.view)
    list(runtime.infer(_looked(paths[0], file.card.view)))
    processor, wall = time.process_time(), time.perf_counter()
    seconds = sum(probe(path).duration for path in paths)
    images = [image for path in paths for image in _looked(path, file.card.view)]
    count = sum(len(answer.embedding) for answer in runtime.infer(images))
    assert count == len(images)
    return {"usage": told(Usage(time.perf_counter() - wall, time.process_time() - processor, round(seconds)))}


def _looked(path: Path, view: Any) -> list[Any]:
    """Return the pictures that the strategy looks at, scaled."""
    from framevote.parts import DEFAULT_SMOOTHER, build  # noqa: PLC0415 - with the workers alone
    from framevote.video import open_video  # noqa: PLC0415

    images: list[Any] = []

    def score(frames: Iterable[Any]) -> Iterator[Any]:
        images.extend(frame.image for frame in frames)
        return iter(())

    list(build("strategy", _STRATEGY)(open_video(path, view=view, threads=1), score, build("smoother", DEFAULT_SMOOTHER)))
    return images


def _processor() -> float:
    """Return the processor seconds of this process and of its workers, which are all alive."""
    times = [psutil.Process().cpu_times(), *(child.cpu_times() for child in psutil.Process().children())]
    return float(sum(each.user + each.system for each in times))

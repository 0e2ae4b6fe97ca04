"""What the whole job costs against the sum of its stages, each measured alone in a process of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks import media
from benchmarks.measuring import OUT, Spread, Usage, Worker, alternated, cores
from benchmarks.table import Row, Setting

_GOAL = 1.2


@dataclass(frozen=True)
class _Case:
    """A job: of what height, with the annotated video by which preset ("default": the writer's own), in which precision."""

    height: int
    preset: str = ""
    precision: str = "auto"

    @property
    def words(self) -> str:
        """The job in words."""
        made = f"labels + annotated video, {self.height}p, {self.preset}" if self.preset else f"labels, {self.height}p"
        return made + (f" in {self.precision}" if self.precision != "auto" else "")

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """The stages by the name of their jobs, each with its arguments."""
        first: dict[str, dict[str, Any]] = {"decode_scale": {}, "network": {"precision": self.precision}}
        return {**first, "decode": {}, "encode": self.chosen} if self.preset else first

    @property
    def chosen(self) -> dict[str, Any]:
        """The preset, where it is not the writer's own."""
        return {} if self.preset in ("", "default") else {"preset": self.preset}


_CASES = (_Case(360), _Case(720), _Case(720, precision="f32"), _Case(720, "default"), _Case(720, "veryfast"))


def stages(setting: Setting) -> Iterator[Row]:
    """Yield a row for each job."""
    for case in _CASES:
        yield _row(case, setting)


def _row(case: _Case, setting: Setting) -> Row:
    with ExitStack() as stack:
        works = list(_works(case, stack))
        alternated(1, *works)
        rounds = alternated(setting.rounds, *works)
    cost = Spread.of([job.processor / sum(stage.processor for stage in alone) for job, *alone in rounds])
    wall = Spread.of([job.wall * cores() / sum(stage.processor for stage in alone) for job, *alone in rounds])
    spent = [Spread.of([usages[i].cost * 1000 for usages in rounds]).median for i in range(len(works))]
    names = ("whole job", *(name.replace("_", " + ") for name in case.stages))
    beside = "processor ms a frame: " + ", ".join(f"{name} {ms:.2f}" for name, ms in zip(names, spent, strict=True))
    return Row(
        f"whole job over its stages alone: {case.words}",
        f"≤ {_GOAL} × both",
        f"processor seconds {cost.text()}; wall × {cores()} cores {wall.text()}",
        cost.median <= _GOAL and wall.median <= _GOAL,
        beside,
        {"processor": cost.median, "wall": wall.median, **{f"ms {name}": ms for name, ms in zip(names, spent, strict=True)}},
    )


def _works(case: _Case, stack: ExitStack) -> Iterator[Callable[[], Usage]]:
    """Yield the whole job and then each stage, with a worker each."""
    path = media.video(case.height)
    output = {"output": OUT / "stages.mp4", **case.chosen} if case.preset else {}
    jobs = {"label": {"precision": case.precision, **output}, **case.stages}
    for name, arguments in jobs.items():
        worker = stack.enter_context(Worker())
        yield lambda worker=worker, name=name, arguments=arguments: worker.time(name, path=path, **arguments)  # type: ignore[misc]

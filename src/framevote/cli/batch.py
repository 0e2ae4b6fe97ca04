"""`framevote label` and `probe` over many files: one bad file never stops the rest."""

import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from framevote.classifier import Classifier, load_model
from framevote.cli.jobs import Job, Outputs, check_targets, find_jobs
from framevote.cli.streams import complain, printable_json, say
from framevote.cli.terminal import progress_bar, show
from framevote.errors import Error, UsageError
from framevote.labeling import choose_vote, label
from framevote.parts import build
from framevote.records import Timeline, VideoInfo
from framevote.video import has_vectors, probe
from framevote.writers import write
from framevote.writers.annotated import AnnotatedVideo
from framevote.writers.text import json_line, to_dict, to_json, video_dict

if TYPE_CHECKING:
    from framevote.datasets import Problem


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    formats: str | None
    model: str
    options: dict[str, Any]
    model_options: dict[str, Any]
    video_options: dict[str, Any]
    overwrite: bool
    as_json: bool
    quiet: bool
    debug: bool


@dataclass
class Tellings:
    """Where results, notes and errors go, and how many inputs or outputs have failed.

    Attributes:
        heard: whether stdout still takes results; where it does not, the rest of the work goes on without it.
    """

    debug: bool
    quiet: bool
    out: Console = field(default_factory=Console)
    err: Console = field(default_factory=lambda: Console(stderr=True))
    failed: int = 0
    heard: bool = True

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Let an error within be that of one input or output; wrong usage is everyone's and goes on up."""
        try:
            yield
        except UsageError:
            raise
        except Error as error:
            self.fail(error)

    def fail(self, error: Error) -> None:
        """Say why one input or output failed; the others go on."""
        if self.debug:
            complain("\n" + "".join(traceback.format_exception(error)).rstrip())
        self.failed += 1
        complain(str(error))

    def left_out(self, problems: Iterable["Problem"]) -> None:
        """Say what of the data could not be used; what is lost by it counts as failed."""
        for problem in problems:
            self.failed += not problem.note
            complain(str(problem) if problem.note else f"Left out: {problem}")

    def note(self, sentence: str) -> None:
        """Say something in passing, where a person watches."""
        if not self.quiet and self.err.is_terminal:
            self.err.print(Text(sentence, style="dim"), soft_wrap=True)

    def result(self, text: str | Callable[[], str]) -> None:
        """Print a result, as long as it is heard."""
        if self.heard:
            self.heard = False
            with self.failing():
                self.heard = say(text)


def run(request: Request) -> int:
    """Label every video that was asked for; return the exit code.

    Raises:
        UsageError: before any work is done.
    """
    tell = Tellings(request.debug, request.quiet)
    _check(request)
    outputs = Outputs.of(request.outputs, request.formats, request.as_json)
    jobs = find_jobs(request.inputs, outputs, tell.fail)
    videos = frozenset(os.path.realpath(job.video) for job in jobs)
    ready = [able for job in jobs if (able := _ready(job, outputs, videos, request, tell))]
    if ready:
        model = load_model(request.model, notify=tell.note, **request.model_options)
        _tell_vote(model, request, tell)
        for job in ready:
            if job.targets or tell.heard:
                with tell.failing():
                    _label_one(job, model, request, tell, several=len(ready) > 1)
    return 1 if tell.failed else 0


def probe_all(files: Iterable[Path], as_json: bool, debug: bool) -> int:
    """Print what each file says of its pictures; return the exit code."""
    tell = Tellings(debug, quiet=False)
    for file in files:
        with tell.failing():
            told = {"path": str(file), **video_dict(probe(file))}
            lines = [f"{key:>14}  {value}" for key, value in told.items()]
            tell.result(printable_json(json_line(told)) if as_json else "\n".join(lines))
    return 1 if tell.failed else 0


def _check(request: Request) -> None:
    """Refuse what cannot be right for any video, before a model is loaded."""
    build("strategy", request.options["strategy"])
    choose_vote(None, **_named_vote(request))
    AnnotatedVideo(**request.video_options)


def _named_vote(request: Request) -> dict[str, Any]:
    return {name: request.options[name] for name in ("smoother", "hysteresis", "shortest", "unknown")}


def _tell_vote(model: Classifier, request: Request, tell: Tellings) -> None:
    """Say that the vote is the model's own, where it is and somebody watches."""
    if model.card.vote and request.options["smoother"] is None:
        smoother, cut = choose_vote(model.card.vote, **_named_vote(request))
        tell.note(f"The vote is the model's own: {smoother}, {cut}. Name another with --smoother.")


def _ready(job: Job, outputs: Outputs, videos: frozenset[str], request: Request, tell: Tellings) -> Job | None:
    """Return the job with those targets that can be written, as far as can be told before the work is done; None: it is in vain."""
    with tell.failing():
        info = probe(job.video)
        held = tuple(target for target in job.targets if _holds(info, target, request, tell))
        able = replace(job, targets=held)
        check_targets(able, outputs, videos, request.overwrite)
        return able if held or not job.targets else None
    return None


def _holds(info: VideoInfo, target: Path, request: Request, tell: Tellings) -> bool:
    """Look whether a target can hold the video; one that cannot does not lose the others."""
    with tell.failing():
        if target.suffix.lower() in AnnotatedVideo.suffixes:
            AnnotatedVideo(**request.video_options).check(info, target)
        return True
    return False


def _label_one(job: Job, model: Classifier, request: Request, tell: Tellings, several: bool) -> None:
    """Write the files first and print then: whoever listens may leave at any time."""
    info = probe(job.video)
    if model.view.motion == "vectors" and not has_vectors(info):
        tell.note(f"{job.video.name}: {info.codec or 'its codec'} has no motion vectors, so the flow is computed, which is slower")
    with progress_bar(tell.err, job.video.name, info.duration, not request.quiet) as progress:
        timeline = label(job.video, model, progress=progress, **request.options)
    for sentence in timeline.effort.notes if timeline.effort else ():
        tell.note(f"{job.video.name}: {sentence}")
    for target in job.targets:
        try:
            _write_one(timeline, target, request, tell)
        except Error as error:  # wrong usage too: the video is labelled by now, and the other outputs can be had
            tell.fail(error)
    if request.as_json:
        tell.result(printable_json(json_line(to_dict(timeline)) if several else to_json(timeline).rstrip()))
    elif not request.quiet:
        tell.result(lambda: _shown(timeline, tell.out))


def _shown(timeline: Timeline, console: Console) -> str:
    """Return what `show` prints: of itself rich leaves the program where the reader of stdout has left."""
    with console.capture() as caught:
        show(timeline, console)
    return caught.get().rstrip("\n")


def _write_one(timeline: Timeline, target: Path, request: Request, tell: Tellings) -> None:
    options = request.video_options if target.suffix.lower() in AnnotatedVideo.suffixes else {}
    with progress_bar(tell.err, target.name, timeline.duration, not request.quiet) as progress:
        write(timeline, target, overwrite=request.overwrite, progress=progress, **options)
    tell.note(f"wrote {target}")

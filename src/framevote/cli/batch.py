"""`framevote label` and `probe` over many files: one bad file never stops the rest."""

import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from framevote.classifier import Classifier, load_model
from framevote.cli.terminal import progress_bar, show
from framevote.errors import Error, UsageError
from framevote.files import check_free
from framevote.labeling import find_videos, label
from framevote.parts import build
from framevote.records import Timeline
from framevote.timelines import Cut
from framevote.video import probe
from framevote.writers import write, writer_for
from framevote.writers.annotated import AnnotatedVideo
from framevote.writers.text import json_line, to_dict, to_json, video_dict


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line."""

    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    formats: tuple[str, ...]
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
    """Where results, notes and errors go, and how many inputs have failed."""

    debug: bool
    quiet: bool
    out: Console = field(default_factory=Console)
    err: Console = field(default_factory=lambda: Console(stderr=True))
    failed: int = 0

    def fail(self, error: Error) -> None:
        """Say why one input or output failed; the others go on."""
        if self.debug:
            traceback.print_exception(error)
        self.failed += 1
        print(f"framevote: {error}", file=sys.stderr)  # noqa: T201 (plain, so that no width breaks the sentence)

    def note(self, sentence: str) -> None:
        """Say something in passing, where a person watches."""
        if not self.quiet and self.err.is_terminal:
            self.err.print(sentence, style="dim", highlight=False)


def run(request: Request) -> int:
    """Label every video that was asked for; return the exit code.

    Raises:
        UsageError: before any work is done.
    """
    tell = Tellings(request.debug, request.quiet)
    _check(request)
    jobs = [job for job in _jobs(request, tell) if _free(job, request, tell)]
    if jobs:
        model = load_model(request.model, notify=tell.note, **request.model_options)
        for video, targets in jobs:
            _label_one(video, targets, model, request, tell, several=len(jobs) > 1)
    return 1 if tell.failed else 0


def probe_all(files: Iterable[Path], as_json: bool, debug: bool) -> int:
    """Print what each file says of its pictures; return the exit code."""
    tell = Tellings(debug, quiet=False)
    for file in files:
        try:
            told = {"path": str(file), **video_dict(probe(file))}
        except Error as error:
            tell.fail(error)
            continue
        lines = [json_line(told)] if as_json else [f"{key:>14}  {value}" for key, value in told.items()]
        print("\n".join(lines))  # noqa: T201 (a result)
    return 1 if tell.failed else 0


def _check(request: Request) -> None:
    """Refuse what cannot be right for any video, before a model is loaded."""
    build("smoother", request.options["smoother"])
    build("strategy", request.options["strategy"])
    Cut(**{name: request.options[name] for name in ("hysteresis", "shortest", "unknown")})
    AnnotatedVideo(**request.video_options)
    for target in request.outputs:
        if not _is_folder(target):
            writer_for(target)
    for name in request.formats:
        writer_for(f"timeline.{name}")


def _label_one(video: Path, targets: Sequence[Path], model: Classifier, request: Request, tell: Tellings, several: bool) -> None:
    try:
        length = probe(video).duration
        with progress_bar(tell.err, video.name, length, not request.quiet) as progress:
            timeline = label(video, model, progress=progress, **request.options)
    except UsageError:
        raise
    except Error as error:
        tell.fail(error)
        return
    if request.as_json:
        print(json_line(to_dict(timeline)) if several else to_json(timeline).rstrip())  # noqa: T201 (the result)
    elif not request.quiet:
        show(timeline, tell.out)
    for target in targets:
        _write_one(timeline, target, request, tell)


def _write_one(timeline: Timeline, target: Path, request: Request, tell: Tellings) -> None:
    options = request.video_options if target.suffix.lower() in AnnotatedVideo.suffixes else {}
    try:
        if target not in request.outputs:  # it lies in a folder of results, which may be new
            target.parent.mkdir(parents=True, exist_ok=True)
        with progress_bar(tell.err, target.name, timeline.duration, not request.quiet) as progress:
            write(timeline, target, overwrite=request.overwrite, progress=progress, **options)
        tell.note(f"wrote {target}")
    except Error as error:
        tell.fail(error)


def _jobs(request: Request, tell: Tellings) -> Iterator[tuple[Path, list[Path]]]:
    """Yield each video with the files that it shall give."""
    found = list(_found(request.inputs, tell))
    folders = [target for target in request.outputs if _is_folder(target)]
    files = [target for target in request.outputs if not _is_folder(target)]
    if files and len(found) > 1:
        raise UsageError(f"{len(found)} videos cannot all become {files[0]}. Name a folder: -o results/ --format {files[0].suffix[1:]}")
    stems = _stems([name for _, name in found])
    for (video, _), stem in zip(found, stems, strict=True):
        targets = [*files, *(folder / f"{stem}.{kind}" for folder in folders for kind in request.formats)]
        if not request.outputs and not request.as_json:
            targets = [video.with_suffix(".json")]
        yield video, targets


def _found(inputs: Iterable[Path], tell: Tellings) -> Iterator[tuple[Path, Path]]:
    for given in inputs:
        try:
            yield from find_videos([given])
        except Error as error:
            tell.fail(error)


def _stems(names: Sequence[Path]) -> list[str]:
    """Return what the outputs of each video are called in a folder: the name without its suffix, where that is nobody else's."""
    plain = [str(name.with_suffix("")) for name in names]
    full = [str(name) if plain.count(stem) > 1 else stem for name, stem in zip(names, plain, strict=True)]
    return [f"{stem}-{full[:i].count(stem) + 1}" if full[:i].count(stem) else stem for i, stem in enumerate(full)]


def _free(job: tuple[Path, list[Path]], request: Request, tell: Tellings) -> bool:
    """Look whether the outputs can be written at all, before the work is done."""
    try:
        for target in job[1]:
            if target in request.outputs or target.parent.is_dir():
                check_free(target, request.overwrite)
    except Error as error:
        tell.fail(error)
        return False
    return True


def _is_folder(target: Path) -> bool:
    return target.is_dir() or not target.suffix

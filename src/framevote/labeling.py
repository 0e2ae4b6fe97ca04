"""The main job: a video in, a timeline out."""

import math
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast, final

from framevote.classifier import Classifier, Watch, load_model
from framevote.errors import InputError, PartError, UsageError
from framevote.metrics import changes_per_minute
from framevote.model_file import Vote
from framevote.parts import DEFAULT_SMOOTHER, DEFAULT_STRATEGY, build, names
from framevote.records import Effort, Flicker, Frame, Progress, Recipe, Scores, Timeline
from framevote.runtime import Device, Precision, RuntimeName
from framevote.smoothing import Smoother
from framevote.strategies import Looking, Strategy
from framevote.timelines import Cut, Tally
from framevote.video import VIDEO_SUFFIXES, Video, open_video


def label(
    path: str | Path,
    model: str | Path | Classifier = "imagenet",
    *,
    smoother: str | Smoother | None = None,
    strategy: str | Strategy = DEFAULT_STRATEGY,
    hysteresis: float | None = None,
    shortest: float | None = None,
    unknown: float | None = None,
    only: Sequence[str] = (),
    precision: Precision = "auto",
    device: Device = "cpu",
    runtime: RuntimeName | None = None,
    known_only: bool = False,
    threads: int | None = None,
    watch: Watch | None = None,
    progress: Progress | None = None,
) -> Timeline:
    """Label a video: what is on screen, from when to when, how sure.

    The vote is what the caller names. Where no smoother is named it is the model's own, if it was tuned (`framevote.tuning`), and
    else DEFAULT_SMOOTHER with nothing more; each of `hysteresis`, `shortest` and `unknown` that is named takes the place of the
    model's. A tuned vote is one whole: where a smoother is named, the model's other settings are left aside with its smoother.

    Args:
        path: the video file.
        model: "imagenet", a `.fvm` file, or a loaded model.
        smoother: the vote, as a part or its text; None takes the model's, else DEFAULT_SMOOTHER.
        strategy: which frames to look at, as a part or its text.
        hysteresis: a label takes over only where its score is larger than the present one's by more than this (0–1); None: see above.
        shortest: seconds; shorter segments are merged into a neighbour; None: see above.
        unknown: below this score (0–1) a stretch is called unknown; None: see above.
        only: labels to choose from; none is all of the model's.
        precision: `auto`, `f32` or `bf16`.
        device: `cpu` or `gpu`.
        runtime: `openvino` or `keras`; None takes OpenVINO on the processor and Keras on a GPU.
        known_only: never say unknown of the model's own accord, but always the best of its labels.
        threads: how many decode and compute; None is one for each core. Of a loaded model, only those that decode.
        watch: told each block of scores as the model gives it, with the embeddings of its rows.
        progress: told the seconds of video and the frames that are done.

    Raises:
        UsageError: an argument is wrong, a part or label unknown.
        InputError: the video cannot be used.
        ModelError: the model cannot be found, read, or run as asked.
    """
    choose_vote(None, smoother, hysteresis, shortest, unknown)  # what cannot be right is told before a model is loaded
    plan: Strategy = _part("strategy", strategy, Strategy)
    if isinstance(only, str):
        raise UsageError(f"only takes a list of labels, such as [{only!r}]. Received: {only!r}")
    classifier = load_model(model, precision=precision, device=device, runtime=runtime, known_only=known_only, threads=threads)
    _check_rate(classifier, plan)
    vote, cut = choose_vote(classifier.card.vote, smoother, hysteresis, shortest, unknown)
    video = open_video(path, view=classifier.view, threads=threads)
    raw = Tally()
    meter = _Meter(classifier, video, watch)
    looked = _watched(meter.driven(plan(video, meter.score, vote)), progress)
    chosen = (block.only(only) for block in looked) if only else looked
    segments, track = cut(vote.stream(raw.watch(chosen)))
    return Timeline(
        video=video.info,
        segments=segments,
        overall=raw.overall(),
        flicker=Flicker(raw.changes_per_minute, changes_per_minute(track.winners, raw.seconds)),
        recipe=_recipe(classifier, vote, plan, cut, only),
        track=track,
        frames=meter.scored,
        skipped=video.skipped,
        effort=meter.effort(),
    )


@final
class _Meter:
    """Counts what a strategy does as it drives the looking, and takes its time."""

    def __init__(self, classifier: Classifier, video: Video, watch: Watch | None) -> None:
        self._classifier, self._video, self._watch = classifier, video, watch
        self.scored, self._frames, self._network = 0, 0.0, 0.0
        self._doubtful: tuple[tuple[float, float], ...] = ()
        self._began = time.monotonic()

    def score(self, frames: Iterable[Frame]) -> Iterator[Scores]:
        """Score frames for the strategy; the time in which none was pulled is the network's."""
        pulled = 0.0

        def timed() -> Iterator[Frame]:
            nonlocal pulled
            began = time.monotonic()
            for frame in _moving(frames, self._classifier, self._video.path):
                pulled += time.monotonic() - began
                yield frame
                began = time.monotonic()
            pulled += time.monotonic() - began

        blocks = self._classifier.stream(timed(), self._watch)
        while True:
            began, before = time.monotonic(), pulled
            block = next(blocks, None)
            self._network += time.monotonic() - began - (pulled - before)
            if block is None:
                return
            self.scored += len(block)
            yield block

    def driven(self, rows: Iterable[Scores]) -> Iterator[Scores]:
        """Yield what a strategy yields, and keep what it returns: where it left the vote open."""

        def kept() -> Generator[Scores, None, None]:
            self._doubtful = (yield from cast(Looking, rows)) or ()

        for block in kept():
            self._frames += float(block.frames.sum())
            yield block

    def effort(self) -> Effort:
        """Return what it took so far."""
        saved = max(self._frames - self.scored, 0.0) * self._network / max(self.scored, 1)
        seconds = time.monotonic() - self._began
        return Effort(self._frames, self._video.decoded, self.scored, seconds, saved, self._doubtful, self._video.notes)


def choose_vote(
    tuned: Vote | None,
    smoother: str | Smoother | None = None,
    hysteresis: float | None = None,
    shortest: float | None = None,
    unknown: float | None = None,
) -> tuple[Smoother, Cut]:
    """Return the vote that a timeline takes: what the caller names, else what the model is tuned to, else the default.

    Raises:
        PartError: something that is no smoother, or a number that does not fit.
    """
    vote = tuned if tuned and smoother is None else Vote(DEFAULT_SMOOTHER)
    part: Smoother = _part("smoother", vote.smoother if smoother is None else smoother, Smoother)
    named = {"hysteresis": hysteresis, "shortest": shortest, "unknown": unknown}
    return part, Cut(**{name: getattr(vote, name) if value is None else value for name, value in named.items()})


def _check_rate(classifier: Classifier, plan: Strategy) -> None:
    """Refuse a strategy that looks more seldom than a model that sees order, or motion, needs."""
    sampling = classifier.sampling
    if classifier.view.motion and plan.spacing:
        raise UsageError(
            f"The model {classifier.name} sees how each frame differs from the one before. Received: the strategy {plan}, which "
            f"{_seldom(plan)}. Expected one that looks at every frame: EveryFrame()."
        )
    if sampling and plan.spacing > sampling.step * (1 + 1e-6):
        raise UsageError(
            f"The model {classifier.name} sees the order of {sampling.rate:.3g} frames a second. Received: the strategy {plan}, which "
            f"{_seldom(plan)}. Expected one that looks every {sampling.step:.3g} s or more often, such as EveryFrame()."
        )


def _seldom(plan: Strategy) -> str:
    return f"looks every {plan.spacing:g} s" if math.isfinite(plan.spacing) else "looks at few of the frames"


def _moving(frames: Iterable[Frame], classifier: Classifier, path: str | Path) -> Iterator[Frame]:
    """Yield the frames; refuse a video of a single one where the model sees order."""
    count = 0
    for frame in frames:
        count += 1
        yield frame
    if count == 1 and (sampling := classifier.sampling):
        told = "how things move" if classifier.view.motion else f"how {sampling.frames} follow one another"
        raise InputError(f"{path} shows a single frame. Expected at least two: the model looks at {told}.")


def _part(kind: str, spec: object, base: type[Any]) -> Any:
    part = build(kind, spec)
    if not isinstance(part, base):
        raise PartError(f"Expected a {kind}, as an object or as text such as {names(kind)[0]}(…). Received: {part!r}")
    return part


def find_videos(paths: Iterable[str | Path]) -> Iterator[tuple[Path, Path]]:
    """Yield each video file with its name relative to what was given; folders are searched to the bottom, in order.

    Raises:
        InputError: a folder holds no video.
    """
    for path in map(Path, paths):
        if not path.is_dir():
            yield path, Path(path.name)
            continue
        found = sorted(file for file in path.rglob("*") if _is_video(file))
        if not found:
            raise InputError(f"{path} is a folder without videos. Expected files such as .mp4, .mkv, .mov or .avi in it.")
        yield from ((file, file.relative_to(path)) for file in found)


def _is_video(file: Path) -> bool:
    # A hidden file is none that a person put there: what another program is writing just now, or a Mac's resource fork.
    return file.suffix.lower() in VIDEO_SUFFIXES and not file.name.startswith(".") and file.is_file()


def _watched(blocks: Iterable[Scores], progress: Progress | None) -> Iterator[Scores]:
    done = 0
    for block in blocks:
        done += len(block)
        if progress and len(block):
            progress(float(block.times[-1] + block.durations[-1]), done)
        yield block


def _recipe(classifier: Classifier, vote: Smoother, plan: Strategy, cut: Cut, only: Sequence[str]) -> Recipe:
    packages: dict[str, Any] = {name: version(name) for name in ("framevote", "openvino", "av")}
    return Recipe(
        model=classifier.name,
        smoother=repr(vote),
        strategy=repr(plan),
        cut=repr(cut),
        only=tuple(only),
        precision=classifier.precision,
        device=classifier.device,
        fingerprint=classifier.fingerprint,
        versions=packages,
    )

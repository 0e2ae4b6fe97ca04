"""Strategies tried on a video, one after another, with the same model and vote."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path

from framevote.classifier import Classifier, load_model
from framevote.economy.budgets import usual
from framevote.economy.judging import judged
from framevote.economy.results import Economy, LeftOut, Trial
from framevote.errors import Error, PartError, UsageError
from framevote.labeling import choose_vote, label
from framevote.parts import build
from framevote.records import Progress, Timeline
from framevote.runtime import Device, Precision
from framevote.smoothing import Smoother
from framevote.strategies import EveryFrame, Strategy
from framevote.video import open_video, probe

_WARM = 64
"""Frames that are scored before any time is taken: networks are slower at first."""

Watch = Callable[[str], AbstractContextManager[Progress]]
Run = Callable[[Strategy], Timeline]


def weigh(
    path: str | Path,
    model: str | Path | Classifier = "imagenet",
    *,
    strategies: Sequence[str | Strategy] = (),
    least: float = 0.98,
    smoother: str | Smoother | None = None,
    hysteresis: float | None = None,
    shortest: float | None = None,
    unknown: float | None = None,
    only: Sequence[str] = (),
    precision: Precision = "auto",
    device: Device = "cpu",
    known_only: bool = False,
    watch: Watch | None = None,
) -> Economy:
    """Try strategies on a video, and hold each timeline and its cost against those of every frame.

    Every frame is looked at once, for the reference; every strategy then drives its own looking, the model loaded and warm. Times
    are of one run each. What a model refuses, since it sees order or motion, is left out with the sentence why.

    Args:
        path: the video file.
        model: "imagenet", a `.fvm` file, or a loaded model.
        strategies: as parts or their texts, besides every frame; none takes the usual ones, with budgets that suit the video.
        least: share of the time axis (0 to 1) on which the recommended strategy agrees with every frame.
        smoother: the vote, the same for all; None takes the model's, else the default one.
        hysteresis: as `framevote.label` takes it, and so are the following.
        shortest: seconds.
        unknown: 0 to 1.
        only: labels to choose from; none is all of the model's.
        precision: `auto`, `f32` or `bf16`.
        device: `cpu` or `gpu`.
        known_only: never say unknown of the model's own accord.
        watch: told a strategy's text when it begins; its context gives what is told the seconds of video and the frames done.

    Raises:
        UsageError: an argument is wrong, a part or label unknown.
        InputError: the video cannot be used.
        ModelError: the model cannot be found, read, or run as asked.
    """
    named = _named(strategies)
    if not 0 <= least <= 1:
        raise UsageError(f"least is a share of the time axis, from 0 to 1. Received: {least!r}")
    choose_vote(None, smoother, hysteresis, shortest, unknown)  # what cannot be right is told before a model is loaded
    probe(path)
    classifier = load_model(model, precision=precision, device=device, known_only=known_only)
    _warm(path, classifier)

    def run(strategy: Strategy) -> Timeline:
        with watch(repr(strategy)) if watch else nullcontext() as progress:
            return label(
                path,
                classifier,
                smoother=smoother,
                strategy=strategy,
                hysteresis=hysteresis,
                shortest=shortest,
                unknown=unknown,
                only=only,
                progress=progress,
            )

    return _weighed(run, named, classifier, least)


def _weighed(run: Run, named: tuple[Strategy, ...], classifier: Classifier, least: float) -> Economy:
    """Look at every frame, and then as each strategy does."""
    whole = run(EveryFrame())
    reference = judged(EveryFrame(), whole, whole)
    tried, left_out = _tried(named or usual(whole.frames, reference.seconds), run, whole, bool(named))
    return Economy(
        video=str(whole.video.path),
        duration=whole.duration,
        frames=whole.effort.frames if whole.effort else 0.0,
        model=classifier.name,
        fingerprint=classifier.fingerprint,
        vote=(whole.recipe.smoother, whole.recipe.cut),
        least=least,
        reference=reference,
        trials=tried,
        left_out=left_out,
    )


def _named(strategies: Sequence[str | Strategy]) -> tuple[Strategy, ...]:
    """Return the strategies that were named, each once; every frame is tried anyway."""
    if isinstance(strategies, str):
        raise UsageError(f"strategies takes a list, such as [{strategies!r}]. Received: {strategies!r}")
    parts = [build("strategy", each) for each in strategies]
    for part in parts:
        if not isinstance(part, Strategy):
            raise PartError(f"Expected a strategy, as an object or as text such as Keyframes(). Received: {part!r}")
    return tuple(part for part in dict.fromkeys(parts) if part != EveryFrame())


def _warm(path: str | Path, classifier: Classifier) -> None:
    for _ in classifier.stream(islice(open_video(path, view=classifier.view), _WARM)):
        pass


def _tried(strategies: Iterable[Strategy], run: Run, whole: Timeline, named: bool) -> tuple[tuple[Trial, ...], tuple[LeftOut, ...]]:
    """Return what came of each strategy, and those that nothing came of; the others go on."""
    tried: list[Trial] = []
    left_out: list[LeftOut] = []
    for strategy in strategies:
        try:
            tried.append(judged(strategy, run(strategy), whole))
        except Error as error:  # every frame could be looked at, so that it is about this strategy
            left_out.append(LeftOut(strategy, str(error), named))
    return tuple(tried), tuple(left_out)

"""Settings are settled before the work begins: everything that decides what comes out is told in them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

from framevote.archive.entries import Settings
from framevote.classifier import IMAGENET, load_model
from framevote.errors import ModelError, UsageError
from framevote.labeling import choose_vote
from framevote.parts import DEFAULT_STRATEGY, build, spelled
from framevote.runtime import Precision


class Looking(TypedDict, total=False):
    """How to look at videos: as `framevote.label` takes it, parts as text; `scores` keeps the five best scores of each frame."""

    model: str | Path
    strategy: str
    smoother: str | None
    hysteresis: float | None
    shortest: float | None
    unknown: float | None
    only: Sequence[str]
    known_only: bool
    precision: Precision
    scores: bool


def settle(
    model: str | Path = IMAGENET,
    strategy: str = DEFAULT_STRATEGY,
    smoother: str | None = None,
    hysteresis: float | None = None,
    shortest: float | None = None,
    unknown: float | None = None,
    only: Sequence[str] = (),
    known_only: bool = False,
    precision: Precision = "auto",
    scores: bool = False,
    notify: Callable[[str], None] | None = None,
) -> Settings:
    """Return settings in which everything is told: the vote that a model brings, every default, and the model's fingerprint.

    So they stay what they are when the model is tuned anew, or another version has other defaults. `notify` is told in a sentence when
    loading the model takes long.

    Raises:
        UsageError: an argument is wrong.
        ModelError: the model cannot be had.
    """
    plan = spelled(build("strategy", strategy))
    choose_vote(None, smoother, hysteresis, shortest, unknown)  # what cannot be right is told before a model is loaded
    if isinstance(only, str):
        raise UsageError(f"only takes a list of labels, such as [{only!r}]. Received: {only!r}")
    classifier = load_model(model, precision=precision, notify=notify)
    vote, cut = choose_vote(classifier.card.vote, smoother, hysteresis, shortest, unknown)
    return Settings(
        model=str(model) if str(model) == IMAGENET else str(Path(model).absolute()),
        model_fingerprint=classifier.fingerprint,
        strategy=plan,
        smoother=spelled(vote),
        hysteresis=cut.hysteresis,
        shortest=cut.shortest,
        unknown=cut.unknown,
        only=tuple(only),
        known_only=known_only,
        precision=precision,
        scores=scores,
    )


def check_model(settings: Settings) -> None:
    """Raise where a model is not what it was when the settings were settled.

    Raises:
        ModelError: it is another, or is no more.
    """
    found = load_model(settings.model, precision=settings.precision).fingerprint
    if found != settings.model_fingerprint:
        raise ModelError(
            f"The model {settings.model} has changed: these videos were given to {settings.model_fingerprint}, and now it is {found}. "
            "Put the former file back to try again, or add the videos again to have them looked at by the new one."
        )

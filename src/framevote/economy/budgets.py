"""What strategies may spend: which ones are tried on a video where nobody names any, and how their budgets are put into words."""

import dataclasses
from collections.abc import Iterator
from typing import Any, cast

from framevote.parts import Part
from framevote.strategies import Budget, CoarseToFine, Every, EveryFrame, Keyframes, MotionUniform, ShotChanges, Strategy, Uniform

_UNIFORM, _MOVING = (0.005, 0.02, 0.08), (0.005, 0.02)
"""Shares of the video's frames. One in fifty is about one every two seconds; finding equal shares of change decodes all anyway."""

_SURE = (0.8, 0.9, 0.95, 0.99)
_TIMES = (0.05, 0.1, 0.2)
"""Shares of the time that every frame takes."""

_SHORTEST = 0.01
"""Seconds: less than this is no budget that anything can be done in."""

_TOLD: dict[type[Part], tuple[str, str]] = {
    Every: ("seconds", "{:g} s"),
    Keyframes: ("step", "{:g} s"),
    Uniform: ("frames", "{:d} frames"),
    ShotChanges: ("longest", "{:g} s"),
    MotionUniform: ("frames", "{:d} frames"),
    CoarseToFine: ("confidence", "{:g}"),
    Budget: ("seconds", "{:g} s"),
}
"""The field that says how much a strategy may look at, and how that is written."""


def usual(frames: int, seconds: float) -> Iterator[Strategy]:
    """Yield the strategies that are tried on a video, each once, the ones of a kind from the smallest budget to the largest.

    Args:
        frames: how many the video has.
        seconds: that every frame took.
    """
    every = (
        *(Every(stretch) for stretch in (1.0, 0.5)),
        *(Keyframes(step) for step in (4.0, 0.0)),
        *(Uniform(max(round(share * frames), 1)) for share in _UNIFORM),
        ShotChanges(),
        *(MotionUniform(max(round(share * frames), 1)) for share in _MOVING),
        *map(CoarseToFine, _SURE),
        *(Budget(max(float(f"{share * seconds:.2g}"), _SHORTEST)) for share in _TIMES),
    )
    yield from dict.fromkeys(every)


def budget_text(strategy: Strategy) -> str:
    """Return what a strategy may spend, in few signs: `0.5 s`, `12 frames`; empty where it is told nothing."""
    field, form = _TOLD.get(type(strategy), ("", ""))
    main = [form.format(getattr(strategy, field))] if field else []
    if isinstance(strategy, Keyframes) and not strategy.step:
        main = ["all"]
    told = (each for each in dataclasses.fields(cast(Any, strategy)) if each.repr and each.name != field)
    rest = [f"{each.name}={getattr(strategy, each.name)!r}" for each in told if getattr(strategy, each.name) != each.default]
    return ", ".join(main + rest)


def of_this_length(strategy: Strategy) -> bool:
    """Return whether a strategy's budget is for videos of one length: it is told how much in all, however long they are."""
    return isinstance(strategy, Uniform | MotionUniform | Budget)


def tells_doubt(strategy: Strategy) -> bool:
    """Return whether a strategy says where it left the vote open; every frame leaves nothing open."""
    return isinstance(strategy, CoarseToFine | Budget | EveryFrame)

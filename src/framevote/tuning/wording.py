"""What tuning found, in words, as rows of a table, and as JSON."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from framevote.evaluation.wording import percent
from framevote.model_file import Vote
from framevote.tuning.results import HeldOut, Spread, Tried, Tuned

FORMAT, VERSION = "framevote.tuning", 1

MOST_ROWS = 8
"""So many votes of the trade-off curve are shown at most."""


def vote_text(vote: Vote) -> str:
    """Return a vote as its parts' texts; the cut only where it does anything."""
    smoother, cut = map(repr, vote.parts())
    return smoother if cut == "Cut()" else f"{smoother}, {cut}"


def sentences(tuned: Tuned) -> Iterator[str]:
    """Yield what came out: which vote, what it gains over the default one and at which delay, and what that figure is of."""
    held = tuned.held_out
    yield _verdict(tuned, held) if held else _unproven(tuned)
    if held and tuned.groups < 3:
        yield "With two groups of videos each was held out once: a figure of two says little of its spread."
    if held and tuned.chosen.vote != tuned.default.vote and held.gain.mean <= 0:
        yield "The default vote is slower than what is allowed; that is why another one was chosen."


def _verdict(tuned: Tuned, held: HeldOut) -> str:
    if tuned.chosen.vote == tuned.default.vote:
        return (
            f"The default vote {vote_text(tuned.default.vote)} stays: on held-out videos no other one that "
            f"{'is quick enough' if tuned.max_delay is not None else 'was tried'} gains anything "
            f"({points(held.gain)} points, F1@50 {shares(held.default_f1)})."
        )
    gains = f"{points(held.gain)} points over the default's {percent(held.default_f1.mean)}"
    return (
        f"{vote_text(tuned.chosen.vote)}: on held-out videos a vote chosen so reaches F1@50 {shares(held.f1)}, {gains}; labels are "
        f"seen {seconds(held.delay.mean)} after they begin (default: {seconds(held.default_delay.mean)})."
    )


def _unproven(tuned: Tuned) -> str:
    return (
        f"{vote_text(tuned.chosen.vote)}: F1@50 {percent(tuned.chosen.f1)} on the very videos that chose it, the default's "
        f"{percent(tuned.default.f1)}. Nothing could be held out, as all are of one group: elsewhere the gain will be smaller, or none."
    )


def rows(tuned: Tuned) -> Iterator[tuple[str, str, str, str]]:
    """Yield the table: a name and F1@50, delay and label changes a minute; first what was held out, then all videos."""
    if held := tuned.held_out:
        yield "default, held out", shares(held.default_f1), seconds(held.default_delay.mean), f"{held.default_changes.mean:.1f}"
        yield "tuned, held out", shares(held.f1), seconds(held.delay.mean), f"{held.changes.mean:.1f}"
    yield _row(tuned.default, "default: ")
    if tuned.chosen.vote != tuned.default.vote:
        yield _row(tuned.chosen, "tuned: ")
    told = (tuned.default.vote, tuned.chosen.vote)
    yield from (_row(each) for each in _spaced([each for each in tuned.front if each.vote not in told]))


def _spaced(front: list[Tried]) -> list[Tried]:
    """Return some votes of the curve, from the quickest to the best."""
    if len(front) <= MOST_ROWS:
        return front
    return [front[round(place * (len(front) - 1) / (MOST_ROWS - 1))] for place in range(MOST_ROWS)]


def _row(tried: Tried, name: str = "") -> tuple[str, str, str, str]:
    return name + vote_text(tried.vote), percent(tried.f1), seconds(tried.delay), f"{tried.changes:.1f}"


def shares(spread: Spread) -> str:
    """Return `81.2 % ± 3.4`."""
    return percent(spread.mean) + (f" ± {100 * spread.sd:.1f}" if spread.sd is not None else "")


def points(spread: Spread) -> str:
    """Return `+3.4 ± 1.2`."""
    return f"{100 * spread.mean:+.1f}" + (f" ± {100 * spread.sd:.1f}" if spread.sd is not None else "")


def seconds(delay: float) -> str:
    """Return `0.64 s`; a dash where a label is never seen."""
    return f"{delay:.2f} s" if math.isfinite(delay) else "–"


def tuned_json(tuned: Tuned) -> str:
    """Return what was found as JSON; docs/tuning.md says what each key is."""
    told = {
        "format": FORMAT,
        "version": VERSION,
        "model": {"name": tuned.model, "fingerprint": tuned.fingerprint},
        "data": {"path": tuned.data, "videos": tuned.videos, "groups": tuned.groups, "seconds": _number(tuned.seconds)},
        "max_delay": _number(tuned.max_delay) if tuned.max_delay is not None else None,
        "default": _tried(tuned.default),
        "chosen": _tried(tuned.chosen),
        "stored": tuned.stored,
        "held_out": _held_out(tuned.held_out) if tuned.held_out else None,
        "folds": [{"videos": fold.videos, "default": _tried(fold.default), "chosen": _tried(fold.chosen)} for fold in tuned.folds],
        "votes": len(tuned.tried),
        "curve": [_tried(each) for each in tuned.front],
        "problems": [{"where": problem.where, "reason": problem.reason} for problem in tuned.problems],
    }
    return json.dumps(told, ensure_ascii=False, allow_nan=False)


def _tried(tried: Tried) -> dict[str, Any]:
    return {**asdict(tried.vote), "f1": _number(tried.f1), "delay": _number(tried.delay), "changes": _number(tried.changes)}


def _held_out(held: HeldOut) -> dict[str, Any]:
    return {name: {key: _number(value) for key, value in asdict(getattr(held, name)).items()} for name in HeldOut.__dataclass_fields__}


def _number(value: float | None) -> float | None:
    return round(value, 6) if value is not None and math.isfinite(value) else None

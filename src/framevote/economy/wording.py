"""What strategies are worth, in words, as rows of a table, and as JSON."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from framevote.economy.budgets import of_this_length
from framevote.economy.results import Economy, LeftOut, Trial

FORMAT, VERSION = "framevote.economy", 1

COLUMNS = ("strategy", "agrees", "changes", "off by", "whole", "scored", "share", "decoded", "seconds", "faster", "open")


def row(trial: Trial) -> tuple[str, ...]:
    """Return a trial's figures in words, one for each of COLUMNS."""
    return (
        repr(trial.strategy),
        share(trial.agreement),
        str(trial.changes),
        "–" if trial.distance is None else f"{trial.distance:.2f} s",
        "same" if trial.same else "other",
        str(trial.scored),
        f"{100 * trial.share:.1f} %",
        str(trial.decoded),
        f"{trial.seconds:.2f}" if trial.seconds < 100 else f"{trial.seconds:.0f}",
        f"{times(trial)} ×",
        "–" if trial.doubtful is None else f"{trial.doubtful:.1f} s",
    )


def share(value: float) -> str:
    """Return a share as per cent, cut off rather than rounded, so that 100 % is all and no bound is passed by rounding."""
    return f"{int(value * 1000 + 1e-6) / 10:.1f} %"


def times(trial: Trial) -> str:
    """Return how many times as fast as every frame."""
    return f"{trial.faster:.0f}" if trial.faster >= 10 else f"{trial.faster:.1f}"


def recommendation(found: Economy) -> str:
    """Return which strategy to take, as an option to copy; where its budget is for this video only, another one for others."""
    best, elsewhere = found.recommended, found.recommended_elsewhere
    if best == found.reference:
        told = f"No other agrees with every frame on {100 * found.least:g} % of the time and is faster: {best.option}"
        return told + (f"\nThe closest: {_with_figures(found.closest)}" if found.closest else "")
    told = f"The cheapest that agrees with every frame on {100 * found.least:g} % of the time: {_with_figures(best)}"
    if not of_this_length(best.strategy):
        return told
    return f"{told}\nIts budget is for a video of this length; for any length: {_with_figures(elsewhere)}"


def _with_figures(trial: Trial) -> str:
    return f"{trial.option}  ({share(trial.agreement)}, {times(trial)} × as fast)"


def explanation(found: Economy) -> str:
    """Return what the columns say."""
    smoother, cut = found.vote
    vote = smoother if cut == "Cut()" else f"{smoother}, {cut}"
    return (
        f"agrees: share of the time axis that is labelled as by every frame; off by: from each change of every frame's to the nearest own, "
        f"median; whole: the label of the whole video; open: where it left the vote undecided. One run each, the vote {vote}."
    )


def sentences_of(left_out: tuple[LeftOut, ...]) -> Iterator[tuple[str, bool]]:
    """Yield why strategies were left out, and whether one of them was named; those with the same reason in one sentence."""
    groups: dict[str, list[LeftOut]] = {}
    for each in left_out:
        groups.setdefault(each.reason.replace(repr(each.strategy), "…"), []).append(each)
    for first, *others in groups.values():
        more = f" So with {', '.join(repr(each.strategy) for each in others)}." if others else ""
        yield f"Left out: {first.strategy!r}. {first.reason}{more}", first.named


def economy_json(found: Economy) -> str:
    """Return what was found as JSON; the first of the strategies is every frame, and what is not known is null."""
    smoother, cut = found.vote
    told = {
        "format": FORMAT,
        "version": VERSION,
        "video": found.video,
        "duration": found.duration,
        "frames": found.frames,
        "model": found.model,
        "fingerprint": found.fingerprint,
        "smoother": smoother,
        "cut": cut,
        "least": found.least,
        "strategies": [_told(trial) for trial in (found.reference, *found.trials)],
        "recommended": repr(found.recommended.strategy),
        "recommended_elsewhere": repr(found.recommended_elsewhere.strategy),
        "left_out": [{"strategy": repr(each.strategy), "reason": each.reason} for each in found.left_out],
    }
    return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False)


def _told(trial: Trial) -> dict[str, Any]:
    return {**asdict(trial), "strategy": repr(trial.strategy)}

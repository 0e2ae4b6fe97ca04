"""What follows from the figures: the cheapest head that is enough, in a word and in a sentence."""

import math
from dataclasses import dataclass

from framevote.doctor.measuring import AVERAGING, SHUFFLED, Answers, Bench, gain
from framevote.doctor.results import Gain, Look, Verdict


@dataclass(frozen=True)
class Decision:
    """A verdict, the look whose head to take, and why."""

    verdict: Verdict
    look: str
    sentence: str


def decide(right: Answers, looks: tuple[Look, ...], bench: Bench, heads: tuple[str, ...], ordered: str, chance: float) -> Decision:
    """Return the cheapest look that no dearer one beats beyond the noise.

    Args:
        right: the answers of each look.
        looks: their figures.
        bench: what was held out.
        heads: the looks that are a head of their own, the cheapest first, averaging before all.
        ordered: the one of them that sees order.
        chance: what the most frequent label finds.
    """
    found = {look.name: look for look in looks}
    best = heads[0]
    for dearer in heads[1:]:
        if gain(right[dearer], right[best], bench).real:
            best = dearer
    if best == AVERAGING:
        rival = max(heads[1:], key=lambda name: found[name].accuracy.value)
        sentence = _enough(found[best], found[rival], gain(right[rival], right[best], bench))
        return Decision("averaging", best, sentence + _by_chance(found[best], chance))
    used = best == ordered and gain(right[ordered], right[SHUFFLED], bench).real
    verdict: Verdict = "order" if used else "change"
    return Decision(verdict, best, _dearer(found, best, ordered, used) + _by_chance(found[best], chance))


def _enough(best: Look, rival: Look, more: Gain) -> str:
    told = f"Averaging frames is enough: {best}. {rival.head}, which sees whole windows, finds {rival}"
    points = f"{100 * more.mean:+.1f} points, with a standard error of {100 * more.error:.1f} over the folds"
    return f"{told} ({points}): no gain beyond the noise. Train with --head {best.head}."


def _dearer(found: dict[str, Look], best: str, ordered: str, used: bool) -> str:
    look, plain, mixed = found[best], found[AVERAGING], found[SHUFFLED]
    against = f"{look} against {plain} for averaging"
    if used:
        told = f"Order matters: take --head {look.head}: {against}. Shown the same frames shuffled, it finds {mixed}"
    elif best == ordered:
        shown = f"Which frames a clip has tells, not their order: shuffled it finds {mixed}"
        told = f"Averaging frames is not enough: take --head {look.head}: {against}. {shown}"
    else:
        told = (
            f"Averaging frames is not enough, but how they change is: take --head {look.head}: {against}. "
            f"{found[ordered].head}, which sees their order too, finds {found[ordered]}: no gain beyond the noise"
        )
    return f"{told}. {_costs(look, plain)}"


def _costs(look: Look, plain: Look) -> str:
    if look.cost is None or plain.cost is None:
        return ""
    return (
        f"It costs {look.cost.fit:.1f} s to fit here (averaging {plain.cost.fit:.1f} s), and behind the backbone "
        f"{look.cost.step:.2g} ms for each window when labelling (averaging {plain.cost.step:.2g} ms for each frame)."
    )


def _by_chance(best: Look, chance: float) -> str:
    """Return a warning where even the best look finds little."""
    if best.accuracy.low > chance or math.isnan(best.accuracy.low):
        return ""
    return f" But that is hardly more than always naming the most frequent label finds ({100 * chance:.0f} %): more data, or other labels."

"""A timeline against that of every frame."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from framevote.economy.budgets import tells_doubt
from framevote.economy.results import Trial
from framevote.metrics import agreement
from framevote.records import Effort, Segment, Timeline
from framevote.strategies import Strategy


def judged(strategy: Strategy, timeline: Timeline, reference: Timeline) -> Trial:
    """Return what a strategy's timeline is worth beside that of every frame."""
    effort, whole = timeline.effort or Effort(), reference.effort or Effort()
    own = changes(timeline.segments)
    label, expected = (each.overall[0].label if each.overall else "" for each in (timeline, reference))
    return Trial(
        strategy=strategy,
        agreement=agreement(timeline.segments, reference.segments),
        changes=len(own),
        distance=median_distance(own, changes(reference.segments)),
        label=label,
        same=label == expected,
        scored=effort.scored,
        decoded=effort.decoded,
        share=effort.scored / whole.frames if whole.frames else 0.0,
        seconds=effort.seconds,
        faster=whole.seconds / effort.seconds if effort.seconds > 0 else 1.0,
        doubtful=sum((end - start for start, end in effort.doubtful), 0.0) if tells_doubt(strategy) or effort.doubtful else None,
        notes=effort.notes,
    )


def changes(segments: Sequence[Segment]) -> tuple[float, ...]:
    """Return the seconds at which another label is shown than before."""
    return tuple(after.start for before, after in pairwise(segments) if after.label != before.label)


def median_distance(own: Sequence[float], true: Sequence[float]) -> float | None:
    """Return the median over the true changes of the seconds to one's own nearest; None where there is none of either."""
    if not own or not true:
        return None
    return float(np.median(np.abs(np.subtract.outer(np.array(true), np.array(own))).min(axis=1)))

"""Clips for a head that sees order: how time is sampled, and what is embedded of each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from framevote.datasets import Dataset, Item, Problem
from framevote.datasets.clips import length_of, pieces_of, spread
from framevote.errors import InputError, UsageError
from framevote.features import Embedded, Rows
from framevote.records import Sampling
from framevote.video import probe

LONGEST = 4.0
"""Seconds of a window at most, unless told otherwise: most actions show what they are in less."""

MOST_CLIPS = 2.0
"""The longest window, in median clips: a shorter clip is stretched to it, but at another rate things look otherwise."""


@dataclass(frozen=True, eq=False)
class Windows:
    """What is to be embedded.

    Attributes:
        sampling: how time is sampled.
        pieces: windows of the items, in their order.
        owners: (P,), the item that each piece is of.
    """

    sampling: Sampling
    pieces: tuple[Item, ...]
    owners: NDArray[np.intp]


def windows_of(dataset: Dataset, frames: int, seconds: float | None, causal: bool) -> Windows:
    """Return the windows of a data set's clips.

    Args:
        dataset: clips and pieces of videos.
        frames: of a window; fewer where the videos have fewer in that time.
        seconds: of a window; None takes the clips' median length, LONGEST at most.
        causal: see `Sampling`.

    Raises:
        InputError: there are photos among the items, or no clip can be opened.
        UsageError: a window that no video has two frames in, of no length, or longer than two clips in a row; or fewer than two frames.
    """
    if frames < 2:
        raise UsageError(f"A head that sees order looks at 2 frames of a window or more. Received: {frames}")
    if seconds is not None and not 0 < seconds < math.inf:
        raise UsageError(f"A window is some seconds long, more than 0. Received: {seconds!r}")
    if photos := [item for item in dataset.items if item.kind == "photo"]:
        raise InputError(
            f"A head that sees order learns from clips. Received: {len(photos)} photos, such as {photos[0].path}. "
            "Train with --head Average(), or on clips alone."
        )
    lengths, rates = [], []
    for item in dataset.items:
        try:
            lengths.append(length_of(item))
            if rate := float(probe(item.path).frame_rate):
                rates.append(rate)
        except InputError:  # told when it is embedded
            lengths.append(0.0)
    known = [length for length in lengths if length]
    if seconds is None and not known:
        raise InputError("No clip says how long it is. Give the length of a window in seconds (--window).")
    seconds = _seconds(seconds, known)
    rate = median(rates or [25.0])
    frames = min(frames, round(seconds * rate))
    if frames < 2:
        raise UsageError(
            f"A window of {seconds:g} s shows {frames} frames at {rate:.4g} a second. Expected at least 2: give a longer --window."
        )
    pieces = [pieces_of(item, seconds, length) for item, length in zip(dataset.items, lengths, strict=True)]
    owners = np.repeat(np.arange(len(pieces)), [len(some) for some in pieces])
    return Windows(Sampling(frames, round(seconds, 6), causal), tuple(piece for some in pieces for piece in some), owners)


def _seconds(told: float | None, known: Sequence[float]) -> float:
    """Return the length of a window, by those of the clips."""
    if told is None:
        return min(median(known), LONGEST)
    if known and told > MOST_CLIPS * (usual := median(known)):
        raise UsageError(
            f"A window of {told:g} s is longer than these clips: they last {usual:.3g} s (median), and stretched so far they would show "
            f"nothing that a video shows in as long. Expected {MOST_CLIPS * usual:.3g} s at most."
        )
    return told


def joined(windows: Windows, seen: Embedded) -> Embedded:
    """Return the embedded pieces as the items' windows: rows (W, T, D).

    An item is kept where one of its windows can be read; of a piece that shows a single frame, no order can be seen.
    """
    frames, values, owners, problems = windows.sampling.frames, [], [], list(seen.problems)
    counts = np.bincount(seen.rows.owners, minlength=seen.rows.items)
    ends = np.cumsum(counts)
    for place, number in enumerate(seen.kept):
        own = seen.rows.values[ends[place] - counts[place] : ends[place]]
        if len(own) < 2:
            told = f"shows a single frame. Expected at least two: the head looks at how {frames} follow one another."
            problems.append(Problem(str(windows.pieces[number].path), told))
            continue
        values.append(own[spread(len(own), frames)])
        owners.append(int(windows.owners[number]))
    kept, places = np.unique(np.array(owners, np.intp), return_inverse=True)
    size = seen.rows.values.shape[1]
    rows = Rows(np.stack(values) if values else np.empty((0, frames, size), np.float32), places, len(kept))
    return Embedded(rows, tuple(kept.tolist()), tuple(dict.fromkeys(problems)), seen.computed)

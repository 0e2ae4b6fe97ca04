"""What local features promise."""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice

import numpy as np

from framevote.descriptors import Descriptors, Extractor
from framevote.records import Frame
from framevote.testing.made import made_frames
from framevote.testing.promises import check_text, expect, same

_AHEAD = 64  # frames that may be pulled before the first is answered: a batch, or as long as a track is


def check_features(part: Extractor) -> None:
    """Check local features that are ready to run: finite descriptors of each frame in order, the same twice, pulled as needed."""
    check_text("features", part)
    frames = made_frames(part.view)
    found = list(part(iter(frames)))
    expect(len(found) == len(frames), f"{part} promises the descriptors of each frame", len(found))
    for descriptors in found:
        _check_descriptors(part, descriptors)
    expect(any(len(descriptors) for descriptors in found), f"{part} promises to see something in squares that move", "no descriptors")
    _check_same(part, found, list(part(iter(frames))))
    if not part.moving:
        _check_same(part, found[::-1], list(part(iter(frames[::-1]))))
    expect(list(part(iter([]))) == [], f"{part} promises nothing of no frames", "something")
    _check_lazy(part, frames)


def _check_descriptors(part: Extractor, found: Descriptors) -> None:
    expect(found.values.shape[1] == part.numbers, f"{part} promises descriptors of {part.numbers} numbers", found.values.shape)
    expect(bool(np.isfinite(found.values).all()), f"{part} promises finite numbers", found.values)
    inside = (found.places >= 0) & (found.places <= 1)
    expect(bool(inside.all()), f"{part} promises places from 0 to 1", found.places)
    with np.errstate(over="ignore"):
        again = found.values.astype(np.float16).astype(np.float32)
    largest = float(np.abs(found.values).max(initial=0))
    same(again, found.values, f"{part} promises descriptors that half precision can remember", within=1e-3 * largest)


def _check_same(part: Extractor, one: Sequence[Descriptors], two: Sequence[Descriptors]) -> None:
    for first, second in zip(one, two, strict=True):
        same(second.values, first.values, f"{part} promises the same descriptors of the same frames", within=1e-4)
        same(second.places, first.places, f"{part} promises the same places in the same frames")


def _check_lazy(part: Extractor, frames: Sequence[Frame]) -> None:
    """Check that the first descriptors come before a long video has ended."""
    pulled = 0

    def long() -> Iterator[Frame]:
        nonlocal pulled
        for frame in islice(cycle(frames), 2 * _AHEAD):
            pulled += 1
            yield frame

    next(iter(part(long())))
    expect(pulled <= _AHEAD, f"{part} promises to pull frames as it needs them", f"{pulled} frames before the first was answered")

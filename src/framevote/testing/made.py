"""What parts are shown: made scores, rows, videos, frames, descriptors and timelines."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from framevote.descriptors import Descriptors
from framevote.heads import Head
from framevote.records import Flicker, FloatArray, Frame, Guess, Recipe, Scores, Segment, Timeline, Track, View
from framevote.video import probe

LABELS = ("red", "green", "blue")


def made_rows(part: Head, numbers: int, frames: int = 6, seed: int = 0) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return 18 embeddings (18, D), or windows of them (18, T, D) for a head that sees order, and which of three classes each shows."""
    random = np.random.default_rng(seed)
    shape = (18, frames, numbers) if part.temporal else (18, numbers)
    return random.normal(1, 1, shape).astype(np.float32), np.eye(len(LABELS), dtype=bool)[np.arange(18) % len(LABELS)]


def made_scores(rows: int, columns: int = len(LABELS), seed: int = 0) -> Scores:
    """Return probabilities at uneven times: noise around a label that changes every fifty rows."""
    random = np.random.default_rng(seed)
    values = random.dirichlet(np.ones(columns), rows)
    values[np.arange(rows), np.arange(rows) // 50 % columns] += 1
    durations = random.choice([0.02, 0.04, 0.2], rows)
    times = np.array([0.0, *accumulate(durations[:-1])])[:rows]
    return Scores(values / values.sum(axis=1, keepdims=True), times, durations, np.ones(rows), LABELS[:columns])


def made_video(path: Path, ticks: Iterable[int], swapped: int = 0) -> Path:
    """Write a silent video of 48×32 pixels whose frames last so many milliseconds each: a third red, a third green, a third blue.

    Up to `swapped` frames in a row are stored behind a later one, from which they are told too (B-frames).
    """
    lengths = list(ticks)
    times = [0, *accumulate(lengths)][: len(lengths)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 48, 32, "yuv420p", Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.max_b_frames = swapped
        for number, (time, length) in enumerate(zip(times, lengths, strict=True)):
            image = np.zeros((32, 48, 3), np.uint8)
            image[..., number * 3 // len(lengths)] = 200
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base, frame.duration = time, Fraction(1, 1000), length
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def made_timeline(path: Path) -> Timeline:
    """Return a timeline of a video, with labels that are hard on file formats."""
    info = probe(path)
    labels = ("red", 'comma, "quote" & <tag>', "two\nlines --> ünï 日本", "unknown")
    cuts = np.linspace(0, info.duration, len(labels) + 1)
    segments = tuple(Segment(start, end, label, 0.75) for (start, end), label in zip(pairwise(cuts.tolist()), labels, strict=True))
    track = Track(cuts[:-1], np.array([0, 1, 2, -1], np.int32), np.full(len(labels), 0.75, np.float32), labels[:-1])
    recipe = Recipe("made", "RollingMean(frames=1)", "EveryFrame()", "Cut()")
    return Timeline(info, segments, (Guess("red", 0.5),), Flicker(60.0, 3.0), recipe, track, frames=len(labels))


def made_frames(view: View, count: int = 6, seed: int = 0) -> list[Frame]:
    """Return frames of a view: a pattern of squares that moves 2 pixels to the right and 1 down from frame to frame.

    Where the view asks for motion, they bring it: none with the first, and then just that.
    """
    random = np.random.default_rng(seed)
    squares = random.integers(0, 256, (-(-view.height // 12), -(-view.width // 12), 3), np.uint8)
    picture = squares.repeat(12, axis=0).repeat(12, axis=1)[: view.height, : view.width]
    motion = np.full((view.height, view.width, 2), (2, 1), np.float32) if view.motion else None
    return [
        Frame(np.roll(picture, (n, 2 * n), axis=(0, 1)), n / 25, n, 1 / 25, motion=motion * min(n, 1) if motion is not None else None)
        for n in range(count)
    ]


def made_descriptors(rows: int, numbers: int, seed: int = 0) -> Descriptors:
    """Return descriptors (N, D) around eight middles, strewn over the picture."""
    random = np.random.default_rng(seed)
    middles = np.random.default_rng(99).normal(0, 1, (8, numbers))
    values = middles[random.integers(8, size=rows)] + random.normal(0, 0.5, (rows, numbers))
    return Descriptors(values.astype(np.float32), random.random((rows, 2), np.float32))

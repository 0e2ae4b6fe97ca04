"""Timelines made for tests: one by hand, and hypothesis' own."""

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from framevote.records import Flicker, Guess, Recipe, Segment, Timeline, Track, VideoInfo

LABELS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["a,b", 'say "x"', "a\n\nb", "1 --> 2", "<i>&amp;"]
)


def timeline(
    segments: tuple[Segment, ...] = (Segment(0.0, 1.5, "tennis", 0.93214), Segment(1.5, 4.0, "unknown", 0.31)),
    path: Path = Path("match.mp4"),
    delay: float = 0.0,
    track: Track | None = None,
    **video: object,
) -> Timeline:
    info = VideoInfo(
        path=path,
        **{"width": 640, "height": 360, "frame_rate": Fraction(30000, 1001), "duration": 4.0, "has_audio": True, "delay": delay} | video,
    )
    return Timeline(
        video=info,
        segments=segments,
        overall=(Guess("tennis", 0.7), Guess("baseball", 0.2)),
        flicker=Flicker(134.25, 3.125),
        recipe=Recipe(
            "imagenet",
            "RollingMean(seconds=4)",
            "EveryFrame()",
            "Cut()",
            only=("tennis", "baseball"),
            fingerprint="ab12",
            versions={"framevote": "0.1.0"},
        ),
        track=track_of(segments) if track is None else track,
        frames=100,
        skipped=2,
    )


def track_of(segments: tuple[Segment, ...]) -> Track:
    """A track with a row at each segment's start."""
    labels = tuple(sorted({s.label for s in segments} - {"unknown"}))
    kept = [s for s, later in itertools.zip_longest(segments, segments[1:]) if later is None or later.start > s.start]
    winners = [labels.index(s.label) if s.label in labels else -1 for s in kept]
    return Track(np.array([s.start for s in kept]), np.array(winners), np.array([s.score for s in kept]), labels)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    scores = st.floats(0, 1)
    cuts = sorted(draw(st.lists(st.floats(0, 2e5), min_size=2, max_size=8)))
    segments = tuple(Segment(start, end, draw(LABELS), draw(scores)) for start, end in itertools.pairwise(cuts))
    return timeline(
        segments,
        delay=draw(st.floats(0, 10)),
        track=draw(tracks()),
        path=Path(draw(st.text(st.characters(exclude_characters="\0/"), min_size=1, max_size=20))),
    )


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    labels = tuple(draw(st.lists(LABELS, unique=True, min_size=1, max_size=4)))
    base = draw(st.sampled_from([Fraction(1, 1000), Fraction(1, 90000), Fraction(1001, 30000), Fraction(1, 10**6), Fraction(1, 25)]))
    ticks = np.cumsum(draw(st.lists(st.integers(1, 500), max_size=30)))
    rows = len(ticks)
    winners = draw(st.lists(st.integers(-1, len(labels) - 1), min_size=rows, max_size=rows))
    scores = draw(st.lists(st.floats(0, 1, width=32), min_size=rows, max_size=rows))
    return Track(ticks * base.numerator / base.denominator, np.array(winners), np.array(scores), labels)

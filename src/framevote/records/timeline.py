"""What comes out: segments, how they were made, and what is remembered of the scores."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from framevote.records.checking import check, frozen
from framevote.records.pictures import VideoInfo

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Segment:
    """What is on screen in [start, end) seconds, and how sure: the label's mean score there."""

    start: float
    end: float
    label: str
    score: float

    def __post_init__(self) -> None:
        check(self.start <= self.end, "Segment", "start <= end", f"[{self.start}, {self.end})")

    @property
    def duration(self) -> float:
        """Seconds from start to end."""
        return self.end - self.start


@dataclass(frozen=True)
class Guess:
    """A label for the whole video, with its mean score over all of it."""

    label: str
    score: float


@dataclass(frozen=True)
class Flicker:
    """Label changes a minute: `raw` from frame to frame, `steady` on the timeline that the vote and the cut made of them."""

    raw: float
    steady: float


@dataclass(frozen=True, eq=False)
class Track:
    """The winner of each row, kept small: what a timeline remembers of the scores (16 bytes a row and less).

    Attributes:
        times: float64 (T,), seconds where each row begins.
        winners: int32 (T,), index into `labels` of the label that the timeline shows; -1 for unknown.
        scores: float32 (T,), that label's steady score.
        labels: the class names.
    """

    times: NDArray[np.float64]
    winners: NDArray[np.int32]
    scores: NDArray[np.float32]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, dtype in (("times", np.float64), ("winners", np.int32), ("scores", np.float32)):
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))
        check(self.times.shape == self.winners.shape == self.scores.shape, "Track", "three arrays of one length", self.times.shape)

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        return f"Track({len(self)} rows)"

    def at(self, time: float) -> tuple[str, float]:
        """Return the label and score shown at `time` seconds; before the first row, the first row's."""
        row = max(int(np.searchsorted(self.times, time, side="right")) - 1, 0)
        winner = int(self.winners[row])
        return (self.labels[winner] if winner >= 0 else UNKNOWN), float(self.scores[row])


@dataclass(frozen=True)
class Recipe:
    """How a timeline was made: enough to make it again. Parts stand as their text."""

    model: str
    smoother: str
    strategy: str
    cut: str
    only: tuple[str, ...] = ()
    precision: str = ""
    device: str = ""
    fingerprint: str = ""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Effort:
    """What it took to label a video, beside what every frame would have taken.

    Attributes:
        frames: how many the video shows.
        decoded: how many were decoded, those that only lead to others included.
        scored: how many the model has looked at.
        seconds: that the looking took, of wall time.
        saved: seconds by which every frame would have taken longer, about: the network's part alone.
        doubtful: stretches (start, end) in seconds where the vote was left open.
        notes: sentences on what had to be done the slower way.
    """

    frames: float = 0.0
    decoded: int = 0
    scored: int = 0
    seconds: float = 0.0
    saved: float = 0.0
    doubtful: tuple[tuple[float, float], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """The share of the video's frames that the model has looked at."""
        return self.scored / self.frames if self.frames else 0.0

    @property
    def faster(self) -> float:
        """How many times as long every frame would have taken, about."""
        return (self.seconds + self.saved) / self.seconds if self.seconds > 0 else 1.0


@dataclass(frozen=True, eq=False)
class Timeline:
    """What is on screen, from when to when, how sure.

    Attributes:
        video: the source.
        segments: half-open, in order, without overlap, together the whole of what was seen.
        overall: the best labels of the whole video, best first.
        flicker: label changes a minute before and after the vote.
        recipe: how it was made.
        track: the winner of each row that was looked at.
        frames: how many frames were looked at.
        skipped: how many frames or packets could not be read.
        effort: what it took; None where nobody remembers.
    """

    video: VideoInfo
    segments: tuple[Segment, ...]
    overall: tuple[Guess, ...]
    flicker: Flicker
    recipe: Recipe
    track: Track
    frames: int = 0
    skipped: int = 0
    effort: Effort | None = None

    def __post_init__(self) -> None:
        pairs = zip(self.segments, self.segments[1:], strict=False)
        check(all(a.end <= b.start for a, b in pairs), "Timeline", "segments in order, without overlap", self.segments)

    def __repr__(self) -> str:
        return f"Timeline({self.video.path.name!r}, {len(self.segments)} segments, {self.duration:.2f} s)"

    @property
    def duration(self) -> float:
        """Seconds that the segments cover, from 0."""
        return self.segments[-1].end if self.segments else 0.0

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the segments, each once, in order of their first appearance."""
        return tuple(dict.fromkeys(segment.label for segment in self.segments))

    def at(self, time: float) -> Segment | None:
        """Return the segment that holds `time` seconds, or None outside all of them."""
        return next((s for s in self.segments if s.start <= time < s.end), None)

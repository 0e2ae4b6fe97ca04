"""The values that flow: Frame, Scores, Segment, Timeline. Frozen, checked once, printed by shape."""

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from framevote.errors import UsageError

UNKNOWN = "unknown"

# Told the seconds of video and the frames that are done.
Progress = Callable[[float, int], None]

FloatArray = NDArray[np.floating[Any]]
Image = NDArray[np.uint8]


def _check(holds: bool, owner: str, expected: str, received: object) -> None:
    if not holds:
        raise ValueError(f"{owner} expects {expected}. Received: {received}")


def _column(label: str, labels: tuple[str, ...]) -> int:
    if label in labels:
        return labels.index(label)
    near = difflib.get_close_matches(label, labels, n=3, cutoff=0.5) or labels[:3]
    raise UsageError(f"The model has no label {label!r}. Expected one of its {len(labels)}; nearest: {', '.join(near)}.")


def _frozen(values: Any, dtype: Any) -> NDArray[Any]:
    """Return `values` as a read-only array of `dtype`, without copying where it can."""
    array: NDArray[Any] = np.asarray(values, dtype=dtype).view()
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        image: uint8 RGB, (height, width, 3), upright.
        time: seconds as a player shows them (the stream's clock less its start).
        index: 0-based position among the frames that the video shows; -1 where the frame was sought and not counted.
        duration: seconds that it stands for; on every frame, those until the next (the last: what the file says).
        frames: how many of the video's frames it stands for; 1 where every frame is looked at.
    """

    image: Image
    time: float
    index: int = 0
    duration: float = 0.0
    frames: int = 1

    def __post_init__(self) -> None:
        shape, kind = self.image.shape, self.image.dtype
        _check(kind == np.uint8 and len(shape) == 3 and shape[2] == 3, "Frame", "uint8 RGB (height, width, 3)", f"{kind} {shape}")

    def __repr__(self) -> str:
        height, width, _ = self.image.shape
        return f"Frame({width}×{height}, time={self.time:.3f}, index={self.index})"


@dataclass(frozen=True)
class View:
    """How a picture of any shape becomes a network's input: the same in training and in labelling.

    Attributes:
        width, height: pixels that the network takes.
        fit: `centre` cuts the middle out, `squash` distorts, `letterbox` adds black bars.
        crop: with `centre`, the share of the largest middle piece that is kept (224 of 256 is 0.875).
    """

    width: int
    height: int
    fit: Literal["centre", "squash", "letterbox"] = "centre"
    crop: float = 1.0

    def __post_init__(self) -> None:
        _check(self.width > 0 and self.height > 0, "View", "a size of at least 1×1", f"{self.width}×{self.height}")
        _check(self.fit in ("centre", "squash", "letterbox"), "View", "fit centre, squash or letterbox", self.fit)
        _check(0 < self.crop <= 1, "View", "crop above 0 and at most 1", self.crop)


@dataclass(frozen=True)
class VideoInfo:
    """What a container says of its picture, without decoding it.

    Attributes:
        path: the file.
        width, height: pixels as a player shows them, after rotation.
        frame_rate: average frames a second (exact); frames may come at other times.
        duration: seconds; 0.0 where the file does not say.
        has_audio: whether there is a sound track.
        rotation: clockwise degrees (0, 90, 180, 270) that turn the stored picture upright, applied after the mirror.
        mirrored: whether the stored picture is flipped left to right before it is turned.
        pixel_aspect: width of a pixel over its height, upright; 1 where the file does not say.
        start: seconds taken off the stream's own clock.
        delay: seconds by which the picture begins after the container does (a player counts from the container's start).
        time_base: seconds of one tick of the stream's clock.
        codec, pixel_format, container: FFmpeg's names.
        frames: the number of frames the container states; 0 where it does not.
        size: bytes of the file; 0 where it is not known.
    """

    path: Path
    width: int
    height: int
    frame_rate: Fraction
    duration: float
    has_audio: bool = False
    rotation: int = 0
    mirrored: bool = False
    pixel_aspect: Fraction = Fraction(1)
    start: float = 0.0
    delay: float = 0.0
    time_base: Fraction = Fraction(1, 1000)
    codec: str = ""
    pixel_format: str = ""
    container: str = ""
    frames: int = 0
    size: int = 0

    def __post_init__(self) -> None:
        _check(self.rotation in (0, 90, 180, 270), "VideoInfo", "rotation 0, 90, 180 or 270", self.rotation)
        _check(self.width > 0 and self.height > 0, "VideoInfo", "a picture of at least 1×1", f"{self.width}×{self.height}")


@dataclass(frozen=True, eq=False)
class Scores:
    """Class probabilities over time: one row for each frame that was looked at.

    Attributes:
        values: float32 (T, C), each row the probabilities of the classes.
        times: float64 (T,), seconds, strictly increasing: where each row's stretch begins.
        durations: float64 (T,), seconds that each row stands for: [time, time + duration).
        frames: float64 (T,), how many of the video's frames each row stands for; 1 where every frame was looked at.
        labels: the C class names.
    """

    values: NDArray[np.float32]
    times: NDArray[np.float64]
    durations: NDArray[np.float64]
    frames: NDArray[np.float64]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, dtype in (("values", np.float32), ("times", np.float64), ("durations", np.float64), ("frames", np.float64)):
            object.__setattr__(self, name, _frozen(getattr(self, name), dtype))
        rows, columns = self.values.shape if self.values.ndim == 2 else (-1, -1)
        _check(columns == len(self.labels), "Scores", f"values (T, {len(self.labels)}): a column for each label", self.values.shape)
        for name in ("times", "durations", "frames"):
            _check(getattr(self, name).shape == (rows,), "Scores", f"{name} ({rows},): one for each row", getattr(self, name).shape)
        _check(bool(np.all(np.diff(self.times) > 0)), "Scores", "times that increase", "times that repeat or go back")
        _check(bool(np.all(self.durations >= 0) and np.all(self.frames > 0)), "Scores", "durations >= 0 and frames > 0", "negative ones")

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, rows: slice) -> "Scores":
        return Scores(self.values[rows], self.times[rows], self.durations[rows], self.frames[rows], self.labels)

    def __repr__(self) -> str:
        return f"Scores({self.values.shape[0]} rows × {self.values.shape[1]} labels)"

    @classmethod
    def join(cls, blocks: Iterable["Scores"], labels: tuple[str, ...] = ()) -> "Scores":
        """Return consecutive blocks as one; `labels` name the columns of an empty result."""
        parts = list(blocks)
        if not parts:
            return cls(np.empty((0, len(labels)), np.float32), np.empty(0), np.empty(0), np.empty(0), labels)
        values, times, durations, frames = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "times", "durations", "frames")
        )
        return cls(values, times, durations, frames, parts[0].labels)

    def only(self, labels: Sequence[str]) -> "Scores":
        """Return the columns of some labels, as they are: what the others have is left out, so rows may sum to less than 1.

        Raises:
            UsageError: a label is not among the columns.
        """
        columns = [_column(label, self.labels) for label in labels]
        return Scores(self.values[:, columns], self.times, self.durations, self.frames, tuple(self.labels[c] for c in columns))

    def replace(self, values: FloatArray) -> "Scores":
        """Return the same rows with other values (T, C)."""
        return Scores(values.astype(np.float32, copy=False), self.times, self.durations, self.frames, self.labels)


@dataclass(frozen=True, eq=False)
class Features:
    """Embeddings over time: float32 values (T, D), times (T,) in seconds."""

    values: NDArray[np.float32]
    times: NDArray[np.float64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _frozen(self.values, np.float32))
        object.__setattr__(self, "times", _frozen(self.times, np.float64))
        _check(self.values.ndim == 2 and len(self.values) == len(self.times), "Features", "values (T, D) and times (T,)", self.values.shape)

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        return f"Features({self.values.shape[0]} rows × {self.values.shape[1]} numbers)"


@dataclass(frozen=True)
class Segment:
    """What is on screen in [start, end) seconds, and how sure: the label's mean score there."""

    start: float
    end: float
    label: str
    score: float

    def __post_init__(self) -> None:
        _check(self.start <= self.end, "Segment", "start <= end", f"[{self.start}, {self.end})")

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
            object.__setattr__(self, name, _frozen(getattr(self, name), dtype))
        _check(self.times.shape == self.winners.shape == self.scores.shape, "Track", "three arrays of one length", self.times.shape)

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
    """

    video: VideoInfo
    segments: tuple[Segment, ...]
    overall: tuple[Guess, ...]
    flicker: Flicker
    recipe: Recipe
    track: Track
    frames: int = 0
    skipped: int = 0

    def __post_init__(self) -> None:
        pairs = zip(self.segments, self.segments[1:], strict=False)
        _check(all(a.end <= b.start for a, b in pairs), "Timeline", "segments in order, without overlap", self.segments)

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

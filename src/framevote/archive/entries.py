"""What an archive holds: a video's row with its segments, and the settings under which it was made."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from framevote.parts import DEFAULT_STRATEGY
from framevote.runtime import Precision

State = Literal["done", "failed"]

EDITION = 1
"""Of what is found: raise it where the same video under the same settings would come out otherwise."""


@dataclass(frozen=True)
class Source:
    """A file as it was listed.

    Attributes:
        path: an absolute path, or an address such as s3://bucket/match.mp4.
        size: bytes.
        modified: seconds since 1970.
    """

    path: str
    size: int
    modified: float


@dataclass(frozen=True)
class Settings:
    """How videos are looked at: plain text and numbers, so that they go to any process, machine or table.

    Attributes:
        model: "imagenet", or the absolute path of a `.fvm` file.
        model_fingerprint: 12 hexadecimal digits that name the model's content when the work began.
        strategy, smoother, hysteresis, shortest, unknown, only, known_only, precision: as `framevote.label` takes them.
        scores: whether the five best scores of each frame that was looked at are kept.
    """

    model: str
    model_fingerprint: str
    strategy: str = DEFAULT_STRATEGY
    smoother: str | None = None
    hysteresis: float | None = None
    shortest: float | None = None
    unknown: float | None = None
    only: tuple[str, ...] = ()
    known_only: bool = False
    precision: Precision = "auto"
    scores: bool = False

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits that name all that decides what comes out; where the model's file lies does not."""
        deciding = asdict(self) | {"edition": EDITION}
        del deciding["model"]
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True, eq=False)
class Piece:
    """A segment of a video: what is on screen in [start, end) seconds, how sure, and its mean embedding (D,)."""

    start: float
    end: float
    label: str
    score: float
    embedding: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class FrameScores:
    """The best scores of each frame that was looked at.

    Attributes:
        times: float32 (T,), seconds.
        labels: int32 (T, K), places among the model's labels, best first.
        values: float16 (T, K), their probabilities before the vote.
    """

    times: NDArray[np.float32]
    labels: NDArray[np.int32]
    values: NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Entry:
    """What came of one file under one set of settings.

    Attributes:
        source: the file.
        content: hexadecimal digits that name its bytes; "" where they could not be read.
        settings: the settings.
        state: `done`, or `failed` with its sentence in `error`.
        probe: what the container says of its picture (`writers.text.video_dict` without path and size); {} where it cannot be read.
        label, score: the best label of the whole video, and its mean score; "" where it failed.
        embedding: mean embedding (D,) of what was looked at.
        pieces: the segments, in order.
        labels: the model's labels, for `frame_scores`.
        frame_scores: where the settings ask for them.
        looked, decoded: how many frames were scored, and how many decoded.
        seconds: that the work took, in processor time.
        finished: seconds since 1970 when it ended.
    """

    source: Source
    content: str
    settings: Settings
    state: State
    error: str = ""
    probe: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    score: float = 0.0
    embedding: NDArray[np.float32] | None = None
    pieces: tuple[Piece, ...] = ()
    labels: tuple[str, ...] = ()
    frame_scores: FrameScores | None = None
    looked: int = 0
    decoded: int = 0
    seconds: float = 0.0
    finished: float = 0.0

    @property
    def key(self) -> str:
        """What names the row: the content, or for lack of it the path, under these settings."""
        what = self.content or "path-" + hashlib.sha256(self.source.path.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return f"{what}:{self.settings.fingerprint}"


def latest_of(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return one entry for each key: the last, but one that is done before one that failed."""
    latest: dict[str, Entry] = {}
    for entry in entries:
        if entry.state == "done" or latest.get(entry.key, entry).state == "failed":
            latest[entry.key] = entry
    return latest

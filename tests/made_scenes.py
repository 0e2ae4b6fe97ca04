"""Films of coloured scenes, with cuts wherever one wants them, and a scorer that tells colours apart and remembers what it was shown."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
from made_items import COLOURS
from media import ffmpeg

from framevote.records import Frame, Scores
from framevote.smoothing import Smoother, Viterbi
from framevote.strategies import Looking, Strategy
from framevote.video import open_video

LABELS = ("red", "green", "blue", "grey")
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
RATE = 25

Scene = tuple[str, float]

FIXED = ("-keyint_min", "5000", "-sc_threshold", "0", "-bf", "2")
SCENES: tuple[Scene, ...] = (
    ("red", 5.2),
    ("green", 3.68),
    ("blue", 7.64),
    ("grey", 6.04),
    ("red", 8.4),
    ("blue", 5.36),
    ("green", 9.0),
    ("grey", 4.68),
    ("blue", 6.0),
)
CUTS = np.cumsum([seconds for _, seconds in SCENES])[:-1]


def scenes_film(path: Path, scenes: Sequence[Scene], *options: str, rate: int = RATE, size: str = "64x48") -> Path:
    """Write a film of colours, each for so many seconds; `options` are FFmpeg's for the output, H.264 with a keyframe at cuts if none."""
    sources = [f"color=0x{bytes(COLOURS[name]).hex()}:size={size}:rate={rate}:duration={seconds}" for name, seconds in scenes]
    inputs = [argument for source in sources for argument in ("-f", "lavfi", "-i", source)]
    chain = "".join(f"[{number}]" for number in range(len(sources))) + f"concat=n={len(sources)}:v=1:a=0"
    ffmpeg(*inputs, "-filter_complex", chain, *(options or (*X264, "-g", "50", "-bf", "2")), path)
    return path


class Scorer:
    """Scores frames by their mean colour, or by their time alone, and remembers the times.

    Attributes:
        times: seconds of each frame that it was shown, in that order.
    """

    def __init__(self, by_time: Callable[[float], Sequence[float]] | None = None, pause: float = 0.0, sharpness: float = 0.1) -> None:
        self._by_time, self._pause, self._sharpness = by_time, pause, sharpness
        self.times: list[float] = []

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Scores]:
        """Yield scores in blocks of up to 8 rows."""
        frames = iter(frames)
        while block := list(islice(frames, 8)):
            time.sleep(self._pause * len(block))
            self.times += [frame.time for frame in block]
            values = np.array([self._values(frame) for frame in block], np.float32)
            told = ([getattr(frame, name) for frame in block] for name in ("time", "duration", "frames"))
            yield Scores(values, *(np.array(column, np.float64) for column in told), LABELS)

    def _values(self, frame: Frame) -> Sequence[float]:
        if self._by_time is not None:
            return self._by_time(frame.time)
        away = np.abs(np.array([COLOURS[label] for label in LABELS]) - frame.image.mean(axis=(0, 1))).sum(axis=1)
        powers = np.exp(-self._sharpness * (away - away.min()))
        return (powers / powers.sum()).tolist()


class Looked:
    """What came of a strategy: its rows, the frames that it scored, the video it opened, what it left undecided."""

    def __init__(self, strategy: Strategy, path: Path, smoother: Smoother | None = None, scorer: Scorer | None = None) -> None:
        self.scorer, self.video = scorer or Scorer(), open_video(path)
        self.doubtful: tuple[tuple[float, float], ...] = ()
        began = time.monotonic()
        self.rows = Scores.join(list(self._driven(strategy, smoother or Viterbi())), LABELS)
        self.seconds = time.monotonic() - began

    def _driven(self, strategy: Strategy, smoother: Smoother) -> Looking:
        self.doubtful = (yield from cast(Looking, strategy(self.video, self.scorer, smoother))) or ()
        return self.doubtful

    def labels(self, smoother: Smoother, times: np.ndarray) -> list[str]:
        """What the vote shows at some times."""
        rows = np.searchsorted(self.rows.times, times + 1e-6, side="right") - 1
        return [LABELS[winner] for winner in smoother(self.rows).values.argmax(axis=1)[rows]]

    def boundaries(self, smoother: Smoother) -> tuple[list[float], list[str]]:
        """When the vote changes, and to what."""
        winners = smoother(self.rows).values.argmax(axis=1)
        places = np.flatnonzero(np.diff(winners)) + 1
        return self.rows.times[places].tolist(), [LABELS[winner] for winner in winners[places]]


@cache
def film(folder: Path, name: str, *options: str) -> Path:
    """The film of SCENES; without options H.264 with keyframes at cuts, and every two seconds."""
    return scenes_film(folder / name, SCENES, *options)

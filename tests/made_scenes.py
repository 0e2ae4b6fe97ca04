"""Films of coloured scenes, with cuts wherever one wants them, and a scorer that tells colours apart and remembers what it was shown."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from made_items import COLOURS
from media import ffmpeg

from framevote.records import Frame, Scores

LABELS = ("red", "green", "blue", "grey")
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
RATE = 25

Scene = tuple[str, float]


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

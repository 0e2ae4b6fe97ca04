"""When each picture is shown: the stream's own clock, mended where it stands still or is set back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

CLOCK_SET_BACK = 1
"""Seconds: a stream whose time goes back by more has had its clock set anew; by less, its frames are out of order."""

# A stream that never says when its frames are shown gets this rate.
_FALLBACK_RATE = Fraction(25)


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture in the codec's own format, as stored (not yet upright).

    Attributes:
        frame: PyAV's frame.
        pts: when it is shown, in the stream's own time base and clock.
        time: seconds as a player shows them.
        duration: seconds until the next picture.
        index: 0-based.
    """

    frame: VideoFrame
    pts: int
    time: float
    duration: float
    index: int


def timed(frames: Iterator[VideoFrame], stream: VideoStream, skip: Callable[[], None]) -> Iterator[Picture]:
    """Give every frame its time, index, and the time until the next.

    Where the clock is set back by more than a second (recordings that were joined), time goes on as if it had not been, as in
    FFmpeg's program. A frame that does not come later than the last is skipped.
    """
    base = stream.time_base or 1 / _FALLBACK_RATE
    start = stream.start_time or 0
    usual = _ticks(stream, base)
    index, held, pts, set_back = 0, None, start, 0
    for frame in frames:
        now = frame.pts + set_back if frame.pts is not None else (start if held is None else pts + (held.duration or usual))
        if held is not None and (pts - now) * base > CLOCK_SET_BACK:
            set_back += pts + usual - now
            now = pts + usual
        if held is not None:
            if now <= pts:
                skip()
                continue
            yield Picture(held, pts, _seconds(pts - start, base), _seconds(now - pts, base), index)
            index += 1
            usual = now - pts
        held, pts = frame, now
    if held is not None:
        yield Picture(held, pts, _seconds(pts - start, base), _seconds(held.duration or usual, base), index)


def _ticks(stream: VideoStream, base: Fraction) -> int:
    rate = stream.average_rate or stream.guessed_rate or _FALLBACK_RATE
    return max(round(1 / (rate * base)), 1)


def _seconds(ticks: int, base: Fraction) -> float:
    return ticks * base.numerator / base.denominator

"""Is the annotated video the same video: its sound byte for byte, its frames at the same times, and upright?

Everything here is read with PyAV's own demuxer and decoder and with the ffmpeg program, none of it with framevote's reader.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks import media
from benchmarks.measuring import OUT, Worker
from benchmarks.table import Row, Setting

_MKV_CLOCK = Fraction(1, 1000)
_SIZE = 64


@dataclass(frozen=True)
class _Sound:
    """The packets of all sound tracks: when, in seconds, and what."""

    times: tuple[Fraction, ...]
    packets: tuple[bytes, ...]


@dataclass(frozen=True)
class _Likeness:
    """How a copy compares with its source.

    Attributes:
        frames, packets: how many the source has, of pictures and of sound.
        frames_copied: how many pictures the copy has.
        same_sound: whether the copy's packets of sound are as many, and the same bytes.
        shift: seconds that the copy is later as a whole: the middle of the smallest and the largest difference.
        apart: seconds of the largest difference from the shift.
        upright: whether the picture stands as the source's is shown.
    """

    frames: int
    frames_copied: int
    packets: int
    same_sound: bool
    shift: Fraction
    apart: Fraction
    upright: bool


def copies(setting: Setting) -> Iterator[Row]:
    """Yield a row for each file and container."""
    del setting
    clips, fire = sorted((media.SHARED / "clips").glob("*.mp4")), media.SHARED / "odd" / "moviepy" / "fire2.mp4"
    found = [*clips, *([fire] if fire.is_file() else [])]
    if not found:
        yield Row("annotated copies of clips/ and fire2.mp4", "exact", media.NO_SHARED)
    with Worker() as worker:
        for path in (*found, media.uneven(), media.sideways()):
            for suffix in (".mp4", ".mkv"):
                output = OUT / f"copy-{path.stem}{suffix}"
                worker.ask("label", path=path, output=output)
                yield _row(path, output)


def _row(path: Path, output: Path) -> Row:
    like = _likeness(path, output)
    exact = output.suffix == ".mp4"
    whole = like.frames == like.frames_copied and like.same_sound and like.upright
    kept = whole and (like.apart == like.shift == 0 if exact else like.apart <= _MKV_CLOCK)
    measured = (
        f"{like.frames_copied} of {like.frames} frames; {like.packets} packets of sound, {'' if like.same_sound else 'NOT '}the same; "
        f"largest difference {_ms(like.apart)}, shift {_ms(like.shift)}; {'upright' if like.upright else 'NOT upright'}"
    )
    goal = "exact" if exact else "within 1 ms of one common shift"
    numbers = {"frames": like.frames, "packets": like.packets, "apart": float(like.apart), "shift": float(like.shift)}
    return Row(f"annotated {path.name} as {output.suffix}", goal, measured, kept, _unevenness(path), numbers)


def _likeness(path: Path, copy: Path) -> _Likeness:
    shown, shown_copy = _frame_times(path), _frame_times(copy)
    sound, sound_copy = _sound(path), _sound(copy)
    times, copied = (*shown, *sound.times), (*shown_copy, *sound_copy.times)
    moved = [after - before for before, after in zip(times, copied, strict=False)]
    shift = (min(moved) + max(moved)) / 2
    return _Likeness(
        frames=len(shown),
        frames_copied=len(shown_copy),
        packets=len(sound.packets),
        same_sound=sound.packets == sound_copy.packets,
        shift=shift,
        apart=max(abs(difference - shift) for difference in moved),
        upright=_is_upright(path, copy, len(shown)),
    )


def _frame_times(path: Path) -> tuple[Fraction, ...]:
    with av.open(str(path)) as container:
        return tuple(_seconds(frame.pts, frame.time_base) for frame in container.decode(video=0))


def _sound(path: Path) -> _Sound:
    with av.open(str(path)) as container:
        tracks = tuple(container.streams.audio)
        packets = [packet for packet in container.demux(tracks) if packet.pts is not None] if tracks else []
        packets.sort(key=lambda packet: packet.stream.index)
        times = tuple(_seconds(packet.pts, packet.time_base) for packet in packets)
        return _Sound(times, tuple(bytes(packet) for packet in packets))


def _seconds(pts: int | None, base: Fraction | None) -> Fraction:
    if pts is None or base is None:
        raise ValueError("a frame or packet has no time: nothing can be compared")
    return pts * base


def _is_upright(path: Path, copy: Path, frames: int) -> bool:
    """Return whether the middle frame is nearer to the source's as it is than turned or mirrored in any way."""
    ours, theirs = (_thumbnail(file, frames // 2) for file in (path, copy))
    turned = [np.rot90(side, quarter) for side in (theirs, theirs[:, ::-1]) for quarter in range(4)]
    distances = [float(np.abs(ours - picture).mean()) for picture in turned]
    return distances[0] == min(distances) and distances[0] < 12


def _thumbnail(path: Path, number: int) -> NDArray[np.float64]:
    """Return a frame as a player shows it, small and grey."""
    filters = f"select=eq(n\\,{number}),scale={_SIZE}:{_SIZE}:flags=area,format=gray"
    frame = ("-vf", filters, "-fps_mode", "passthrough", "-frames:v", "1", "-f", "rawvideo", "-")
    done = subprocess.run([media.ffmpeg(), "-v", "error", "-i", str(path), *frame], check=True, capture_output=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(_SIZE, _SIZE).astype(np.float64)


def _unevenness(path: Path) -> str:
    times = _frame_times(path)
    steps = np.diff(np.array([float(time) for time in times])) * 1000
    kind = "constant" if np.ptp(steps) < 1 else "variable"
    return f"{kind} frame rate: {steps.min():.1f}–{steps.max():.1f} ms between frames"


def _ms(seconds: Fraction) -> str:
    return "0" if not seconds else f"{float(seconds) * 1000:.3f} ms"

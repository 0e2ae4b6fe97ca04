"""Made media, and FFmpeg's own program as the independent oracle."""

import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

_SHOWN = re.compile(r"\] n: *\d+ pts: *(\S+) pts_time:(\S+) .*? s:(\d+)x(\d+)")


@cache
def ffmpeg_program() -> str:
    return imageio_ffmpeg.get_ffmpeg_exe()


def ffmpeg(*arguments: str | Path) -> str:
    """Run FFmpeg; return what it says on stderr."""
    done = subprocess.run([ffmpeg_program(), "-hide_banner", "-y", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr


def make_video(
    path: Path, *options: str, source: str = "testsrc2", size: str = "320x180", rate: str = "25", seconds: float = 2, tone: bool = False
) -> Path:
    """Write a video of FFmpeg's own test picture; `options` are FFmpeg's for the output."""
    sound = ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}", "-shortest"] if tone else []
    drawn = f"{source}{':' if '=' in source else '='}size={size}:rate={rate}:duration={seconds}"
    ffmpeg("-f", "lavfi", "-i", drawn, *sound, *options, path)
    return path


@dataclass(frozen=True)
class Shown:
    """What FFmpeg shows: seconds (from the first frame), and the picture's size."""

    times: list[float]
    width: int
    height: int


def shown_by_ffmpeg(path: Path) -> Shown:
    """Return every frame that FFmpeg decodes, with its own time stamp."""
    said = ffmpeg("-copyts", "-i", f"file:{path}", "-map", "0:v:0", "-vf", "showinfo", "-fps_mode", "passthrough", "-f", "null", "-")
    rows = _SHOWN.findall(said)
    times = [float(time) for _, time, _, _ in rows]
    return Shown([time - times[0] for time in times], int(rows[0][2]), int(rows[0][3]))


def rgb_of_ffmpeg(path: Path, *filters: str) -> NDArray[np.uint8]:
    """Return the first frame as FFmpeg turns it into RGB, upright: uint8 (height, width, 3)."""
    shown = shown_by_ffmpeg(path)
    chain = ",".join([*filters, "format=rgb24"])
    raw = subprocess.run(
        [ffmpeg_program(), "-v", "error", "-i", f"file:{path}", "-map", "0:v:0", "-frames:v", "1", "-vf", chain, "-f", "rawvideo", "-"],
        capture_output=True,
        check=True,
    ).stdout
    return np.frombuffer(raw, np.uint8).reshape(shown.height, shown.width, 3)

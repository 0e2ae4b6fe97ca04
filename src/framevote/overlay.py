"""Drawing into decoded pictures: only the touched region changes, in the picture's own 4:2:0 planes.

A drawing is made once as RGB with Pillow, brought to the picture's own colours by FFmpeg's scaler (a `Stamp`), and mixed
into the planes from then on. A way of every whole frame through RGB and back costs twenty times that.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from framevote.colours import Colour, label_colour, label_colours
from framevote.lettering import font, shortened
from framevote.records import Timeline

_PLATE = (16, 16, 16)
_PLATE_OPACITY = 0.72
_STRIP_OPACITY = 0.9
_SEAM = 2  # pixels between two segments of the strip
_SMALLEST = 32  # pixels: below this height no letter can be read, and only the strip is drawn

# On HDR pictures a code value of 1 is thousands of nits: white text is put at 203 nits, the reference white (ITU-R BT.2408).
_REFERENCE_WHITE = {16: 0.58, 18: 0.75}  # transfer characteristics (ITU-T H.273): PQ, HLG

# Kept, since building its tables takes longer than a plate; one thread, since waking others does too.
_to_yuv = VideoReformatter()

Planes = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Stamp:
    """A drawing in a picture's own colours: where it goes, its Y, U and V, and how opaque each is (0–256)."""

    x: int
    y: int
    planes: Planes
    opacity: Planes


@final
class Overlay:
    """Draws a timeline's label, score and strip into pictures of one size and format.

    Args:
        timeline: what to draw.
        picture: a picture such as those to come (yuv420p, yuvj420p or yuv420p10le).
        duration: seconds that the strip spans.
    """

    def __init__(self, timeline: Timeline, picture: VideoFrame, duration: float) -> None:
        self._timeline = timeline
        self._like = picture
        self._duration = max(duration, 1e-6)
        self._width, self._height = picture.width, picture.height
        self._letters = _letter_size(self._width, self._height)
        self._colours = label_colours(timeline.labels)
        self._strip = self._stamp(0, self._strip_top(), self._strip_image(), _STRIP_OPACITY) if self._strip_rows() else None
        self._plate = lru_cache(maxsize=256)(self._plate_of)

    def draw(self, picture: VideoFrame, time: float) -> None:
        """Draw what is true at `time` seconds into a picture that may be written to."""
        planes = planes_of(picture)
        if self._letters:
            label, score = self._timeline.track.at(time)
            mix(planes, self._plate(label, round(score * 100)))
        if self._strip is not None:
            mix(planes, self._strip)
            self._draw_hand(planes, time)

    def _strip_rows(self) -> int:
        return _even(self._height / 60) if self._height >= 8 and self._width >= 8 else 0

    def _strip_top(self) -> int:
        return (self._height - self._strip_rows()) // 2 * 2

    def _strip_image(self) -> Pillow.Image:
        image = Pillow.new("RGB", (self._width, self._height - self._strip_top()))
        pen = ImageDraw.Draw(image)
        for segment in self._timeline.segments:
            left, right = (round(t / self._duration * self._width) for t in (segment.start, segment.end))
            pen.rectangle((left, 0, max(right - 1, left), image.height), fill=self._colours[segment.label])
            if right - left > 4 * _SEAM:  # neighbours may be alike to some eyes
                pen.rectangle((right - _SEAM, 0, right - 1, image.height), fill=_PLATE)
        return image

    def _draw_hand(self, planes: Planes, time: float) -> None:
        thick = _even(self._height / 240)
        left = min(int(time / self._duration * self._width), self._width - thick) // 2 * 2
        luma, blue, red = planes
        top, bright, grey = self._strip_top(), 235 << _depth(self._like) - 8, 128 << _depth(self._like) - 8
        luma[top:, left : left + thick] = bright
        blue[top // 2 :, left // 2 : (left + thick) // 2] = grey
        red[top // 2 :, left // 2 : (left + thick) // 2] = grey

    def _plate_of(self, label: str, percent: int) -> Stamp:
        colour = self._colours.get(label) or label_colour(label)
        image = plate_image(label, percent, colour, self._letters, self._width)
        return self._stamp(*self._plate_place(), image, _PLATE_OPACITY)

    def _plate_place(self) -> tuple[int, int]:
        margin = self._letters // 2 // 2 * 2
        return margin, margin

    def _stamp(self, x: int, y: int, image: Pillow.Image, opacity: float) -> Stamp:
        rgb = np.asarray(image)
        # What is bright in a drawing is text or colour and stays solid; only the dark plate lets the picture through.
        brightest = np.maximum(np.maximum(rgb[..., 0], rgb[..., 1]), rgb[..., 2])
        return stamp(x, y, rgb, np.where(brightest > 2 * max(_PLATE), 256, round(opacity * 256)), self._like)


def stamp(x: int, y: int, rgb: NDArray[np.uint8], opacity: NDArray[Any], like: VideoFrame) -> Stamp:
    """Bring a drawing (h, w, 3) with its opacity (h, w) of 0–256 into the colours of a 4:2:0 picture.

    x and y are even; a drawing of odd size is widened by its last row and column, as 4:2:0 wants.
    """
    frame = VideoFrame.from_ndarray(_padded(_dimmed(rgb, like)), format="rgb24")
    colours = _to_yuv.reformat(
        frame, format=like.format.name, dst_colorspace=_matrix(like), dst_color_range=_range(like), interpolation="AREA", threads=1
    )
    fine = _padded(opacity.astype(np.int32))
    coarse = (fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]) >> 2
    planes = tuple(plane.astype(np.int32) for plane in planes_of(colours))
    return Stamp(x, y, (planes[0], planes[1], planes[2]), (fine, coarse, coarse))


def _dimmed(rgb: NDArray[np.uint8], like: VideoFrame) -> NDArray[np.uint8]:
    white = _REFERENCE_WHITE.get(int(like.color_trc))
    return rgb if white is None else (rgb * white).round().astype(np.uint8)


def mix(planes: Planes, drawing: Stamp) -> None:
    """Mix a stamp into the planes; what lies outside is cut off."""
    for number, (plane, ink, opacity) in enumerate(zip(planes, drawing.planes, drawing.opacity, strict=True)):
        y, x = (drawing.y, drawing.x) if number == 0 else (drawing.y // 2, drawing.x // 2)
        under = plane[y : y + ink.shape[0], x : x + ink.shape[1]]
        inside = (slice(under.shape[0]), slice(under.shape[1]))
        under[...] = under + ((ink[inside] - under) * opacity[inside] >> 8)


def plate_image(label: str, percent: int, colour: Colour, letters: int, width: int) -> Pillow.Image:
    """Return the plate with the label's colour, the label, and its score in per cent, at most `width` pixels wide."""
    pad, bar = max(letters // 3, 2), max(letters // 4, 2)
    face, score = font(letters), f"{percent} %"
    room = width - 2 * (letters // 2 // 2 * 2) - bar - 3 * pad - round(face.getlength(score))
    text = shortened(label, face, max(room, 0))
    label_width = round(face.getlength(text))
    top, bottom = face.getbbox("Ågjy|")[1], face.getbbox("Ågjy|")[3]
    size = (bar + label_width + round(face.getlength(score)) + 3 * pad, round(bottom - top) + 2 * pad)
    image = Pillow.new("RGB", (round(size[0]), size[1]), _PLATE)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, bar - 1, size[1]), fill=colour)
    pen.text((bar + pad, pad - top), text, font=face, fill=(255, 255, 255))
    pen.text((bar + label_width + 2 * pad, pad - top), score, font=face, fill=(205, 205, 205))
    return image


def _letter_size(width: int, height: int) -> int:
    """Pixels: a twentieth of the shorter side as it is watched, at least 11, or 0 where no letter could be read."""
    return 0 if min(width, height) < _SMALLEST else max(round(min(width, height) / 18), 11)


def planes_of(picture: VideoFrame) -> Planes:
    """Return views of a 4:2:0 picture's Y, U and V, of which writing changes the picture."""
    kind = np.uint16 if _depth(picture) > 8 else np.uint8
    views = []
    for plane in picture.planes[:3]:
        rows = np.frombuffer(plane, kind).reshape(plane.height, -1)  # type: ignore[call-overload]
        views.append(rows[:, : plane.width])
    return views[0], views[1], views[2]


def _depth(picture: VideoFrame) -> int:
    return picture.format.components[0].bits


def _matrix(like: VideoFrame) -> int:
    # swscale's own codes; unspecified (2) is BT.601 to it, as to the decoder's side.
    return {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}.get(int(like.colorspace), 5)


def _range(like: VideoFrame) -> int:
    return 2 if like.color_range == 2 or like.format.name.startswith("yuvj") else 1


def _padded(values: NDArray[Any]) -> NDArray[Any]:
    grow = [(0, values.shape[0] % 2), (0, values.shape[1] % 2), *([(0, 0)] * (values.ndim - 2))]
    return np.pad(values, grow, mode="edge")


def _even(value: float) -> int:
    return max(round(value / 2) * 2, 2)

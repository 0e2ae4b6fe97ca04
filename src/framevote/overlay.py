"""Drawing into decoded pictures: only the touched region changes, in the picture's own 4:2:0 planes.

A drawing is made once as RGB with Pillow, brought to the picture's own colours by FFmpeg's scaler (a `Stamp`), and mixed
into the planes from then on. No whole frame goes through RGB and back.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, final

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from framevote.colours import Colour, label_colours
from framevote.lettering import font, shortened
from framevote.records import Timeline

_PLATE = (16, 16, 16)
_WHITE = (255, 255, 255)
_OPACITY = 0.72  # of the plate, on which letters and colour stand solid
_HDR_OPACITY = 0.94  # where white letters are far from the brightest that the picture may hold
_STRIP_OPACITY = 0.9
_SEAM = 2  # pixels between two segments of the strip
_SMALLEST = 32  # pixels: below this height no letter can be read, and only the strip is drawn

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
        self._segments = timeline.segments
        self._starts = [segment.start for segment in timeline.segments]
        self._aspect = float(timeline.video.pixel_aspect)
        self._colours = label_colours(timeline.labels)
        self._like = picture
        self._duration = max(duration, 1e-6)
        self._width, self._height = picture.width, picture.height
        self._letters = _letter_size(self._width * self._aspect, self._height)
        self._strip = self._stamp(0, self._strip_top(), self._strip_image(), _STRIP_OPACITY) if self._strip_rows() else None
        self._hand = self._stamp(0, self._strip_top(), self._hand_image(), 1.0) if self._strip_rows() else None
        self._plate = lru_cache(maxsize=64)(self._plate_of)

    def draw(self, picture: VideoFrame, time: float) -> None:
        """Draw what is true at `time` seconds into a picture that may be written to: a segment's label and its mean score."""
        planes = planes_of(picture)
        if self._letters and self._segments:
            segment = self._segments[max(bisect_right(self._starts, time) - 1, 0)]
            mix(planes, self._plate(segment.label, round(segment.score * 100)))
        if self._strip is not None and self._hand is not None:
            mix(planes, self._strip)
            room = self._width - self._hand.planes[0].shape[1]
            mix(planes, replace(self._hand, x=min(int(time / self._duration * self._width), room) // 2 * 2))

    def _strip_rows(self) -> int:
        return _even(self._height / 60) if self._height >= 8 and self._width >= 8 else 0

    def _strip_top(self) -> int:
        return (self._height - self._strip_rows()) // 2 * 2

    def _strip_image(self) -> Pillow.Image:
        image = Pillow.new("RGB", (self._width, self._height - self._strip_top()))
        pen = ImageDraw.Draw(image)
        for segment in self._segments:
            left, right = (round(t / self._duration * self._width) for t in (segment.start, segment.end))
            pen.rectangle((left, 0, max(right - 1, left), image.height), fill=self._colours[segment.label])
            if right - left > 4 * _SEAM:  # neighbours may be alike to some eyes
                pen.rectangle((right - _SEAM, 0, right - 1, image.height), fill=_PLATE)
        return image

    def _hand_image(self) -> Pillow.Image:
        return Pillow.new("RGB", (_even(self._height / 240), self._height - self._strip_top()), _WHITE)

    def _plate_of(self, label: str, percent: int) -> Stamp:
        margin = self._letters // 2 // 2 * 2
        image = plate_image(label, percent, self._colours[label], self._letters, round(self._width * self._aspect) - 2 * margin)
        if self._aspect != 1:  # drawn as it is watched, kept as it is stored
            image = image.resize((max(round(image.width / self._aspect), 1), image.height), Pillow.Resampling.LANCZOS)
        return self._stamp(margin, margin, image, _HDR_OPACITY if int(self._like.color_trc) in HDR else _OPACITY)

    def _stamp(self, x: int, y: int, image: Pillow.Image, opacity: float) -> Stamp:
        rgb = np.asarray(image)
        # What is bright in a drawing is text or colour and stays solid; only the dark plate lets the picture through.
        brightest = np.maximum(np.maximum(rgb[..., 0], rgb[..., 1]), rgb[..., 2])
        return stamp(x, y, rgb, np.where(brightest > 2 * max(_PLATE), 256, round(opacity * 256)), self._like)


def stamp(x: int, y: int, rgb: NDArray[np.uint8], opacity: NDArray[Any], like: VideoFrame) -> Stamp:
    """Bring a drawing (h, w, 3) with its opacity (h, w) of 0–256 into the colours of a 4:2:0 picture.

    x and y are even; a drawing of odd size is widened by its last row and column, as 4:2:0 wants.
    """
    frame = VideoFrame.from_ndarray(_padded(hdr_codes(rgb, int(like.color_trc))), format="rgb24")
    colours = _to_yuv.reformat(
        frame, format=like.format.name, dst_colorspace=_matrix(like), dst_color_range=_range(like), interpolation="AREA", threads=1
    )
    fine = _padded(opacity.astype(np.int32))
    coarse = (fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]) >> 2
    planes = tuple(plane.astype(np.int32) for plane in planes_of(colours))
    return Stamp(x, y, (planes[0], planes[1], planes[2]), (fine, coarse, coarse))


def mix(planes: Planes, drawing: Stamp) -> None:
    """Mix a stamp into the planes; what lies outside is cut off."""
    for number, (plane, ink, opacity) in enumerate(zip(planes, drawing.planes, drawing.opacity, strict=True)):
        y, x = (drawing.y, drawing.x) if number == 0 else (drawing.y // 2, drawing.x // 2)
        under = plane[y : y + ink.shape[0], x : x + ink.shape[1]]
        inside = (slice(under.shape[0]), slice(under.shape[1]))
        under[...] = under + ((ink[inside] - under) * opacity[inside] >> 8)


def plate_image(label: str, percent: int, colour: Colour, letters: int, width: int) -> Pillow.Image:
    """Return the plate with the label's colour, the label, and its score in per cent, at most `width` pixels wide.

    Where both do not fit, the label is cut short; where nothing of it would be left, the score gives way.
    """
    pad, bar = max(letters // 3, 2), max(letters // 4, 2)
    face, score = font(letters), f"{percent} %"
    text = shortened(label, face, max(width - bar - 3 * pad - face.getlength(score), 0))
    if len(text) < 3:
        text, score = shortened(label, face, max(width - bar - 2 * pad, 0)), ""
    text_width, score_width = (math.ceil(face.getlength(each)) for each in (text, score))
    top, bottom = face.getbbox("Ågjy|")[1], face.getbbox("Ågjy|")[3]
    size = (bar + text_width + score_width + (3 if score else 2) * pad, math.ceil(bottom - top) + 2 * pad)
    image = Pillow.new("RGB", size, _PLATE)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, bar - 1, size[1]), fill=colour)
    pen.text((bar + pad, pad - top), text, font=face, fill=_WHITE)
    pen.text((bar + text_width + 2 * pad, pad - top), score, font=face, fill=(225, 225, 225))
    return image


def hdr_codes(rgb: NDArray[np.uint8], transfer: int) -> NDArray[np.uint8]:
    """Return sRGB values as the codes of a picture's transfer characteristic (ITU-T H.273), white at 203 nits.

    203 nits is the reference white of ITU-R BT.2408 for PQ (SMPTE ST 2084) and HLG (ITU-R BT.2100); other pictures take sRGB's
    values as they are.
    """
    return HDR[transfer]()[rgb] if transfer in HDR else rgb


def _light() -> NDArray[np.float64]:
    """Return the light of each of sRGB's 256 values, white being 1 (IEC 61966-2-1)."""
    value = np.arange(256) / 255
    light: NDArray[np.float64] = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return light


@cache
def _pq() -> NDArray[np.uint8]:
    power = (_light() * 203 / 10_000) ** (2610 / 16384)
    code = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    return np.round(code * 255).astype(np.uint8)


@cache
def _hlg() -> NDArray[np.uint8]:
    light = _light() * 0.2646  # so that white comes out at 75 %, which is 203 nits on a screen of 1000
    bright = 0.17883277 * np.log(np.maximum(12 * light - 0.28466892, 1e-9)) + 0.55991073
    return np.round(np.where(light <= 1 / 12, np.sqrt(3 * light), bright) * 255).astype(np.uint8)


HDR = {16: _pq, 18: _hlg}


def _letter_size(width: float, height: int) -> int:
    """Return pixels: an eighteenth of the shorter side as it is watched, at least 11; 0 where no letter could be read."""
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

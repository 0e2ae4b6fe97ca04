"""The contact sheet: a timeline on one picture, with a thumbnail for each segment."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, final

from PIL import Image, ImageDraw

from framevote.colours import Colour, label_colours, text_colour
from framevote.errors import PartError
from framevote.lettering import font, shortened
from framevote.parts import Part
from framevote.records import Frame, Segment, Timeline
from framevote.video import reopen

_MARGIN, _GAP = 24, 16
_TITLE, _TEXT, _SMALL = 28, 17, 15  # letters, in pixels
_STRIP, _AXIS, _BAR = 40, 30, 6
_CELL, _CAPTION = 230, 54  # the narrowest thumbnail, and the height of the two lines below it
_INK, _GREY, _PAPER = (24, 24, 24), (96, 96, 96), (255, 255, 255)
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000)


@final
@dataclass(frozen=True, repr=False)
class ContactSheet(Part):
    """A picture of the timeline: its strip with a time axis, and a thumbnail with label, times and score per segment.

    Args:
        limit: at most so many thumbnails; the longest segments get them, and the sheet says how many are not shown.
        width: pixels, at least 720.
    """

    limit: int = 48
    width: int = 1280

    suffixes: ClassVar[tuple[str, ...]] = (".png",)

    def __post_init__(self) -> None:
        if not isinstance(self.limit, int) or self.limit < 1:
            raise PartError(f"limit is a whole number of thumbnails, at least 1. Received: {self.limit!r}")
        if not isinstance(self.width, int) or not 720 <= self.width <= 16384:
            raise PartError(f"width is a whole number of pixels from 720 to 16384. Received: {self.width!r}")

    def __call__(self, timeline: Timeline, path: Path) -> None:
        """Write the sheet; the thumbnails are the frames in the middle of their segments.

        Raises:
            InputError: the video is missing or cannot be decoded.
        """
        shown = longest(timeline.segments, self.limit)
        with reopen(timeline.video) as video:
            frames = video.at([(segment.start + segment.end) / 2 for segment in shown])
            sheet = draw_sheet(timeline, shown, frames, self.width)
        sheet.save(path, format="PNG")


def longest(segments: tuple[Segment, ...], limit: int) -> tuple[Segment, ...]:
    """Return the `limit` longest segments, in the order of time."""
    order = sorted(range(len(segments)), key=lambda number: -segments[number].duration)
    return tuple(segments[number] for number in sorted(order[:limit]))


def draw_sheet(timeline: Timeline, shown: tuple[Segment, ...], frames: Iterable[Frame], width: int) -> Image.Image:
    """Return the sheet; `frames` are the thumbnails of `shown`, taken one at a time."""
    layout = _layout(timeline, len(shown), width)
    sheet = Image.new("RGB", (width, layout.height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    _head(pen, timeline, width)
    _strip(pen, timeline, width)
    _axis(pen, timeline.duration, width)
    pictures, colours = iter(frames), label_colours(timeline.labels)
    for number, segment in enumerate(shown):
        left, top = layout.corner(number)
        _thumbnail(sheet, next(pictures, None), (left, top, layout.cell_width, layout.thumb_height), timeline)
        _caption(pen, segment, colours[segment.label], left, top + layout.thumb_height, layout.cell_width)
    if len(shown) < len(timeline.segments):
        _foot(pen, len(shown), len(timeline.segments), layout)
    return sheet


@dataclass(frozen=True)
class _Layout:
    width: int
    columns: int
    cell_width: int
    thumb_height: int
    rows: int
    foot: int

    @property
    def height(self) -> int:
        return _cells_top() + self.rows * self.row_height + self.foot + _MARGIN - (_GAP if self.rows else 0)

    @property
    def row_height(self) -> int:
        return self.thumb_height + _CAPTION + _GAP

    def corner(self, number: int) -> tuple[int, int]:
        row, column = divmod(number, self.columns)
        return _MARGIN + column * (self.cell_width + _GAP), _cells_top() + row * self.row_height


def _layout(timeline: Timeline, cells: int, width: int) -> _Layout:
    room = width - 2 * _MARGIN
    columns = max((room + _GAP) // (_CELL + _GAP), 1)
    cell = (room + _GAP) // columns - _GAP
    # A portrait picture is as high as a cell is wide and stands in its middle; a landscape one fills the cell's width.
    height = max(round(min(cell / _aspect(timeline), cell)), 24)
    foot = _GAP + _TEXT if cells < len(timeline.segments) else 0
    return _Layout(width, columns, cell, height, math.ceil(cells / columns), foot)


def _aspect(timeline: Timeline) -> float:
    return timeline.video.width * float(timeline.video.pixel_aspect) / timeline.video.height


def _strip_top() -> int:
    return _MARGIN + _TITLE + 2 * _TEXT + 3 * _GAP


def _cells_top() -> int:
    return _strip_top() + _STRIP + _AXIS + _GAP


def _head(pen: ImageDraw.ImageDraw, timeline: Timeline, width: int) -> None:
    video, room, flicker = timeline.video, width - 2 * _MARGIN, timeline.flicker
    best = ", ".join(f"{guess.label} {round(guess.score * 100)} %" for guess in timeline.overall[:3])
    lines = (
        (video.path.name, _TITLE, _INK),
        (
            f"{clock(timeline.duration, 1)} · {video.width}×{video.height} · {_count(len(timeline.segments), 'segment')} · "
            f"label changes a minute: {flicker.raw:.1f} before the vote, {flicker.steady:.1f} after",
            _TEXT,
            _GREY,
        ),
        (f"on the whole: {best}" if best else "", _TEXT, _GREY),
    )
    top = _MARGIN
    for text, size, colour in lines:
        pen.text((_MARGIN, top), shortened(text, font(size), room), font=font(size), fill=colour, anchor="lt")
        top += size + _GAP


def _strip(pen: ImageDraw.ImageDraw, timeline: Timeline, width: int) -> None:
    top, room = _strip_top(), width - 2 * _MARGIN
    pen.rectangle((_MARGIN, top, width - _MARGIN - 1, top + _STRIP - 1), fill=(230, 230, 230))
    span = timeline.duration or 1.0
    colours = label_colours(timeline.labels)
    for segment in timeline.segments:
        left, right = (_MARGIN + round(time / span * room) for time in (segment.start, segment.end if timeline.duration else span))
        colour = colours[segment.label]
        pen.rectangle((left, top, max(right - 1, left), top + _STRIP - 1), fill=colour)
        if right - left > 4:  # neighbours may share a colour, and narrower ones are only colour
            pen.line((right - 1, top, right - 1, top + _STRIP - 1), fill=_PAPER)
        text = shortened(segment.label, font(_SMALL), right - left - 12)
        if len(text) > 2:
            pen.text((left + 6, top + _STRIP // 2), text, font=font(_SMALL), fill=text_colour(colour), anchor="lm")


def _axis(pen: ImageDraw.ImageDraw, duration: float, width: int) -> None:
    top, room = _strip_top() + _STRIP, width - 2 * _MARGIN
    step = next((step for step in _STEPS if duration / step * 90 <= room), math.ceil(duration / 36000) * 3600)
    for number in range(math.floor(duration / step + 1e-9) + 1):
        x = _MARGIN + min(round(number * step / (duration or 1.0) * room), room - 1)
        text = clock(number * step, 1 if step < 1 else 0)
        half = font(_SMALL).getlength(text) / 2
        pen.line((x, top, x, top + 5), fill=_GREY)
        pen.text((min(max(x, _MARGIN + half), width - _MARGIN - half), top + 9), text, font=font(_SMALL), fill=_GREY, anchor="mt")


def _thumbnail(sheet: Image.Image, frame: Frame | None, box: tuple[int, int, int, int], timeline: Timeline) -> None:
    left, top, width, height = box
    ImageDraw.Draw(sheet).rectangle((left, top, left + width - 1, top + height - 1), fill=(240, 240, 240))
    if frame is None:  # the video ended, or could not be read there
        return
    scale = min(width / _aspect(timeline), height)
    size = (min(max(round(scale * _aspect(timeline)), 1), width), max(round(scale), 1))
    picture = Image.fromarray(frame.image).resize(size, Image.Resampling.LANCZOS)
    sheet.paste(picture, (left + (width - size[0]) // 2, top + (height - size[1]) // 2))


def _caption(pen: ImageDraw.ImageDraw, segment: Segment, colour: Colour, left: int, top: int, width: int) -> None:
    pen.rectangle((left, top, left + width - 1, top + _BAR - 1), fill=colour)
    label = shortened(segment.label, font(_TEXT), width)
    times = f"{clock(segment.start, 2)} – {clock(segment.end, 2)} · {round(segment.score * 100)} %"
    pen.text((left, top + _BAR + 17), label, font=font(_TEXT), fill=_INK, anchor="lm")
    pen.text((left, top + _BAR + 37), shortened(times, font(_SMALL), width), font=font(_SMALL), fill=_GREY, anchor="lm")


def _foot(pen: ImageDraw.ImageDraw, shown: int, held: int, layout: _Layout) -> None:
    text = f"The {shown} longest of {held} segments; {held - shown} more are not shown."
    pen.text((_MARGIN, layout.height - _MARGIN), text, font=font(_TEXT), fill=_GREY, anchor="ld")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def clock(time: float, decimals: int) -> str:
    """Return seconds as a player shows them, `1:02:03.4`; rounded once, so that no field reaches sixty."""
    scale = 10**decimals
    whole, rest = divmod(round(time * scale), scale)
    minutes = f"{whole // 3600}:{whole // 60 % 60:02}" if whole >= 3600 else f"{whole // 60}"
    return f"{minutes}:{whole % 60:02}" + (f".{rest:0{decimals}}" if decimals else "")

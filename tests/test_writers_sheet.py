"""The contact sheet shows each segment's own frame, and nothing is cut off."""

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_timelines import timeline
from PIL import Image

from framevote.colours import label_colour
from framevote.errors import InputError, PartError
from framevote.parts import build
from framevote.records import Frame, Segment, Timeline
from framevote.video import probe
from framevote.writers import write
from framevote.writers.sheet import ContactSheet, clock, draw_sheet, longest

SCENES = [(200, 30, 30), (30, 180, 40), (40, 60, 210), (220, 200, 40)]


def film(path: Path, size: tuple[int, int] = (160, 90), frames: int = 40) -> Path:
    """A video of plain scenes, ten frames a second, a quarter of the frames each."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv444p"
        for number in range(frames):
            image = np.full((size[1], size[0], 3), SCENES[number * len(SCENES) // frames], np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def scenes(path: Path, count: int = 4) -> Timeline:
    info = probe(path)
    cuts = np.linspace(0, info.duration, count + 1)
    segments = tuple(Segment(a, b, f"scene {n}", 0.9) for n, (a, b) in enumerate(itertools.pairwise(cuts.tolist())))
    return timeline(segments, path=path, width=info.width, height=info.height)


def sheet(made: Timeline, folder: Path, **options: int) -> np.ndarray:
    write(made, folder / "sheet.png", overwrite=True, **options)
    with Image.open(folder / "sheet.png") as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def near(image: np.ndarray, colour: tuple[int, int, int], off: int = 12) -> np.ndarray:
    return np.abs(image - colour).max(axis=2) <= off


def test_each_segment_has_the_frame_of_its_own_middle(tmp_path):
    image = sheet(scenes(film(tmp_path / "film.mp4")), tmp_path)
    lefts = []
    for colour in SCENES:
        rows, columns = np.nonzero(near(image, colour))
        assert len(rows) > 20_000
        lefts.append(columns.min())
    assert lefts == sorted(lefts)


def test_the_strip_has_the_segments_in_their_colours_and_lengths(tmp_path):
    film(tmp_path / "film.mp4")
    made = timeline((Segment(0, 1, "tennis", 0.9), Segment(1, 4, "baseball", 0.8)), path=tmp_path / "film.mp4")
    image = sheet(made, tmp_path)
    row = next(row for row in image if (np.abs(row[24:1256] - label_colour("tennis")).max(axis=1) == 0).sum() > 200)
    shares = [(np.abs(row - label_colour(label)).max(axis=1) == 0).sum() / 1232 for label in ("tennis", "baseball")]
    assert shares == pytest.approx([0.25, 0.75], abs=0.005)


@pytest.mark.parametrize("size", [(160, 90), (90, 160), (96, 96), (640, 8), (8, 640), (2, 2)])
@pytest.mark.parametrize("width", [720, 1280])
def test_nothing_touches_the_margin_at_any_shape(tmp_path, size, width):
    made = scenes(film(tmp_path / "film.mp4", size, frames=4))
    long = "a label that is far too long for any thumbnail " * 9
    segments = tuple(Segment(s.start, s.end, f"{s.label} {long}", s.score) for s in made.segments)
    image = sheet(timeline(segments, path=made.video.path, width=size[0], height=size[1]), tmp_path, width=width)
    assert image.shape[1] == width
    inked = np.abs(image - 255).max(axis=2) > 40
    rows, columns = np.nonzero(inked)
    assert rows.min() >= 16
    assert columns.min() >= 20
    assert rows.max() < image.shape[0] - 12
    assert columns.max() < width - 20


def test_wide_pixels_make_a_wide_thumbnail(tmp_path):
    frame = Frame(np.full((90, 80, 3), SCENES[0], np.uint8), 0.0)
    segments = (Segment(0, 4, "x", 0.5),)
    made = timeline(segments, width=80, height=90, pixel_aspect=Fraction(2))
    rows, columns = np.nonzero(near(np.asarray(draw_sheet(made, segments, [frame], 1280)).astype(int), SCENES[0]))
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(160 / 90, rel=0.02)


def test_a_video_of_one_frame(tmp_path):
    made = timeline((Segment(0.0, 0.0, "tennis", 0.5),), path=film(tmp_path / "one.mp4", frames=1), duration=0.0)
    image = sheet(made, tmp_path)
    assert near(image, SCENES[0]).sum() > 20_000
    assert near(image, label_colour("tennis"), 0).sum() > 1232 * 30


def test_many_segments_leave_the_longest_and_say_how_many_are_not_shown():
    segments = tuple(Segment(float(n), n + 0.5 + (n % 7) / 20, "x", 0.5) for n in range(230))
    shown = longest(segments, 48)
    assert len(shown) == 48
    assert list(shown) == sorted(shown, key=lambda s: s.start)
    left = set(segments) - set(shown)
    assert min(s.duration for s in shown) >= max(s.duration for s in left) - 1e-9


def test_the_limit_makes_a_smaller_sheet_with_a_foot(tmp_path):
    made = scenes(film(tmp_path / "film.mp4"), count=20)
    heights = {limit: sheet(made, tmp_path, limit=limit).shape[0] for limit in (5, 6, 20, 48)}
    assert heights[5] < heights[6] < heights[20] == heights[48]


def test_a_missing_thumbnail_leaves_the_rest():
    frame = Frame(np.full((90, 160, 3), SCENES[1], np.uint8), 0.0)
    segments = (Segment(0, 1, "a", 0.5), Segment(1, 2, "b", 0.5))
    image = np.asarray(draw_sheet(timeline(segments), segments, [frame], 1280)).astype(int)
    assert near(image, SCENES[1]).sum() > 20_000
    assert near(image, label_colour("b"), 0).sum() > 1000


def test_a_timeline_without_segments_has_a_sheet():
    assert draw_sheet(timeline(()), (), [], 1280).width == 1280


def test_a_missing_video_is_told_and_leaves_no_file(tmp_path):
    with pytest.raises(InputError, match=r"absent\.mp4"):
        write(timeline(path=tmp_path / "absent.mp4"), tmp_path / "sheet.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spec", ["ContactSheet(limit=0)", "ContactSheet(limit=1.5)", "ContactSheet(width=100)", "ContactSheet(width='a')"])
def test_a_senseless_option_is_refused(spec):
    with pytest.raises(PartError, match=r"is a whole number .*Received: "):
        build("writer", spec)


@pytest.mark.parametrize(
    ("time", "decimals", "text"),
    [
        (0, 0, "0:00"),
        (59.96, 1, "1:00.0"),
        (59.94, 1, "0:59.9"),
        (3599.999, 2, "1:00:00.00"),
        (3723.4, 1, "1:02:03.4"),
        (360000, 0, "100:00:00"),
    ],
)
def test_times_are_rounded_once(time, decimals, text):
    assert clock(time, decimals) == text


def test_the_sheets_repr_is_its_spec():
    assert repr(ContactSheet()) == "ContactSheet()"
    assert build("writer", "ContactSheet(limit=24)") == ContactSheet(limit=24)

"""A frame's motion against films that are known to pan, FFmpeg's own side data, and OpenCV's flow."""

import struct
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.codec.context import Flags2, ThreadType
from av.sidedata.sidedata import Type as SideData
from media import ffmpeg, make_video
from numpy.typing import NDArray

from framevote.errors import MissingExtra, UsageError
from framevote.records import Frame, View
from framevote.video import open_video, probe
from framevote.video.motion import Flow, References, has_vectors

PAN = (4, -2)  # pixels a frame, to the right and up


def texture(height: int = 600, width: int = 900) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
    return np.asarray(cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX), np.uint8)


def panning(frames: int, width: int = 320, height: int = 176, pan: tuple[int, int] = PAN) -> list[NDArray[np.uint8]]:
    whole = texture()
    places = [(200 - pan[1] * n, 200 - pan[0] * n) for n in range(frames)]
    return [np.ascontiguousarray(whole[y : y + height, x : x + width]) for y, x in places]


def write(path: Path, pictures: list[NDArray[np.uint8]], codec: str = "libx264", **options: str) -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def moved(frame: Frame, rows: slice, columns: slice) -> tuple[float, float]:
    assert frame.motion is not None
    x, y = np.median(frame.motion[rows, columns].reshape(-1, 2), axis=0)
    return float(x), float(y)


SHAPES = {
    "plain": {"bf": "0"},
    "between": {"bf": "3", "x264-params": "b-adapt=0:b-pyramid=none"},
    "pyramid": {"bf": "3", "x264-params": "b-adapt=0:ref=1"},
}


@pytest.mark.parametrize("options", SHAPES.values(), ids=SHAPES)
def test_vectors_show_the_pan(tmp_path: Path, options: dict[str, str]):
    path = write(tmp_path / "pan.mp4", panning(17), **options)
    frames = list(open_video(path, View(40, 40, "letterbox", motion="vectors")))
    assert len(frames) == 17
    assert not frames[0].motion.any()
    for frame in frames[1:]:
        assert moved(frame, slice(14, 26), slice(8, 32)) == pytest.approx((PAN[0] / 8, PAN[1] / 8), abs=0.05)
        assert not frame.motion[:9].any()  # the bars
        assert not frame.motion[31:].any()


@pytest.mark.parametrize(
    ("codec", "suffix"), [("mpeg2video", "mkv"), ("mpeg4", "mp4"), ("flv", "flv"), ("h263p", "avi"), ("wmv2", "avi"), ("msmpeg4", "avi")]
)
def test_other_codecs_tell_their_vectors(tmp_path: Path, codec: str, suffix: str):
    path = write(tmp_path / f"pan.{suffix}", panning(8), codec)
    assert has_vectors(probe(path))
    frames = list(open_video(path, View(40, 22, "squash", motion="vectors")))
    assert moved(frames[5], slice(4, 18), slice(8, 32)) == pytest.approx((0.5, -0.25), abs=0.02)


def test_flow_shows_the_pan(tmp_path: Path):
    path = write(tmp_path / "pan.mp4", panning(6))
    for frame in list(open_video(path, View(160, 88, "squash", motion="flow")))[1:]:
        assert moved(frame, slice(20, 70), slice(20, 140)) == pytest.approx((2, -1), abs=0.25)


def test_flow_is_opencvs_own(tmp_path: Path):
    path = write(tmp_path / "pan.mp4", panning(3))
    _, second, third = open_video(path, View(160, 88, "squash", motion="flow"))
    now, before = (cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY) for frame in (third, second))
    expected = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(now, before, None)
    np.testing.assert_array_equal(third.motion, -expected)


MATRICES = {"quarter": ((0, 1, -1, 0), 90), "half": ((-1, 0, 0, -1), 180), "three": ((0, -1, 1, 0), 270), "mirror": ((-1, 0, 0, 1), 0)}


@pytest.mark.parametrize(("matrix", "degrees"), MATRICES.values(), ids=MATRICES)
def test_turned_films_move_as_they_are_shown(tmp_path: Path, matrix: tuple[int, int, int, int], degrees: int):
    path = with_matrix(write(tmp_path / "pan.mp4", panning(6), bf="0"), matrix)
    assert probe(path).rotation == degrees
    for motion, size in (("vectors", 44), ("flow", 176)):
        frame = list(open_video(path, View(size, size, "letterbox", motion=motion)))[4]
        middle = slice(size * 2 // 5, size * 3 // 5)
        a, b, c, d = matrix
        x, y = a * PAN[0] + c * PAN[1], b * PAN[0] + d * PAN[1]
        assert moved(frame, middle, middle) == pytest.approx((x * size / 320, y * size / 320), abs=0.03 if motion == "vectors" else 0.2)


def with_matrix(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a display matrix into the track header of an MP4, as cameras do."""
    content = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    start = content.index(b"tkhd") + 4 + 40
    struct.pack_into(">9i", content, start, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def test_the_middle_is_cut_out_for_the_vectors_too(tmp_path: Path):
    whole = panning(6, pan=(0, 0))
    for number, picture in enumerate(whole):  # only the left third moves
        picture[:, :96] = panning(6)[number][:, :96]
    path = write(tmp_path / "left.mp4", whole, bf="0")
    squashed = list(open_video(path, View(40, 22, "squash", motion="vectors")))[3]
    assert moved(squashed, slice(4, 18), slice(1, 11))[0] == pytest.approx(0.5, abs=0.05)
    assert moved(squashed, slice(4, 18), slice(13, 40)) == pytest.approx((0, 0), abs=1e-6)
    # The middle 176 × 176 begin at 72: 24 of the moving columns are left, and a cell is 8 pixels.
    centred = list(open_video(path, View(22, 22, "centre", motion="vectors")))[3]
    assert moved(centred, slice(4, 18), slice(0, 2))[0] == pytest.approx(0.5, abs=0.1)
    assert moved(centred, slice(4, 18), slice(4, 22)) == pytest.approx((0, 0), abs=1e-6)


def test_a_grid_as_fine_as_the_blocks_holds_ffmpegs_side_data(tmp_path: Path):
    path = write(tmp_path / "pan.mp4", panning(4), bf="0", refs="1")
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = ThreadType.SLICE
        stream.codec_context.flags2 |= Flags2.export_mvs
        told = [frame.side_data.get(SideData.MOTION_VECTORS) for frame in container.decode(stream)]
    assert told[0] is None
    for vectors, frame in zip(told[1:], list(open_video(path, View(80, 44, "squash", motion="vectors")))[1:], strict=True):
        expected = np.zeros((44, 80, 2))
        for v in vectors:
            area = slice((v.dst_y - v.h // 2) // 4, (v.dst_y + v.h // 2) // 4), slice((v.dst_x - v.w // 2) // 4, (v.dst_x + v.w // 2) // 4)
            expected[area] = -v.motion_x / v.motion_scale / 4, -v.motion_y / v.motion_scale / 4
        np.testing.assert_allclose(frame.motion, expected, atol=1e-5)


def test_vectors_are_the_same_each_time(tmp_path: Path):
    # With threads by frames, FFmpeg gives out vectors of frames that another thread is still at.
    path = write(tmp_path / "pan.mp4", panning(30), bf="3")
    views = [np.stack([frame.motion for frame in open_video(path, View(40, 22, "squash", motion="vectors"))]) for _ in range(6)]
    assert all((view == views[0]).all() for view in views)


def test_a_frame_stored_whole_goes_on_moving(tmp_path: Path):
    path = write(tmp_path / "pan.mp4", panning(9), bf="0", g="4")
    frames = list(open_video(path, View(40, 22, "squash", motion="vectors")))
    np.testing.assert_array_equal(frames[4].motion, frames[3].motion)
    assert moved(frames[8], slice(4, 18), slice(8, 32)) == pytest.approx((0.5, -0.25), abs=0.02)


@pytest.mark.parametrize(("codec", "suffix"), [("mjpeg", "avi"), ("libx265", "mp4"), ("libvpx-vp9", "webm"), ("ffv1", "mkv")])
def test_a_codec_without_vectors_gets_the_flow(tmp_path: Path, codec: str, suffix: str):
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    path = write(tmp_path / f"pan.{suffix}", panning(5), codec, **quiet)
    assert not has_vectors(probe(path))
    for frame in list(open_video(path, View(40, 22, "squash", motion="vectors")))[1:]:
        assert moved(frame, slice(4, 18), slice(8, 32)) == pytest.approx((0.5, -0.25), abs=0.1)


@pytest.mark.parametrize("motion", ["vectors", "flow"])
@pytest.mark.parametrize("size", ["2x2", "18x34", "322x34", "64x48"])
@pytest.mark.parametrize("view", [View(32, 32, "letterbox"), View(1, 1, "squash"), View(7, 8, "centre")], ids=repr)
def test_odd_sizes(tmp_path: Path, motion: str, size: str, view: View):
    path = make_video(tmp_path / "odd.mp4", size=size, seconds=0.2)
    for frame in open_video(path, View(view.width, view.height, view.fit, motion=motion)):
        assert frame.motion.shape == (view.height, view.width, 2)
        assert np.isfinite(frame.motion).all()


@pytest.mark.parametrize("motion", ["vectors", "flow"])
def test_one_frame_and_a_constant_film_do_not_move(tmp_path: Path, motion: str):
    one = write(tmp_path / "one.mp4", panning(1))
    assert [frame.motion.any() for frame in open_video(one, View(32, 32, "letterbox", motion=motion))] == [False]
    grey = write(tmp_path / "grey.mp4", [np.full((64, 96, 3), 90, np.uint8)] * 12)
    assert not any(frame.motion.any() for frame in open_video(grey, View(32, 32, "letterbox", motion=motion)))


@pytest.mark.parametrize("motion", ["vectors", "flow"])
def test_the_picture_may_change_its_size_on_the_way(tmp_path: Path, motion: str):
    parts = [write(tmp_path / f"{n}.ts", panning(30, *size)) for n, size in enumerate([(320, 176), (160, 88)])]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = list(open_video(joined, View(40, 22, "squash", motion=motion)))
    assert len(frames) > 55
    assert moved(frames[3], slice(4, 18), slice(8, 32)) == pytest.approx((0.5, -0.25), abs=0.1)
    assert all(np.isfinite(frame.motion).all() for frame in frames)
    if motion == "vectors":
        assert moved(frames[-2], slice(4, 18), slice(8, 32)) == pytest.approx((1, -0.5), abs=0.1)


def test_a_stretch_brings_its_frames_and_their_motion(tmp_path: Path):
    path = write(tmp_path / "pan.mp4", panning(30), g="10", bf="2")
    view = View(40, 22, "squash", motion="vectors")
    whole = list(open_video(path, view))
    part = list(open_video(path, view).between(0.5, 0.9))
    expected = [frame for frame in whole if frame.time + frame.duration > 0.5 and frame.time < 0.9]
    assert [frame.time for frame in part] == [frame.time for frame in expected]
    assert {frame.index for frame in part} == {-1}
    for found, sought in zip(part[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(found.image, sought.image)
    assert moved(part[-1], slice(4, 18), slice(8, 32)) == pytest.approx((0.5, -0.25), abs=0.05)
    assert [frame.index for frame in open_video(path, view).between(0)] == list(range(30))
    assert list(open_video(path).between(99)) == []
    plain = list(open_video(path, View(40, 22, "squash")).between(0.5, 0.9))
    assert [(frame.time, frame.motion) for frame in plain] == [(frame.time, None) for frame in part]


@pytest.mark.parametrize(("start", "end"), [(-1, None), (float("nan"), 2), (2, 2), (2, 1), (0, float("nan")), (float("inf"), None)])
def test_stretches_that_are_none(tmp_path: Path, start: float, end: float | None):
    video = open_video(write(tmp_path / "pan.mp4", panning(2)))
    with pytest.raises(UsageError, match="between takes a start of at least 0 s and an end above it"):
        list(video.between(start, end))


def test_frames_apart_have_no_motion(tmp_path: Path):
    video = open_video(write(tmp_path / "pan.mp4", panning(2)), View(32, 32, motion="vectors"))
    for frames in (video.every(1), video.at([0]), video.shown([0])):
        with pytest.raises(UsageError, match="do not follow one another"):
            list(frames)


def test_without_opencv_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    path = tmp_path / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x48:duration=0.2", path)
    with pytest.raises(MissingExtra, match=r"Optical flow needs .*framevote\[encoders\]"):
        Flow(probe(path), View(32, 32, motion="flow"))
    assert len(list(open_video(path, View(32, 32, motion="vectors")))) == 5


def test_references_by_the_order_of_decoding():
    # Shown 0 b1 B2 b3 P4, decoded 0 P4 B2 b1 b3; a frame lasts 10.
    references = References()
    for pts in (0, 40, 20, 10, 30):
        references.packet(pts)
    found = [references(pts, between) for pts, between in ((0, False), (10, True), (20, True), (30, True), (40, False))]
    assert found == [(1, 1), (1, 1), (2, 2), (1, 1), (4, 1)]


def test_references_without_times():
    references = References()
    references.packet(None)
    assert [references(None, between) for between in (False, True, True, False)] == [(1, 1), (1, 1), (2, 1), (3, 1)]

"""Pictures at any times, through one container: the same as when all are gone through."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_scenes import X264
from media import ffmpeg, make_video

from framevote.video import Index, Picture, Seeker, Video, index_of, open_video

MEDIA = {
    "b_frames.mp4": (*X264, "-g", "20", "-bf", "3"),
    "open.mp4": (*X264, "-g", "20", "-bf", "3", "-x264-params", "open-gop=1"),
    "open.ts": (*X264, "-g", "20", "-bf", "3", "-x264-params", "open-gop=1"),
    "mpeg2.ts": ("-c:v", "mpeg2video", "-g", "12", "-bf", "2"),
    "uneven.mkv": (*X264, "-g", "20", "-bf", "2", "-vf", "setpts='N/25/TB+0.013*mod(N,4)/TB'", "-fps_mode", "vfr"),
    "edited.mp4": (*X264, "-g", "20", "-bf", "2", "-ss", "0.5"),
    "endless.mp4": (*X264, "-g", "1000"),
    "old.avi": ("-c:v", "mpeg4", "-bf", "2", "-g", "12"),
    "web.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25"),
    "joined.ts": (),
}
SECONDS = 4.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("seeking")


@cache
def made(folder: Path, name: str) -> Path:
    if name != "joined.ts":
        return make_video(folder / name, *MEDIA[name], size="64x48", seconds=SECONDS)
    part = make_video(folder / "part.ts", *X264, "-bf", "0", "-g", "20", size="64x48", seconds=SECONDS / 2)
    path = folder / name
    path.write_bytes(part.read_bytes() * 2)  # its clock is set back half-way
    return path


@cache
def every(path: Path) -> tuple[Video, Index, list[tuple[float, float, bytes]]]:
    """Return a video, its keyframes, and of each picture when it is shown, how long, and what."""
    video = open_video(path)
    return video, index_of(video), [_told(picture) for picture in video.pictures()]


def _told(picture: Picture) -> tuple[float, float, bytes]:
    return round(picture.time, 6), round(picture.duration, 6), picture.frame.to_ndarray(format="gray").tobytes()


stretches = st.lists(st.tuples(st.floats(0, SECONDS + 0.5), st.floats(0, 1.5)), min_size=1, max_size=6)


@pytest.mark.parametrize("name", MEDIA)
@given(stretches)
@settings(max_examples=12, deadline=None)
def test_any_stretches_hold_what_all_pictures_show_there(name: str, folder: Path, asked: list[tuple[float, float]]) -> None:
    video, index, pictures = every(made(folder, name))
    with Seeker(video, index) as seeker:
        for start, length in asked:
            found = [_told(picture) for picture in seeker.within(start, start + length)]
            assert found == [picture for picture in pictures if start - 1e-9 <= picture[0] < start + length - 1e-9]


@pytest.mark.parametrize("name", MEDIA)
@given(st.lists(st.floats(-0.5, SECONDS + 1), min_size=1, max_size=8))
@settings(max_examples=12, deadline=None)
def test_at_any_time_the_picture_is_the_one_that_is_shown(name: str, folder: Path, times: list[float]) -> None:
    video, index, pictures = every(made(folder, name))
    with Seeker(video, index) as seeker:
        for time in times:
            found = seeker.shown(time)
            assert found is not None
            # A picture's duration has been rounded: at a boundary either side of it will do.
            assert _told(found) in (_shown(pictures, time - 1e-6), _shown(pictures, time + 1e-6))


def _shown(pictures: list[tuple[float, float, bytes]], time: float) -> tuple[float, float, bytes]:
    return max((picture for picture in pictures if picture[0] <= time), default=pictures[0], key=lambda picture: picture[0])


@pytest.mark.parametrize("name", MEDIA)
def test_stretches_in_order_decode_nothing_twice(name: str, folder: Path) -> None:
    video, index, pictures = every(made(folder, name))
    video.decoded = 0
    with Seeker(video, index) as seeker:
        for start in np.arange(0, SECONDS, 0.3).tolist():
            list(seeker.within(start, start + 0.1))
    # A seek to a keyframe nearby may meet pictures that the decoder has read ahead, on as many threads as there are.
    assert video.decoded <= len(pictures) + 8 * len(index)


def test_what_lies_together_is_decoded_once(folder: Path) -> None:
    video, index, pictures = every(made(folder, "endless.mp4"))
    assert len(index) == 1
    video.decoded = 0
    with Seeker(video, index) as seeker:
        for start in np.arange(0, SECONDS, 0.1).tolist():
            list(seeker.within(start, start + 0.02))
            seeker.shown(start + 0.05)
        assert video.decoded == len(pictures)
        list(seeker.within(1.0, 1.1))  # going back begins anew
        assert video.decoded > len(pictures)


def test_a_seek_decodes_from_the_keyframe_before(folder: Path) -> None:
    path = make_video(folder / "seek.mp4", *X264, "-g", "25", "-bf", "2", size="64x48", seconds=20)
    video = open_video(path, threads=1)
    with Seeker(video, index_of(video)) as seeker:
        assert len(list(seeker.within(15.5, 15.7))) == 5
    assert video.decoded < 30


def test_a_stretch_that_is_left_off_in_the_middle_can_be_gone_on_with(folder: Path) -> None:
    video, index, pictures = every(made(folder, "b_frames.mp4"))
    video.decoded = 0
    with Seeker(video, index) as seeker:
        first = next(seeker.within(1.0, 3.0))
        rest = [_told(picture) for picture in seeker.within(first.time, math.inf)]
    assert rest == [picture for picture in pictures if picture[0] >= 1.0]
    assert video.decoded <= 75 + 8


def test_a_damaged_stretch_is_left_out(folder: Path) -> None:
    path = make_video(folder / "whole.ts", *X264, "-g", "10", "-bf", "0", size="160x96", seconds=4)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 6_000] = bytes(6_000)
    damaged = folder / "damaged.ts"
    damaged.write_bytes(content)
    video = open_video(damaged)
    times = [picture.time for picture in video.pictures()]
    with Seeker(video, index_of(video)) as seeker:
        for start, end in ((3.5, 9), (0, 1), (1.5, 3)):
            found = [picture.time for picture in seeker.within(start, end)]
            assert found == pytest.approx([time for time in times if start <= time < end])


def test_of_what_cannot_be_decoded_there_is_none(folder: Path) -> None:
    path = folder / "long.mkv"
    ffmpeg("-stream_loop", "3", "-i", made(folder, "b_frames.mp4"), "-c", "copy", path)
    video = open_video(path)
    with Seeker(video, index_of(video)) as seeker:
        assert list(seeker.within(100, 200)) == []
        last = seeker.shown(1e6)
    assert last is not None
    assert last.time == pytest.approx(4 * SECONDS - 0.04, abs=0.2)

"""What is looked at of an item, against FFmpeg's own times of its frames."""

import numpy as np
import pytest
from media import ffmpeg, make_video, shown_by_ffmpeg
from PIL import Image

from framevote.datasets import Item, frames_of
from framevote.errors import InputError, UsageError
from framevote.records import View
from framevote.video import open_video

VIEW = View(64, 64)


def item_of(path, start=0.0, end=None):
    return Item(path, ("a",), "video", start, end)


def expected_times(path, start, end, most):
    """When the frames are shown that stand in the middle of each of `most` equal stretches, by FFmpeg's clock."""
    shown = np.array(shown_by_ffmpeg(path).times)
    middles = start + (np.arange(most) + 0.5) * (end - start) / most
    return np.unique(shown[np.searchsorted(shown, middles + 1e-6, side="right") - 1])


def times_of(item, most):
    return [frame.time for frame in frames_of(item, VIEW, most)]


def test_a_photo_is_its_only_frame(tmp_path):
    Image.new("RGB", (100, 80), "red").save(tmp_path / "a.png")
    (frame,) = frames_of(Item(tmp_path / "a.png", ("a",)), VIEW)
    assert frame.image.shape == (64, 64, 3)
    assert (frame.image == [255, 0, 0]).all()


@pytest.mark.parametrize(("start", "end"), [(0.0, None), (1.0, 3.0), (2.5, 4.5), (3.9, None)])
@pytest.mark.parametrize("most", [1, 4, 16])
def test_frames_are_spread_evenly_over_the_piece(start, end, most, tmp_path):
    path = make_video(tmp_path / "a.mp4", "-g", "20", seconds=5)
    assert times_of(item_of(path, start, end), most) == pytest.approx(expected_times(path, start, end or 5.0, most), abs=1e-3)


def test_a_variable_frame_rate(tmp_path):
    # Half a second at 25 frames a second, then a frame every half second.
    path = make_video(tmp_path / "a.mkv", "-vf", "select='lt(n,13)+not(mod(n,13))'", "-fps_mode", "vfr", seconds=6)
    shown = shown_by_ffmpeg(path).times
    length = open_video(path).info.duration
    assert len(set(np.round(np.diff(shown), 2))) > 1
    assert times_of(item_of(path), 16) == pytest.approx(expected_times(path, 0, length, 16), abs=2e-3)
    assert times_of(item_of(path, 2, 4), 9) == pytest.approx(expected_times(path, 2, 4, 9), abs=2e-3)


def test_the_pictures_are_those_of_their_times(tmp_path):
    # Each frame is one grey, brighter from frame to frame, so that a picture tells its time.
    path = make_video(tmp_path / "a.mp4", "-vf", "geq=lum='20+N':cb=128:cr=128", "-g", "10", source="color", seconds=8)
    frames = list(frames_of(item_of(path, 3.0, 7.0), VIEW, 8))
    grey = [frame.image.mean() for frame in frames]
    expected = [(20 + round(frame.time * 25) - 16) * 255 / 219 for frame in frames]
    assert len(frames) == 8
    assert np.abs(np.array(grey) - expected).max() < 3


def test_far_apart_frames_are_sought(tmp_path):
    path = make_video(tmp_path / "a.mp4", "-g", "50", size="64x48", rate="5", seconds=100)
    assert times_of(item_of(path), 4) == pytest.approx(expected_times(path, 0, 100, 4), abs=1e-3)
    assert times_of(item_of(path, 20, 80), 3) == pytest.approx(expected_times(path, 20, 80, 3), abs=1e-3)


def test_a_start_of_the_stream_that_is_not_zero(tmp_path):
    path = make_video(tmp_path / "a.ts", "-output_ts_offset", "7", "-g", "10", seconds=4)
    assert times_of(item_of(path, 1, 3), 5) == pytest.approx(expected_times(path, 1, 3, 5), abs=1e-3)


def test_a_video_of_one_frame(tmp_path):
    path = make_video(tmp_path / "a.mp4", "-frames:v", "1")
    assert times_of(item_of(path), 16) == [0.0]


def test_one_picture_that_stands_long_is_yielded_once(tmp_path):
    path = make_video(tmp_path / "a.mkv", "-fps_mode", "vfr", rate="1/40", size="64x48", seconds=200)
    times = times_of(item_of(path), 16)
    assert times == sorted(set(times))
    assert 4 <= len(times) <= 5


def test_a_video_that_does_not_state_its_length(tmp_path):
    whole = make_video(tmp_path / "a.mkv", seconds=3)
    piped = tmp_path / "piped.mkv"
    ffmpeg("-i", whole, "-c", "copy", "-f", "matroska", "-live", "1", piped)
    assert open_video(piped).info.duration == 0
    assert times_of(item_of(piped), 6) == pytest.approx(expected_times(whole, 0, 3, 6), abs=2e-3)
    with pytest.raises(InputError, match=r"beyond the video's end.*3\.00 s"):
        times_of(item_of(piped, 5, 6), 6)


@pytest.mark.parametrize(("start", "end"), [(9.0, 11.0), (2.0, 2.5), (1.0, 3.5), (2.0, None)])
def test_a_piece_beyond_the_end_is_refused(start, end, tmp_path):
    path = make_video(tmp_path / "a.mp4", seconds=2)
    with pytest.raises(InputError, match=r"beyond the video's end. Expected times within its 2\.00 s"):
        times_of(item_of(path, start, end), 4)


def test_a_piece_that_ends_a_little_late_is_cut(tmp_path):
    path = make_video(tmp_path / "a.mp4", seconds=2)
    assert times_of(item_of(path, 1.0, 2.9), 4) == pytest.approx(expected_times(path, 1.0, 2.0, 4), abs=1e-3)


def test_what_is_no_video_is_told(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    for name, said in (("a.mp4", "is no video"), ("b.mp4", "cannot be read")):
        with pytest.raises(InputError, match=said):
            list(frames_of(item_of(tmp_path / name), VIEW))
    with pytest.raises(UsageError, match=r"at least 1 frame\. Received: 0"):
        list(frames_of(item_of(tmp_path / "a.mp4"), VIEW, 0))


def test_real_clips(shared):
    for path in sorted((shared / "signs").glob("G0*/user03_R01.mp4"))[:3]:
        length = open_video(path).info.duration
        assert times_of(item_of(path), 16) == pytest.approx(expected_times(path, 0, length, 16), abs=1e-3)

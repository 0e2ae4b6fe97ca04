"""Which frames are stored whole, and those frames, against FFmpeg's program that decodes everything."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from made_scenes import X264, scenes_film
from media import ffmpeg, make_video

from framevote.errors import InputError, UsageError
from framevote.records import Frame, View
from framevote.video import index_of, keyframes, open_video

_SHOWN = re.compile(r"\] n: *\d+ pts: *\S+ pts_time:(\S+) .*? iskey:([01])")

_WHOLE_FILE = "its container lists no keyframes, so the whole file is read to find them"
_B_FRAMES = (*X264, "-g", "25", "-bf", "3")
_OPEN = (*X264, "-g", "25", "-bf", "3", "-x264-params", "open-gop=1:b-pyramid=normal")
_UNEVEN = ("-vf", "setpts='N/25/TB+0.013*mod(N,4)/TB'", "-fps_mode", "vfr")

# Name: FFmpeg's options, and whether the container lists its packets.
MEDIA = {
    "b_frames.mp4": (_B_FRAMES, True),
    "b_frames.mov": (_B_FRAMES, True),
    "b_frames.mkv": (_B_FRAMES, False),
    "b_frames.ts": (_B_FRAMES, False),
    "open.mp4": (_OPEN, True),
    "open.mkv": (_OPEN, False),
    "open.ts": (_OPEN, False),
    "open_uneven.mp4": ((*_OPEN, *_UNEVEN), True),
    "open_mpeg2.mov": (("-c:v", "mpeg2video", "-g", "12", "-bf", "2"), True),
    "open_mpeg2.mpg": (("-c:v", "mpeg2video", "-g", "12", "-bf", "2"), False),
    "uneven.mp4": ((*_B_FRAMES, *_UNEVEN), True),
    "uneven.mkv": ((*X264, "-g", "20", "-bf", "2", "-vf", "select='not(mod(n,3))+lt(n,10)'", "-fps_mode", "vfr"), False),
    "edited.mp4": ((*_B_FRAMES, "-ss", "0.5"), True),
    "late.mkv": ((*_B_FRAMES, "-output_ts_offset", "8.3"), False),
    "late.ts": ((*_B_FRAMES, "-output_ts_offset", "8.3"), False),
    "fragments.mp4": ((*_B_FRAMES, "-movflags", "frag_keyframe+empty_moov"), True),
    "dash.mp4": ((*_B_FRAMES, "-movflags", "dash+frag_keyframe"), False),
    "old.avi": (("-c:v", "mpeg4", "-g", "12"), True),
    "web.webm": (("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25"), False),
    "hidden.webm": (("-c:v", "libvpx", "-deadline", "good", "-cpu-used", "5", "-auto-alt-ref", "1", "-lag-in-frames", "16"), False),
    "whole.mp4": (("-c:v", "mjpeg"), True),
    "whole.avi": (("-c:v", "mjpeg"), False),
    "single.mp4": ((*X264, "-frames:v", "1"), False),
    "endless.mp4": ((*X264, "-g", "1000"), True),
}


class Truth(NamedTuple):
    """What FFmpeg's program shows: seconds of all pictures and of the keyframes, from the first on."""

    times: np.ndarray
    keys: np.ndarray

    @property
    def counts(self) -> list[int]:
        """How many pictures are shown from each keyframe until the next."""
        return np.diff(np.searchsorted(self.times, [*(self.keys - 1e-3), np.inf])).tolist()


def truth_of(path: Path) -> Truth:
    said = ffmpeg("-copyts", "-i", f"file:{path}", "-map", "0:v:0", "-vf", "showinfo", "-fps_mode", "passthrough", "-f", "null", "-")
    rows = [(float(time), key == "1") for time, key in _SHOWN.findall(said)]
    times = np.array([time for time, _ in rows]) - rows[0][0]
    return Truth(times, times[[key for _, key in rows]])


def check_whole(path: Path, frames: list[Frame]) -> None:
    """Check that frames are those that decoding everything gives, each until the next, and together stand for all."""
    decoded = list(open_video(path))
    shown = {round(frame.time, 4): frame.image for frame in decoded}
    assert all(np.array_equal(shown[round(frame.time, 4)], frame.image) for frame in frames)
    assert frames[0].time == decoded[0].time
    assert all(a.time + a.duration == pytest.approx(b.time) for a, b in pairwise(frames))
    assert sum(frame.frames for frame in frames) == pytest.approx(len(decoded), abs=1e-3)


@pytest.mark.parametrize("name", MEDIA)
def test_keyframes_are_those_of_ffmpeg(name: str, tmp_path: Path) -> None:
    options, listed = MEDIA[name]
    path = make_video(tmp_path / name, *options, size="96x64", seconds=4)
    truth, video = truth_of(path), open_video(path)
    index = index_of(video)
    assert (index.listed, index.timed) == (listed, True)
    assert index.times == pytest.approx(truth.keys, abs=2e-3)
    assert index.frames.tolist() == truth.counts
    assert index.total == len(truth.times)
    assert index.end == pytest.approx(sum(_last(video)), abs=2e-3)
    frames = list(keyframes(video, index=index))
    assert [frame.time for frame in frames] == pytest.approx(index.times)
    assert [frame.frames for frame in frames] == pytest.approx(truth.counts)
    assert sum((frames[-1].time, frames[-1].duration)) == pytest.approx(index.end)
    assert video.notes == (() if listed else (_WHOLE_FILE,))
    check_whole(path, frames)


def _last(video: object) -> tuple[float, float]:
    *_, frame = video  # type: ignore[misc]
    return frame.time, frame.duration


@pytest.mark.parametrize("name", ["b_frames.mp4", "b_frames.mkv", "old.avi"])
def test_nothing_but_keyframes_is_decoded(name: str, tmp_path: Path) -> None:
    video = open_video(make_video(tmp_path / name, *MEDIA[name][0], size="96x64", seconds=4), View(32, 32))
    frames = list(keyframes(video))
    assert video.decoded == len(frames) < 10
    assert frames[0].image.shape == (32, 32, 3)


def test_what_the_container_lists_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "v.mp4", *_B_FRAMES, size="96x64", seconds=4)
    read = _counted(monkeypatch)
    frames = list(keyframes(open_video(path)))
    assert len(read) == 2 * len(frames) == 8  # once for the index, and once to decode


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with every packet that the index or the keyframes take."""
    from framevote.video import index

    read: list[int] = []
    packets = index._whole

    def counted(*given: object) -> Iterator[object]:
        for packet in packets(*given):  # type: ignore[arg-type]
            read.append(packet.size)
            yield packet

    monkeypatch.setattr(index, "_whole", counted)
    return read


def test_cuts_are_keyframes_unless_these_come_at_fixed_distances(tmp_path: Path) -> None:
    scenes = [("red", 3.4), ("blue", 3.6)]
    free = scenes_film(tmp_path / "free.mp4", scenes, *X264, "-g", "250")
    fixed = scenes_film(tmp_path / "fixed.mp4", scenes, *X264, "-g", "50", "-keyint_min", "50", "-sc_threshold", "0")
    assert index_of(open_video(free)).times == pytest.approx([0, 3.4], abs=1e-3)
    assert index_of(open_video(fixed)).times == pytest.approx([0, 2, 4, 6], abs=1e-3)


@pytest.mark.parametrize("name", ["b.avi", "b_frames.avi"])
def test_an_avi_whose_first_picture_comes_late_has_the_times_of_every_frame(name: str, tmp_path: Path) -> None:
    codec = {"b.avi": (*X264, "-bf", "0", "-g", "25"), "b_frames.avi": ("-c:v", "mpeg4", "-bf", "2", "-g", "12")}[name]
    path = make_video(tmp_path / name, *codec, size="96x64", seconds=4)
    truth = [picture.time for picture in open_video(path).pictures() if picture.frame.key_frame]
    assert truth[0] == pytest.approx(0.04)  # AVI does not say when pictures are shown: FFmpeg counts from the first stored one
    video = open_video(path)
    frames = list(keyframes(video))
    assert [frame.time for frame in frames] == pytest.approx(truth)
    check_whole(path, frames)


def _from(source: Path, target: Path, keys: int, more: int) -> Path:
    """Copy a video without what stands before the packet that comes so many behind a keyframe, counted from 0."""
    with av.open(str(source)) as given, av.open(str(target), "w") as made:
        stream = given.streams.video[0]
        out, seen, behind = made.add_stream_from_template(stream), -1, 0
        for packet in given.demux(stream):
            seen += bool(packet.size and packet.is_keyframe)
            behind += seen >= keys
            if packet.size and behind > more:
                packet.stream = out
                made.mux(packet)
    return target


# What begins in the middle: of an open group, whose first pictures cannot be decoded; and behind a keyframe.
MIDDLE = {
    "open.ts": ("open.ts", 2, 0),
    "open.mkv": ("open.mkv", 2, 0),
    "open.mp4": ("open.mp4", 2, 0),
    "mpeg2.mp4": ("open_mpeg2.mpg", 2, 0),
    "behind.ts": ("b_frames.ts", 0, 5),
    "behind.mkv": ("b_frames.mkv", 0, 5),
    "behind.mp4": ("b_frames.mp4", 0, 5),
    "behind_mpeg4.mp4": ("old.avi", 0, 5),
}


@pytest.mark.parametrize("name", MIDDLE)
def test_a_video_that_begins_in_the_middle_starts_with_its_first_picture(name: str, tmp_path: Path) -> None:
    source, keys, more = MIDDLE[name]
    whole = make_video(tmp_path / f"whole_{source}", *MEDIA[source][0], size="96x64", seconds=4)
    path = _from(whole, tmp_path / name, keys, more)
    pictures = [(picture.time, picture.frame.key_frame) for picture in open_video(path).pictures()]
    expected = [time for number, (time, key) in enumerate(pictures) if key or number == 0]
    video = open_video(path)
    frames = list(keyframes(video))
    assert [frame.time for frame in frames] == pytest.approx(expected)
    assert index_of(video).times == pytest.approx(expected)
    check_whole(path, frames)


STEPS = [0.0, 0.5, 1.0, 2.0, 2.5, 3.7, 100.0]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_leaves_out_what_it_can_and_no_more(step: float, tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", *X264, "-g", "250", "-force_key_frames", "0.6,2.4,5.6,6", size="96x64", seconds=8)
    index, video = index_of(open_video(path)), open_video(path)
    times = index.times.tolist()
    assert times == pytest.approx([0, 0.6, 2.4, 5.6, 6.0], abs=1e-3)
    frames = list(keyframes(video, step))
    kept = [frame.time for frame in frames]
    assert set(np.round(kept, 6)) <= set(np.round(times, 6))
    for start, end in pairwise([*kept, index.end]):
        between = [time for time in times if start < time < end]
        assert end - start <= step + 1e-6 or not between  # no more than the step, where there is a keyframe between
        following = [time for time in [*times, index.end] if time > end]
        if step and following and end < index.end:
            assert following[0] - start > step  # it could not have been left out
    assert video.decoded == len(frames)
    assert sum(frame.frames for frame in frames) == pytest.approx(200)


def test_a_clock_that_is_set_back_has_every_frame_decoded_and_says_so(tmp_path: Path) -> None:
    parts = [make_video(tmp_path / f"{seconds}.ts", *X264, "-bf", "0", "-g", "25", seconds=seconds) for seconds in (3, 2)]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    video = open_video(path)
    index = index_of(video)
    assert not index.timed
    assert index.total == 125
    for step, times in ((0.0, [0, 1, 2, 3, 4]), (2.0, [0, 2, 4])):
        frames = list(keyframes(video, step, index))
        assert [frame.time for frame in frames] == pytest.approx(times, abs=1e-3)
        assert video.notes == ("its packets do not say in order when they are shown, so every frame is decoded to find the keyframes",)
        check_whole(path, frames)


def test_a_damaged_keyframe_costs_only_itself(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mkv", "-c:v", "png", "-frames:v", "20", size="96x64")
    content = bytearray(path.read_bytes())
    pictures = [found.start() for found in re.finditer(b"\x89PNG", bytes(content))]
    for number in (0, 7, 19):
        content[pictures[number] + 60 : pictures[number] + 460] = bytes(400)
    path.write_bytes(content)
    video = open_video(path)
    frames = list(keyframes(video))
    assert [round(frame.time * 25) for frame in frames] == [number for number in range(20) if number not in (0, 7, 19)]
    assert video.skipped == 3
    assert sum((frames[-1].time, frames[-1].duration)) == pytest.approx(0.8)


def test_of_a_video_without_a_whole_keyframe_the_first_picture_is_told(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", *X264, "-g", "25", "-bf", "0", size="96x64", seconds=3)
    with av.open(str(path)) as container:
        places = [(entry.pos, entry.size) for entry in container.streams.video[0].index_entries if entry.is_keyframe]
    content = bytearray(path.read_bytes())
    for start, size in places:
        content[start : start + size] = bytes(size)
    path.write_bytes(content)
    video = open_video(path)
    try:
        first = next(iter(open_video(path)))
    except InputError:
        with pytest.raises(InputError, match="none of its pictures"):
            list(keyframes(video))
    else:
        assert [frame.time for frame in keyframes(video)] == [first.time]


def test_some_places_of_the_index_are_decoded_alone(tmp_path: Path) -> None:
    video = open_video(make_video(tmp_path / "v.mp4", *_B_FRAMES, size="96x64", seconds=4))
    index = index_of(video)
    frames = list(keyframes(video, index=index, places=[1, 3]))
    assert [frame.time for frame in frames] == pytest.approx(index.times[[1, 3]])
    assert [frame.duration for frame in frames] == pytest.approx([2, 1])
    assert video.decoded == 2


def test_the_index_tells_what_has_passed_and_what_stood_before(tmp_path: Path) -> None:
    index = index_of(open_video(make_video(tmp_path / "v.mp4", *_B_FRAMES, size="96x64", seconds=4)))
    assert [index.passed(time) for time in (0, 1, 1.5, 4, 9)] == pytest.approx([0, 25, 37.5, 100, 100])
    assert [index.before(time) for time in (-1, 0, 0.99, 1, 3.5, 9)] == [0, 0, 0, 1, 3, 3]
    assert len(index) == 4
    assert repr(index) == "Index(4 keyframes of 100 frames, 4.00 s)"


@pytest.mark.parametrize("step", [-1, float("nan"), float("inf")])
def test_a_step_is_no_less_than_0(step: float, tmp_path: Path) -> None:
    video = open_video(make_video(tmp_path / "v.mp4", *X264, size="96x64", seconds=0.2))
    with pytest.raises(UsageError, match="at least 0 s"):
        keyframes(video, step)


def test_a_view_with_motion_is_refused(tmp_path: Path) -> None:
    video = open_video(make_video(tmp_path / "v.mp4", *X264, size="96x64", seconds=0.2), View(32, 32, motion="flow"))
    with pytest.raises(UsageError, match=r"Video\.keyframes gives frames that do not follow one another"):
        keyframes(video)


def test_an_encrypted_video_is_refused(tmp_path: Path) -> None:
    key = ("-encryption_key", "0123456789abcdef0123456789abcdef", "-encryption_kid", "0123456789abcdef0123456789abcdef")
    path = make_video(tmp_path / "secret.mp4", *X264, "-encryption_scheme", "cenc-aes-ctr", *key, size="96x64", seconds=0.4)
    with pytest.raises(InputError, match="is encrypted"):
        list(keyframes(open_video(path)))


def test_every_odd_file_has_the_keyframes_of_ffmpeg(shared: Path, subtests: pytest.Subtests) -> None:
    cut = [shared / "clips" / f"{name}.mp4" for name in ("baseball", "basketball")]  # their first packets are for decoding only
    odd = [*cut, *sorted(path for path in (shared / "odd").rglob("*") if path.is_file() and path.stat().st_size)]
    assert len(odd) >= 60
    for path in odd:
        with subtests.test(path.name):
            if path.suffix in (".mp3", ".wav"):
                with pytest.raises(InputError):
                    open_video(path)
                continue
            truth, index = truth_of(path), index_of(open_video(path))
            keys = truth.keys if truth.keys[0] == 0 else np.append(0, truth.keys)  # the keyframe by which it begins was cut off
            assert index.times == pytest.approx(keys, abs=2e-3)
            lost = 1 if path.name == "corrupted.mp4" else 0
            assert index.total - lost == len(truth.times)
            frames = list(keyframes(open_video(path), index=index))
            assert [frame.time for frame in frames] == pytest.approx(index.times)
            assert sum(frame.frames for frame in frames) == pytest.approx(index.total)

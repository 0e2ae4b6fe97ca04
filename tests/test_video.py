"""Videos as frames with their own times, against FFmpeg's program."""

import os
import re
import shutil
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from av.video.stream import VideoStream
from media import ffmpeg, make_video, rgb_of_ffmpeg, shown_by_ffmpeg
from PIL import Image

from framevote.errors import InputError, UsageError
from framevote.records import View
from framevote.video import decoding, open_video, probe, reopen

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")

CONTAINERS = {
    "plain.mp4": X264,
    "b_frames.mp4": ("-c:v", "libx264", "-bf", "3", "-pix_fmt", "yuv420p"),
    "cut_in.mp4": ("-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p", "-ss", "0.5"),
    "late_start.mkv": (*X264, "-output_ts_offset", "8.3"),
    "stream.ts": X264,
    "old.mpg": ("-c:v", "mpeg2video"),
    "old.avi": ("-c:v", "mpeg4"),
    "phone.3gp": ("-c:v", "mpeg4"),
    "web.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
    "variable.mkv": (*X264, "-vf", "select='not(mod(n,3))+lt(n,10)'", "-fps_mode", "vfr"),
    "variable.mp4": (*X264, "-vf", "setpts='N/25/TB+0.013*mod(N,4)/TB'", "-fps_mode", "vfr"),
    "film_rate.mov": (*X264, "-r", "24000/1001"),
    "moving.gif": ("-r", "10"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_frame_has_the_time_that_ffmpeg_gives_it(name: str, tmp_path: Path) -> None:
    path = make_video(tmp_path / name, *CONTAINERS[name])
    frames = [(frame.time, frame.duration, frame.index) for frame in open_video(path)]
    truth = shown_by_ffmpeg(path)
    assert np.allclose([time - frames[0][0] for time, _, _ in frames], truth.times, atol=2e-3)
    assert [index for _, _, index in frames] == list(range(len(truth.times)))
    assert all(a[0] + a[1] == pytest.approx(b[0]) for a, b in pairwise(frames))
    info = probe(path)
    assert (info.width, info.height) == (truth.width, truth.height)
    assert frames[0][0] == pytest.approx(0, abs=0.05)
    if info.duration:
        assert sum(frames[-1][:2]) == pytest.approx(info.duration, abs=0.15)


def test_the_clock_starts_at_the_stream(tmp_path: Path) -> None:
    path = make_video(tmp_path / "late.mkv", *X264, "-output_ts_offset", "8.3")
    info = probe(path)
    assert info.start == pytest.approx(8.3, abs=1e-3)
    assert info.delay == 0


def test_delay_is_what_the_picture_lacks_of_the_container(tmp_path: Path) -> None:
    path = tmp_path / "late_picture.mkv"
    sound, picture = ("-f", "lavfi", "-i", "sine=duration=3"), ("-itsoffset", "1", "-f", "lavfi", "-i", "testsrc2=s=64x64:d=2")
    ffmpeg(*sound, *picture, "-map", "0:a", "-map", "1:v", *X264, "-c:a", "libopus", path)
    assert probe(path).delay == pytest.approx(1, abs=0.03)


def test_probe_reads_the_head(tmp_path: Path) -> None:
    path = make_video(tmp_path / "film.mp4", *X264, "-r", "24000/1001", size="426x240", tone=True)
    info = probe(path)
    assert (info.width, info.height, info.frame_rate) == (426, 240, Fraction(24000, 1001))
    assert info.duration == pytest.approx(2, abs=0.06)
    assert info.has_audio
    assert (info.codec, info.rotation, info.mirrored) == ("h264", 0, False)


TURNS = {
    "": (),
    "rotated 90": ("-display_rotation", "90"),
    "rotated 180": ("-display_rotation", "180"),
    "rotated 270": ("-display_rotation", "270"),
    "mirrored": ("-display_hflip",),
    "flipped": ("-display_vflip",),
    "rotated 90 and mirrored": ("-display_rotation", "90", "-display_hflip"),
    "rotated 270 and mirrored": ("-display_rotation", "270", "-display_hflip"),
}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("fit", ["squash", "centre", "letterbox"])
def test_the_picture_stands_as_a_player_shows_it(turn: str, fit: str, tmp_path: Path) -> None:
    stored = make_video(tmp_path / "stored.mp4", *X264, "-vf", "gblur=4", seconds=0.2)
    path = tmp_path / "turned.mp4"
    ffmpeg(*TURNS[turn], "-i", stored, "-c", "copy", path)
    truth = rgb_of_ffmpeg(path)
    full = next(iter(open_video(path))).image
    assert full.shape == truth.shape == (probe(path).height, probe(path).width, 3)
    assert _distance(full, truth) < 1
    small = next(iter(open_video(path, View(96, 64, fit, crop=0.9 if fit == "centre" else 1.0)))).image  # type: ignore[arg-type]
    assert small.shape == (64, 96, 3)
    assert _distance(small, _fitted(truth, 96, 64, fit)) < 3  # a turn the wrong way differs by 40 and more


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean difference in brightness: colour comes at half the width when a picture is scaled."""
    return float(np.abs((a.astype(int) - b) @ [0.299, 0.587, 0.114]).mean())


def _fitted(image: np.ndarray, width: int, height: int, fit: str) -> np.ndarray:
    """Return the picture at the view's size, by Pillow."""
    picture, shape = Image.fromarray(image), width / height
    full_width, full_height = picture.size
    if fit == "squash":
        return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), int)
    if fit == "centre":
        cut_width, cut_height = 0.9 * min(full_width, full_height * shape), 0.9 * min(full_height, full_width / shape)
        left, top = (full_width - cut_width) / 2, (full_height - cut_height) / 2
        box = (left, top, left + cut_width, top + cut_height)
        return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR, box=box), int)
    scale = min(width / full_width, height / full_height)
    inner = picture.resize((round(full_width * scale), round(full_height * scale)), Image.Resampling.BILINEAR)
    canvas = Image.new("RGB", (width, height))
    canvas.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return np.asarray(canvas, int)


COLOURS = [
    *[("yuv420p", matrix, span) for matrix in ("bt709", "smpte170m", "bt2020nc") for span in ("tv", "pc")],
    ("yuv444p", "bt709", "tv"),
    ("yuv422p10le", "bt709", "tv"),
    ("yuv420p10le", "bt2020nc", "tv"),
]


@pytest.mark.parametrize(("pixels", "matrix", "span"), COLOURS)
def test_colours_are_those_of_the_stream(pixels: str, matrix: str, span: str, tmp_path: Path) -> None:
    # The colours are converted for real and tagged; a reader that ignores the tag is off by more than ten levels.
    convert = (
        f"scale=out_color_matrix={matrix.replace('nc', '')}:out_range={span},format={pixels},setparams=colorspace={matrix}:range={span}"
    )
    path = make_video(tmp_path / "c.mkv", "-vf", convert, "-c:v", "ffv1", "-colorspace", matrix, "-color_range", span, seconds=0.1)
    drawn = make_video(tmp_path / "truth.mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0", seconds=0.1)
    image, truth = (next(iter(open_video(p))).image.astype(int) for p in (path, drawn))
    flat = _flat(truth)
    assert flat.mean() > 0.3
    worst = int(np.abs(image - truth)[flat].max())
    assert worst <= 6


def _flat(image: np.ndarray) -> np.ndarray:
    """Return where the picture does not change nearby, so that halved colour planes cannot show."""
    steps = np.abs(np.diff(image, axis=0, prepend=image[:1])).max(axis=2) + np.abs(np.diff(image, axis=1, prepend=image[:, :1])).max(axis=2)
    edges = np.pad(steps > 0, 5)
    near = np.zeros_like(steps, bool)
    for y in range(11):
        for x in range(11):
            near |= edges[y : y + image.shape[0], x : x + image.shape[1]]
    return ~near


def test_what_is_transparent_shows_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (64, 48), (255, 0, 0, 128))
    picture.paste((0, 0, 255, 0), (0, 0, 32, 48))
    picture.save(tmp_path / "half.png")
    image = next(iter(open_video(tmp_path / "half.png"))).image
    assert image[24, 8].tolist() == [255, 255, 255]
    assert np.abs(image[24, 50].astype(int) - [255, 127, 127]).max() <= 1


def test_anamorphic_video_is_cut_as_it_is_shown(tmp_path: Path) -> None:
    # A circle that is stored narrow: shown with pixels twice as wide as high, the middle square holds all its height.
    path = make_video(tmp_path / "wide.mkv", *X264, "-vf", "setsar=2/1", size="160x160")
    assert probe(path).pixel_aspect == 2
    small = next(iter(open_video(path, View(64, 64)))).image
    truth = rgb_of_ffmpeg(path)
    expected = np.asarray(Image.fromarray(truth).resize((64, 64), Image.Resampling.BILINEAR, box=(40, 0, 120, 160)), int)
    assert _distance(small, expected) < 4


def test_a_damaged_stretch_costs_only_itself(tmp_path: Path) -> None:
    path = make_video(tmp_path / "whole.ts", "-c:v", "libx264", "-g", "10", "-bf", "0", "-pix_fmt", "yuv420p", seconds=4)
    whole = len(list(open_video(path)))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 12_000] = bytes(12_000)
    damaged = tmp_path / "damaged.ts"
    damaged.write_bytes(content)
    frames = [frame.time for frame in open_video(damaged)]
    assert whole - 40 < len(frames) <= whole
    assert all(b > a for a, b in pairwise(frames))
    assert frames[-1] == pytest.approx(4 - 1 / 25, abs=0.05)  # it goes on behind the damage, by the right clock


@pytest.mark.parametrize("damaged", [{10, 11}, {2, 5}, {17}])
@pytest.mark.parametrize("threads", [1, 3, 16])
def test_no_number_of_threads_loses_more_than_the_damage(
    damaged: set[int], threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "film.mkv", "-c:v", "png", "-frames:v", "20")
    content = bytearray(path.read_bytes())
    pictures = [found.start() for found in re.finditer(b"\x89PNG", bytes(content))]
    for number in damaged:
        content[pictures[number] + 60 : pictures[number] + 460] = bytes(400)
    path.write_bytes(content)
    prepared = decoding.prepared
    monkeypatch.setattr(decoding, "prepared", lambda *given: _with_threads(prepared(*given), threads))
    video = open_video(path)
    assert {round(picture.time * 25) for picture in video.pictures()} == set(range(20)) - damaged
    assert video.skipped == len(damaged)


def _with_threads(stream: VideoStream, threads: int) -> VideoStream:
    stream.thread_count = threads
    return stream


def test_skipped_is_counted(shared: Path) -> None:
    video = open_video(shared / "odd/decord/corrupted.mp4")
    assert len(list(video)) == 49
    assert video.skipped == 1


@pytest.mark.parametrize(
    "name", ["a:b.mp4", "-x.mp4", "http:x.mp4", "concat:x|y.mp4", "with space.mp4", "ümläut 电影.mp4", "100%d.mp4", "[a].mp4"]
)
def test_a_name_is_a_file_and_never_a_protocol(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = make_video(tmp_path / "plain.mp4", *X264, seconds=0.2)
    shutil.copy(made, tmp_path / name)
    assert probe(name).width == 320
    assert len(list(open_video(name))) == 5


def test_every_takes_the_first_frame_of_each_stretch(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", *X264, seconds=2)
    frames = list(open_video(path).every(0.3))
    assert [frame.index for frame in frames] == [0, 8, 15, 23, 30, 38, 45]
    assert [frame.frames for frame in frames] == [8, 7, 8, 7, 8, 7, 5]
    assert all(a.time + a.duration == pytest.approx(b.time) for a, b in pairwise(frames))
    assert frames[-1].time + frames[-1].duration == pytest.approx(2)


def test_at_gives_the_frame_that_is_shown(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", "-c:v", "libx264", "-g", "12", "-bf", "2", "-pix_fmt", "yuv420p", seconds=2)
    every = list(open_video(path))
    for time in (0.0, 0.03, 0.5, 0.97, 1.999, 5.0):
        (frame,) = open_video(path).at([time])
        truth = max((f for f in every if f.time <= time + 1e-9), key=lambda f: f.time)
        assert frame.time == pytest.approx(truth.time)
        assert frame.index == -1  # sought, not counted
        assert np.array_equal(frame.image, truth.image)


def test_two_iterations_are_the_same(tmp_path: Path) -> None:
    video = open_video(make_video(tmp_path / "v.mp4", *X264, seconds=0.5), View(32, 32))
    first, second = list(video), list(video)
    assert all(np.array_equal(a.image, b.image) and a.time == b.time for a, b in zip(first, second, strict=True))


def _text(path: Path) -> None:
    path.write_text("This is no video.\n" * 100)


def _truncated(path: Path) -> None:
    whole = make_video(path.with_name("whole.mp4"), *X264)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])  # the index stands at the end, and is gone


def _audio_only(path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", path)


def _cover_only(path: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(path.with_name("cover.png"))
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "sine=duration=1",
        "-i",
        path.with_name("cover.png"),
        "-map",
        "0",
        "-map",
        "1",
        "-disposition:v",
        "attached_pic",
        path,
    )


def _encrypted(path: Path) -> None:
    key = ("-encryption_key", "0123456789abcdef0123456789abcdef", "-encryption_kid", "0123456789abcdef0123456789abcdef")
    make_video(path, *X264, "-encryption_scheme", "cenc-aes-ctr", *key)


def test_time_goes_on_where_a_joined_recording_sets_its_clock_back(tmp_path: Path) -> None:
    parts = [make_video(tmp_path / f"{seconds}.ts", *X264, "-bf", "0", seconds=seconds) for seconds in (2, 1)]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    video = open_video(path)
    frames = [(frame.time, frame.duration) for frame in video]
    assert len(frames) == 75
    assert video.skipped == 0
    assert np.allclose(np.diff([time for time, _ in frames]), 0.04, atol=1e-3)
    assert sum(frames[-1]) == pytest.approx(3, abs=0.01)


def test_every_takes_seconds_above_0(tmp_path: Path) -> None:
    video = open_video(make_video(tmp_path / "v.mp4", *X264, seconds=0.2))
    for seconds in (0, -1, float("nan")):
        with pytest.raises(UsageError, match="above 0"):
            next(video.every(seconds))


def test_another_video_in_the_same_place_is_noticed(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", *X264, seconds=0.2)
    info = probe(path)
    assert reopen(info).info == info
    make_video(path, *X264, seconds=0.4)
    with pytest.raises(InputError, match="is not the video that was labelled"):
        reopen(info)


REFUSED = {
    "missing.mp4": (None, "cannot be read"),
    "empty.mp4": (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
    "text.mp4": (_text, "is no video that can be read"),
    "truncated.mp4": (_truncated, "is no video that can be read"),
    "sound.mp4": (_audio_only, "has no video stream (it holds audio)"),
    "cover.mp3": (_cover_only, "has no video stream (it holds sound and a cover picture)"),
    "secret.mp4": (_encrypted, "is encrypted"),
    "folder.mp4": (lambda path: path.mkdir(), "is a folder"),
    "pipe.mp4": (os.mkfifo, "is a device or a pipe"),
    "nul\0.mp4": (None, "is no file name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_video_is_refused_with_a_sentence(name: str, tmp_path: Path) -> None:
    make, sentence = REFUSED[name]
    path = tmp_path / name
    if make:
        make(path)
    uses = (probe, lambda p: list(open_video(p)))
    for use in uses[1:] if name == "secret.mp4" else uses:  # an encrypted file's head can be read
        with pytest.raises(InputError) as raised:
            use(path)
        assert sentence in str(raised.value)
        assert "Expected" in str(raised.value)


def test_every_odd_file_has_the_right_clock_or_is_refused(shared: Path, subtests: pytest.Subtests) -> None:
    refused = {"result.webm": "empty", "nasa_13013.mp4.audio.mp3": "no video stream", "sine_mono_s32.wav": "no video stream"}
    odd = sorted(path for path in (shared / "odd").rglob("*") if path.is_file())
    assert len(odd) >= 60
    for path in odd:
        with subtests.test(path.name):
            if sentence := refused.get(path.name):
                with pytest.raises(InputError, match=sentence):
                    open_video(path)
                continue
            truth, video = shown_by_ffmpeg(path), open_video(path)
            times = [frame.time for frame in video]
            assert times[0] == 0
            assert np.allclose(times, truth.times, atol=1e-4)
            assert (video.info.width, video.info.height) == (truth.width, truth.height)

"""The annotated video, looked at by PyAV and FFmpeg directly."""

import os
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from media import ffmpeg, make_video, rgb_of_ffmpeg, shown_by_ffmpeg

from framevote.errors import InputError, OutputError, PartError
from framevote.overlay import planes_of
from framevote.records import Flicker, Recipe, Segment, Timeline, Track
from framevote.video import open_video
from framevote.writers import write
from framevote.writers.annotated import PRESETS, AnnotatedVideo
from framevote.writers.encodable import Encodable

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
LABELS = ("tennis ball", "a label that is by far too long for any picture whatever its size may be", "Übung")


def timeline_of(path: Path) -> Timeline:
    """Return a timeline of three equal segments over a video."""
    video = open_video(path)
    times = np.array([picture.time for picture in video.pictures()])
    end = float(times[-1]) + 0.04
    winners = np.minimum(times / end * 3, 2).astype(np.int32)
    segments = tuple(Segment(end * i / 3, end * (i + 1) / 3, label, 0.8) for i, label in enumerate(LABELS))
    track = Track(times, winners, np.linspace(0.2, 1, len(times), dtype=np.float32), LABELS)
    return Timeline(video.info, segments, (), Flicker(9, 1), Recipe("imagenet", "", "", ""), track)


def sound_of(path: Path) -> list[list[tuple[bytes, float]]]:
    """Return each sound track's packets with their times, as the container gives them."""
    with av.open(str(path)) as container:
        tracks = len(container.streams.audio)
    found = []
    for track in range(tracks):
        with av.open(str(path)) as container:
            packets = [packet for packet in container.demux(audio=track) if packet.dts is not None]
            found.append([(bytes(packet), float(packet.pts * packet.time_base)) for packet in packets])
    return found


def stamps_of(path: Path) -> list[float]:
    """Return the shown pictures' times on the container's own clock."""
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def assert_same_clock_and_sound(source: Path, written: Path, within: float) -> float:
    """Check times and sound against the source; return the one shift that all of them share."""
    before, after = stamps_of(source), stamps_of(written)
    assert len(after) == len(before)
    sound_before, sound_after = sound_of(source), sound_of(written)
    assert [[packet for packet, _ in track] for track in sound_after] == [[packet for packet, _ in track] for track in sound_before]
    sound = [(time, new) for old, got in zip(sound_before, sound_after, strict=True) for (_, time), (_, new) in zip(old, got, strict=True)]
    shifts = [new - old for old, new in [*zip(before, after, strict=True), *sound]]
    assert max(shifts) - min(shifts) <= within
    return min(shifts)


SOURCES: dict[str, tuple[str, ...]] = {
    "plain.mp4": (*X264, "-c:a", "aac"),
    "b_frames.mp4": ("-c:v", "libx264", "-bf", "3", "-pix_fmt", "yuv420p", "-c:a", "aac"),
    "variable.mp4": (*X264, "-vf", "setpts='N/25/TB+0.013*mod(N,4)/TB'", "-fps_mode", "vfr", "-c:a", "aac"),
    "film_rate.mkv": (*X264, "-r", "24000/1001", "-c:a", "libopus"),
    "web.webm": ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"),
    "stream.ts": (*X264, "-c:a", "mp2"),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize(("suffix", "within"), [(".mp4", 1e-4), (".mkv", 1.1e-3)])
def test_sound_and_times_are_the_originals(name: str, suffix: str, within: float, tmp_path: Path) -> None:
    source = make_video(tmp_path / name, *SOURCES[name], tone=True)
    written = write(timeline_of(source), tmp_path / f"annotated{suffix}")
    shift = assert_same_clock_and_sound(source, written, within)
    # MP4 keeps every stamp; Matroska has none below zero, so sound that begins before the picture moves all of it.
    assert abs(shift) < (1e-4 if suffix == ".mp4" else 0.05)


@pytest.mark.parametrize(
    "name", ["clips/tennis.mp4", "clips/lifting.mp4", "clips/basketball.mp4", "clips/baseball.mp4", "odd/moviepy/fire2.mp4"]
)
def test_real_clips_keep_sound_and_times(name: str, shared: Path, tmp_path: Path) -> None:
    written = write(timeline_of(shared / name), tmp_path / "annotated.mp4")
    assert assert_same_clock_and_sound(shared / name, written, within=1e-6) == pytest.approx(0, abs=1e-6)


def test_only_the_drawn_region_changes(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mkv", "-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv420p", size="640x360", seconds=0.4)
    written = write(timeline_of(source), tmp_path / "annotated.mkv", crf=0)
    with av.open(str(source)) as before, av.open(str(written)) as after:
        for old, new in zip(before.decode(video=0), after.decode(video=0), strict=True):
            changed = np.abs(old.to_ndarray().astype(int) - new.to_ndarray())[:360] > 0  # the brightness plane
            assert changed[:60].any()
            assert changed[-6:].any()
            assert not changed[60:-6].any()


@pytest.mark.parametrize("size", ["64x48", "320x180", "180x320", "1920x1080"])
def test_the_plate_stays_inside_and_is_legible(size: str, tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mp4", *X264, source="color=c=gray", size=size, seconds=0.5, rate="10")
    written = write(timeline_of(source), tmp_path / "annotated.mkv", crf=10)
    frames = [frame.image.astype(int) for frame in open_video(written)]
    height, width, _ = frames[0].shape
    for image in frames:
        plate = np.abs(image - image[height // 2, width // 2]).max(axis=2) > 40
        plate[-max(height // 40, 4) :] = False
        rows, columns = np.where(plate)
        assert rows.size > 0
        assert columns.max() < width - 2
        assert image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].max() > 180  # bright letters
        assert (rows.max() - rows.min()) >= 11


TURNED = {"rotated": ("-display_rotation", "90"), "mirrored": ("-display_hflip",), "turned round": ("-display_rotation", "180")}


@pytest.mark.parametrize("turn", TURNED)
def test_turned_video_comes_out_upright(turn: str, tmp_path: Path) -> None:
    stored = make_video(tmp_path / "stored.mp4", *X264, "-vf", "gblur=4", seconds=0.2)
    source = tmp_path / "turned.mp4"
    ffmpeg(*TURNED[turn], "-i", stored, "-c", "copy", source)
    written = write(timeline_of(source), tmp_path / "annotated.mp4", crf=5)
    expected, image = rgb_of_ffmpeg(source).astype(int), rgb_of_ffmpeg(written).astype(int)
    assert image.shape == expected.shape
    middle = slice(expected.shape[0] // 3, expected.shape[0] * 9 // 10)
    assert float(np.abs(image - expected)[middle].mean()) < 6


FORMATS = {
    "full range": (("-pix_fmt", "yuvj420p", "-c:v", "libx264"), ".mp4", ("h264", "yuvj420p")),
    "10-bit": (("-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-x265-params", "log-level=none"), ".mp4", ("hevc", "yuv420p10le")),
    "12-bit 4:4:4": (("-pix_fmt", "yuv444p12le", "-c:v", "libx265", "-x265-params", "log-level=none"), ".mkv", ("hevc", "yuv420p10le")),
    "10-bit in WebM": (
        ("-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-x265-params", "log-level=none"),
        ".webm",
        ("libdav1d", "yuv420p10le"),
    ),
    "4:4:4": (("-pix_fmt", "yuv444p", "-c:v", "libx264"), ".mp4", ("h264", "yuv420p")),
    "RGB with alpha": (("-pix_fmt", "rgba", "-c:v", "png"), ".mp4", ("h264", "yuv420p")),
    "grey": (("-pix_fmt", "gray", "-c:v", "ffv1"), ".mp4", ("h264", "yuv420p")),
    "8-bit in WebM": (X264, ".webm", ("vp9", "yuv420p")),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_kind_of_picture_becomes_one_that_players_show(name: str, tmp_path: Path) -> None:
    options, suffix, expected = FORMATS[name]
    source = make_video(tmp_path / "source.mkv", "-vf", "gblur=4", *options, seconds=0.3)
    written = write(timeline_of(source), tmp_path / f"annotated{suffix}", crf=5)
    with av.open(str(written)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == expected
    before, after = (next(iter(open_video(path))).image.astype(int) for path in (source, written))
    assert float(np.abs(before - after)[60:-8].mean()) < 5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process the policies of its threads")
def test_no_thread_is_hurried_while_av1_is_written(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mkv", *FORMATS["10-bit in WebM"][0], seconds=0.3)
    found, before = [], os.sched_getscheduler(0)

    def progress(_seconds: float, _frames: int) -> None:
        found.append({os.sched_getscheduler(int(task.name)) for task in Path("/proc/self/task").iterdir()})

    AnnotatedVideo()(timeline_of(source), tmp_path / "annotated.webm", progress)
    assert found
    assert all(policies == {before} for policies in found)
    assert os.sched_getscheduler(0) == before


def test_full_range_stays_in_webm(tmp_path: Path) -> None:
    source = make_video(
        tmp_path / "grey.mkv", "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-q:v", "1", source="color=c=0xFAFAFA", size="320x180", seconds=0.2
    )
    written = write(timeline_of(source), tmp_path / "annotated.webm", crf=0)
    with av.open(str(source)) as before, av.open(str(written)) as after:
        old, new = next(before.decode(video=0)), next(after.decode(video=0))
        assert (new.format.name, int(new.color_range)) == ("yuv420p", 2)
        assert int(old.to_ndarray()[90, 160]) == 250  # beyond 235, the white of the narrow range
        assert np.abs(old.to_ndarray()[60:150].astype(int) - new.to_ndarray()[60:150]).max() <= 1


@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_full_range_is_told_by_the_tag_and_no_value_changes(size: tuple[int, int], tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mkv", "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", size=f"{size[0]}x{size[1]}", seconds=0.1)
    with av.open(str(source)) as container:
        frame = next(container.decode(video=0))
        old = [plane.copy() for plane in planes_of(frame)]
        new = Encodable(open_video(source).info, frame)(frame)
    assert (new.format.name, int(new.color_range)) == ("yuv420p", 2)
    for before, after in zip(old, planes_of(new), strict=True):
        assert np.array_equal(before, after[: before.shape[0], : before.shape[1]])


def test_hdr_tags_are_kept_and_white_is_not_glaring(tmp_path: Path) -> None:
    hdr = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    options = ("-vf", f"format=yuv420p10le,{hdr}", "-c:v", "libx265", "-x265-params", "log-level=none")
    source = make_video(tmp_path / "hdr.mkv", *options, source="color=c=black", seconds=0.3)
    written = write(timeline_of(source), tmp_path / "annotated.mp4")
    with av.open(str(written)) as container:
        context = container.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (9, 16, 9)
        luma = next(container.decode(video=0)).to_ndarray()[:60]
    assert 500 < luma.max() < 640  # 203 nits in PQ is 58 % of the range, not the 940 of full white


@pytest.mark.parametrize(("size", "expected"), [("321x241", (322, 242)), ("1x1", (2, 2)), ("2x2", (2, 2)), ("17x31", (18, 32))])
def test_odd_sizes_grow_by_one_pixel(size: str, expected: tuple[int, int], tmp_path: Path) -> None:
    source = make_video(tmp_path / "odd.mkv", "-pix_fmt", "yuv444p", "-c:v", "ffv1", source="color=c=red", size=size, seconds=0.2)
    for suffix in (".mp4", ".mkv", ".webm"):
        written = write(timeline_of(source), tmp_path / f"annotated{suffix}", crf=5)
        shown = shown_by_ffmpeg(written)
        assert (shown.width, shown.height, len(shown.times)) == (*expected, 5)
    image = rgb_of_ffmpeg(tmp_path / "annotated.mp4").astype(int)
    edge = image[: -max(expected[1] // 20, 4) or None, -1]  # above the strip, in the column that may have been added
    below_plate = edge[-1] if expected[1] > 20 else image[0, -1]
    assert np.abs(below_plate - [254, 0, 0]).max() < 12


def test_joined_recordings_go_on_with_picture_and_sound(tmp_path: Path) -> None:
    parts = [make_video(tmp_path / f"{seconds}.ts", *X264, "-c:a", "mp2", tone=True, seconds=seconds) for seconds in (3, 2)]
    source = tmp_path / "joined.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    written = write(timeline_of(source), tmp_path / "annotated.mp4")
    assert len(stamps_of(written)) == 125
    (before,), (after,) = sound_of(source), sound_of(written)
    assert [packet for packet, _ in after] == [packet for packet, _ in before]
    times = [time for _, time in after]
    assert np.allclose(np.diff(times), 1152 / 44100, atol=0.002)
    assert times[-1] - times[0] == pytest.approx(5, abs=0.1)


def test_another_video_in_the_sources_place_is_noticed(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mp4", *X264, seconds=0.2)
    timeline = timeline_of(source)
    make_video(source, *X264, seconds=1)
    for name in ("annotated.mp4", "sheet.png"):
        with pytest.raises(InputError, match="is not the video that was labelled"):
            write(timeline, tmp_path / name)


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    source = make_video(tmp_path / "one.mp4", *X264, "-frames:v", "1")
    assert stamps_of(write(timeline_of(source), tmp_path / "annotated.mp4")) == [0]


def test_a_picture_that_changes_its_size_keeps_the_first(tmp_path: Path) -> None:
    first = make_video(tmp_path / "first.ts", *X264, size="320x180", seconds=0.4)
    second = make_video(tmp_path / "second.ts", *X264, "-output_ts_offset", "0.4", size="160x120", seconds=0.4)
    source = tmp_path / "both.ts"
    source.write_bytes(first.read_bytes() + second.read_bytes())
    shown = shown_by_ffmpeg(write(timeline_of(source), tmp_path / "annotated.mp4"))
    assert (shown.width, shown.height) == (320, 180)
    assert len(shown.times) == len(list(open_video(source)))


def test_a_container_that_cannot_hold_the_sound_says_the_way_out(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mp4", *X264, "-c:a", "aac", tone=True, seconds=1)
    timeline = timeline_of(source)
    with pytest.raises(OutputError, match=r"cannot hold aac sound.*--audio opus"):
        write(timeline, tmp_path / "annotated.webm")
    assert not list(tmp_path.glob("*annotated*")) + list(tmp_path.glob(".*"))
    for audio, codec in (("opus", "opus"), ("none", None)):
        written = write(timeline, tmp_path / f"{audio}.webm", audio=audio)
        with av.open(str(written)) as container:
            assert [stream.codec.canonical_name for stream in container.streams.audio] == ([codec] if codec else [])


def test_presets_trade_size_for_time(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mp4", *X264, size="640x360", seconds=1)
    timeline = timeline_of(source)
    sizes = [write(timeline, tmp_path / f"{preset}.mp4", preset=preset).stat().st_size for preset in ("ultrafast", "medium")]
    assert sizes[1] < sizes[0]
    smaller = write(timeline, tmp_path / "small.mp4", crf=40).stat().st_size
    assert smaller < sizes[0] / 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"preset": "warp"}, f"preset is one of {', '.join(PRESETS)}"),
        ({"crf": 99}, "crf is a whole number from 0"),
        ({"crf": -1}, "crf is a whole number from 0"),
        ({"audio": "mp3"}, "audio is copy, opus, aac or none"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(PartError) as raised:
        AnnotatedVideo(**options)  # type: ignore[arg-type]
    assert sentence in str(raised.value)


def test_a_gone_source_leaves_nothing(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mp4", *X264, seconds=0.2)
    timeline = timeline_of(source)
    gone = replace(timeline, video=replace(timeline.video, path=tmp_path / "gone.mp4"))
    with pytest.raises(Exception, match="cannot be read"):
        write(gone, tmp_path / "annotated.mp4")
    assert not [path for path in tmp_path.iterdir() if "annotated" in path.name or path.name.startswith(".")]


def _interrupt_at(frame: int) -> Callable[[float, int], None]:
    def progress(_seconds: float, frames: int) -> None:
        if frames == frame:
            raise KeyboardInterrupt

    return progress


def test_an_interrupt_leaves_no_broken_file(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mp4", *X264, seconds=1)
    old = tmp_path / "annotated.mp4"
    old.write_text("what was there before")
    with pytest.raises(KeyboardInterrupt):
        write(timeline_of(source), old, overwrite=True, progress=_interrupt_at(7))
    assert old.read_text() == "what was there before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotated.mp4", "source.mp4"]


def test_what_the_encoder_refuses_is_a_sentence(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mkv", *X264, rate="120000", seconds=0.0001)
    with pytest.raises(OutputError, match=r"annotated\.webm: FFmpeg cannot encode this video so .*for example \.mkv"):
        write(timeline_of(source), tmp_path / "annotated.webm")
    assert [path.name for path in tmp_path.iterdir()] == ["source.mkv"]


def test_no_room_is_told_as_such(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mp4", *X264, size="640x360", seconds=1)
    timeline = timeline_of(source)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, hard))
    try:
        with pytest.raises(OutputError, match="the file would grow beyond what is allowed here"):
            write(timeline, tmp_path / "annotated.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]


def test_what_cannot_be_written_is_found_before_the_work(tmp_path: Path) -> None:
    info = open_video(make_video(tmp_path / "source.mp4", *X264, "-c:a", "aac", tone=True, seconds=0.2)).info
    with pytest.raises(OutputError, match=r"cannot hold aac sound.*--audio opus"):
        AnnotatedVideo().check(info, tmp_path / "annotated.webm")
    with pytest.raises(OutputError, match="cannot hold aac sound"):
        AnnotatedVideo(audio="aac").check(info, tmp_path / "annotated.webm")
    with pytest.raises(PartError, match=r"crf for \.mp4 goes from 0 to 51\. Received: 60"):
        AnnotatedVideo(crf=60).check(info, tmp_path / "annotated.mp4")
    AnnotatedVideo(crf=60, audio="opus").check(info, tmp_path / "annotated.webm")
    AnnotatedVideo().check(info, tmp_path / "annotated.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["source.mp4"]

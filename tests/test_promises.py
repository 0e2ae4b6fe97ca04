"""Promises that no picture shows at a glance: each of these lines could be lost and everything would still look well."""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import PictureType, VideoFrame
from made_models import model_file
from media import ffmpeg, make_video
from numpy.typing import NDArray
from test_annotated import timeline_of
from typer.testing import CliRunner

from framevote.cli import app
from framevote.video import Video, open_video
from framevote.writers import write

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
X265 = ("-c:v", "libx265", "-x265-params", "log-level=none")
PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def planes_of_video(path: Path) -> list[list[NDArray[np.int64]]]:
    """Return Y, U and V of every picture of an 8-bit 4:2:0 video, as PyAV decodes them without the code under test."""
    with av.open(str(path)) as container:
        return [_planes(frame) for frame in container.decode(video=0)]


def _planes(frame: VideoFrame) -> list[NDArray[np.int64]]:
    height, width = frame.height, frame.width
    luma, colour = np.split(frame.to_ndarray().astype(np.int64), [height])
    return [luma, *colour.reshape(2, height // 2, width // 2)]


MOVING = "scroll=horizontal=0.012:vertical=0.02"  # out of the plate, over the picture, and round again

PREDICTED = {
    # Decoded one picture after the other however many cores there are, so that some are predicted from what is drawn on already.
    "MPEG-2": ("-c:v", "mpeg2video", "-bf", "2", "-q:v", "4", "-g", "30"),
    "H.264": ("-c:v", "libx264", "-preset", "medium", "-bf", "3", "-refs", "16", "-g", "60"),
}


@pytest.mark.parametrize("codec", PREDICTED)
def test_what_is_drawn_never_gets_into_the_pictures_that_are_predicted(codec: str, tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mkv", "-vf", MOVING, *PREDICTED[codec], "-pix_fmt", "yuv420p", size="640x360", seconds=2)
    with av.open(str(source)) as container:
        assert {frame.pict_type for frame in container.decode(video=0)} == {PictureType.I, PictureType.P, PictureType.B}
    written = write(timeline_of(source), tmp_path / "annotated.mkv", crf=0)
    before, after = planes_of_video(source), planes_of_video(written)
    assert len(before) == len(after) == 50
    assert (before[20][0][:60] != after[20][0][:60]).any()
    spoiled = [
        number
        for number, (old, new) in enumerate(zip(before, after, strict=True))
        if any((a[len(a) // 6 : -len(a) // 60] != b[len(a) // 6 : -len(a) // 60]).any() for a, b in zip(old, new, strict=True))
    ]
    assert spoiled == []


FULL = "scale=out_range=pc"
RANGES = {
    "limited": ((*X264,), 235),
    "full": (("-vf", FULL, *X264, "-color_range", "pc"), 255),
    "full, as MJPEG says it": (("-vf", FULL, "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"), 255),
    "full, as VP9 says it": (
        ("-vf", FULL, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-pix_fmt", "yuv420p", "-color_range", "pc"),
        255,
    ),
    "limited, 10 bits": (("-pix_fmt", "yuv420p10le", *X265), 940),
    "full, 10 bits": (("-vf", FULL, "-pix_fmt", "yuv420p10le", "-color_range", "pc", *X265), 1023),
}


@pytest.mark.parametrize("name", RANGES)
def test_white_letters_are_as_white_as_the_range_goes(name: str, tmp_path: Path) -> None:
    options, white = RANGES[name]
    source = make_video(tmp_path / "source.mkv", *options, source="color=c=black", size="640x360", seconds=0.2)
    written = write(timeline_of(source), tmp_path / "annotated.mkv", crf=0)
    with av.open(str(written)) as container:
        frame = next(container.decode(video=0))
        luma = frame.to_ndarray()[:60].astype(int)  # the plate, not the strip
    assert luma.max() == pytest.approx(white, abs=white // 100)
    # A letter's strokes are of that white, not a single ringing pixel.
    assert (luma > 0.98 * white).sum() > 100


SHAPES = {"wide": ("16/15", (), "16:15"), "narrow": ("3/4", (), "3:4"), "turned": ("2/1", ("-display_rotation", "90"), "1:2")}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("name", SHAPES)
def test_pixels_keep_their_shape(name: str, suffix: str, tmp_path: Path) -> None:
    shape, turn, expected = SHAPES[name]
    stored = make_video(tmp_path / "stored.mp4", "-vf", f"setsar={shape}", *X264, size="160x120", seconds=0.2)
    source = tmp_path / "source.mp4"
    ffmpeg(*turn, "-i", stored, "-c", "copy", source)
    written = write(timeline_of(source), tmp_path / f"annotated{suffix}")
    said = ffmpeg("-i", written, "-f", "null", "-")
    assert re.findall(r"Video: h264.*?SAR (\d+:\d+)", said) == [expected]


INTRA = {"source.avi": ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"), "source.mp4": (*X264, "-g", "1")}


@pytest.mark.parametrize(("name", "suffix"), [("source.avi", ".mp4"), ("source.mp4", ".mp4"), ("source.mp4", ".webm")])
def test_the_encoder_chooses_its_own_keyframes(name: str, suffix: str, tmp_path: Path) -> None:
    source = make_video(tmp_path / name, *INTRA[name], size="160x120", seconds=2)
    assert keyframes(source) == 50
    assert 1 <= keyframes(write(timeline_of(source), tmp_path / f"annotated{suffix}")) <= 5


def keyframes(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(packet.is_keyframe for packet in container.demux(video=0) if packet.size)


def test_hevc_in_mp4_is_called_as_apples_players_ask(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mkv", "-pix_fmt", "yuv420p10le", *X265, size="160x120", seconds=0.2)
    written = write(timeline_of(source), tmp_path / "annotated.mp4")
    with av.open(str(written)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "hvc1"
    assert b"hev1" not in written.read_bytes()


LATE = {"late.ts": ("-g", "1"), "late.mkv": ("-g", "10", "-bf", "0")}  # a stream of TS can only be entered at a packet, not at a keyframe


@pytest.mark.parametrize("name", LATE)
def test_a_late_start_is_no_reason_to_decode_from_the_start(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / name, *X264, *LATE[name], "-output_ts_offset", "600", size="64x48", seconds=20)
    video = open_video(path)
    assert video.info.start == pytest.approx(600, abs=2)
    decoded = _decoded_pictures(monkeypatch)
    for time in (18.0, 9.2):
        decoded.clear()
        (frame,) = video.at([time])
        assert frame.time == pytest.approx(time, abs=0.05)
        assert 1 <= len(decoded) <= 60  # of 500; the way from the start would be 230 at least


def _decoded_pictures(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by one for every picture that any Video decodes."""
    decoded: list[int] = []
    decode = Video.decoded_frames

    def counted(video: Video, *arguments: Any) -> Iterator[VideoFrame]:
        for frame in decode(video, *arguments):
            decoded.append(1)
            yield frame

    monkeypatch.setattr(Video, "decoded_frames", counted)
    return decoded


def test_damage_is_told_with_its_count(tmp_path: Path) -> None:
    path = make_video(tmp_path / "film.mkv", "-c:v", "png", size="64x48", seconds=4)
    content = bytearray(path.read_bytes())
    heads = [found.end() for found in re.finditer(re.escape(PNG_HEAD), content)]
    assert len(heads) == 100
    arguments = ["label", str(path), "--model", str(model_file(tmp_path / "colours.fvm")), "--overwrite"]
    whole = CliRunner().invoke(app, arguments)
    assert (whole.exit_code, "Damaged" in whole.stdout) == (0, False)
    for head in (heads[3], heads[30], heads[60]):
        content[head + 8 : head + 16] = bytes(8)  # a picture of 0×0 pixels, which no decoder takes
    path.write_bytes(content)
    damaged = CliRunner().invoke(app, arguments)
    assert damaged.exit_code == 0
    assert damaged.stdout.splitlines()[-1] == "Damaged: 3 packets or frames could not be read and were skipped."


STAMPS = {
    "stands still": ([0, 40, 40, 80, 120], [0, 1, 3, 4]),
    "stands still from the first": ([0, 0, 0, 40, 80], [0, 3, 4]),
    "goes on": ([0, 40, 80, 81, 120], [0, 1, 2, 3, 4]),
}


@pytest.mark.parametrize("name", STAMPS)
def test_a_picture_that_comes_no_later_than_the_last_is_skipped(name: str, tmp_path: Path) -> None:
    stamps, kept = STAMPS[name]
    path = stamped_video(tmp_path / "film.mkv", stamps)
    video = open_video(path)
    frames = list(video)
    assert [round(frame.time * 1000) for frame in frames] == [stamps[i] for i in kept]
    assert [round(frame.image.mean() / 40) for frame in frames] == kept
    assert [frame.index for frame in frames] == list(range(len(kept)))
    assert all(frame.duration > 0 for frame in frames)
    assert video.skipped == len(stamps) - len(kept)


def stamped_video(path: Path, stamps: list[int]) -> Path:
    """Write grey pictures, each 40 levels brighter than the last, with these time stamps in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 32, 32, "bgr0", Fraction(1, 1000)
        packets = []
        for number in range(len(stamps)):
            frame = VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for packet, stamp in zip(packets, stamps, strict=True):
            packet.time_base = Fraction(1, 1000)
            packet.pts = packet.dts = stamp
            container.mux_one(packet)
    return path

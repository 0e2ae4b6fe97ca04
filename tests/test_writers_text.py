"""JSON, CSV and subtitles hold what the timeline holds, as independent readers see it."""

import csv
import html
import json
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import assume, given, settings
from made_timelines import timeline, timelines, track_of

from framevote.errors import InputError, OutputError, UsageError
from framevote.readers import from_dict, read_json
from framevote.records import Segment, Track
from framevote.writers import write, writer_for
from framevote.writers.text import Csv, SubRip, WebVtt, to_dict, to_json

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def cues(path: Path) -> list[tuple[float, float, str]]:
    """The cues of a subtitle file as FFmpeg reads them."""
    command = [FFMPEG, "-v", "error", "-i", path, "-f", "srt", "-"]
    text = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    found = re.findall(r"\d+\n(\d+):(\d+):(\d+),(\d+) --> (\d+):(\d+):(\d+),(\d+)\n(.*?)\n\n", text + "\n", re.DOTALL)
    return [(of_clock(*c[:4]), of_clock(*c[4:8]), c[8]) for c in found]


def of_clock(hours: str, minutes: str, seconds: str, thousandths: str) -> float:
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(thousandths) / 1000


# JSON


@given(timelines())
def test_json_read_back_is_the_same_timeline(made):
    back = from_dict(json.loads(to_json(made)))
    assert to_json(back) == to_json(made)
    assert back.recipe == made.recipe
    assert back.video.path == made.video.path
    assert back.video.frame_rate == made.video.frame_rate
    assert [s.label for s in back.segments] == [s.label for s in made.segments]
    np.testing.assert_allclose([s.start for s in back.segments], [s.start for s in made.segments], atol=1.01e-6, rtol=0)


@given(timelines())
def test_a_frames_own_time_finds_its_own_row_again(made):
    back = from_dict(json.loads(to_json(made))).track
    for time in made.track.times:
        label, score = made.track.at(float(time))
        assert back.at(float(time)) == (label, pytest.approx(score, abs=5.1e-5))


def test_json_says_everything_in_plain_values():
    content = json.loads(to_json(timeline(delay=0.021333333)))
    assert content["format"] == "framevote.timeline"
    assert content["version"] == 1
    assert content["video"]["path"] == "match.mp4"
    assert Fraction(content["video"]["frame_rate"]) == Fraction(30000, 1001)
    assert content["video"]["delay"] == 0.021333
    assert content["segments"][0] == {"start": 0.0, "end": 1.5, "label": "tennis", "score": 0.9321}
    assert content["flicker"] == {"raw": 134.25, "steady": 3.125}
    assert content["recipe"]["smoother"] == "RollingMean(seconds=4)"
    assert content["recipe"]["versions"] == {"framevote": "0.1.0"}
    assert content["frames"] == 100
    assert content["skipped"] == 2


def test_json_has_a_segment_a_line():
    assert sum('"start": ' in line and '"label": ' in line for line in to_json(timeline()).splitlines()) == 2


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001)])
def test_json_of_a_long_track_is_small(rate):
    rows = 20_000
    random = np.random.default_rng(0)
    winners = np.repeat(random.integers(-1, 1000, rows // 100), 100)
    track = Track(np.arange(rows) / float(rate), winners, random.random(rows, np.float32), tuple(f"class {n}" for n in range(1000)))
    assert len(to_json(timeline(track=track)).encode()) < 500_000


def test_a_name_that_is_no_utf8_survives(tmp_path):
    made = timeline(path=Path("caf\udce9.mp4"))
    write(made, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_bytes())["video"]["path"] == "caf\udce9.mp4"
    assert read_json(tmp_path / "x.json").video.path == made.video.path


def damaged(**changes: object) -> str:
    return json.dumps(to_dict(timeline()) | changes)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("\x00\x01", "is no JSON"),
        ("[1, 2]", "is no timeline"),
        ('{"format": "other"}', "is no timeline"),
        (damaged(version=2), "has version 2; expected 1"),
        (damaged(segments=5), "is damaged"),
        (damaged(segments=[{"start": 2, "end": 1, "label": "a", "score": 1}]), r"is damaged.*start <= end"),
        (damaged(video={"path": "x"}), "is damaged"),
        (damaged(video=to_dict(timeline())["video"] | {"frame_rate": "1/0"}), "is damaged"),
        (damaged(recipe={}), "is damaged"),
        (damaged(frames=float("nan")), "is no JSON"),
        (damaged(track=to_dict(timeline())["track"] | {"winners": [[0, 10**15]]}), r"is damaged.*rows in a track of 2"),
        (damaged(track=to_dict(timeline())["track"] | {"winners": [[0, 3], [0, -1]]}), "is damaged"),
        (damaged(track=to_dict(timeline())["track"] | {"winners": [[7, 2]]}), "none of the 1 labels"),
        (damaged(track=to_dict(timeline())["track"] | {"first_us": 10**400}), "is damaged"),
    ],
)
def test_what_is_no_timeline_is_refused_with_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=sentence) as told:
        read_json(path)
    assert str(path) in str(told.value)


def test_a_missing_file_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read: No such file.*Expected a timeline"):
        read_json(tmp_path / "absent.json")


def test_fields_of_a_later_framevote_are_no_trouble():
    content = to_dict(timeline())
    content["video"]["bitrate"] = 5
    content["extra"] = "x"
    assert to_dict(from_dict(content)) == to_dict(timeline())


# CSV


@given(timelines())
def test_csv_holds_every_segment(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("tables") / "x.csv"
    Csv()(made, path)
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["start", "end", "label", "score"]
    assert [row[2] for row in rows] == [s.label for s in made.segments]
    expected = [(s.start, s.end, s.score) for s in made.segments]
    np.testing.assert_allclose([(float(r[0]), float(r[1]), float(r[3])) for r in rows], expected, atol=5.1e-5, rtol=0)


# Subtitles


@pytest.mark.parametrize("suffix", [".vtt", ".srt"])
def test_subtitles_as_ffmpeg_reads_them(tmp_path, suffix):
    segments = (
        Segment(0.0, 1.5, "tennis", 0.93),
        Segment(1.5, 1.5001, "blink", 0.5),
        Segment(61.0004, 3599.9996, "Straßenbahn, 日本", 1.0),
        Segment(3600 * 12 + 0.25, 3600 * 12 + 1, "late", 0.0),
    )
    write(timeline(segments), tmp_path / f"x{suffix}")
    assert cues(tmp_path / f"x{suffix}") == [
        (0.0, 1.5, "tennis 93 %"),
        (1.5, 1.501, "blink 50 %"),
        (61.0, 3600.0, "Straßenbahn, 日本 100 %"),
        (43200.25, 43201.0, "late 0 %"),
    ]


@pytest.mark.parametrize("suffix", [".vtt", ".srt"])
def test_subtitles_count_from_the_containers_start(tmp_path, suffix):
    write(timeline(delay=0.5), tmp_path / f"x{suffix}")
    assert [cue[:2] for cue in cues(tmp_path / f"x{suffix}")] == [(0.5, 2.0), (2.0, 4.5)]


@pytest.mark.parametrize("suffix", [".vtt", ".srt"])
@pytest.mark.parametrize(
    "label", ["a\n\nb", "1\n00:00:01,000 --> 00:00:02,000", "<i>tags</i> & more", "{\\an8}top", "NOTE x", "WEBVTT", "", "\r\n"]
)
def test_no_label_breaks_a_subtitle_file(tmp_path, suffix, label):
    write(timeline((Segment(0, 1, label, 0.5), Segment(1, 2, "next", 0.5))), tmp_path / f"x{suffix}")
    read = cues(tmp_path / f"x{suffix}")
    assert [cue[:2] for cue in read] == [(0, 1), (1, 2)]
    assert read[1][2] == "next 50 %"
    plain = re.sub(r"[<>{}‹›()]", "·", html.unescape(read[0][2])).replace("\\h", " ")
    assert "tags" not in label or plain == "·i·tags·/i· & more 50 %"


def test_hours_beyond_99_are_written_out(tmp_path):
    made = timeline((Segment(0.0, 3600 * 123.0, "long", 0.5),))
    WebVtt()(made, tmp_path / "x.vtt")
    SubRip()(made, tmp_path / "x.srt")
    assert "00:00:00.000 --> 123:00:00.000" in (tmp_path / "x.vtt").read_text()
    assert "00:00:00,000 --> 123:00:00,000" in (tmp_path / "x.srt").read_text()


@settings(max_examples=15)
@given(timelines())
def test_ffmpeg_reads_a_cue_for_each_segment(tmp_path_factory, made):
    path = tmp_path_factory.mktemp("cues") / "x.vtt"
    WebVtt()(made, path)
    assume(len({(round(s.start, 3), s.label) for s in made.segments}) == len(made.segments))  # ffmpeg takes two equal cues for one
    expected = [(s.start + made.video.delay, s.end + made.video.delay) for s in made.segments]
    np.testing.assert_allclose([cue[:2] for cue in cues(path)], expected, atol=0.00151, rtol=0)


# The door


@pytest.mark.parametrize("name", ["x.JSON", "x.y.csv"])
def test_the_suffix_chooses_the_writer(tmp_path, name):
    assert write(timeline(), tmp_path / name) == tmp_path / name
    assert (tmp_path / name).stat().st_size > 50


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("x.docx", {}, r"nothing writes \.docx files\. Expected one of .*\.json.*\.png"),
        ("x", {}, r"its name has no suffix\. Expected one of"),
        (".json", {}, "its name has no suffix"),
        ("x.vtt", {"crf": 3}, r"The writer WebVtt takes no options\. Received: crf"),
        ("x.png", {"crf": 3}, r"The writer ContactSheet takes limit, width\. Received: crf"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_written(tmp_path, name, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        write(timeline(), tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("link", ["same", "symbolic", "hard"])
def test_the_video_itself_is_never_replaced(tmp_path, link):
    source = tmp_path / "video.json"
    source.write_text("a video")
    target = {"same": source, "symbolic": tmp_path / "s.json", "hard": tmp_path / "h.json"}[link]
    if link == "symbolic":
        target.symlink_to(source)
    if link == "hard":
        target.hardlink_to(source)
    with pytest.raises(OutputError, match="is the video that was labelled"):
        write(timeline(path=source), target, overwrite=True)
    assert source.read_text() == "a video"


def test_an_existing_file_is_kept_until_overwrite_is_said(tmp_path):
    target = tmp_path / "x.csv"
    target.write_text("old")
    with pytest.raises(OutputError, match="overwrite=True"):
        write(timeline(), target)
    assert target.read_text() == "old"
    write(timeline(), target, overwrite=True)
    assert target.read_text().startswith('"start","end","label","score"\n0.0,1.5,"tennis",0.9321\n')


@pytest.mark.parametrize("suffix", [".json", ".csv", ".vtt", ".srt"])
def test_writing_text_loads_neither_decoder_nor_pillow(suffix):
    code = f"""
import sys
from framevote.writers import writer_for
writer_for("x{suffix}")
print([name for name in ("av", "PIL", "keras", "openvino") if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip() == "[]"


def test_a_writer_can_be_asked_for_before_the_work_begins():
    assert repr(writer_for("x.srt")) == "SubRip()"


def test_a_timeline_without_segments_can_be_written(tmp_path):
    empty = replace(timeline(()), overall=(), track=track_of(()))
    for suffix in (".json", ".csv", ".vtt", ".srt"):
        write(empty, tmp_path / f"x{suffix}")
    assert read_json(tmp_path / "x.json").segments == ()
    assert (tmp_path / "x.vtt").read_text() == "WEBVTT\n"

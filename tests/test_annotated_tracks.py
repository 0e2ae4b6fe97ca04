"""The annotated video's sound where it is encoded anew, and what its file and tracks are called."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from media import ffmpeg, make_video
from test_annotated import X264, timeline_of

from framevote.writers import write


def tone_in(path: Path) -> tuple[int, float]:
    """Return the strongest frequency in Hz and the seconds of the sound, as FFmpeg decodes it."""
    raw = path.with_suffix(".s16")
    ffmpeg("-i", path, "-map", "0:a", "-f", "s16le", "-ac", "1", "-ar", "48000", raw)
    samples = np.fromfile(raw, np.int16)
    return int(np.abs(np.fft.rfft(samples, 48000)).argmax()), len(samples) / 48000


@pytest.mark.parametrize("audio", ["opus", "aac"])
def test_sound_that_is_encoded_anew_is_the_same_tone(audio: str, tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mkv", *X264, "-c:a", "flac", tone=True, seconds=2)
    written = write(timeline_of(source), tmp_path / "annotated.mkv", audio=audio)
    with av.open(str(written)) as container:
        stream = container.streams.audio[0]
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        spectrum = np.abs(np.fft.rfft(samples[: stream.rate]))
        assert abs(int(spectrum.argmax()) - 440) <= 2
        assert len(samples) / stream.rate == pytest.approx(2, abs=0.1)


# What comes out for each layout that goes in. Opus has no others than RFC 7845's; what has no near one there becomes stereo.
LAYOUTS = {
    "mono": {"opus": "mono", "aac": "mono"},
    "stereo": {"opus": "stereo", "aac": "stereo"},
    "2.1": {"opus": "stereo", "aac": "2.1"},
    "4.0": {"opus": "quad", "aac": "4.0"},
    "5.1": {"opus": "5.1", "aac": "5.1"},
    "5.1(side)": {"opus": "5.1", "aac": "5.1"},
    "7.1": {"opus": "7.1", "aac": "7.1"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("audio", ["opus", "aac"])
def test_every_layout_of_sound_can_be_encoded_anew(audio: str, layout: str, tmp_path: Path) -> None:
    shaped = ("-af", f"pan={layout}|" + "|".join(f"c{i}=c0" for i in range(av.AudioLayout(layout).nb_channels)))
    codec = "ac3" if layout == "5.1(side)" else "flac"
    source = make_video(tmp_path / "source.mkv", *X264, *shaped, "-c:a", codec, tone=True, size="32x32", seconds=0.5)
    written = write(timeline_of(source), tmp_path / "annotated.mkv", audio=audio)
    with av.open(str(source)) as before, av.open(str(written)) as after:
        assert before.streams.audio[0].layout.name == layout
        assert after.streams.audio[0].layout.name == LAYOUTS[layout][audio]
    hertz, seconds = tone_in(written)
    assert abs(hertz - 440) <= 2
    assert seconds == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("audio", ["opus", "aac"])
def test_channels_that_say_not_which_they_are_can_be_encoded_anew(audio: str, tmp_path: Path) -> None:
    raw = tmp_path / "six.s16"
    np.full((24000, 6), 1000, "<i2").tofile(raw)
    source = tmp_path / "source.nut"
    six = ("-f", "s16le", "-ar", "48000", "-ch_layout", "6 channels", "-i", str(raw), "-c:a", "pcm_s16le")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=32x32:duration=0.5", *six, "-c:v", "mpeg4", source)
    with av.open(str(source)) as before, av.open(str(write(timeline_of(source), tmp_path / "annotated.mkv", audio=audio))) as after:
        assert before.streams.audio[0].layout.name == "6 channels"
        assert after.streams.audio[0].layout.name == "5.1"


@pytest.mark.parametrize("audio", ["opus", "aac"])
def test_sound_that_changes_from_stereo_to_surround_goes_on(audio: str, tmp_path: Path) -> None:
    wide = "pan=5.1(side)|" + "|".join(f"c{i}=c0" for i in range(6))
    first = make_video(tmp_path / "first.ts", *X264, "-c:a", "ac3", "-ac", "2", tone=True, seconds=1)
    second = make_video(tmp_path / "second.ts", *X264, "-af", wide, "-c:a", "ac3", "-output_ts_offset", "1", tone=True, seconds=1)
    source = tmp_path / "source.ts"
    source.write_bytes(first.read_bytes() + second.read_bytes())
    hertz, seconds = tone_in(write(timeline_of(source), tmp_path / "annotated.mkv", audio=audio))
    assert abs(hertz - 440) <= 2
    assert seconds == pytest.approx(2, abs=0.15)


def test_a_rate_that_aac_has_not_is_brought_to_one(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mkv", *X264, "-ar", "37800", "-c:a", "flac", tone=True, seconds=1)
    hertz, seconds = tone_in(write(timeline_of(source), tmp_path / "annotated.mp4", audio="aac"))
    assert abs(hertz - 440) <= 2
    assert seconds == pytest.approx(1, abs=0.1)


_CHAPTERS = """;FFMETADATA1
title=A film
artist=Someone
[CHAPTER]
TIMEBASE=1/1000
START=0
END=400
title=First
[CHAPTER]
TIMEBASE=1/1000
START=400
END=1000
title=Second
"""


def film_of(folder: Path, name: str) -> Path:
    """Write a film with title and chapters, and two sound tracks of which the second is the default."""
    plain = make_video(folder / f"plain-{name}", *X264, "-c:a", "aac", tone=True, seconds=1)
    (folder / "chapters.txt").write_text(_CHAPTERS)
    film = folder / name
    tracks = ("-map", "0:v", "-map", "0:a", "-map", "0:a", "-map_metadata", "1", "-map_chapters", "1", "-c", "copy")
    said = ("language=deu", "-metadata:s:a:0", "title=Kommentar", "-metadata:s:a:1", "language=fra")
    default = ("-disposition:a:0", "comment", "-disposition:a:1", "default", "-disposition:v", "default")
    ffmpeg("-i", plain, "-i", folder / "chapters.txt", *tracks, "-metadata:s:v", "language=eng", "-metadata:s:a:0", *said, *default, film)
    return film


@pytest.mark.parametrize(
    ("held", "suffix", "audio"), [(".mkv", ".mkv", "copy"), (".mkv", ".mp4", "copy"), (".mp4", ".mkv", "copy"), (".mp4", ".webm", "opus")]
)
def test_title_chapters_and_tracks_keep_their_names(held: str, suffix: str, audio: str, tmp_path: Path) -> None:
    source = film_of(tmp_path, f"film{held}")
    written = write(timeline_of(source), tmp_path / f"annotated{suffix}", audio=audio)
    with av.open(str(written)) as container:
        tags = {name.lower(): value for name, value in container.metadata.items()}
        assert (tags["title"], tags["artist"]) == ("A film", "Someone")
        chapters = [
            (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]), c["metadata"]["title"])
            for c in container.chapters()
            if c["time_base"] is not None
        ]
        assert chapters == [(0, 0.4, "First"), (0.4, 1, "Second")]
        tracks = [stream for stream in container.streams if stream.type in ("video", "audio")]
        assert [stream.type for stream in tracks] == ["video", "audio", "audio"]
        assert [stream.language for stream in tracks] == ["eng", "deu", "fra"]
        assert tracks[1].metadata["name" if suffix == ".mp4" else "title"] == "Kommentar"
        assert [Disposition.default in stream.disposition for stream in tracks] == [True, False, True]


def test_no_old_file_is_named_in_the_new_one(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mp4", *X264, "-brand", "mp42", "-metadata", "timecode=01:00:00:00", seconds=0.2)
    written = write(timeline_of(source), tmp_path / "annotated.mkv")
    with av.open(str(written)) as container:
        assert not {"major_brand", "minor_version", "compatible_brands", "timecode"} & {name.lower() for name in container.metadata}

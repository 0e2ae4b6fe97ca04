"""`framevote tune` from end to end: films that flicker, a model that has seen none of them, and all that can be wrong."""

import csv
import json
import shutil
import zipfile

import made_models
import pytest
from made_films import LABELS, listed
from made_items import film
from PIL import Image
from typer.testing import CliRunner

from framevote.classifier import load_model
from framevote.cli import app
from framevote.cli.tune import _delay
from framevote.datasets import Dataset, Item, read_dataset
from framevote.errors import Error, InputError, OutputError, UsageError
from framevote.labeling import label
from framevote.model_file import CARD, Vote, read_model_file
from framevote.smoothing import RollingMean, Viterbi
from framevote.tuning import Tuned, tune, tuned_json, write_curve
from framevote.tuning import job as tuning_job
from framevote.tuning.votes import Line
from framevote.tuning.wording import rows, sentences

SCENES = {
    "a.mp4": [("red", 3.2), ("green", 3.6), ("blue", 3.0)],
    "b.mp4": [("green", 3.4), ("blue", 3.2), ("red", 3.6)],
    "c.mp4": [("blue", 3.0), ("red", 3.8), ("blue", 3.4)],
}
FEW = (
    Line(Viterbi(), (0.0,), (0.0, 1.0)),
    Line(RollingMean(frames=1), (0.0,), (0.0, 1.0)),
    Line(RollingMean(seconds=1.0, centred=True), (0.0,), (0.0,)),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    listed(folder, SCENES)
    return folder


@pytest.fixture
def model(tmp_path):
    return made_models.model_file(tmp_path / "colours.fvm")


@pytest.fixture
def few(monkeypatch):
    """Few votes, for what does not ask for many."""
    monkeypatch.setattr(tuning_job, "lines", lambda row: FEW)


def run(*arguments):
    said = CliRunner().invoke(app, ["tune", *map(str, arguments)])
    if isinstance(said.exception, Error):
        return (2 if isinstance(said.exception, UsageError) else 1), said.stdout, str(said.exception)
    return said.exit_code, said.stdout, said.stderr


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_whole_way_with_every_vote(folder, model, tmp_path):
    """The films flash another colour for 0.8 s in the middle of every scene: so does a timeline, unless it is tuned."""
    before, fingerprint = members(model), read_model_file(model).fingerprint
    plain = label(folder / "a.mp4", model)
    assert len(plain.segments) == 9
    code, out, err = run(model, folder / "films.csv", "--max-delay", "1.5s", "-o", tmp_path / "curve.svg")
    assert (code, err) == (0, "")
    card = read_model_file(model).card
    assert card.vote
    assert "Stored in" in out
    assert "default, held out" in out
    assert "labels are seen" in " ".join(out.split())
    timeline = label(folder / "a.mp4", model)
    assert [segment.label for segment in timeline.segments] == ["red", "green", "blue"]
    assert (timeline.recipe.smoother, timeline.recipe.cut) == tuple(map(repr, card.vote.parts()))
    after = members(model)
    assert {name: after[name] for name in after if name != CARD} == {name: before[name] for name in before if name != CARD}
    assert read_model_file(model).fingerprint == fingerprint
    drawn = (tmp_path / "curve.svg").read_text(encoding="utf-8")
    assert "longest delay allowed: 1.50 s" in drawn
    assert "default: Viterbi()" in drawn


def test_a_dry_run_leaves_the_file(folder, model, few):
    content = model.read_bytes()
    code, out, _ = run(model, folder / "films.csv", "--dry-run", "--json")
    assert code == 0
    told = json.loads(out)
    assert model.read_bytes() == content
    assert (told["stored"], told["votes"], told["data"]["videos"], told["data"]["groups"]) == (False, 5, 3, 3)
    assert told["default"] | {"smoother": "Viterbi()", "shortest": 0.0} == told["default"]
    assert told["chosen"]["shortest"] == 1.0
    assert (told["chosen"]["f1"], told["held_out"]["f1"]["mean"], len(told["folds"])) == (1.0, 1.0, 3)
    assert told["held_out"]["gain"]["mean"] == pytest.approx(1 - told["held_out"]["default_f1"]["mean"], abs=1e-6)
    assert [each["f1"] for each in told["curve"]] == sorted(each["f1"] for each in told["curve"])


def test_the_function_does_the_same_with_a_data_set_and_a_loaded_model(folder, model, few):
    data = read_dataset(folder / "films.csv")
    told = tune(load_model(model), data, store=False, max_delay=2)
    assert isinstance(told, Tuned)
    assert told.chosen.vote == Vote("RollingMean(frames=1)", shortest=1.0)  # as good as the most likely path, and quicker
    assert repr(told).startswith("Tuned('colours', Vote(smoother='RollingMean(frames=1)'")
    assert (told.data, told.stored, told.videos, told.seconds) == ("", False, 3, pytest.approx(30.2))
    stored = tune(model, data, max_delay=2)
    assert stored.stored
    assert read_model_file(model).card.vote == told.chosen.vote
    assert tune(model, data, max_delay=2).chosen == told.chosen  # what is tuned already changes nothing


def test_within_the_delay_that_the_default_has(folder, model, few):
    told = tune(model, folder / "films.csv", max_delay="default", store=False)
    assert told.max_delay == told.default.delay
    assert told.chosen.delay <= told.default.delay


def test_groups_that_share_a_film_are_one(folder, model, few):
    data = read_dataset(folder / "films.csv")
    parts = {"a.mp4": ("x", "y", "y"), "b.mp4": ("y",) * 3, "c.mp4": ("z",) * 3}
    items = [Item(i.path, i.labels, "video", i.start, i.end, group=parts[i.path.name][n % 3]) for n, i in enumerate(data.items)]
    assert tune(model, Dataset(tuple(items), data.labels), store=False).groups == 2


def test_what_is_said_of_few_videos(folder, model, few, tmp_path):
    one = tune(model, listed(tmp_path, {"a.mp4": SCENES["a.mp4"]}, name="one.csv"), store=False)
    assert (one.groups, one.held_out) == (1, None)
    assert "Nothing could be held out, as all are of one group: elsewhere the gain will be smaller, or none." in " ".join(sentences(one))
    assert not any("held out" in name for name, *_ in rows(one))
    assert json.loads(tuned_json(one))["held_out"] is None
    two = tune(model, listed(tmp_path, {name: SCENES[name] for name in ("a.mp4", "b.mp4")}), store=False)
    assert (two.groups, len(two.folds)) == (2, 2)
    assert "With two groups of videos each was held out once" in " ".join(sentences(two))


def test_a_vote_that_gains_nothing_elsewhere_is_not_taken(folder, model, monkeypatch):
    monkeypatch.setattr(tuning_job, "lines", lambda row: (Line(Viterbi(), (0.0,), (1.0,)), *FEW[1:]))
    told = tune(model, folder / "films.csv")
    assert told.chosen == told.default
    assert next(sentences(told)).startswith("The default vote Viterbi(), Cut(shortest=1.0) stays: on held-out videos no other one")
    assert read_model_file(model).card.vote == told.default.vote


# the picture


@pytest.mark.parametrize("name", ["curve.png", "curve.svg", "curve.SVG"])
def test_the_curve_is_drawn(folder, model, few, tmp_path, name):
    told = tune(model, folder / "films.csv", max_delay=0.6, store=False)
    assert write_curve(told, tmp_path / name) == tmp_path / name
    if name.endswith(".png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 1000
    else:
        assert (tmp_path / name).read_text(encoding="utf-8").startswith("<?xml")
    with pytest.raises(OutputError, match="exists"):
        write_curve(told, tmp_path / name)


# what can be wrong


def test_a_video_that_cannot_be_used_is_left_out_and_told(folder, model, few, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    bad = {
        "broken.mp4": [("red", 0, 1)],
        "short.mp4": [("red", 0, 1.6), ("green", 1.6, 300)],
        "early.mp4": [("red", 200, 300)],
        "twice.mp4": [("red", 0, 2), ("green", 1, 3)],
        "strange.mp4": [("red", 0, 1.6), ("violet", 1.6, 3.6), ("blue", 3.6, 4.8)],
    }
    for name in (*bad, *SCENES):
        shutil.copy(folder / (name if name in SCENES else "a.mp4"), data / name)
    (data / "broken.mp4").write_bytes(b"no video")
    with (folder / "films.csv").open(encoding="utf-8") as file:
        lines = [row[:4] for row in csv.reader(file)]
    lines += [[name, told, start, end] for name, pieces in bad.items() for told, start, end in pieces]
    with (data / "films.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    code, out, err = run(model, data / "films.csv", "--json")
    assert code == 1
    told = json.loads(out)
    assert told["data"]["videos"] == 4
    sentence = {problem["where"].rpartition("/")[2]: problem["reason"] for problem in told["problems"]}
    assert "broken.mp4" in sentence
    assert "piece beyond its end: green 1.6–300 s, and the video lasts 9.80 s" in sentence["short.mp4"]
    assert "piece beyond its end: red 200–300 s" in sentence["early.mp4"]
    assert "pieces that overlap: red 0–2 s and green 1–3 s" in sentence["twice.mp4"]
    assert "does not know this class" in sentence["violet"]
    assert err.count("Left out: ") == 4
    assert "violet: the model colours does not know this class" in err
    assert read_model_file(model).card.vote  # the others chose it


WRONG_DELAYS = {
    "in words": ("soon", "a length of time such as 1s, 0.5 or 500ms, or default. Received: 'soon'"),
    "of another unit": ("3 fortnights", "a length of time"),
    "empty": ("", "a length of time"),
    "below nothing": ("-1s", "from 0 to 3600"),
    "absurd": ("1e9s", "a length of time"),
    "of days": ("90000", "from 0 to 3600"),
    "without end": ("inf", "a length of time"),
}


@pytest.mark.parametrize(("text", "sentence"), WRONG_DELAYS.values(), ids=WRONG_DELAYS)
def test_a_delay_that_is_none_is_refused_before_any_work(text, sentence):
    code, _, err = run("gone.fvm", "gone.csv", "--max-delay", text)
    assert code == 2
    assert sentence in err


LENGTHS = {"1s": 1, "0.5": 0.5, "500ms": 0.5, "1.5 s": 1.5, "2 MIN": 120, ".5": 0.5, "3 seconds": 3, "0": 0, "Default": "default"}


@pytest.mark.parametrize(("text", "seconds"), LENGTHS.items())
def test_a_delay_is_a_length_of_time(text, seconds):
    assert _delay(text) == seconds


def test_a_delay_that_no_vote_meets_tells_the_smallest(folder, model, monkeypatch):
    content = model.read_bytes()
    monkeypatch.setattr(tuning_job, "lines", lambda row: (Line(RollingMean(seconds=0.6, centred=True), (0.0,), (0.0,)),))
    with pytest.raises(UsageError, match=r"within 0\.1 s of their begin\. The smallest delay reached is 0\.30 s, by RollingMean"):
        tune(model, folder / "films.csv", max_delay=0.1)
    assert model.read_bytes() == content


def test_data_without_pieces_are_refused(model, tmp_path):
    for name in LABELS:
        (tmp_path / "clips" / name).mkdir(parents=True)
        film(tmp_path / "clips" / name / "a.mp4", (name, 0.4))
    code, _, err = run(model, tmp_path / "clips")
    assert code == 2
    assert "The data label whole files only (items: 3). A vote is tuned on videos whose pieces are labelled" in err


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [((), "is a backbone: it has no labels"), (("cat", "dog", "cow"), "knows none of the data's 3 labels")],
)
def test_a_model_that_does_not_fit_is_refused(folder, tmp_path, labels, sentence):
    path = made_models.model_file(tmp_path / "other.fvm", labels=labels)
    code, _, err = run(path, folder / "films.csv")
    assert code == 2
    assert sentence in err


def test_where_no_vote_can_be_kept_the_way_out_is_told(folder, model, few, tmp_path):
    with pytest.raises(UsageError, match=r"The built-in model keeps no vote: all programs share it\. Look with --dry-run"):
        tune("imagenet", folder / "films.csv")
    with pytest.raises(UsageError, match="A loaded model keeps no vote"):
        tune(load_model(model), folder / "films.csv")
    model.chmod(0o444)
    with pytest.raises(OutputError, match=r"for reading only\. Copy it"):
        tune(model, folder / "films.csv")
    assert tune(model, folder / "films.csv", store=False).chosen


PICTURES = {"curve.jpg": "ends with .png or .svg", "no/curve.png": "there is no folder", "old.png": "exists"}


@pytest.mark.parametrize(("name", "sentence"), PICTURES.items())
def test_a_picture_that_cannot_be_is_told_before_any_work(tmp_path, name, sentence):
    (tmp_path / "old.png").touch()
    code, _, err = run("gone.fvm", "gone.csv", "-o", tmp_path / name)
    assert code == 2
    assert sentence in err


def test_videos_that_all_fail_are_an_error(model, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    (tmp_path / "films.csv").write_text("path,label,start,end\na.mp4,red,0,1\n")
    with pytest.raises(InputError, match=r"None of the videos can be used\. First problem: .*a\.mp4"):
        tune(model, tmp_path / "films.csv")

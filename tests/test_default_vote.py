"""A model that was tuned: its own vote is taken where the caller names none, and every door says so."""

import io
import json

import made_models
import pytest
from made_items import film
from rich.console import Console
from typer.testing import CliRunner

from framevote.classifier import load_model
from framevote.cli import app
from framevote.cli.batch import Request, Tellings, _tell_vote
from framevote.datasets import Dataset, Item
from framevote.errors import PartError
from framevote.evaluation import evaluate, metrics_json
from framevote.labeling import choose_vote, label
from framevote.model_file import Vote
from framevote.parts import DEFAULT_SMOOTHER
from framevote.smoothing import RollingMean, Viterbi
from framevote.timelines import Cut

TUNED = Vote("RollingMean(seconds=0.4)", hysteresis=0.1, shortest=0.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return made_models.model_file(tmp_path_factory.mktemp("tuned") / "tuned.fvm", vote=TUNED)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return film(tmp_path_factory.mktemp("films") / "a.mp4", ("red", 1.2), ("green", 0.3), ("blue", 1.5))


OWN = (RollingMean(seconds=0.4), Cut(hysteresis=0.1, shortest=0.5))
CHOICES = {
    "nothing": ({}, OWN),
    "a hysteresis": ({"hysteresis": 0.0}, (OWN[0], Cut(shortest=0.5))),
    "a shortest segment": ({"shortest": 2}, (OWN[0], Cut(hysteresis=0.1, shortest=2))),
    "an unknown": ({"unknown": 0.2}, (OWN[0], Cut(hysteresis=0.1, shortest=0.5, unknown=0.2))),
    "a smoother": ({"smoother": "Viterbi()"}, (Viterbi(), Cut())),
    "a smoother and more": ({"smoother": Viterbi(), "shortest": 1}, (Viterbi(), Cut(shortest=1))),
}


@pytest.mark.parametrize(("named", "expected"), CHOICES.values(), ids=CHOICES)
def test_what_is_named_takes_the_place_of_the_models_own(model, clip, named, expected):
    assert choose_vote(TUNED, **named) == expected
    recipe = label(clip, model, **named).recipe
    assert (recipe.smoother, recipe.cut) == tuple(map(repr, expected))


def test_a_model_that_was_never_tuned_takes_the_default(tmp_path, clip):
    recipe = label(clip, made_models.model_file(tmp_path / "plain.fvm")).recipe
    assert (recipe.smoother, recipe.cut) == (DEFAULT_SMOOTHER, "Cut()")


@pytest.mark.parametrize("wrong", [{"smoother": "Loud()"}, {"hysteresis": 2}, {"shortest": float("nan")}, {"unknown": -1}])
def test_what_does_not_fit_is_told_before_a_model_is_looked_for(clip, wrong):
    with pytest.raises(PartError):
        label(clip, "gone.fvm", **wrong)


def test_an_evaluation_takes_the_models_own_and_says_so(model, clip):
    pieces = tuple(
        Item(clip, (name,), "video", start, end) for name, start, end in (("red", 0, 1.2), ("green", 1.2, 1.5), ("blue", 1.5, 3))
    )
    data = Dataset(pieces, ("red", "green", "blue"))
    told = evaluate(model, data)
    assert [s.label for s in told.videos[0].found] == ["red", "blue"]  # 0.3 s of green are shorter than the vote's shortest
    assert (told.making.smoother, told.making.cut) == tuple(map(repr, OWN))
    assert json.loads(metrics_json(told))["data"]["cut"] == repr(OWN[1])
    other = evaluate(model, data, smoother="RollingMean(frames=1)")
    assert [s.label for s in other.videos[0].found] == ["red", "green", "blue"]
    assert (other.making.smoother, other.making.cut) == ("RollingMean(frames=1)", "Cut()")


def test_the_command_line_takes_it_too(model, clip):
    said = CliRunner().invoke(app, ["label", str(clip), "--model", str(model), "--json"])
    assert json.loads(said.stdout)["recipe"]["cut"] == repr(OWN[1])
    said = CliRunner().invoke(app, ["label", str(clip), "--model", str(model), "--json", "--smoother", "Viterbi()"])
    assert json.loads(said.stdout)["recipe"]["cut"] == "Cut()"
    said = CliRunner().invoke(app, ["inspect", str(model)])
    assert "vote  RollingMean(seconds=0.4), Cut(hysteresis=0.1, shortest=0.5)" in said.stdout
    assert json.loads(CliRunner().invoke(app, ["inspect", str(model), "--json"]).stdout)["vote"]["shortest"] == 0.5


def test_who_watches_is_told_whose_vote_it_is(model):
    named = {"smoother": None, "hysteresis": None, "shortest": 1.0, "unknown": None}
    assert (
        _told(model, named)
        == "The vote is the model's own: RollingMean(seconds=0.4), Cut(hysteresis=0.1, shortest=1.0). Name another with --smoother."
    )
    assert _told(model, {**named, "smoother": "Viterbi()"}) == ""


def _told(model, named):
    tell = Tellings(False, quiet=False, err=Console(file=io.StringIO(), force_terminal=True, width=200, color_system=None))
    _tell_vote(load_model(model), Request((), (), None, "", named, {}, {}, False, False, False, False), tell)
    return tell.err.file.getvalue().strip()

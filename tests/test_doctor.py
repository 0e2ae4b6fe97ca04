"""The doctor, on clips that it is known what tells apart: order, appearance, or nothing."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_training import blocks, clip, export_here, save
from PIL import Image
from typer.testing import CliRunner

from framevote.cli import app
from framevote.datasets import Problem, read_dataset
from framevote.doctor import Diagnosis, auto, diagnosis_json, examine
from framevote.doctor.deciding import decide
from framevote.doctor.measuring import AVERAGING, ONE_FRAME, REVERSED, SHUFFLED, Bench, gain, looks_of, shuffled
from framevote.doctor.picture import write_picture
from framevote.doctor.results import Cost, Gain
from framevote.errors import InputError, OutputError, UsageError
from framevote.heads import MLP, Average, TemporalConv
from framevote.training import Chosen, Watch, train

CONV = repr(TemporalConv())
SOURCES, LENGTH = 15, 10  # a cycle of three colours begins and ends with the same one, so that only what lies between tells its direction
BY_SOURCE = r"(\d+)\.mkv"


@pytest.fixture(scope="module")
def cycles(tmp_path_factory) -> Path:
    """Clips whose colours go round, and the same clips backwards: each frame is in both classes."""
    folder, random = tmp_path_factory.mktemp("cycles"), np.random.default_rng(1)
    for number in range(SOURCES):
        pictures = [blocks(random, (number + place) % 3) for place in range(LENGTH)]
        clip(folder / "forward" / f"{number}.mkv", pictures)
        clip(folder / "backward" / f"{number}.mkv", pictures[::-1])
    for made in folder.rglob("*.png"):
        made.unlink()
    return folder


@pytest.fixture(scope="module")
def colours(tmp_path_factory) -> Path:
    """Clips that pan over a picture of their class's colour."""
    folder, random = tmp_path_factory.mktemp("colours"), np.random.default_rng(2)
    for number in range(12):
        for tint, name in enumerate(("red", "green", "blue")):
            wide = np.concatenate([blocks(random, tint), blocks(random, tint)], axis=1)
            clip(folder / name / f"{number}.mkv", [wide[:, at : at + 32] for at in range(0, 32, 4)])
    for made in folder.rglob("*.png"):
        made.unlink()
    return folder


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    export_here(monkeypatch)


@pytest.fixture(scope="module")
def ordered(cycles) -> Diagnosis:
    with pytest.MonkeyPatch.context() as patch:
        export_here(patch)
        patch.setattr("framevote.training.plan.FOLDS", 3)  # quicker than five
        patch.setattr("framevote.doctor.job.MOVING", MLP(epochs=8))
        return examine(cycles, group_by=BY_SOURCE, backbone="tiny", precision="f32")


def test_where_only_order_tells_it_takes_the_head_that_sees_it(ordered):
    looks = {look.name: look.accuracy.value for look in ordered.looks}
    assert (ordered.verdict, ordered.head) == ("order", CONV)
    assert looks[CONV] >= 0.95
    assert looks[AVERAGING] == pytest.approx(0.5, abs=0.15)
    assert looks[ONE_FRAME] == pytest.approx(0.5, abs=0.2)
    assert looks[REVERSED] <= 0.05  # what is shown backwards is the other class
    assert looks[SHUFFLED] == pytest.approx(0.5, abs=0.2)
    assert ordered.sentence.startswith(f"Order matters: take --head {CONV}: ")
    assert (ordered.items, ordered.groups, ordered.chance) == (2 * SOURCES, SOURCES, 0.5)


def test_it_is_told_as_json_and_drawn(ordered, tmp_path):
    told = json.loads(diagnosis_json(ordered))
    assert [look["name"] for look in told["looks"]] == [look.name for look in ordered.looks]
    assert [look["name"] for look in told["looks"] if look["cost"]] == [AVERAGING, "MLP(epochs=8)", CONV]
    with Image.open(write_picture(ordered, tmp_path / "found.png")) as picture:
        assert picture.width == 1080
    with pytest.raises(OutputError, match="exists"):
        write_picture(ordered, tmp_path / "found.png")


def test_where_the_look_of_things_tells_averaging_is_enough(colours, monkeypatch):
    monkeypatch.setattr("framevote.training.plan.FOLDS", 3)
    monkeypatch.setattr("framevote.doctor.job.MOVING", MLP(units=8, epochs=4))
    monkeypatch.setattr("framevote.doctor.job.ORDERED", TemporalConv(units=8, epochs=4))
    found = examine(colours, backbone="tiny", precision="f32")
    assert (found.verdict, found.head) == ("averaging", "Average()")
    assert found.looks[0].accuracy.value >= 0.95
    assert found.sentence.startswith("Averaging frames is enough: ")


def test_auto_takes_the_head_that_was_found(cycles, ordered, monkeypatch):
    monkeypatch.setattr("framevote.doctor.job.examine", lambda *_, **__: ordered)
    assert auto(read_dataset(cycles)) == Chosen(TemporalConv(), ordered.sentence)


def test_training_takes_what_is_chosen_and_says_why(colours, tmp_path):
    told: list[str] = []

    def choose(dataset, *, backbone, frames, window, seed, precision, watch):
        assert (len(dataset.items), backbone, frames, window, seed, precision) == (36, "tiny", 5, 2.0, 3, "f32")
        return Chosen(Average(0.1), "One frame is like another.")

    asked = {"backbone": "tiny", "frames": 5, "window": 2.0, "seed": 3, "precision": "f32", "watch": Watch(notify=told.append)}
    card = train(colours, tmp_path / "a.fvm", head=choose, **asked).card
    assert card.head == "Average(strength=0.1)"
    assert card.training["chosen"] == told[0] == "One frame is like another."


def test_the_command(colours, ordered, tmp_path, monkeypatch):
    def run(*more: str):
        return CliRunner().invoke(app, ["doctor", str(colours), *more])

    monkeypatch.setattr("framevote.doctor.examine", lambda *_, **__: ordered)
    picture = str(tmp_path / "found.png")
    done = run("-o", picture)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(ordered.sentence)
    assert "its frames shuffled" in done.stdout
    assert Path(picture).stat().st_size > 5000
    assert isinstance(run("-o", picture).exception, UsageError)
    assert run("-o", picture, "--overwrite", "--quiet").stdout == ""
    assert isinstance(run("-o", str(tmp_path / "found.txt")).exception, UsageError)
    monkeypatch.setattr("framevote.doctor.examine", lambda *_, **__: replace(ordered, problems=(Problem("a.mkv", "is broken."),)))
    done = run("--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["verdict"] == "order"


def test_photos_have_no_order(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    for number in range(4):
        for tint, name in enumerate(("red", "green")):
            save(tmp_path / name / f"{number}.png", blocks(random, tint))
    monkeypatch.setattr("framevote.doctor.job.prepare", None)  # no work is done
    found = examine(tmp_path)
    assert (found.verdict, found.head, found.looks) == ("averaging", "Average()", ())
    assert found.sentence == "Averaging is enough: photos have no order, and 8 of 8 items are photos. Train with --head Average()."
    assert json.loads(diagnosis_json(found))["chance"] is None
    assert auto(read_dataset(tmp_path)).head == Average()


def test_clips_of_a_single_frame_have_no_order(tmp_path):
    random = np.random.default_rng(0)
    for number in range(2):
        for tint, name in enumerate(("red", "green")):
            clip(tmp_path / name / f"{number}.mkv", [blocks(random, tint)])
    for made in tmp_path.rglob("*.png"):
        made.unlink()
    assert "4 of 4 items show a single frame" in examine(tmp_path, backbone="tiny").sentence


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"frames": 1}, "frames=1"),
        ({"frames": 0}, "frames is how many"),
        ({"seed": -1}, "seed is a whole number"),
        ({"window": 0.0}, "A window is some seconds long"),
        ({"backbone": "tiny(weights=None)"}, "random weights"),
    ],
)
def test_a_wrong_call_is_refused(colours, wrong, says):
    with pytest.raises(UsageError, match=says):
        examine(colours, **wrong)


def test_one_class_is_refused(colours):
    dataset = read_dataset(colours)
    with pytest.raises(InputError, match="at least two classes"):
        examine(replace(dataset, labels=("red",), items=tuple(item for item in dataset.items if item.labels == ("red",))), backbone="tiny")


def test_auto_does_not_fine_tune():
    runner = CliRunner().invoke(app, ["train", "x", "-o", "x.fvm", "--head", "auto", "--fine-tune", "2"])
    assert isinstance(runner.exception, UsageError)
    assert "A head is chosen on frozen embeddings" in str(runner.exception)


def test_frames_are_shuffled_each_window_by_itself():
    windows = np.arange(40 * 6 * 2).reshape(40, 6, 2)
    mixed = shuffled(windows, np.random.default_rng(0))
    assert np.array_equal(np.sort(mixed[:, :, 0], axis=1), windows[:, :, 0])  # the same frames
    assert np.array_equal(mixed[:, :, 1], mixed[:, :, 0] + 1)  # each whole
    assert len({tuple(row) for row in mixed[:, :, 0] - windows[:, :1, 0]}) > 20


def _bench(folds: int, each: int = 10) -> Bench:
    items = np.arange(folds * each)
    return Bench([(items, held) for held in items.reshape(folds, each)], items, 0)


@pytest.mark.parametrize(
    ("more", "real"),
    [
        ([0.1, 0.1, 0.1, 0.1, 0.1], True),
        ([0.0, 0.0, 0.0, 0.0, 0.0], False),
        ([0.5, -0.2, 0.1, -0.1, 0.2], False),  # mean 0.1, but each fold says something else
        ([0.0, 0.1, 0.0, 0.0, 0.0], False),
        ([-0.1, -0.1, -0.1, -0.1, -0.1], False),
    ],
)
def test_a_gain_is_real_beyond_the_noise_of_the_folds(more, real):
    found = gain(np.repeat(0.4 + np.array(more), 10), np.full(50, 0.4), _bench(5))
    assert found.mean == pytest.approx(np.mean(more))
    assert found.error == pytest.approx(np.std(more, ddof=1) / np.sqrt(5))
    assert found.real is real


def test_less_than_two_points_are_no_gain():
    assert not Gain(0.019, 0.0).real


def test_of_a_single_fold_the_groups_tell_the_noise():
    one = np.array([1.0, 0.0] * 5)
    assert gain(one, np.zeros(10), _bench(1)).error == pytest.approx(np.std(one, ddof=1) / np.sqrt(10))


@pytest.mark.parametrize(
    ("shares", "verdict", "look", "begins"),
    [
        ((0.9, 0.9, 0.9, 0.9), "averaging", AVERAGING, "Averaging frames is enough"),
        ((0.3, 0.6, 0.6, 0.6), "change", repr(MLP()), "Averaging frames is not enough, but how they change is"),
        ((0.3, 0.6, 0.9, 0.4), "order", CONV, "Order matters"),
        ((0.3, 0.3, 0.9, 0.9), "change", CONV, "Averaging frames is not enough: take"),
        ((0.9, 0.3, 0.9, 0.9), "averaging", AVERAGING, "Averaging frames is enough"),
    ],
)
def test_the_cheapest_head_that_is_enough_is_taken(shares, verdict, look, begins):
    bench, names = _bench(5), (AVERAGING, repr(MLP()), CONV, SHUFFLED)
    right = {name: (np.arange(50) % 10 < 10 * share).astype(float) for name, share in zip(names, shares, strict=True)}
    heads = {AVERAGING: "Average()", repr(MLP()): repr(MLP()), CONV: CONV, SHUFFLED: CONV}
    looks = looks_of(right, heads, dict.fromkeys(names[:3], Cost(1.0, 0.1, 5)), bench)
    assert [found.accuracy.value for found in looks] == pytest.approx(shares)
    found = decide(right, looks, bench, names[:3], CONV, chance=0.1)
    assert (found.verdict, found.look) == (verdict, look)
    assert found.sentence.startswith(begins)
    assert "hardly more" not in found.sentence
    assert "hardly more" in decide(right, looks, bench, names[:3], CONV, chance=0.9).sentence


def test_signs_need_more_than_their_average(shared, monkeypatch):
    # Three signs, two takes of each signer: hands in the same places, by the same people, in front of the same walls.
    monkeypatch.setattr("framevote.training.plan.FOLDS", 3)
    monkeypatch.setattr("framevote.doctor.job.MOVING", MLP(epochs=5))
    monkeypatch.setattr("framevote.doctor.job.ORDERED", head := TemporalConv(epochs=15))
    dataset = read_dataset(shared / "signs", group_by=r"user(\d+)")
    chosen = [number for number, item in enumerate(dataset.items) if item.labels[0] in dataset.labels[:3] and item.path.stem[-1] in "12"]
    some = replace(dataset.take(chosen), labels=dataset.labels[:3])
    found = examine(some, frames=8)
    looks = {look.name: look.accuracy.value for look in found.looks}
    assert found.verdict != "averaging"
    assert looks[repr(head)] > looks[AVERAGING] + 0.15

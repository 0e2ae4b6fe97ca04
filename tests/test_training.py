"""Training from beginning to end on made photos and clips, with a tiny backbone; what cannot be learned from is told before the work."""

import csv
import itertools
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import made_training
import numpy as np
import pytest
from made_training import CLASSES, blocks, class_folders, clip, export_here, save

from framevote import export
from framevote.classifier import load_model
from framevote.datasets import Dataset, Item
from framevote.errors import InputError, MissingExtra, ModelError, OutputError, PartError, UsageError
from framevote.heads import Average
from framevote.model_file import KERAS, read_model_file
from framevote.records import Frame
from framevote.training import FineTuning, Watch, job, plan, train

QUICK = FineTuning(3, epochs=1, rate=0.01, batch=8)


@pytest.fixture(scope="module", autouse=True)
def exported(tmp_path_factory):
    """Exports in this process, and a cache of this file's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEVOTE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield export_here(patch)


@pytest.fixture
def no_export(monkeypatch, tmp_path_factory):
    """For tests that look at the card only: the model file holds no network."""

    def write(source, card, path, top=None):
        from made_models import card as made
        from made_models import graph_folder

        folder = tmp_path_factory.mktemp("parts") / "new"
        graph_folder(folder, made(labels=card.labels, several=card.several))
        export.write_model_file(path, card, folder)

    for module in ("frozen", "tuned"):
        monkeypatch.setattr(f"framevote.training.{module}.export_model", write)


def trained(data, path, **more):
    return train(data, path, **{"backbone": "tiny", "precision": "f32", **more})


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Forty photos of each class, and two that cannot be read."""
    folder = class_folders(tmp_path_factory.mktemp("data") / "photos", 40)
    (folder / "red" / "cut.png").write_bytes((folder / "red" / "0.png").read_bytes()[:60])
    (folder / "green" / "text.jpg").write_text("no photo at all")
    return folder


@pytest.fixture(scope="module")
def sorted_photos(photos, tmp_path_factory):
    return trained(photos, tmp_path_factory.mktemp("model") / "sorted.fvm")


def frames(pictures) -> list[Frame]:
    return [Frame(picture, float(number)) for number, picture in enumerate(pictures)]


def test_photos_become_a_model_that_labels_photos(sorted_photos):
    model = load_model(sorted_photos.path, precision="f32")
    random = np.random.default_rng(99)
    shown = [(name, blocks(random, tint)) for tint, name in enumerate(CLASSES)] * 20
    scores = model.scores(frames(picture for _, picture in shown))
    assert scores.labels == ("blue", "green", "red", "unknown")
    best = [scores.labels[winner] for winner in scores.values[:, :3].argmax(axis=1)]
    assert np.mean([a == b for a, (b, _) in zip(best, shown, strict=True)]) > 0.95
    assert np.mean(scores.values.argmax(axis=1) != 3) > 0.8  # a twentieth of what it knows is given up


def test_the_card_tells_what_was_found(sorted_photos):
    card = sorted_photos.card
    assert card == read_model_file(sorted_photos.path).card
    assert (card.name, card.backbone, card.several, card.frames) == ("sorted", "tiny", False, 16)
    assert card.head.startswith("Average(strength=")
    assert card.training == {
        "layout": "folders",
        "photos": 120,
        "videos": 0,
        "items_of_label": {"blue": 40, "green": 40, "red": 40},
        "groups": 120,
        "unreadable": 2,
        "split": "5 folds",
        "learned": 120,
        "tested": 0,
    }
    assert card.metrics["accuracy"] > 0.95
    assert card.metrics["random_split_accuracy"] > 0.95
    assert (card.metrics["items"], card.metrics["folds"], card.metrics["on"]) == (120, 5, "5 folds")
    assert 0 <= card.metrics["ece"] < 0.05
    assert card.openness
    assert 0 < card.openness.loss < 0.15  # a twentieth of 120, as each fold finds it of what the others chose
    assert card.versions["framevote"]
    assert sorted_photos.seconds > 0


def test_what_cannot_be_read_is_listed_and_left_out(sorted_photos, photos):
    assert {problem.where for problem in sorted_photos.problems} == {str(photos / "red" / "cut.png"), str(photos / "green" / "text.jpg")}


def test_the_same_seed_gives_the_same_model_and_another_another(sorted_photos, photos, tmp_path):
    again = trained(photos, tmp_path / "sorted.fvm")
    assert again.card == sorted_photos.card
    one, two = (read_model_file(path) for path in (again.path, sorted_photos.path))
    assert one.weights == two.weights
    # In one process OpenVINO goes on counting its layers; in processes of their own the graphs are the same, as test_export shows.
    assert re.sub(rb'_\d+"', b'"', one.graph) == re.sub(rb'_\d+"', b'"', two.graph)
    other = trained(photos, tmp_path / "other.fvm", seed=1)
    assert replace(other.card, name="sorted") != sorted_photos.card


# Sides and groups.


def listed(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "list.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def row(path: Path, label: str, **more: object) -> dict[str, object]:
    return {"path": path.name, "label": label, **more}


def with_sides(folder: Path, sides: tuple[str, ...]) -> Path:
    """A list of 10 photos of each class on each side."""
    random, rows = np.random.default_rng(1), []
    for side, tint, number in itertools.product(sides, range(3), range(10)):
        rows.append(row(save(folder / f"{side}{tint}{number}.png", blocks(random, tint)), CLASSES[tint], split=side))
    return listed(folder, rows)


def test_a_test_side_is_not_learned_from_and_gives_the_figures(no_export, tmp_path):
    done = trained(with_sides(tmp_path, ("train", "test")), tmp_path / "a.fvm")
    assert (done.card.training["learned"], done.card.training["tested"]) == (30, 30)
    assert (done.card.metrics["on"], done.card.metrics["items"]) == ("the test side that the data name", 30)
    assert "leak" not in done.card.training


def test_what_is_learned_does_not_hang_on_the_test_side(no_export, tmp_path, monkeypatch):
    tops = []
    write = job.train_frozen.__globals__["export_model"]
    monkeypatch.setattr("framevote.training.frozen.export_model", lambda *given: tops.append(given[3]) or write(*given))
    data = with_sides(tmp_path, ("train", "test"))
    trained(data, tmp_path / "a.fvm")
    for path in tmp_path.glob("test*.png"):
        save(path, blocks(np.random.default_rng(hash(path.name) % 2**32)))
    trained(data, tmp_path / "b.fvm")
    np.testing.assert_array_equal(tops[0].kernel, tops[1].kernel)
    np.testing.assert_array_equal(tops[0].prototypes, tops[1].prototypes)


def test_a_validation_side_calibrates(no_export, tmp_path):
    done = trained(with_sides(tmp_path, ("train", "validation")), tmp_path / "a.fvm")
    assert done.card.training["split"] == done.card.metrics["on"] == "the sides that the data name"
    assert (done.card.metrics["items"], done.card.metrics["folds"]) == (30, 1)


@pytest.mark.parametrize("side", ["test", "validation"])
def test_copies_on_two_sides_are_told(no_export, tmp_path, side):
    data = with_sides(tmp_path, ("train", side))
    (tmp_path / f"{side}00.png").write_bytes((tmp_path / "train00.png").read_bytes())
    done = trained(data, tmp_path / "a.fvm")
    assert done.card.training["leak"].startswith(f"1 items of another side belong together with items of the {side} side")
    assert "train00.png: what the" in done.card.training["leak"]
    assert done.problems == ()


def test_a_class_only_to_test_with_is_refused(tmp_path):
    random = np.random.default_rng(0)
    rows = [row(save(tmp_path / f"{n}.png", blocks(random, n % 2)), CLASSES[n % 2], split="train") for n in range(20)]
    rows += [row(save(tmp_path / f"t{n}.png", blocks(random, 2)), "blue", split="test") for n in range(4)]
    with pytest.raises(InputError, match="'blue' has items to test with but none to learn from"):
        trained(listed(tmp_path, rows), tmp_path / "a.fvm")


def test_what_a_background_gives_away_is_not_counted(no_export, tmp_path):
    """Clips of two classes that look alike, in eight rooms: a random split knows the room, the honest one knows nothing."""
    random, rows = np.random.default_rng(4), []
    for room in range(8):
        wall = blocks(random, strength=0).astype(int)
        for number in range(6):
            noise = [np.clip(wall + random.integers(-40, 40, (4, 4, 1)).repeat(8, 0).repeat(8, 1), 0, 255) for _ in range(3)]
            path = clip(tmp_path / f"room{room}_{number}.mkv", [picture.astype(np.uint8) for picture in noise])
            rows.append(row(path, ("left", "right")[room % 2]))
    done = trained(listed(tmp_path, rows), tmp_path / "a.fvm", group_by=r"(room\d)_", frames=3)
    assert (done.card.training["videos"], done.card.training["photos"], done.card.frames) == (48, 0, 3)
    assert done.card.training["groups"] <= 8
    assert done.card.training["split"].endswith("folds, by group and without look-alikes across")
    assert done.card.metrics["random_split_accuracy"] > 0.9
    assert done.card.metrics["accuracy"] < 0.75


def test_of_several_labels_each_is_learned(tmp_path):
    random, rows = np.random.default_rng(0), []
    for number in range(120):
        tints = [tint for tint in range(3) if random.random() < 0.5]
        path = save(tmp_path / f"{number}.png", blocks(random, *tints))
        rows.append(Item(path, tuple(CLASSES[tint] for tint in tints)))
    done = trained(Dataset(tuple(rows), CLASSES, several=True), tmp_path / "a.fvm")
    assert done.card.several
    assert done.card.openness is None
    assert len(done.card.thresholds) == 3
    assert done.card.metrics["mean_average_precision"] > 0.95
    model = load_model(done.path, precision="f32")
    shown = [(tints, blocks(random, *tints)) for tints in ((), (0,), (1, 2), (0, 1, 2)) for _ in range(10)]
    found = model.scores(frames(picture for _, picture in shown)).values >= np.array(done.card.thresholds)
    truth = np.array([[tint in tints for tint in range(3)] for tints, _ in shown])
    assert np.mean(found == truth) > 0.9


# What cannot be learned from.


def test_wrong_calls_are_told_before_any_work(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(job, "read_dataset", lambda *_: pytest.fail("the data were read"))
    (tmp_path / "there.fvm").write_text("mine")
    wrong = [
        ("there.fvm", {}, UsageError, r"there\.fvm exists\. Choose another name, or replace it with --overwrite"),
        ("model.keras", {}, UsageError, r"name ends with \.fvm\. Received: .*model\.keras'"),
        ("none/a.fvm", {}, UsageError, "there is no folder"),
        ("a.fvm", {"head": "Average(strength=0)"}, PartError, "strength"),
        ("a.fvm", {"head": "Attention"}, PartError, "no head named 'Attention'"),
        ("a.fvm", {"head": 3}, PartError, "Expected a head"),
        ("a.fvm", {"frames": 0}, UsageError, "1 or more. Received: 0"),
        ("a.fvm", {"seed": 2**32}, UsageError, r"seed is a whole number .*Received: 4294967296"),
        ("a.fvm", {"seed": -1}, UsageError, "seed is a whole number"),
        ("a.fvm", {"backbone": "tiny(weights=None)"}, UsageError, r"random weights, which tell nothing apart\. Fine-tune it"),
        ("a.fvm", {"backbone": "tinny"}, PartError, "Did you mean tiny"),
    ]
    for name, changes, error, sentence in wrong:
        with pytest.raises(error, match=sentence):
            trained(photos, tmp_path / name, **changes)
    assert [path.name for path in tmp_path.iterdir()] == ["there.fvm"]
    assert (tmp_path / "there.fvm").read_text() == "mine"
    monkeypatch.setattr("framevote.training.job.importlib.util.find_spec", lambda name: None if name == "sklearn" else object())
    with pytest.raises(MissingExtra, match=r"scikit-learn.*pip install 'framevote\[train\]'"):
        trained(photos, tmp_path / "a.fvm")


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"red": 5}, r"at least two classes\. Received: red"),
        ({"red": 5, "green": 1}, r"Every class needs at least two items.*Received: 'green' \(1\)\."),
    ],
)
def test_too_few_classes_or_items_are_refused(tmp_path, monkeypatch, counts, sentence):
    monkeypatch.setattr(job, "prepare", lambda *_: pytest.fail("items were embedded"))
    random = np.random.default_rng(0)
    for name, count in counts.items():
        for number in range(count):
            save(tmp_path / "data" / name / f"{number}.png", blocks(random))
    with pytest.raises(InputError, match=sentence):
        trained(tmp_path / "data", tmp_path / "a.fvm")
    assert not (tmp_path / "a.fvm").exists()


def test_too_many_classes_are_refused_before_they_are_embedded(tmp_path, monkeypatch):
    monkeypatch.setattr(job, "prepare", lambda *_: pytest.fail("items were embedded"))
    labels = tuple(f"class {number}" for number in range(10_000))
    items = tuple(Item(Path(f"{number}.mkv"), (labels[number % 10_000],), "video") for number in range(20_000))
    with pytest.raises(InputError, match=r"320000 pictures of 10000 classes .*at most 25000 .*--frames"):
        trained(Dataset(items, labels), tmp_path / "a.fvm")


def test_a_class_that_cannot_be_read_is_refused(tmp_path):
    folder = class_folders(tmp_path / "data", 4)
    for path in (folder / "green").iterdir():
        path.write_text("no photo")
    with pytest.raises(InputError, match=r"Of the class 'green' only 0 can be read.*The first problem: .*green"):
        trained(folder, tmp_path / "a.fvm")


def test_a_class_all_of_one_group_is_refused(tmp_path):
    folder = class_folders(tmp_path / "data", 4)
    for number in (1, 2, 3):
        (folder / "blue" / f"{number}.png").write_bytes((folder / "blue" / "0.png").read_bytes())
    with pytest.raises(InputError, match=r"class 'blue' cannot be tested without a leak: its 4 items are in one group .*look the same"):
        trained(folder, tmp_path / "a.fvm")


def test_embeddings_that_are_no_numbers_are_refused(photos, tmp_path, monkeypatch):
    embed = plan.embed_items

    def broken(*given):
        seen = embed(*given)
        values = seen.rows.values.copy()
        values[7, 3] = np.nan
        return replace(seen, rows=replace(seen.rows, values=values))

    monkeypatch.setattr(plan, "embed_items", broken)
    with pytest.raises(InputError, match="embeddings that are no numbers"):
        trained(photos, tmp_path / "a.fvm")


def test_odd_names_of_classes_are_kept(no_export, tmp_path):
    names = ("a,b", 'say "hi"', "💃 dance")
    done = trained(class_folders(tmp_path / "data", 4, names), tmp_path / "a.fvm")
    assert read_model_file(done.path).card.labels == tuple(sorted(names))


def test_a_model_file_is_replaced_only_where_that_was_asked_for(no_export, tmp_path):
    folder = class_folders(tmp_path / "data", 4)
    (tmp_path / "a.fvm").write_text("old")
    assert trained(folder, tmp_path / "a.fvm", overwrite=True).card.labels == ("blue", "green", "red")


def test_a_full_disk_leaves_nothing(tmp_path):
    folder = class_folders(tmp_path / "data", 4)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    try:
        with pytest.raises(OutputError, match=r"a\.fvm cannot be written: the disk is full"):
            trained(folder, disk / "a.fvm")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_stopped_in_the_middle_it_leaves_nothing(photos, tmp_path, monkeypatch, error):
    def stop(*_):
        raise error

    monkeypatch.setattr("framevote.training.frozen.export_model", stop)
    with pytest.raises(type(error)):
        trained(photos, tmp_path / "a.fvm")
    assert list(tmp_path.iterdir()) == []


# Fine-tuning.


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    folder = class_folders(tmp_path_factory.mktemp("tuned") / "photos", 24)
    steps, notes = [], []
    watch = Watch(notes.append, learned=steps.append)
    return trained(folder, folder.parent / "tuned.fvm", fine_tuning=QUICK, watch=watch), steps, notes


def test_a_tuned_model_labels_and_its_card_tells_what_it_is_worth(tuned):
    done, steps, notes = tuned
    model = load_model(done.path, precision="f32")
    random = np.random.default_rng(99)
    shown = [blocks(random, tint) for tint in range(3) for _ in range(20)]
    best = model.scores(frames(shown)).values[:, :3].argmax(axis=1)
    assert np.mean(best == np.repeat([2, 1, 0], 20)) > 0.9
    told = done.card.training
    assert (told["learned"] + told["validated"] + told["tested"], told["split"]) == (72, "train, validation and test, by group")
    assert done.card.metrics["items"] == told["tested"] > 9
    assert {"accuracy", "frozen_accuracy", "frozen_random_split_accuracy"} < set(done.card.metrics)
    assert "random_split_accuracy" not in done.card.metrics  # nobody fine-tuned on a random split
    assert (steps[-1].epoch, steps[-1].epochs) == (1, 1)
    assert any("Fine-tuning the last 3 of" in note for note in notes)
    assert {path.name for path in (done.path.with_suffix(".run")).iterdir()} >= {"settings.json", "checkpoint.npz", "log.csv", "curves.png"}


def test_a_tuned_model_is_what_its_keras_member_says(tuned, tmp_path):
    images = frames(blocks(np.random.default_rng(7), tint) for tint in (0, 1, 2, 2))
    fast, keras = (load_model(tuned[0].path, precision="f32", runtime=name, known_only=True) for name in ("openvino", "keras"))
    np.testing.assert_allclose(fast.scores(images).values, keras.scores(images).values, atol=1e-3)


def test_a_backbone_of_random_weights_can_be_tuned(no_export, tmp_path, monkeypatch):
    def nearly_parallel(items, *given, **more):
        seen = embed(items, *given, **more)
        return replace(seen, rows=replace(seen.rows, values=1000 + seen.rows.values))

    embed = plan.embed_items
    monkeypatch.setattr(plan, "embed_items", nearly_parallel)
    monkeypatch.setattr(plan, "near_duplicates", lambda rows: pytest.fail("looked for copies"))
    monkeypatch.setattr(job, "train_tuned", lambda *given: job.train_frozen(*given) or ())
    folder = class_folders(tmp_path / "data", 6)
    assert trained(folder, tmp_path / "a.fvm", backbone="tiny(weights=None)", fine_tuning=QUICK).card.training["groups"] == 18


def test_sides_of_a_tuned_model(tmp_path):
    from framevote.training.tuned import _how, three_sides

    def sides(*names: str):
        folder = tmp_path / "-".join(names)
        folder.mkdir()
        asked = plan.Plan(job.read_dataset(with_sides(folder, names)), folder, made_training.tiny(), Average(), QUICK, 16, 0, "f32", folder)
        prepared = plan.prepare(asked, job.backbone_file(made_training.tiny()))
        parts = three_sides(prepared, 0)
        assert sorted(np.concatenate(parts)) == list(range(30 * len(names)))
        return [{prepared.dataset.items[n].side for n in part} for part in parts], _how(prepared)

    assert sides("train", "validation", "test")[0] == [{"train"}, {"validation"}, {"test"}]
    assert sides("train", "test")[0] == [{"train"}, {"train"}, {"test"}]
    found, how = sides("train", "validation")
    assert (found, how.endswith("the data name the validation side")) == ([{"train"}, {"train"}, {"validation"}], True)


def test_a_class_of_two_groups_is_too_little_for_three_sides(tmp_path):
    folder = class_folders(tmp_path / "data", 2)
    with pytest.raises(InputError, match=r"its 2 items are in two groups .*Expected at least three groups a class"):
        trained(folder, tmp_path / "a.fvm", fine_tuning=QUICK)
    assert not (tmp_path / "a.run").exists()


def test_a_backbone_that_carries_code_is_not_opened(photos, tmp_path, monkeypatch):
    import keras
    from made_models import rewritten

    pictures = keras.Input((32, 32, 3), dtype="uint8")
    keras.Model(pictures, keras.layers.Lambda(lambda x: x)(pictures)).save(tmp_path / "code.keras")
    good = job.backbone_file(made_training.tiny())
    bad = read_model_file(rewritten(good.path, tmp_path / "bad.fvm", {KERAS: (tmp_path / "code.keras").read_bytes()}))
    monkeypatch.setattr(job, "backbone_file", lambda *_: bad)
    monkeypatch.setattr(keras.models, "load_model", lambda *_, **__: pytest.fail("Keras opened it"))
    for settings in (None, QUICK):
        with pytest.raises(ModelError, match=r"Keras model in bad\.fvm holds a Lambda"):
            trained(photos, tmp_path / "a.fvm", fine_tuning=settings)


def test_killed_while_it_tunes_it_goes_on(tmp_path):
    folder = class_folders(tmp_path / "photos", 12)
    arguments = [sys.executable, made_training.__file__, folder, tmp_path / "a.fvm", "4"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen([*arguments, "0.1"], stdout=subprocess.PIPE, text=True, env=environment) as process:
        while process.stdout and not process.stdout.readline().startswith("3 "):
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.run", "photos"]
    again = subprocess.run([*arguments, "0"], capture_output=True, text=True, check=False, env=environment)
    assert again.returncode == 0, again.stderr[-2000:]
    assert again.stdout.splitlines()[0] == "3 1"  # the epoch that it was killed in
    assert read_model_file(tmp_path / "a.fvm").card.labels == ("blue", "green", "red")


def test_pictures_that_look_the_same_in_two_classes_are_told(photos, tmp_path):
    folder = class_folders(tmp_path / "data", 8)
    first = sorted((folder / "red").iterdir())[0]
    (folder / "blue" / "again.png").write_bytes(first.read_bytes())
    told = trained(folder, tmp_path / "a.fvm").card.training["contradiction"]
    assert told.startswith("1 pair of items look the same and have different labels, such as ")
    assert str(first) in told
    assert "again.png (blue)" in told

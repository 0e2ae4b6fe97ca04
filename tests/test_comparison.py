"""The study: every setting on honest folds, resumed where it was stopped, and told with intervals and costs."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import made_motion
import numpy as np
import pytest
from made_stripes import striped_photos
from PIL import Image
from typer.testing import CliRunner

from framevote.cli import app
from framevote.comparison import compare, job
from framevote.comparison.grid import families
from framevote.comparison.page import COLUMNS, page_of, table_of, write_study
from framevote.comparison.record import NAME, Done, Record
from framevote.comparison.results import summed_up
from framevote.datasets import Dataset, Item, read_dataset
from framevote.errors import InputError, OutputError, PartError, UsageError
from framevote.parts import names
from framevote.training import Watch

FEATURES = "DenseSIFT(size=64, step=8, cells='4')"
FEW = ("BagOfWords(words=8)", "FisherVector(words=2)")


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEVOTE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Stripes that lie or stand, on a train and a test side."""
    return striped_photos(tmp_path_factory.mktemp("photos"), 10, lambda number: "train" if number < 6 else "test")


def test_every_encoder_with_every_pooling_and_normalisation_is_in_the_grid():
    grid = families()
    assert [type(family.encoder).__name__ for family in grid] == names("encoder")
    for family in grid:
        assert len({repr(setting) for setting in family.settings}) == len(family.encoder.poolings) * 4
        assert family.poolings == family.encoder.poolings
    (pyramid,) = families(["LLC(words=8)"], ["l2"], "1x1+2x2")
    assert {setting.pyramid for setting in pyramid.settings} == {"1x1+2x2"}


def test_a_study_finds_what_tells_the_classes_apart(photos, tmp_path):
    found = compare(photos, tmp_path / "study", features=FEATURES, encoders=FEW)
    assert (found.items, found.classes, found.folds, len(found.rows)) == (8, 2, 1, 3 * 4 + 2 * 4)
    values = [row.accuracy.value for row in found.rows]
    assert values == sorted(values, reverse=True)
    assert found.best.accuracy.value == 1.0
    assert found.cheapest.length == 8
    assert found.cheapest.is_level
    for row in found.rows:
        assert row.length == (8 if row.family.startswith("Bag") else 2 * 2 * 64)
        assert min(row.learning, row.encoding, row.fitting) > 0
    assert f"Best: {found.best.encoder!r}" in found.sentence


def test_nothing_is_learned_from_what_is_judged(photos, tmp_path, monkeypatch):
    learned: list[int] = []
    real = job.learn_encoding
    monkeypatch.setattr(job, "learn_encoding", lambda described, numbers, *more: learned.extend(numbers) or real(described, numbers, *more))
    compare(photos, tmp_path / "study", features=FEATURES, encoders=FEW[:1])
    sides = [item.side for item in read_dataset(photos).items]
    assert {sides[number] for number in learned} == {"train"}
    learned.clear()
    items = [replace(item, side="", group=item.path.stem) for item in read_dataset(photos).items]
    found = compare(Dataset(tuple(items), ("lying", "standing"), layout="made"), tmp_path / "other", features=FEATURES, encoders=FEW[:1])
    assert (found.folds, found.items, found.groups) == (5, 20, 10)
    assert len(learned) == 4 * 20  # each item is learned from in four of five folds


class _Stopped(Exception):
    pass


def test_a_stopped_study_goes_on_where_it_was(photos, tmp_path, monkeypatch):
    whole = compare(photos, tmp_path / "whole", features=FEATURES, encoders=FEW)
    real, judged = job._judged, []

    def stopping(*given):
        if len(judged) == 5:
            raise _Stopped
        judged.append(repr(given[4]))
        return real(*given)

    monkeypatch.setattr(job, "_judged", stopping)
    with pytest.raises(_Stopped):
        compare(photos, tmp_path / "study", features=FEATURES, encoders=FEW)
    with (tmp_path / "study" / NAME).open("a") as file:
        file.write('{"setting": "torn')  # as where the process ended within a line
    first = list(judged)
    judged.clear()
    monkeypatch.setattr(job, "_judged", lambda *given: judged.append(repr(given[4])) or real(*given))
    again = compare(photos, tmp_path / "study", features=FEATURES, encoders=FEW)
    assert len(first) == 5
    assert len(judged) == 15
    assert not set(first) & set(judged)
    assert {(row.encoder, row.accuracy.value) for row in again.rows} == {(row.encoder, row.accuracy.value) for row in whole.rows}
    judged.clear()
    compare(photos, tmp_path / "study", features=FEATURES, encoders=FEW)
    assert judged == []
    compare(photos, tmp_path / "study", features=FEATURES, encoders=FEW, overwrite=True)
    assert len(judged) == 20


def test_a_killed_process_loses_no_setting(photos, tmp_path):
    study = tmp_path / "study"
    words = [f"{kind}(words={count})" for count in range(4, 10) for kind in ("BagOfWords", "LLC")]
    words = [text for text in words if text != "LLC(words=4)"]  # which has fewer words than it takes of the nearest
    command = [sys.executable, "-m", "framevote", "compare", str(photos), "-o", str(study), "--features", FEATURES]
    command += [part for text in words for part in ("--encoder", text)] + ["--normalisation", "l2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ}) as process:
        deadline = time.monotonic() + 60
        while not (study / NAME).exists() or len((study / NAME).read_bytes().splitlines()) < 4:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    kept = (study / NAME).read_bytes().rpartition(b"\n")[0].splitlines()[1:]
    compare(photos, study, features=FEATURES, encoders=words, normalisations=["l2"])
    lines = (study / NAME).read_bytes().splitlines()[1:]
    assert lines[: len(kept)] == kept
    done = [json.loads(line)["setting"] for line in lines if line.endswith(b"}")]
    assert len(done) == len(set(done)) == len(words) * 3


def test_another_study_is_not_written_over(photos, tmp_path):
    compare(photos, tmp_path, features=FEATURES, encoders=FEW[:1], normalisations=["l2"])
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(UsageError, match=r"holds another study: seed was 0, and is 1 now\. Choose another folder, or .*--overwrite"):
        compare(photos, tmp_path, features=FEATURES, encoders=FEW[:1], normalisations=["l2"], seed=1)
    assert (tmp_path / NAME).read_bytes() == before
    more = compare(photos, tmp_path, features=FEATURES, encoders=FEW, normalisations=["l2"])  # more encoders are the same study
    assert len(more.rows) == 3 + 2


def test_motion_is_compared_on_clips(tmp_path):
    told: list[str] = []
    clips = made_motion.class_folders(tmp_path / "clips")
    found = compare(
        clips,
        tmp_path / "study",
        features="MotionVectors()",
        encoders=["FisherVector(words=4)"],
        normalisations=["power+l2"],
        window=1.0,
        watch=Watch(notify=told.append),
    )
    assert found.best.accuracy.value == 1.0
    assert any("learning its codebook" in line for line in told)


def recorded(folder: Path, right: dict[str, list[int]], truth: list[int]) -> tuple:
    """A record of made answers, and the data set that they are of."""
    items = tuple(Item(Path(f"{n}.png"), (("a", "b")[label],), group=str(n)) for n, label in enumerate(truth))
    (family,) = families(["BagOfWords(words=4)"], ["l1", "l2"])
    record = Record(folder, {"data": "made"}, overwrite=False)
    for setting in family.settings:
        record.add(Done(repr(setting), 0, "made", tuple(right[setting.normalisation]), 4, 1.0, 0.001, 0.5))
    return Dataset(items, ("a", "b"), layout="made"), [(np.arange(0), np.arange(len(truth)))], [family], record, "Grid()"


def test_figures_are_means_over_classes_and_differences_are_of_the_same_draws(tmp_path):
    truth = [0] * 30 + [1] * 10
    good, poor = [0] * 30 + [1] * 5 + [0] * 5, [0] * 15 + [1] * 15 + [0] * 10
    found = summed_up(*recorded(tmp_path, {"l1": good, "l2": poor}, truth))
    best, worst = found.rows[0], found.rows[-1]
    assert best.accuracy.value == pytest.approx((1 + 0.5) / 2)
    assert worst.accuracy.value == pytest.approx((0.5 + 0) / 2)
    assert best.accuracy.low < 0.75 < best.accuracy.high
    assert (best.behind.value, best.behind.low, best.behind.high) == (0, 0, 0)
    assert worst.behind.value == pytest.approx(0.5)
    assert 0 < worst.behind.low < 0.5 < worst.behind.high
    assert [row.is_level for row in found.rows] == [True] * 3 + [False] * 3


def test_the_page_and_the_table_tell_every_setting(tmp_path):
    truth = [0] * 30 + [1] * 10
    found = summed_up(*recorded(tmp_path, {"l1": truth, "l2": [1 - label for label in truth]}, truth))
    page, table = write_study(found, tmp_path)
    text = page.read_text("utf-8")
    assert text == page_of(found)
    assert text.count("<td style=") == 6
    assert text.count("100.0 ★") == 1
    assert text.count("100.0 ·") == 2
    assert "<script" not in text
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert table.read_text("utf-8").splitlines() == table_of(found).splitlines()
    assert tuple(rows[0]) == COLUMNS
    assert [float(row["accuracy"]) for row in rows] == [1.0] * 3 + [0.0] * 3
    assert {row["encoder"] for row in rows} == {"BagOfWords(words=4)"}


def test_the_command(photos, tmp_path):
    arguments = ["compare", str(photos), "-o", str(tmp_path / "study"), "--features", FEATURES, "--encoder", "FisherVector(words=2)"]
    done = CliRunner().invoke(app, [*arguments, "--normalisation", "l2", "--pyramid", "1x1+2x2"])
    assert done.exit_code == 0, done.output
    assert "Best: FisherVector(" in done.stdout
    assert sorted(path.name for path in (tmp_path / "study").iterdir()) == ["index.html", "results.csv", "results.jsonl"]
    again = CliRunner().invoke(app, [*arguments, "--normalisation", "l2", "--pyramid", "1x1+2x2", "--json"])
    lines = [json.loads(line) for line in again.stdout.splitlines()]
    assert [line["accuracy"]["value"] for line in lines] == [1.0, 1.0]
    assert lines[0]["length"] == 2 * 2 * 64 * 5


WRONG = {
    "no encoder": ({"encoders": ["Words()"]}, PartError, "There is no encoder named 'Words'"),
    "one twice": ({"encoders": ["LLC()", "LLC(words=1024)"]}, UsageError, "LLC() is named twice"),
    "a normalisation that is none": ({"normalisations": ["l3"]}, PartError, "Received: normalisation='l3'"),
    "a head without a strength": ({"head": "LinearSVM()"}, PartError, "LinearSVM or Average of settled strength"),
    "a head that sees order": ({"head": "LSTM()"}, PartError, "LinearSVM or Average of settled strength"),
    "a backbone that has no part": ({"backbone": "AlexNet"}, UsageError, "comes from no network"),
    "a window of photos": ({"window": 1.0}, UsageError, "Photos have no window"),
}


@pytest.mark.parametrize(("arguments", "kind", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_compared_is_told(photos, tmp_path, arguments, kind, said):
    with pytest.raises(kind) as caught:
        compare(photos, tmp_path / "study", **{"features": FEATURES, "encoders": FEW, **arguments})
    assert said in str(caught.value)
    assert not (tmp_path / "study").exists()


def test_items_of_several_labels_are_refused(photos, tmp_path):
    data = read_dataset(photos)
    with pytest.raises(InputError, match=r"items that have one label each"):
        compare(Dataset(data.items, data.labels, several=True, layout="made"), tmp_path / "study", features=FEATURES)


def test_copies_are_on_one_side_of_every_fold(tmp_path):
    # Noise, every picture twice: a copy that is learned from would be named rightly.
    random = np.random.default_rng(0)
    for number in range(10):
        for name in ("a", "b"):
            place = tmp_path / "noise" / name
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(place / f"{number}.png")
            (place / f"{number} again.png").write_bytes((place / f"{number}.png").read_bytes())
    found = compare(tmp_path / "noise", tmp_path / "study", features=FEATURES, encoders=["FisherVector(words=4)"], normalisations=["l2"])
    assert (found.items, found.groups) == (40, 20)
    assert found.best.accuracy.value < 0.8


def test_a_class_that_is_only_tested_is_refused(photos, tmp_path):
    items = [replace(item, side="test" if item.labels == ("lying",) else "train") for item in read_dataset(photos).items]
    with pytest.raises(InputError, match=r"'lying' has items to test with but none to learn from"):
        compare(Dataset(tuple(items), ("lying", "standing"), layout="made"), tmp_path / "study", features=FEATURES, encoders=FEW)


def test_a_group_on_both_sides_is_told(photos, tmp_path):
    items = [replace(item, group="one") for item in read_dataset(photos).items]
    data = Dataset(tuple(items), ("lying", "standing"), layout="made")
    found = compare(data, tmp_path / "study", features=FEATURES, encoders=FEW[:1], normalisations=["l2"])
    assert any("belong together with items of the test side" in str(problem) for problem in found.problems)


def test_files_of_others_stay(photos, tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(OutputError, match=r"index\.html exists"):
        compare(photos, tmp_path, features=FEATURES, encoders=FEW)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    with pytest.raises(UsageError, match=r"would lie within the data"):
        compare(photos, photos / "study", features=FEATURES, encoders=FEW)


@pytest.mark.parametrize("line", ['{"setting": ["x"]}', "[]", "null", '{"setting": "x", "fold": 0, "winners": "no"}'])
def test_lines_that_do_not_fit_are_left_aside(photos, tmp_path, line):
    first = compare(photos, tmp_path, features=FEATURES, encoders=FEW[:1], normalisations=["l2"])
    lines = (tmp_path / NAME).read_text().splitlines()
    short = {**json.loads(lines[1]), "winners": [0]}
    (tmp_path / NAME).write_text("\n".join([lines[0], json.dumps(short), line, *lines[2:], ""]))
    again = compare(photos, tmp_path, features=FEATURES, encoders=FEW[:1], normalisations=["l2"])
    assert [row.accuracy for row in again.rows] == [row.accuracy for row in first.rows]

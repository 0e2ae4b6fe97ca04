"""Fine-tuning on made photos of flat-ish colours: what learns, what stays, what is kept, what is refused."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import made_colours
import numpy as np
import pytest
from made_colours import LABELS, SIZE, VIEW, colours, flat_backbone, head, items

from framevote.datasets.items import Item, Problem
from framevote.errors import InputError, ModelError, OutputError, UsageError
from framevote.testing import made_video
from framevote.training.fine_tuning import FineTuning, fine_tune

QUICK = FineTuning(3, epochs=2, rate=0.06, batch=2)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Item]:
    return items(tmp_path_factory.mktemp("photos"), 16)


@pytest.fixture(scope="module")
def backbone():
    return flat_backbone()


def tuned(backbone, photos, folder, settings=QUICK, **changes):
    arguments = {"train": photos[: len(photos) * 2 // 3], "validation": photos[len(photos) * 2 // 3 :], "labels": LABELS, "several": False}
    arguments |= {"settings": settings, "view": VIEW, "folder": folder, **changes}
    kernel, bias = head(backbone)
    return fine_tune(backbone, **{"kernel": kernel, "bias": bias, **arguments})


def log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def answers(model, seed: int = 9) -> np.ndarray:
    return model.predict(np.stack([colours(seed + n, n % 3) for n in range(30)]), verbose=0)


def test_learns_keeps_the_frozen_layers_and_writes_its_log(backbone, photos, tmp_path):
    before, steps = [w.copy() for w in backbone.get_weights()], []
    model = tuned(backbone, photos, tmp_path / "run", progress=steps.append)
    found = answers(model)
    assert np.mean(found["probabilities"].argmax(1) == np.arange(30) % 3) > 0.9
    np.testing.assert_allclose(found["probabilities"].sum(1), 1, rtol=1e-5)
    assert found["probabilities"].dtype == found["embedding"].dtype == np.float32
    assert all(np.array_equal(a, b) for a, b in zip(before, backbone.get_weights(), strict=True))
    same = {
        layer.name: all(map(np.array_equal, layer.get_weights(), backbone.get_layer(layer.name).get_weights()))
        for layer in model.layers[:-2]
    }
    assert not same["third"]
    assert same["first"]
    assert same["second"]
    assert same["norm"]
    assert [(s.epoch, s.batch, s.batches) for s in steps] == [(e, b, 16) for e in (1, 2) for b in range(1, 17)]
    rows = log(tmp_path / "run")
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert float(rows[-1]["loss"]) == pytest.approx(steps[-1].loss)
    assert not list((tmp_path / "run").glob(".framevote-*"))


def test_the_kept_weights_are_those_of_the_smallest_validation_loss(backbone, photos, tmp_path):
    import keras

    settings = FineTuning(3, epochs=4, rate=0.5, batch=8, patience=6, mixed=False)  # too high a rate: it gets worse
    model = tuned(backbone, photos, tmp_path / "run", settings)
    shown = photos[len(photos) * 2 // 3 :]
    from framevote.photos import read_photo

    found = model.predict(np.stack([read_photo(item.path, VIEW).image for item in shown]), verbose=0)["probabilities"]
    truth = np.array([LABELS.index(item.labels[0]) for item in shown])
    loss = float(-(np.log(found.astype(np.float64)) * (np.eye(3)[truth] * 0.9 + 0.1 / 3)).sum(1).mean())
    losses = [float(row["validation_loss"]) for row in log(tmp_path / "run")]
    assert min(losses) < losses[-1]
    assert loss == pytest.approx(min(losses), rel=1e-4)
    assert keras.config.dtype_policy().name == "float32"


def test_saved_and_loaded_safely(backbone, photos, tmp_path):
    import keras

    model = tuned(backbone, photos, tmp_path / "run")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    for name in ("probabilities", "embedding"):
        np.testing.assert_array_equal(answers(model)[name], answers(again)[name])


def test_the_same_seed_gives_the_same_result_and_another_does_not(backbone, photos, tmp_path):
    one, two = (answers(tuned(backbone, photos, tmp_path / name))["probabilities"] for name in "ab")
    np.testing.assert_array_equal(one, two)
    other = answers(tuned(backbone, photos, tmp_path / "c", FineTuning(3, epochs=2, rate=0.06, batch=2, seed=1)))["probabilities"]
    assert np.abs(one - other).max() > 1e-4


def test_patience_ends_it(backbone, photos, tmp_path):
    tuned(backbone, photos, tmp_path / "run", FineTuning(3, epochs=30, rate=30.0, batch=8, patience=2, smoothing=0))
    losses = [float(row["validation_loss"]) for row in log(tmp_path / "run")]
    assert len(losses) - 1 == np.argmin(losses) + 2 < 30


def test_an_ended_run_is_not_trained_again_and_another_is_refused(backbone, photos, tmp_path):
    first = answers(tuned(backbone, photos, tmp_path / "run"))["probabilities"]
    steps: list[object] = []
    again = answers(tuned(backbone, photos, tmp_path / "run", progress=steps.append))["probabilities"]
    np.testing.assert_array_equal(first, again)
    assert steps == []
    for changes, told in (
        ({"settings": FineTuning(2, epochs=2, rate=0.06, batch=2)}, "other settings"),
        ({"train": photos[:31]}, "other training items"),
        ({"frames": 3}, "other frames"),
    ):
        with pytest.raises(OutputError, match=f"{told}, which cannot be gone on with. Choose another folder, or remove"):
            tuned(backbone, photos, tmp_path / "run", **changes)
    assert len(log(tmp_path / "run")) == 3
    (tmp_path / "run" / "checkpoint.npz").write_bytes(b"PK damaged")
    with pytest.raises(OutputError, match="is damaged"):
        tuned(backbone, photos, tmp_path / "run")


def test_no_number_ends_it_at_once_and_frees_the_folder(backbone, photos, tmp_path):
    with pytest.raises(ModelError, match=r"epoch 1, batch \d: the learning rate may be too high. Received: rate=1e\+30"):
        tuned(backbone, photos, tmp_path / "run", FineTuning(3, epochs=4, rate=1e30, batch=8, smoothing=0))
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["settings.json", "tensorboard"]
    assert tuned(backbone, photos, tmp_path / "run")


def test_killed_and_started_again_it_goes_on(tmp_path):
    command = [sys.executable, made_colours.__file__, str(tmp_path), "killed", "5", "slowly"]
    process = subprocess.Popen(command, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    run, begun = tmp_path / "killed", time.monotonic()
    while not (run / "log.csv").exists() or len(log(run)) < 3:
        assert process.poll() is None
        assert time.monotonic() - begun < 90
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = [row["epoch"] for row in log(run)]
    assert done[:3] == ["0", "1", "2"]
    assert len(done) < 6
    again, whole = (made_colours.program(tmp_path, name, 5) for name in ("killed", "whole"))
    assert again["first"] == len(done)  # the epoch that it began with
    assert [row["epoch"] for row in log(run)] == ["0", "1", "2", "3", "4", "5"]
    for one, two in zip(log(run), log(tmp_path / "whole"), strict=True):
        for name in ("validation_loss", "rate", *(("loss",) if one["loss"] else ())):
            assert float(one[name]) == pytest.approx(float(two[name]), rel=1e-4)
    np.testing.assert_allclose(again["probabilities"], whole["probabilities"], atol=1e-4)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_on_other_backends(backend, tmp_path):
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, made_colours.__file__, str(tmp_path), "run", "2"]
    told = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr[-2000:]
    assert json.loads(told.stdout)["accuracy"] > 0.9
    assert [row["epoch"] for row in log(tmp_path / "run")] == ["0", "1", "2"]


def test_unreadable_items_are_told_and_left_out(backbone, photos, tmp_path):
    (tmp_path / "no.jpg").write_text("no photo")
    broken, problems = Item(tmp_path / "no.jpg", ("red",)), list[Problem]()
    assert tuned(backbone, photos, tmp_path / "run", train=[broken, *photos[:32]], problems=problems)
    assert [problem.where for problem in problems] == [str(tmp_path / "no.jpg")]
    with pytest.raises(InputError, match=r"None of the 1 items to validate with can be read.*no\.jpg"):
        tuned(backbone, photos, tmp_path / "other", validation=[broken])


def test_videos_weigh_as_much_as_photos(backbone, photos, tmp_path):
    from framevote.training.feeding import Reading, Shelf, read_samples

    video = Item(made_video(tmp_path / "grey.mkv", [40, 90, 140, 200]), ("blue",), "video")
    samples = read_samples([photos[0], video], Reading(LABELS, VIEW, 4), Shelf(tmp_path), "train")
    assert samples.values.shape == (5, SIZE, SIZE, 3)
    np.testing.assert_allclose(samples.weights, np.array([1, 0.25, 0.25, 0.25, 0.25]) * 2.5)
    assert samples.values[1:].mean(axis=(1, 2)).argmax(1).tolist() == [0, 0, 1, 2]  # as the video is made
    assert tuned(backbone, photos, tmp_path / "run", train=[*photos[:32], video], frames=4)


def test_several_labels(backbone, photos, tmp_path):
    both = [Item(item.path, (*item.labels, "any")) for item in photos]
    kernel, bias = (np.concatenate([part, np.zeros_like(part[..., :1])], -1) for part in head(backbone))
    model = tuned(backbone, both, tmp_path / "run", labels=(*LABELS, "any"), several=True, kernel=kernel, bias=bias)
    found = answers(model)["probabilities"]
    assert np.mean(found[:, :3].argmax(1) == np.arange(30) % 3) > 0.9
    assert (found[:, 3] > 0.5).all()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"validation": []}, "none to validation"),
        ({"train": []}, "none to train"),
        ({"labels": (*LABELS, "grey")}, r"A head for 4 labels .* Received: \(\(\d+, 3\), \(3,\)\)"),
        ({"train": "reds"}, "none of 'green', 'blue'"),
        ({"validation": "same"}, "No item may be on both sides"),
    ],
)
def test_wrong_calls(backbone, photos, tmp_path, changes, told):
    chosen = {"reds": [item for item in photos if item.labels == ("red",)], "same": photos[:2]}
    with pytest.raises(UsageError, match=told):
        tuned(
            backbone,
            photos,
            tmp_path / "run",
            **{name: chosen.get(value, value) if isinstance(value, str) else value for name, value in changes.items()},
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"layers": 0},
        {"epochs": 0},
        {"rate": 0.0},
        {"rate": float("nan")},
        {"batch": 0},
        {"patience": 0},
        {"smoothing": 1.0},
        {"mixed": "no"},
        {"seed": -1},
    ],
)
def test_wrong_settings(wrong):
    (name,) = wrong
    with pytest.raises(UsageError, match=f"FineTuning expects {name} to be .* Received: {name}="):
        FineTuning(**{"layers": 3, **wrong})

"""What fine-tuning is made of: the cut through a network, the pictures made anew, the feeding, and the folder of a run."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_colours import LABELS, VIEW, flat_backbone, head, items

from framevote.errors import OutputError
from framevote.photos import read_photo
from framevote.records import View
from framevote.training.augmenting import Augmentation, roomy
from framevote.training.feeding import Reading, Shelf, ahead, read_samples, shuffled
from framevote.training.fine_tuning import FineTuning, fine_tune
from framevote.training.logs import Board, Epoch, RunFolder, kept
from framevote.training.trunk import copied, freeze, open_trunk, waist

HISTORY = [
    Epoch(0, None, None, 1.0, 0.5, 0.0, 0.0),
    Epoch(1, 0.9, 0.6, 0.7, 0.7, 0.01, 1.0),
    Epoch(2, 0.5, 0.9, 0.4, 0.8, 0.005, 1.0),
    Epoch(3, 0.4, 1.0, 0.6, 0.8, 0.0, 1.0),
]


def disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    yield from disk(tmp_path / "disk", "64k")


@pytest.mark.parametrize(
    ("layers", "name"),
    [(1, "third"), (2, "relu"), (3, "add"), (4, "first"), (5, "first"), (6, "first"), (7, "scaling"), (8, ""), (9, ""), (99, "")],
)
def test_the_cut_goes_where_all_flows_through_one_tensor(layers, name):
    """Counted from the end: pool, third, relu, add, norm, second; second and norm have a short cut beside them."""
    model = flat_backbone()
    assert waist(model, layers) is (model.get_layer(name).output if name else model.inputs[0])


def test_trunk_and_tail_are_the_whole():
    import keras

    model = copied(flat_backbone())
    pictures = np.random.default_rng(0).integers(0, 256, (7, *model.input_shape[1:]), np.uint8)
    expected = model.predict(pictures, verbose=0)
    cut = waist(model, 3)
    look = open_trunk(model, cut, f32=True)
    features = look(pictures)
    np.testing.assert_allclose(keras.Model(cut, model.outputs[0]).predict(features, verbose=0), expected, atol=1e-5)
    assert np.abs(open_trunk(model, cut)(pictures) - features).max() < 0.05 * np.abs(features).max()  # in bf16, where there is that
    assert open_trunk(model, model.inputs[0]) is None


def test_batch_normalisation_never_learns():
    model = copied(flat_backbone())
    freeze(model, 99)
    assert [layer.name for layer in model.layers if layer.weights and not layer.trainable] == ["norm"]
    freeze(model, 2)
    assert [layer.name for layer in model.layers if layer.trainable_weights] == ["third"]


def test_a_copy_shares_nothing():
    import keras

    model = flat_backbone()
    copy = copied(model, "mixed_bfloat16")
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
    assert {layer.compute_dtype for layer in copy.layers[1:]} == {"bfloat16"}
    copy.get_layer("first").set_weights([w + 1 for w in copy.get_layer("first").get_weights()])
    assert not np.array_equal(model.get_layer("first").get_weights()[0], copy.get_layer("first").get_weights()[0])
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("view", [View(224, 224, "centre", crop=0.875), View(64, 48), View(60, 90, "letterbox")])
def test_a_roomy_view_holds_the_view_in_its_middle(view):
    wide = roomy(view)
    assert (wide.width, wide.height) == (round(view.width / 0.875), round(view.height / 0.875))
    assert wide.crop == min(1, view.crop / 0.875)


def test_a_centre_view_is_the_middle_of_its_roomy_one(tmp_path):
    from PIL import Image

    y, x = np.mgrid[:512, :512]
    Image.fromarray(np.stack([x // 2, y // 2, (x + y) // 4], -1).astype(np.uint8)).save(tmp_path / "slope.png")
    view = View(224, 224, "centre", crop=0.875)
    middle = read_photo(tmp_path / "slope.png", roomy(view)).image[16:240, 16:240]
    assert np.abs(middle.astype(int) - read_photo(tmp_path / "slope.png", view).image).max() <= 2


def test_augmented_pictures_depend_on_seed_epoch_and_batch_alone():
    view = View(20, 16)
    stored = np.random.default_rng(0).integers(0, 256, (5, roomy(view).height, roomy(view).width, 3), np.uint8)
    one = Augmentation(view, 3)
    first = one(stored, 1, 0)
    assert (first.shape, first.dtype) == ((5, 16, 20, 3), np.uint8)
    others = [one(stored, 1, 1), one(stored, 2, 0), Augmentation(view, 4)(stored, 1, 0)]
    np.testing.assert_array_equal(first, Augmentation(view, 3)(stored, 1, 0))
    assert all(np.abs(first.astype(int) - other).mean() > 5 for other in others)


def test_augmented_pictures_show_nothing_from_outside_and_are_turned_both_ways():
    view = View(32, 32)
    wide = roomy(view)
    stored = np.full((200, wide.height, wide.width, 3), 128, np.uint8)
    stored[:, :, wide.width // 2 :] = 192  # the right half is brighter
    seen = Augmentation(view, 0)(stored, 1, 0).astype(int)
    assert seen.min() > 50  # black from outside would be 0, by the light at most lowered to about 60
    right = (seen[:, :, -3:].mean(axis=(1, 2, 3)) > seen[:, :, :3].mean(axis=(1, 2, 3))).mean()
    assert 0.35 < right < 0.65
    edge = np.abs(np.diff(seen[..., 0], axis=2)).argmax(2)
    assert np.ptp(edge[:, 16]) >= 4  # moved to the sides
    assert np.abs(edge[:, -1] - edge[:, 0]).max() >= 2  # and tilted
    assert np.ptp(seen.mean(axis=(1, 2, 3))) > 40  # and in another light


def test_an_epoch_takes_every_sample_once():
    rows = shuffled(10, 4, 0, 1)
    assert [len(batch) for batch in rows] == [4, 4, 2]
    assert sorted(np.concatenate(rows)) == list(range(10))
    assert not np.array_equal(rows[0], shuffled(10, 4, 0, 2)[0])


def test_what_is_made_ahead_comes_in_order_and_so_do_errors():
    def source() -> Iterator[int]:
        yield from range(5)
        raise RuntimeError("broken")

    made = ahead(source())
    assert [next(made) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="broken"):
        next(made)
    half = ahead(iter(range(100)))
    assert next(half) == 0
    half.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("feeding")]


def test_beyond_its_budget_a_shelf_keeps_samples_in_a_file(tmp_path):
    photos = items(tmp_path / "photos", 4)
    size = VIEW.width * VIEW.height * 3
    shelf = Shelf(tmp_path, budget=15 * size)
    reading = Reading(LABELS, VIEW, 1)
    one, two = (read_samples(photos, reading, shelf, name) for name in ("first", "second"))
    assert type(one.values) is np.ndarray
    assert isinstance(two.values, np.memmap)
    np.testing.assert_array_equal(one.values, two.values)
    assert (tmp_path / "second.raw").stat().st_size == 12 * size
    shelf.close()
    assert not list(tmp_path.glob("*.raw"))


def test_the_budget_changes_nothing_but_where_the_pictures_lie(tmp_path):
    photos, backbone = items(tmp_path / "photos", 8), flat_backbone()
    settings = FineTuning(3, epochs=1, rate=0.06, batch=4)
    arguments = (*head(backbone), photos[:18], photos[18:], LABELS, False, settings, VIEW)
    found = [fine_tune(backbone, *arguments, tmp_path / f"{budget}", budget=budget).get_weights() for budget in (0, 1 << 30)]
    assert all(map(np.array_equal, *found))
    assert not list((tmp_path / "0").glob("*.raw"))


def test_a_full_disk_is_told(small_disk, tmp_path):
    with pytest.raises(OutputError, match=r"train\.raw cannot be written: No space left on device"):
        Shelf(small_disk, budget=0).array("train", (100, 1000), np.uint8)
    assert not list(small_disk.iterdir())
    run = RunFolder(small_disk / "run", {"settings": 1})
    run.write(HISTORY[:1], {"weight0": np.zeros(10)})
    with pytest.raises(OutputError, match=r"checkpoint\.npz cannot be written: the disk is full"):
        run.write(HISTORY, {"weight0": np.zeros(100_000)})
    history, arrays = run.read()
    assert history == HISTORY[:1]
    assert arrays["weight0"].shape == (10,)


def test_the_folder_keeps_its_run_and_tells_what_differs(tmp_path):
    run = RunFolder(tmp_path / "run", {"settings": {"rate": 0.1}, "labels": ["a", "é"]})
    run.write(HISTORY, {"weight0": np.arange(3)})
    again = RunFolder(tmp_path / "run", {"settings": {"rate": 0.1}, "labels": ["a", "é"]})
    assert again.read()[0] == HISTORY
    with pytest.raises(OutputError, match="other settings and labels, which"):
        RunFolder(tmp_path / "run", {"settings": {"rate": 0.2}, "labels": ["a"]})
    assert json.loads((tmp_path / "run" / "settings.json").read_text("utf-8"))["labels"] == ["a", "é"]
    assert kept(HISTORY) is HISTORY[2]
    assert kept([*HISTORY, replace(HISTORY[2], epoch=4)]) is HISTORY[2]


def test_tensorboard_reads_the_board_each_epoch_once(tmp_path):
    from tensorboardX.proto.event_pb2 import Event

    board = Board(tmp_path, HISTORY[:3])
    board.close()
    board = Board(tmp_path, HISTORY[:3])  # killed, and gone on
    board.add(HISTORY[3])
    board.close()
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for side in ("train", "validation"):
        (path,) = (tmp_path / "tensorboard" / side).iterdir()
        assert ".tfevents." in path.name
        for record in _records(path.read_bytes()):
            event = Event.FromString(record)
            for value in event.summary.value:
                found.setdefault((side, value.tag), []).append((event.step, round(value.simple_value, 5)))
    assert found["train", "epoch_loss"] == [(1, 0.9), (2, 0.5), (3, 0.4)]
    assert found["validation", "epoch_accuracy"] == [(0, 0.5), (1, 0.7), (2, 0.8), (3, 0.8)]


def _records(content: bytes) -> Iterator[bytes]:
    """TensorFlow reads the file: that is the oracle."""
    import tempfile

    import tensorflow as tf

    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield from (record.numpy() for record in tf.data.TFRecordDataset(file.name))


def test_the_curves_are_drawn(tmp_path):
    from PIL import Image

    run = RunFolder(tmp_path / "run", {})
    run.draw(HISTORY)
    picture = np.asarray(Image.open(tmp_path / "run" / "curves.png").convert("RGB"))
    blue, orange = ((np.abs(picture.astype(int) - colour).max(2) < 10).sum() for colour in ((31, 119, 180), (255, 127, 14)))
    assert blue > 300
    assert orange > 300
    run.draw(HISTORY[:1])

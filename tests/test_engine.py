"""Keras comes through one door: silent, and with a sentence where its backend is none."""

import os
import subprocess
import sys

import pytest
from media import ffmpeg

from framevote.engine import load_keras
from framevote.errors import MissingExtra

# Training of one layer, and a trunk on OpenVINO: all that fine-tuning asks of TensorFlow.
LEARN = """
import numpy as np
from framevote.engine import load_keras
keras = load_keras()
from framevote.training.trunk import _Compiled
pictures = keras.Input((8, 8, 3), dtype="uint8")
seen = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(pictures))
trunk = _Compiled(keras.Model(pictures, seen), True)
model = keras.Sequential([keras.Input((6, 6, 4)), keras.layers.Flatten(), keras.layers.Dense(2)])
model.compile("adam", "mse")
model.train_on_batch(trunk(np.zeros((4, 8, 8, 3), np.uint8)), np.zeros((4, 2), np.float32))
print(load_keras() is keras)
"""


def python(*arguments, backend="tensorflow"):
    environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.run([sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False)


def test_learning_writes_nothing_to_stderr():
    said = python("-c", LEARN)
    assert (said.returncode, said.stdout, said.stderr) == (0, "True\n", "")


def test_stderr_is_heard_again_after_keras_has_come():
    said = python("-c", "from framevote.engine import load_keras; import os; load_keras(); os.write(2, b'heard')", backend="tensorflow")
    assert said.stderr == "heard"


def test_an_unknown_backend_is_told_before_the_data_are_embedded(tmp_path):
    for name in ("red", "blue"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(3):
            ffmpeg("-f", "lavfi", "-i", f"color={name}:size=32x32", "-frames:v", "1", tmp_path / "data" / name / f"{number}.png")
    said = python("-m", "framevote", "train", tmp_path / "data", "-o", tmp_path / "y.fvm", "--fine-tune", "5", backend="foo")
    assert (said.returncode, said.stdout, said.stderr.count("\n")) == (1, "", 1)
    assert said.stderr.startswith("framevote: Keras cannot start with KERAS_BACKEND=foo: ")
    assert "Traceback" not in said.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_absent_keras_is_told_with_what_needs_it(monkeypatch):
    monkeypatch.setattr("framevote.engine.importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"^Fine-tuning needs the package keras.*framevote\[train\]"):
        load_keras("Fine-tuning")

"""Model files made without Keras, whose answers NumPy knows: the embedding is a picture's mean colour, the scores its softmax."""

import zipfile
from pathlib import Path

import numpy as np
import openvino
from openvino import opset13 as ops

from framevote.model_file import CARD, GRAPH, KERAS, WEIGHTS, Card, write_model_file
from framevote.records import View

SIZE = 8
LABELS = ("red", "green", "blue")


def card(**changes) -> Card:
    return Card(**{"name": "colours", "labels": LABELS, "backbone": "mean", "head": "softmax", "view": View(SIZE, SIZE), **changes})


def graph_folder(folder: Path) -> Path:
    """Fill a folder with what a model file is written from; the Keras member is a mere text."""
    image = ops.parameter([-1, SIZE, SIZE, 3], np.uint8, name="image")
    mean = ops.reduce_mean(ops.convert(image, "f32"), [1, 2])
    scores = ops.softmax(ops.multiply(mean, np.float32(1 / 32)), 1)
    mean.output(0).set_names({"embedding"})
    scores.output(0).set_names({"probabilities"})
    (folder / GRAPH).parent.mkdir(parents=True)
    openvino.save_model(openvino.Model([scores.output(0), mean.output(0)], [image]), folder / GRAPH, compress_to_fp16=False)
    (folder / KERAS).write_text("no Keras model")
    return folder


def model_file(path: Path, **changes) -> Path:
    """Write a model file at `path`; its parts are left in a folder beside it."""
    folder = graph_folder(path.parent / f"{path.stem}.parts")
    write_model_file(path, card(**changes), folder)
    return path


def rewritten(
    path: Path, target: Path, replace: dict[str, bytes | None], extra: dict[str, bytes] | None = None, packed: bool = False
) -> Path:
    """Copy a model file with other members: None leaves one out."""
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as made:
        for name in (CARD, GRAPH, WEIGHTS, KERAS):
            if (content := replace.get(name, given.read(name))) is not None:
                made.writestr(name, content)
        for name, content in (extra or {}).items():
            made.writestr(name, content)
    return target


def pictures(count: int, seed: int = 0, size: int = SIZE) -> np.ndarray:
    """Return (count, size, size, 3) uint8 noise, each picture about a colour of its own."""
    random = np.random.default_rng(seed)
    colours = random.integers(0, 200, (count, 1, 1, 3))
    return (colours + random.integers(0, 56, (count, size, size, 3))).astype(np.uint8)


def expected(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities and embeddings that the made network should give, by NumPy."""
    mean = images.astype(np.float64).mean(axis=(1, 2))
    powers = np.exp((mean - mean.max(axis=1, keepdims=True)) / 32)
    return powers / powers.sum(axis=1, keepdims=True), mean

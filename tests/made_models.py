"""Model files made without Keras, whose answers NumPy knows: the embedding is a picture's mean colour, the scores its softmax."""

import json
import zipfile
from pathlib import Path

import numpy as np
import openvino
from openvino import opset13 as ops

from framevote.model_file import CARD, GRAPH, HEAD_GRAPH, HEAD_KERAS, KERAS, WEIGHTS, Card, write_model_file
from framevote.model_file.archive import HEAD
from framevote.records import View

SIZE = 8
LABELS = ("red", "green", "blue")


def card(**changes) -> Card:
    return Card(**{"name": "colours", "labels": LABELS, "backbone": "mean", "head": "softmax", "view": View(SIZE, SIZE), **changes})


def graph_folder(folder: Path, told: Card | None = None) -> Path:
    """Fill a folder with what a model file is written from; the Keras member is a network of no layers."""
    told = told or card()
    image = ops.parameter([-1, SIZE, SIZE, 3], np.uint8, name="image")
    mean = ops.reduce_mean(ops.convert(image, "f32"), [1, 2])
    logits = ops.multiply(mean, np.float32(1 / 32))
    given = {"embedding": mean}
    if told.labels and not told.sampling:
        given["probabilities"] = ops.sigmoid(ops.subtract(logits, np.float32(3))) if told.several else ops.softmax(logits, 1)
    if told.openness:
        given["familiarity"] = ops.reduce_sum(ops.multiply(ops.normalize_l2(mean, [1], 1e-12, "max"), np.float32(3**-0.5)), [1], True)
    for name, node in given.items():
        node.output(0).set_names({name})
    (folder / GRAPH).parent.mkdir(parents=True)
    openvino.save_model(openvino.Model([node.output(0) for node in given.values()], [image]), folder / GRAPH, compress_to_fp16=False)
    keras_file(folder / KERAS)
    if told.sampling:
        _head(folder)
    return folder


def _head(folder: Path) -> None:
    """Write the head of a model that sees order: the softmax of how a window's colour has changed from its first frame to its last."""
    window = ops.parameter([-1, -1, 3], np.float32, name="window")
    ends = [ops.squeeze(ops.gather(window, np.int64([place]), np.int64(1)), np.int64([1])) for place in (0, -1)]
    answer = ops.softmax(ops.multiply(ops.subtract(ends[1], ends[0]), np.float32(1 / 32)), 1)
    answer.output(0).set_names({"probabilities"})
    openvino.save_model(openvino.Model([answer.output(0)], [window]), folder / HEAD_GRAPH, compress_to_fp16=False)
    keras_file(folder / HEAD_KERAS)


def expected_of_windows(windows: np.ndarray) -> np.ndarray:
    """Return the probabilities (B, 3) that the made head should give of windows (B, T, 3), by NumPy."""
    powers = np.exp((windows[:, -1].astype(np.float64) - windows[:, 0]) / 32)
    return powers / powers.sum(axis=1, keepdims=True)


def keras_file(path: Path, config: object = None, **members: bytes) -> Path:
    """Write a `.keras` file by hand: its configuration, and other members, whose names have `__` for a dot."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps({} if config is None else config))
        archive.writestr("model.weights.h5", b"none")
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return path


def model_file(path: Path, **changes) -> Path:
    """Write a model file at `path`; its parts are left in a folder beside it."""
    told = card(**changes)
    write_model_file(path, told, graph_folder(path.parent / f"{path.stem}.parts", told))
    return path


def rewritten(
    path: Path, target: Path, replace: dict[str, bytes | None], extra: dict[str, bytes] | None = None, packed: bool = False
) -> Path:
    """Copy a model file with other members: None leaves one out."""
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as made:
        for name in (name for name in (CARD, GRAPH, WEIGHTS, KERAS, *HEAD) if name in given.namelist()):
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


def familiarity(images: np.ndarray) -> np.ndarray:
    """Return how grey pictures are, which is what the made network with openness takes for familiar: (N,)."""
    mean = images.astype(np.float64).mean(axis=(1, 2))
    return mean.sum(axis=1) / np.sqrt(3) / np.linalg.norm(mean, axis=1)

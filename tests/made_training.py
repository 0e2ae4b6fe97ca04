"""A tiny backbone, pictures that it can tell apart, and an export in this process; also a program that trains with them.

A picture is 4×4 blocks of random colours, no two pictures alike, with a tint that tells its class.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from media import ffmpeg
from PIL import Image

from framevote import export
from framevote.backbones.backbone import Backbone, named
from framevote.parts import register
from framevote.training import FineTuning, Watch, train

SIZE = 32
CLASSES = ("red", "green", "blue")


@register("backbone", "tiny")
def tiny(weights: str | None = "imagenet") -> Backbone:
    """16 blocks, 8 numbers each: 128 numbers. Its weights are drawn from a seed, and are none that any file holds."""
    return named("tiny", _network, SIZE, weights, "centre", own_size=SIZE)


def _network(backbone: Backbone):
    import keras

    keras.utils.set_random_seed(5)
    layers = keras.layers
    pictures = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    x = layers.Rescaling(1 / 64, offset=-2)(pictures)
    x = layers.AveragePooling2D(8, name="pool")(x)
    x = layers.Conv2D(8, 1, activation="relu", name="first")(x)
    x = layers.Conv2D(8, 1, name="last")(x)
    return keras.Model(pictures, layers.Flatten()(x), name="tiny")


def blocks(random: np.random.Generator, *tints: int, strength: int = 90) -> np.ndarray:
    """Random blocks, a channel lifted for each tint."""
    picture = random.integers(0, 160, (4, 4, 3))
    for tint in tints:
        picture[..., tint] += strength
    return np.kron(picture, np.ones((8, 8, 1))).astype(np.uint8)


def save(path: Path, picture: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


def class_folders(folder: Path, each: int = 20, classes: tuple[str, ...] = CLASSES, seed: int = 0) -> Path:
    """Photos of classes, in folders of their names."""
    random = np.random.default_rng(seed)
    for number in range(each):
        for tint, name in enumerate(classes):
            save(folder / name / f"{number}.png", blocks(random, tint))
    return folder


def clip(path: Path, pictures: list[np.ndarray]) -> Path:
    """A video of pictures, five a second."""
    for number, picture in enumerate(pictures):
        save(path.parent / f"{path.stem}.frames" / f"{number}.png", picture)
    ffmpeg("-framerate", "5", "-i", path.parent / f"{path.stem}.frames" / "%d.png", "-c:v", "ffv1", path)
    return path


def export_here(patch: pytest.MonkeyPatch) -> list[str]:
    """Let exports run in this process, which knows the tiny backbone; returns the list of what was exported."""
    done: list[str] = []

    def run(source, folder: Path, bare: bool) -> None:
        import keras

        done.append(str(source))
        keras.utils.clear_session()  # layers are called by number, which begins anew in a process of its own
        export._export(str(source), folder, bare)

    patch.setattr(export, "_run_tensorflow", run)
    return done


def program(data: Path, target: Path, epochs: int, pause: float) -> None:
    """Fine-tune; told each epoch."""
    export_here(pytest.MonkeyPatch())

    def learned(step) -> None:
        print(step.epoch, step.batch, flush=True)  # noqa: T201
        time.sleep(pause)

    settings = FineTuning(3, epochs=epochs, rate=0.01, batch=8, patience=20)
    train(data, target, backbone="tiny", fine_tuning=settings, watch=Watch(learned=learned))


if __name__ == "__main__":
    program(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))

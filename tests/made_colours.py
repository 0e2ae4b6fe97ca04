"""Made photos of three colours, and a backbone that can tell them apart once it has learned; also a program that fine-tunes it."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from framevote.datasets.items import Item
from framevote.records import View

SIZE = 24
VIEW = View(SIZE, SIZE)
LABELS = ("red", "green", "blue")


def colours(seed: int, label: int) -> np.ndarray:
    """A noisy picture that is brighter in one channel."""
    random = np.random.default_rng(seed)
    picture = random.integers(30, 90, (SIZE, SIZE, 3))
    picture[..., label] += random.integers(90, 130)
    return picture.astype(np.uint8)


def items(folder: Path, each: int) -> list[Item]:
    """Write photos, the labels in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(3 * each):
        path = folder / f"{number}.png"
        Image.fromarray(colours(1000 + number, number % 3)).save(path)
        made.append(Item(path, (LABELS[number % 3],)))
    return made


def flat_backbone():
    """Three convolutions, one of them beside a short cut, and a batch normalisation: uint8 pictures to 8 numbers."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(3)
    pictures = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    x = layers.Rescaling(1 / 128, offset=-1, name="scaling")(pictures)
    x = layers.Conv2D(8, 3, 2, padding="same", activation="relu", name="first")(x)
    y = layers.Conv2D(8, 3, padding="same", name="second")(x)
    y = layers.BatchNormalization(name="norm")(y)
    x = layers.ReLU(name="relu")(layers.Add(name="add")([x, y]))
    x = layers.Conv2D(8, 3, 2, padding="same", name="third")(x)
    return keras.Model(pictures, layers.GlobalAveragePooling2D(name="pool")(x), name="tiny")


def head(backbone) -> tuple[np.ndarray, np.ndarray]:
    """A head that knows nothing yet."""
    random = np.random.default_rng(0)
    return random.normal(0, 0.1, (backbone.output_shape[-1], 3)).astype(np.float32), np.zeros(3, np.float32)


def program(folder: Path, run: str, epochs: int, pause: float = 0.0) -> dict[str, Any]:
    """Fine-tune in a folder; return what fresh pictures show, how often that is right, and the first epoch that was trained."""
    from framevote.training.fine_tuning import FineTuning, fine_tune

    photos, backbone, steps = items(folder / "photos", 16), flat_backbone(), []

    def progress(step) -> None:
        steps.append(step)
        time.sleep(pause)

    settings = FineTuning(3, epochs=epochs, rate=0.06, batch=2, patience=10)
    model = fine_tune(backbone, *head(backbone), photos[:32], photos[32:], LABELS, False, settings, VIEW, folder / run, progress=progress)
    found = model.predict(np.stack([colours(n, n % 3) for n in range(30)]), verbose=0)["probabilities"]
    return {"accuracy": float(np.mean(found.argmax(1) == np.arange(30) % 3)), "first": steps[0].epoch, "probabilities": found.tolist()}


if __name__ == "__main__":
    told = program(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), pause=0.15 if "slowly" in sys.argv else 0)
    sys.stdout.write(json.dumps(told))

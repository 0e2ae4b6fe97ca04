"""Photos of stripes that lie, and of stripes that stand: what tells them apart is the direction of their gradients alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def striped_photos(folder: Path, count: int, side: Callable[[int], str] = lambda number: "") -> Path:
    """Write so many photos of each class, in folders of their names, within the folder that `side` names for a number."""
    random = np.random.default_rng(0)
    for number in range(count):
        wave = np.sin(np.arange(64) * random.uniform(0.4, 0.7) + random.uniform(0, 6)) * 60 + 128
        lying = np.repeat(wave[:, None], 64, axis=1) + random.normal(0, 8, (64, 64))
        for name, picture in (("lying", lying), ("standing", lying.T)):
            place = folder / side(number) / name
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).convert("RGB").save(place / f"{number}.png")
    return folder

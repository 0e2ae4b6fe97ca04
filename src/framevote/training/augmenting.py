"""Pictures made anew for every epoch: cut out, turned and mirrored a little differently, and in another light.

The geometry is one affine step in Pillow: zoom, shift, turn and mirror read each picture once. Keras's layers for it read it once
each and cost, on one processor core, a 224×224 picture 5 ms (TensorFlow), 40 ms (JAX), 500 ms (PyTorch); this costs 1.3 ms on all
three, and gives the same pictures on each. The light is Keras's RandomBrightness and RandomContrast, 0.6 ms.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from framevote.engine import load_keras
from framevote.records import Image, View

MARGIN = 0.875
"""The share of a stored picture's width that a network sees: the rest is room for the cut to move in."""

_LEAST_ZOOM = 0.7  # of the view's width, at the closest
_TURN = np.deg2rad(5)
_BRIGHTNESS = 0.15
_CONTRAST = 0.2


def roomy(view: View) -> View:
    """Return the view with a margin around it: of a `centre` view its cut-away rim, as far as there is one."""
    crop = min(view.crop / MARGIN, 1.0)
    return replace(view, width=round(view.width / MARGIN), height=round(view.height / MARGIN), crop=crop)


class Augmentation:
    """Makes other pictures of a batch of stored ones; the same for the same seed, epoch and batch."""

    def __init__(self, view: View, seed: int) -> None:
        """Give pictures of the view's size, from stored ones of `roomy(view)`."""
        keras = load_keras()

        self._size = (view.width, view.height)
        self._seed = seed
        self._light = (keras.layers.RandomBrightness(_BRIGHTNESS), keras.layers.RandomContrast(_CONTRAST))

    def __call__(self, pictures: NDArray[np.uint8], epoch: int, batch: int) -> NDArray[np.uint8]:
        """Return pictures (B, height, width, 3) of stored ones (B, height + margin, width + margin, 3)."""
        random = np.random.default_rng([self._seed, epoch, batch])
        height, width = pictures.shape[1:3]
        cuts = _cuts(random, len(pictures), (width, height), self._size)
        moved = np.stack([_moved(picture, self._size, cut) for picture, cut in zip(pictures, cuts, strict=True)])
        return self._lit(moved, random)

    def _lit(self, pictures: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
        keras = load_keras()

        lit: Any = keras.ops.convert_to_tensor(pictures.astype(np.float32))
        for layer in self._light:
            # The layers' own generators would go on from where the last batch left them; a seed of its own makes each batch repeatable.
            chosen = layer.get_random_transformation(lit, training=True, seed=int(random.integers(2**31)))
            lit = layer.transform_images(lit, chosen, training=True)
        rounded: NDArray[np.uint8] = np.clip(np.rint(keras.ops.convert_to_numpy(lit)), 0, 255).astype(np.uint8)
        return rounded


def _cuts(random: np.random.Generator, count: int, stored: tuple[int, int], seen: tuple[int, int]) -> NDArray[np.float64]:
    """Return each picture's affine map from seen to stored pixels, (count, 6) as Pillow takes it; none leaves the stored picture."""
    turn = random.uniform(-_TURN, _TURN, count)
    mirror = random.choice([-1.0, 1.0], count)
    cosine, sine = np.cos(turn), np.sin(turn)
    half = np.array(seen) / 2
    reach = np.stack([half[0] * cosine + half[1] * abs(sine), half[0] * abs(sine) + half[1] * cosine], 1)  # of a turned picture's corners
    room = np.array(stored) / 2
    zoom = random.uniform(_LEAST_ZOOM, 1 / MARGIN, count).clip(max=(room / reach).min(axis=1))
    middle = room + (room - reach * zoom[:, None]) * random.uniform(-1, 1, (count, 2))
    across = np.stack([zoom * cosine * mirror, -zoom * sine], 1)
    down = np.stack([zoom * sine * mirror, zoom * cosine], 1)
    return np.column_stack([across, middle[:, 0] - across @ half, down, middle[:, 1] - down @ half])


def _moved(picture: Image, size: tuple[int, int], cut: NDArray[np.float64]) -> Image:
    affine = Pillow.Transform.AFFINE
    return np.asarray(Pillow.fromarray(picture).transform(size, affine, tuple(cut.tolist()), Pillow.Resampling.BILINEAR))

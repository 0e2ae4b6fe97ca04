"""A network that sees motion end to end, without a backbone."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from framevote.engine import load_keras
from framevote.errors import PartError
from framevote.heads.temporal import TemporalHead, time_pooled

SIDE = 64
"""Pixels of a side that it sees."""

_PATCH = 8  # pixels of a side that its first convolution takes at once: on a processor, most of the time would go there


@final
@dataclass(frozen=True, repr=False)
class R2Plus1D(TemporalHead):
    """A (2+1)D convolutional network from scratch: convolutions over the picture and over time take turns.

    It stands on the backbone `Pixels`, a small picture as numbers. Tran et al., "A closer look at spatiotemporal convolutions for
    action recognition", CVPR 2018; of two stages, the first on patches, so that it learns on a processor. Unlike theirs it keeps the
    place of what it finds: where a hand moves tells more than that one moves.
    """

    units: int = 64
    look: str = "centred"
    regions: int = 0
    dropout: float = 0.3
    epochs: int = 15

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.regions:
            raise PartError(f"R2Plus1D sees the pixels themselves, which have no regions: regions is 0. Received: regions={self.regions!r}")

    def describe(self, seen: Any) -> Any:
        """Return the mean and the largest over time of what two stages find in each place.

        Raises:
            PartError: an embedding that is no picture of SIDE × SIDE pixels.
        """
        layers = load_keras().layers
        channels, over = divmod(seen.shape[-1], SIDE**2)
        if over or not channels:
            raise PartError(f"R2Plus1D sees pictures of {SIDE}×{SIDE} pixels, as Pixels() gives them. Received: {seen.shape[-1]} numbers.")
        found = layers.Reshape((-1, SIDE, SIDE, channels), name="pictures")(seen)
        found = _stage(found, max(self.units // 2, 1), _PATCH, _PATCH, "stage0")
        found = _stage(found, self.units, 3, 2, "stage1")
        return time_pooled(layers.Reshape((-1, int(np.prod(found.shape[2:]))), name="places")(found))


def _stage(seen: Any, channels: int, side: int, stride: int, name: str) -> Any:
    """Return a convolution over the picture, which makes it smaller, and one over time."""
    layers = load_keras().layers
    found = layers.Conv3D(channels, (1, side, side), strides=(1, stride, stride), padding="same", name=f"{name}_space")(seen)
    found = layers.ReLU(name=f"{name}_space_relu")(layers.LayerNormalization(name=f"{name}_space_norm")(found))
    found = layers.Conv3D(channels, (3, 1, 1), padding="same", name=f"{name}_time")(found)
    return layers.ReLU(name=f"{name}_time_relu")(layers.LayerNormalization(name=f"{name}_time_norm")(found))

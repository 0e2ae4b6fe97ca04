"""A network that sees motion end to end, without a backbone."""

from dataclasses import dataclass
from typing import Any, final

from framevote.engine import load_keras
from framevote.errors import PartError
from framevote.heads.temporal import TemporalHead

SIDE = 64
"""Pixels of a side that it sees."""


@final
@dataclass(frozen=True, repr=False)
class R2Plus1D(TemporalHead):
    """A (2+1)D convolutional network from scratch: convolutions over the picture and over time take turns.

    It stands on the backbone `Pixels`, a small picture as numbers. Tran et al., "A closer look at spatiotemporal convolutions for
    action recognition", CVPR 2018; small enough to learn on a processor.
    """

    units: int = 64
    look: str = "centred"
    regions: int = 0
    dropout: float = 0.3
    epochs: int = 40

    def describe(self, seen: Any) -> Any:
        """Return the mean over time and place of what four stages find.

        Raises:
            PartError: an embedding that is no picture of SIDE × SIDE pixels.
        """
        layers = load_keras().layers
        channels, over = divmod(seen.shape[-1], SIDE**2)
        if over or not channels:
            raise PartError(f"R2Plus1D sees pictures of {SIDE}×{SIDE} pixels, as Pixels() gives them. Received: {seen.shape[-1]} numbers.")
        found = layers.Reshape((-1, SIDE, SIDE, channels), name="pictures")(seen)
        for number, share in enumerate((4, 2, 2, 1)):
            found = _stage(found, max(self.units // share, 1), f"stage{number}")
        mean = layers.GlobalAveragePooling3D(name="whole_mean")(found)
        return layers.Concatenate(name="pooled")([mean, layers.GlobalMaxPooling3D(name="whole_largest")(found)])


def _stage(seen: Any, channels: int, name: str) -> Any:
    """Return a convolution over the picture, which halves it, and one over time."""
    layers = load_keras().layers
    found = layers.Conv3D(channels, (1, 3, 3), strides=(1, 2, 2), padding="same", name=f"{name}_space")(seen)
    found = layers.ReLU(name=f"{name}_space_relu")(layers.LayerNormalization(name=f"{name}_space_norm")(found))
    found = layers.Conv3D(channels, (3, 1, 1), padding="same", name=f"{name}_time")(found)
    return layers.ReLU(name=f"{name}_time_relu")(layers.LayerNormalization(name=f"{name}_time_norm")(found))

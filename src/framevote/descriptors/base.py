"""What every kind of local features is: a part that describes many places of each moment with a row of numbers."""

import abc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from framevote.parts import Part
from framevote.records import Frame, View
from framevote.records.checking import check, frozen


@dataclass(frozen=True, eq=False)
class Descriptors:
    """Local descriptors of one moment.

    Attributes:
        values: float32 (N, D), a row for each place; N may be 0.
        places: float32 (N, 2), x and y of their middles, 0 at the view's left and top edge, 1 at its right and bottom one.
    """

    values: NDArray[np.float32]
    places: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name in ("values", "places"):
            object.__setattr__(self, name, frozen(getattr(self, name), np.float32))
        shapes = (self.values.shape, self.places.shape)
        fits = self.values.ndim == 2 and self.places.shape == (len(self.values), 2)
        check(fits, "Descriptors", "values (N, D) and places (N, 2)", shapes)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Descriptors({len(self.values)} × {self.values.shape[1]} numbers)"


class Extractor(Protocol):
    """What describes frames, ready to run.

    Attributes:
        view: how it wants its frames.
        moving: whether it looks at how consecutive frames differ, and so needs all of a video's frames in their order.
        numbers: D, of a descriptor.
        lead: how many frames before those that are meant tell what moves in the first of them.
    """

    @property
    def lead(self) -> int:
        """How many frames lead in."""

    @property
    def view(self) -> View:
        """How it wants its frames."""

    @property
    def moving(self) -> bool:
        """Whether it needs all frames, in their order."""

    @property
    def numbers(self) -> int:
        """D, of a descriptor."""

    def __call__(self, frames: Iterable[Frame]) -> Iterator[Descriptors]:
        """Yield the descriptors of each frame, in their order; frames are pulled as they are needed.

        Of a moving one, those of a frame describe what moved up to it, and a call's frames are one video's.
        """


class LocalFeatures(Part, abc.ABC):
    """A kind of local features.

    Attributes:
        moving, lead: see `Extractor`.
    """

    moving: bool = False

    @property
    def lead(self) -> int:
        """How many frames lead in; none where single frames are looked at."""
        return 0


def together(several: Sequence[Descriptors]) -> Descriptors:
    """Return the descriptors of several moments as those of one; at least one is given."""
    if len(several) == 1:
        return several[0]
    return Descriptors(np.concatenate([each.values for each in several]), np.concatenate([each.places for each in several]))

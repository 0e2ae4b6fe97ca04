"""What a strategy is."""

import abc
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from framevote.errors import PartError
from framevote.parts import Part
from framevote.records import Frame, Scores
from framevote.smoothing import Smoother
from framevote.video import Video

Score = Callable[[Iterable[Frame]], Iterator[Scores]]
Stretch = tuple[float, float]
Looking = Generator[Scores, None, tuple[Stretch, ...]]


class Strategy(Part, abc.ABC):
    """Decides which frames to look at, and drives the looking."""

    @property
    def spacing(self) -> float:
        """Seconds between the frames that are looked at, at most; 0 where every frame is, inf where nothing bounds it."""
        return 0.0

    @abc.abstractmethod
    def __call__(self, video: Video, score: Score, smoother: Smoother) -> Iterator[Scores]:
        """Yield the scores of the frames that were looked at; together their rows stand for the whole video.

        A generator may return the stretches (start, end) in seconds where it left the vote undecided.
        """


def check_number(part: Part, name: str, expected: str, least: float, most: float = float("inf")) -> None:
    """Check a field that is a number from `least` to `most`, both included, but never infinite.

    Raises:
        PartError: it is none.
    """
    value: Any = getattr(part, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most or value == float("inf"):
        raise PartError(f"{type(part).__name__} takes {name} as {expected}. Received: {name}={value!r}")


def check_count(part: Part, name: str) -> None:
    """Check a field that is a whole number of at least 1.

    Raises:
        PartError: it is none.
    """
    value: Any = getattr(part, name)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 2**31:
        raise PartError(f"{type(part).__name__} takes {name} as a whole number of at least 1. Received: {name}={value!r}")

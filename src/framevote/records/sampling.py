"""How a model samples time: the frames of a window, and the seconds that it spans."""

from dataclasses import dataclass

from framevote.records.checking import check

_MOST_RATE = 1000  # frames a second: more shows no camera, and a minute of video would be cut into steps without end


@dataclass(frozen=True)
class Sampling:
    """What a head that sees order looks at: so many frames, spread evenly over a window of time.

    Attributes:
        frames: of a window, at least 2.
        seconds: that a window spans; a thousandth of them a frame at least.
        causal: whether a row's window ends with it, so that it needs no later frame; else the row lies in its middle.
    """

    frames: int
    seconds: float
    causal: bool = False

    def __post_init__(self) -> None:
        check(type(self.frames) is int and 2 <= self.frames <= 4096, "Sampling", "2 to 4096 frames of a window", self.frames)
        check(0 < self.seconds < float("inf"), "Sampling", "a window of more than 0 seconds", self.seconds)
        check(self.rate <= _MOST_RATE, "Sampling", f"at most {_MOST_RATE} frames a second", f"{self.frames} in {self.seconds} s")
        check(isinstance(self.causal, bool), "Sampling", "causal true or false", self.causal)

    @property
    def step(self) -> float:
        """Seconds from one frame of a window to the next."""
        return self.seconds / self.frames

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds

    @property
    def ahead(self) -> int:
        """How many steps behind its own a row must wait for."""
        return 0 if self.causal else self.frames - 1 - self.frames // 2

"""Steps: a video cut into even stretches of time, and the frame that is shown in the middle of each."""

from collections.abc import Iterator
from dataclasses import dataclass

from framevote.records import Frame


@dataclass(frozen=True)
class Step:
    """One step of a video.

    Attributes:
        time, duration: seconds; the last may be shorter.
        frames: of the video that it stands for; a fraction where a frame is shown for longer than a step.
        pick: the number of the frame, among those that were picked, that is shown in its middle.
    """

    time: float
    duration: float
    frames: float
    pick: int


class Stepper:
    """Cuts consecutive frames into steps: gives back the frames that are shown in the middle of one, and the steps as they end.

    All other frames need no network.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._held: Frame | None = None
        self._origin = 0.0
        self._number = self._done = 0  # the next step that needs a frame, and the next that is to end
        self._counted = self._before = 0.0  # frames of the video up to the last end of a step, and up to the held frame
        self._picks: list[int] = []  # of the steps from `done` on
        self._last_pick = -1
        self._last: Frame | None = None  # that was picked

    def push(self, frame: Frame) -> Iterator[Frame | Step]:
        """Take the next frame; yield what is settled by its time."""
        if self._held is None:
            self._origin = frame.time
        else:
            yield from self._shown_until(self._held, frame.time)
            self._before += self._held.frames
        self._held = frame

    def finish(self) -> Iterator[Frame | Step]:
        """Yield what is settled by the end, the last step among it."""
        if (held := self._held) is None:
            return
        end = held.time + (held.duration or self._step)
        yield from self._shown_until(held, end)
        start = self._origin + self._done * self._step
        if end - start > 1e-6:
            if not self._picks and self._last is held:
                self._picks.append(self._last_pick)
            if not self._picks:
                yield from self._picked(held)
            yield Step(start, end - start, max(self._before + held.frames - self._counted, 1e-6), self._picks[0])

    def _shown_until(self, held: Frame, end: float) -> Iterator[Frame | Step]:
        fresh = True
        while self._origin + (self._number + 0.5) * self._step < end:
            if fresh:
                yield from self._picked(held)
                fresh = False
            else:
                self._picks.append(self._last_pick)
                self._number += 1
        while self._picks and (over := self._origin + (self._done + 1) * self._step) <= end:
            count = self._before + held.frames * (over - held.time) / (end - held.time)
            start = self._origin + self._done * self._step
            yield Step(start, self._step, max(count - self._counted, 1e-6), self._picks.pop(0))
            self._counted, self._done = count, self._done + 1

    def _picked(self, held: Frame) -> Iterator[Frame]:
        self._last_pick, self._last = self._last_pick + 1, held
        self._picks.append(self._last_pick)
        self._number += 1
        yield held

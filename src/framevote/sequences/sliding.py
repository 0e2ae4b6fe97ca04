"""A window that slides along a video."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from framevote.records import Frame, Sampling
from framevote.sequences.steps import Step, Stepper

T = TypeVar("T")

_BLOCK = 32  # windows at a time


class Windows(Generic[T]):
    """Lets a window slide along the steps of a video, each of which holds something: steps in, windows out."""

    def __init__(self, sampling: Sampling) -> None:
        self._ahead, self._behind = sampling.ahead, sampling.frames - 1 - sampling.ahead
        self._steps: deque[Step] = deque()  # whose windows are still to come
        self._held: list[T] = []  # what the steps from `first` on hold
        self._first = self._next = 0

    def add(self, step: Step, held: T) -> None:
        """Take the next step, and what it holds."""
        self._steps.append(step)
        self._held.append(held)

    def whole(self, ended: bool = False, least: int = 1) -> Iterator[tuple[list[Step], list[T], NDArray[np.intp]]]:
        """Yield steps whose windows are whole, at least so many at a time; all, where the video has ended.

        With them comes what is held, and where in it each of the B windows of T steps lies, (B, T).
        """
        while self._steps:
            reach = self._first + len(self._held)
            ready = len(self._steps) if ended else reach - self._ahead - self._next
            if ready < (1 if ended else least):
                return
            count = min(ready, _BLOCK)
            places = np.arange(self._next, self._next + count)[:, None] + np.arange(-self._behind, self._ahead + 1)
            places = np.clip(places, 0, reach - 1) - self._first
            # No more than these windows span: where a frame is shown for minutes, thousands of steps wait.
            yield [self._steps.popleft() for _ in range(count)], self._held[: places[-1, -1] + 1], places
            self._next += count
            passed = max(self._next - self._behind, 0) - self._first
            if passed > 0:
                del self._held[:passed]
                self._first += passed


class Slide:
    """Lets a window slide along a video: frames in, those that need the network out; their embeddings in, windows out."""

    def __init__(self, sampling: Sampling) -> None:
        self._stepper = Stepper(sampling.step)
        self._windows: Windows[NDArray[np.float32]] = Windows(sampling)
        self._pending: deque[Step] = deque()  # whose frame's embedding is still to come
        self._seen: list[NDArray[np.float32]] = []  # embeddings of the picked frames from the number `first_seen` on
        self._first_seen = 0

    def push(self, frame: Frame) -> Iterator[Frame]:
        """Take the next frame; yield those whose embeddings are needed, in the order in which they are to be given."""
        return self._frames(self._stepper.push(frame))

    def finish(self) -> Iterator[Frame]:
        """Take the end of the video; yield what is needed still."""
        return self._frames(self._stepper.finish())

    def _frames(self, settled: Iterable[Frame | Step]) -> Iterator[Frame]:
        for each in settled:
            if isinstance(each, Step):
                self._pending.append(each)
            else:
                yield each

    def embedded(self, embeddings: NDArray[np.float32]) -> None:
        """Take the embeddings (B, D) of the next frames that were asked for."""
        self._seen.extend(embeddings)

    def windows(self, ended: bool = False, least: int = 1) -> Iterator[tuple[list[Step], NDArray[np.float32]]]:
        """Yield steps whose windows are whole (all, where the video has ended) with these, (B, T, D), at least so many at a time."""
        self._settle()
        for steps, held, places in self._windows.whole(ended, least):
            yield steps, np.stack(held)[places]

    def _settle(self) -> None:
        """Give every step that has ended its embedding, as far as these have come; forget those that no later step is shown."""
        while self._pending and self._pending[0].pick < self._first_seen + len(self._seen):
            step = self._pending.popleft()
            passed = step.pick - self._first_seen
            del self._seen[:passed]
            self._first_seen = step.pick
            self._windows.add(step, self._seen[0])

"""An encoding at work on a video: the vector of a window that slides along its steps."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

import numpy as np

from framevote.descriptors import Descriptors, Extractor, together
from framevote.encoders.encoding import Encoding
from framevote.encoders.pooling import Floats, Moment
from framevote.records import Frame, Sampling
from framevote.sequences import Step, Stepper, Windows

_Held = Callable[[float], Moment]


def sliding(frames: Iterable[Frame], extractor: Extractor, encoding: Encoding, sampling: Sampling) -> Iterator[tuple[list[Step], Floats]]:
    """Yield the steps of a video in blocks, each with the vector of its window: (B, L).

    Every moment is encoded once, however many windows it lies in, unless its place in the window counts. At the video's ends windows
    hold the steps that there are.
    """
    windows: Windows[_Held] = Windows(sampling)
    for step, descriptors in steps_of(frames, extractor, sampling.step):
        windows.add(step, _held(descriptors, encoding))
        yield from _whole(windows, encoding, sampling, ended=False)
    yield from _whole(windows, encoding, sampling, ended=True)


def _held(descriptors: Descriptors, encoding: Encoding) -> _Held:
    """Return what gives a step's moment by its place in the window; where that does not count, the descriptors are not kept."""
    if encoding.encoder.moment > 0:
        return lru_cache(lambda when: encoding.moment(descriptors, when))
    moment = encoding.moment(descriptors)
    return lambda when: moment


def _whole(windows: Windows[_Held], encoding: Encoding, sampling: Sampling, ended: bool) -> Iterator[tuple[list[Step], Floats]]:
    for steps, held, places in windows.whole(ended):
        vectors = []
        for row in places:
            own = _present(row.tolist())
            vectors.append(encoding.window([held[place]((number + 0.5) / sampling.frames) for place, number in own]))
        yield steps, np.stack(vectors)


def _present(places: list[int]) -> list[tuple[int, int]]:
    """Return the steps of a window that the video has, each with its number in the window.

    Beyond the video's ends its first and last steps are repeated: of the first the last time is meant, of the others the first.
    """
    first = max(number for number, place in enumerate(places) if place == places[0])
    return [(places[0], first)] + [(place, n) for n, place in enumerate(places) if n > first and place != places[n - 1]]


def steps_of(frames: Iterable[Frame], extractor: Extractor, step: float) -> Iterator[tuple[Step, Descriptors]]:
    """Yield the steps of a video, each with its descriptors.

    Those of a moving extractor are of all frames whose middle lies in the step; else of the frame that is shown in its middle, and no
    other is described.
    """
    return (_moving if extractor.moving else _still)(frames, extractor, step)


def _still(frames: Iterable[Frame], extractor: Extractor, step: float) -> Iterator[tuple[Step, Descriptors]]:
    stepper, pending, seen = Stepper(step), deque[Step](), deque[Descriptors]()
    first = 0  # the number of the first frame that is still remembered in `seen`

    def picked() -> Iterator[Frame]:
        for frame in frames:
            for each in stepper.push(frame):
                if isinstance(each, Step):
                    pending.append(each)
                else:
                    yield each
        for each in stepper.finish():
            if isinstance(each, Step):
                pending.append(each)
            else:
                yield each

    def settled() -> Iterator[tuple[Step, Descriptors]]:
        nonlocal first
        while pending and pending[0].pick < first + len(seen):
            each = pending.popleft()
            while first < each.pick:
                seen.popleft()
                first += 1
            yield each, seen[0]

    for descriptors in extractor(picked()):
        seen.append(descriptors)
        yield from settled()
    yield from settled()


def _moving(frames: Iterable[Frame], extractor: Extractor, step: float) -> Iterator[tuple[Step, Descriptors]]:
    stepper, under_way, held = Stepper(step), deque[Frame](), list[tuple[float, Descriptors]]()
    nothing = Descriptors(np.empty((0, extractor.numbers), np.float32), np.empty((0, 2), np.float32))

    def noted() -> Iterator[Frame]:
        for frame in frames:
            under_way.append(frame)
            yield frame

    def ended(settled: Iterable[Frame | Step]) -> Iterator[tuple[Step, Descriptors]]:
        for each in settled:
            if isinstance(each, Step):
                count = sum(middle < each.time + each.duration for middle, _ in held)
                own = [descriptors for _, descriptors in held[:count]]
                del held[:count]
                yield each, together(own) if own else nothing

    for descriptors in extractor(noted()):
        frame = under_way.popleft()
        yield from ended(stepper.push(frame))
        held.append((frame.time + frame.duration / 2, descriptors))
    yield from ended(stepper.finish())

"""Engines: what a model does with frames, three kinds behind one face.

`FrameEngine` answers each frame by the network, `WindowEngine` puts a head on windows of the network's embeddings, and `EncodedEngine`
encodes local features, of frames or of windows. What they answer is as the classifier was fitted; nothing is calibrated here.
"""

import abc
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from framevote.assembly import Top
from framevote.descriptors import Extractor
from framevote.encoders import Encoding, sliding
from framevote.errors import UsageError
from framevote.records import Frame, Image, Sampling
from framevote.runtime import Answer, Runtime
from framevote.sequences import HeadRuntime, Slide, Step

BLOCK = 32
"""Rows of a block: little to wait for, little to do for each."""


class Row(NamedTuple):
    """What a row stands for: its time and duration in seconds, and how many frames of the video."""

    time: float
    duration: float
    frames: float


class Answered(NamedTuple):
    """Rows, and what the model says of each."""

    rows: list[Row]
    answer: Answer


class Engine(abc.ABC):
    """What a model does with frames.

    Attributes:
        embedding: how many numbers describe a row.
        precision: `f32` or `bf16`, what the network computes in.
        device: `cpu` or `gpu`, where it runs.
        lead: how many frames before a clip tell what moves in its first.
    """

    embedding: int
    precision: str = "f32"
    device: str = "cpu"
    lead: int = 0

    @abc.abstractmethod
    def rows(self, frames: Iterable[Frame]) -> Iterator[Answered]:
        """Yield what is said of a video's consecutive frames, in blocks of about 32 rows."""

    @abc.abstractmethod
    def clips(self, clips: Iterable[Sequence[Frame]]) -> Iterator[Answered]:
        """Yield what is said of clips, one after another: a row for each, or of a model of single frames, for each of its frames."""

    @abc.abstractmethod
    def described(self, frames: Iterable[Frame]) -> Iterator[Answered]:
        """Yield the embeddings that a video's consecutive frames have, in blocks."""

    def check_live(self, name: str) -> None:
        """Refuse to run live where rows need frames that are still to come."""
        del name

    @abc.abstractmethod
    def online(self, frame: Frame) -> Iterator[Answered]:
        """Take the next frame of live video; yield what is settled by it."""


class _NetworkEngine(Engine):
    """What stands on a network."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.embedding, self.precision, self.device = runtime.embedding, runtime.precision, runtime.device

    def described(self, frames: Iterable[Frame]) -> Iterator[Answered]:
        return _blocks(self._answers(frames))

    def _answers(self, frames: Iterable[Frame]) -> Iterator[Answered]:
        """Yield the network's answers beside the frames that they belong to; only those under way are remembered."""
        flight: deque[Row] = deque()

        def images() -> Iterator[Image]:
            for frame in frames:
                flight.append(_row(frame))
                yield frame.image

        for answer in self._runtime.infer(images()):
            yield Answered([flight.popleft() for _ in answer.embedding], answer)


@final
class FrameEngine(_NetworkEngine):
    """A network that answers each frame."""

    def rows(self, frames: Iterable[Frame]) -> Iterator[Answered]:
        """Yield a row for each frame."""
        return _blocks(self._answers(frames))

    def clips(self, clips: Iterable[Sequence[Frame]]) -> Iterator[Answered]:
        """Yield a row for each frame of the clips."""
        return self.rows(chain.from_iterable(clips))

    def online(self, frame: Frame) -> Iterator[Answered]:
        """Yield the frame's row."""
        return self.rows([frame])


@final
class WindowEngine(_NetworkEngine):
    """A head that sees order, on a network's embeddings."""

    def __init__(self, runtime: Runtime, head: HeadRuntime, sampling: Sampling) -> None:
        super().__init__(runtime)
        self._head, self._sampling = head, sampling
        self._live = Slide(sampling)

    def rows(self, frames: Iterable[Frame]) -> Iterator[Answered]:
        """Yield a row for every step; the windows of about 32 steps go through the head at once."""
        slide = Slide(self._sampling)

        def picked() -> Iterator[Frame]:
            for frame in frames:
                yield from slide.push(frame)
            yield from slide.finish()

        for block in _blocks(self._answers(picked())):
            slide.embedded(block.answer.embedding)
            for steps, windows in slide.windows(least=BLOCK):
                yield self._told(map(_row, steps), windows)
        for steps, windows in slide.windows(ended=True):
            yield self._told(map(_row, steps), windows)

    def clips(self, clips: Iterable[Sequence[Frame]]) -> Iterator[Answered]:
        """Yield a row for each clip, of as many frames as a window has."""
        length = self._sampling.frames
        held: list[NDArray[np.float32]] = []
        rows: list[Row] = []
        for some, answer in _blocks(self._answers(chain.from_iterable(clips))):
            held.extend(answer.embedding)
            rows.extend(some)
            if whole := len(held) // length * length:
                yield self._told(rows[:whole:length], np.stack(held[:whole]).reshape(-1, length, self.embedding))
                del held[:whole], rows[:whole]

    def check_live(self, name: str) -> None:
        """Refuse where windows reach ahead; else begin anew."""
        self._live = Slide(self._sampling)
        if not self._sampling.causal:
            raise UsageError(
                f"The model {name} sees {self._sampling.ahead * self._sampling.step:.2g} s ahead and cannot run live. "
                "Train it with causal=True in the head, or label the whole video."
            )

    def online(self, frame: Frame) -> Iterator[Answered]:
        """Yield the rows whose steps have ended."""
        for block in self._answers(list(self._live.push(frame))):
            self._live.embedded(block.answer.embedding)
        for steps, windows in self._live.windows():
            yield self._told(map(_row, steps), windows)

    def _told(self, rows: Iterable[Row], windows: NDArray[np.float32]) -> Answered:
        """Return what the head says of windows (B, T, D)."""
        given = self._head(windows)
        return Answered(list(rows), Answer(given.probabilities, windows[:, 0], given.familiarity))


@final
class EncodedEngine(Engine):
    """A classifier of encoded local features: of each frame, or of windows that slide along the video."""

    def __init__(self, extractor: Extractor, encoding: Encoding, top: Top, sampling: Sampling | None, runtime: Runtime | None) -> None:
        self._extractor, self._encoding, self._top, self._sampling = extractor, encoding, top, sampling
        self.embedding, self.lead = encoding.length, extractor.lead
        if runtime:
            self.precision, self.device = runtime.precision, runtime.device

    def rows(self, frames: Iterable[Frame]) -> Iterator[Answered]:
        """Yield a row for every step, or of a model of single frames for each frame."""
        return _blocks(self._sliding(frames) if self._sampling else self._single(frames))

    described = rows

    def clips(self, clips: Iterable[Sequence[Frame]]) -> Iterator[Answered]:
        """Yield a row for each clip; all of its frames are looked at."""
        if not self._sampling:
            return self.rows(chain.from_iterable(clips))
        return _blocks(map(self._clip, clips))

    def _clip(self, clip: Sequence[Frame]) -> Answered:
        meant = [(frame, found) for frame, found in zip(clip, self._extractor(clip), strict=True) if frame.frames]
        return self._told([_row(meant[0][0])], self._encoding.vector([found for _, found in meant])[None])

    def check_live(self, name: str) -> None:
        """Refuse where a row needs more than its own frame."""
        if self._sampling:
            raise UsageError(f"The model {name} encodes windows around each moment and cannot run live. Label the whole video.")

    def online(self, frame: Frame) -> Iterator[Answered]:
        """Yield the frame's row."""
        return self._single([frame])

    def _sliding(self, frames: Iterable[Frame]) -> Iterator[Answered]:
        assert self._sampling is not None
        for steps, vectors in sliding(frames, self._extractor, self._encoding, self._sampling):
            yield self._told(list(map(_row, steps)), vectors)

    def _single(self, frames: Iterable[Frame]) -> Iterator[Answered]:
        flight: deque[Row] = deque()

        def noted() -> Iterator[Frame]:
            for frame in frames:
                flight.append(_row(frame))
                yield frame

        for descriptors in self._extractor(noted()):
            yield self._told([flight.popleft()], self._encoding.vector([descriptors])[None])

    def _told(self, rows: list[Row], vectors: NDArray[np.float32]) -> Answered:
        said = self._top.probabilities(vectors).astype(np.float32)
        return Answered(rows, Answer(said, vectors, self._top.familiarity(vectors).astype(np.float32)))


def _row(held: Frame | Step) -> Row:
    return Row(held.time, held.duration, held.frames)


def _blocks(answers: Iterable[Answered]) -> Iterator[Answered]:
    """Join answers to blocks of at least 32 rows (the last may have fewer)."""
    gathered: list[Answered] = []
    for answered in answers:
        gathered.append(answered)
        if sum(len(each.rows) for each in gathered) >= BLOCK:
            yield _joined(gathered)
            gathered = []
    if gathered:
        yield _joined(gathered)


def _joined(gathered: list[Answered]) -> Answered:
    joined = Answer(*(np.concatenate(column) for column in zip(*(each.answer for each in gathered), strict=True)))
    return Answered([row for each in gathered for row in each.rows], joined)

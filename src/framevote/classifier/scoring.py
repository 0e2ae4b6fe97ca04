"""The classifier: frames in, class probabilities or embeddings out."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.calibration import known_share, tempered
from framevote.errors import ModelError, UsageError
from framevote.model_file import ModelFile
from framevote.records import UNKNOWN, Features, Frame, Image, Sampling, Scores, View
from framevote.runtime import Answer, KerasRuntime, Runtime
from framevote.sequences import Slide, Step, Windowed, open_head

_BLOCK = 32  # rows of a block of scores: little to wait for, little to do for each

_Place = tuple[float, float, int]  # a frame's time, duration and frames


@final
class Classifier:
    """A model that is ready to score frames.

    Attributes:
        card: what the model is.
        fingerprint: 12 hexadecimal digits that name the content.
        known_only: whether it never says unknown, even where it could.
    """

    def __init__(self, file: ModelFile, runtime: Runtime, known_only: bool = False) -> None:
        self.card, self.fingerprint, self.known_only, self._runtime = file.card, file.fingerprint, known_only, runtime
        self._head = open_head(file, runtime.embedding, keras=isinstance(runtime, KerasRuntime)) if file.head else None

    def __repr__(self) -> str:
        return (
            f"Classifier({self.name!r}, {len(self.labels)} labels, {self.view.width}×{self.view.height}, {self.precision} on {self.device})"
        )

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.card.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, one for each column of the scores; the last is `unknown` where the model can say so."""
        return (*self.card.labels, UNKNOWN) if self._open else self.card.labels

    @property
    def _open(self) -> bool:
        return self.card.openness is not None and not self.known_only

    @property
    def view(self) -> View:
        """How a picture becomes the network's input."""
        return self.card.view

    @property
    def sampling(self) -> Sampling | None:
        """How a model that sees order samples time; None for a model of single frames."""
        return self.card.sampling

    @property
    def precision(self) -> str:
        """`f32` or `bf16`: what the network computes in."""
        return self._runtime.precision

    @property
    def device(self) -> str:
        """`cpu` or `gpu`: where the network runs."""
        return self._runtime.device

    @property
    def embedding(self) -> int:
        """How many numbers describe a picture."""
        return self._runtime.embedding

    def stream(self, frames: Iterable[Frame]) -> Iterator[Scores]:
        """Yield the scores of consecutive frames in blocks of about 32 rows; memory does not grow with their number.

        A model of single frames gives a row for each; one that sees order a row for each step of its own rate.

        Raises:
            UsageError: a frame is not of the model's size.
            ModelError: the model has no labels.
        """
        self._check_labels()
        if self.card.sampling:
            yield from self._slide(frames, self.card.sampling)
            return
        for places, answer in _blocks(self._answers(frames)):
            times, durations, counts = (np.array(column, np.float64) for column in zip(*places, strict=True))
            yield Scores(self._values(answer), times, durations, counts, self.labels)

    def clips(self, frames: Iterable[Frame]) -> Iterator[Scores]:
        """Yield the scores of clips, one after another: of a model that sees order, a row for each `sampling.frames` frames.

        Its time and duration are those of the first of them, so frames are timed by whoever makes the clips. Of a model of single
        frames it is `stream`: a clip is one frame.
        """
        if not (sampling := self.card.sampling):
            yield from self.stream(frames)
            return
        self._check_labels()
        held: list[NDArray[np.float32]] = []
        places: list[_Place] = []
        for some, answer in _blocks(self._answers(frames)):
            held.extend(answer.embedding)
            places.extend(some)
            if whole := len(held) // sampling.frames * sampling.frames:
                windows = np.stack(held[:whole]).reshape(-1, sampling.frames, self.embedding)
                yield self._told([Step(*place, 0) for place in places[: whole : sampling.frames]], windows)
                del held[:whole], places[:whole]

    def online(self) -> Callable[[Frame], Scores]:
        """Return a function that takes the next frame of live video and gives the rows that are settled by it, often none.

        Raises:
            UsageError: the model's windows need frames that are still to come.
        """
        self._check_labels()
        if not (sampling := self.card.sampling):
            return lambda frame: Scores.join(self.stream([frame]), self.labels)
        if not sampling.causal:
            raise UsageError(
                f"The model {self.name} sees {sampling.ahead * sampling.step:.2g} s ahead and cannot run live. "
                "Train it with causal=True in the head, or label the whole video."
            )
        slide = Slide(sampling)

        def step(frame: Frame) -> Scores:
            for picked in slide.push(frame):
                slide.embedded(self.embed([picked]).values)
            return Scores.join((self._told(steps, windows) for steps, windows in slide.windows()), self.labels)

        return step

    def _check_labels(self) -> None:
        if not self.card.labels:
            raise ModelError(f"The model {self.name} is a backbone, which gives embeddings only. Expected one with labels: train it first.")

    def _slide(self, frames: Iterable[Frame], sampling: Sampling) -> Iterator[Scores]:
        """Yield a row for every step; the windows of about 32 steps go through the head at once."""
        slide = Slide(sampling)

        def picked() -> Iterator[Frame]:
            for frame in frames:
                yield from slide.push(frame)
            yield from slide.finish()

        for _, answer in _blocks(self._answers(picked())):
            slide.embedded(answer.embedding)
            for steps, windows in slide.windows(least=_BLOCK):
                yield self._told(steps, windows)
        for steps, windows in slide.windows(ended=True):
            yield self._told(steps, windows)

    def _told(self, steps: list[Step], windows: NDArray[np.float32]) -> Scores:
        """Return what the head says of windows (B, T, D), as rows."""
        given: Windowed = self._head(windows)  # type: ignore[misc]
        answer = Answer(given.probabilities, windows[:, 0], given.familiarity)
        times, durations, counts = (np.array([getattr(step, name) for step in steps]) for name in ("time", "duration", "frames"))
        return Scores(self._values(answer), times, durations, counts, self.labels)

    def _values(self, answer: Answer) -> NDArray[np.float32]:
        """Return calibrated probabilities (B, C); with a last column for what is unknown, they are shares of what is known."""
        values = tempered(answer.probabilities, self.card.temperature, self.card.several)
        if not self._open or self.card.openness is None:
            return values
        known = known_share(self.card.openness, values, answer.familiarity)[:, None]
        return np.concatenate([values * known, 1 - known], axis=1)

    def scores(self, frames: Iterable[Frame]) -> Scores:
        """Return the class probabilities of frames: a row for each, in their order."""
        return Scores.join(self.stream(frames), self.labels)

    def embed(self, frames: Iterable[Frame]) -> Features:
        """Return the embeddings of frames: a row for each, in their order."""
        blocks = list(self.embed_stream(frames))
        if not blocks:
            return Features(np.empty((0, self.embedding), np.float32), np.empty(0))
        return Features(np.concatenate([block.values for block in blocks]), np.concatenate([block.times for block in blocks]))

    def embed_stream(self, frames: Iterable[Frame]) -> Iterator[Features]:
        """Yield the embeddings of frames in blocks of about 32 rows, in their order."""
        for places, answer in _blocks(self._answers(frames)):
            yield Features(answer.embedding, np.array([place[0] for place in places], np.float64))

    def _answers(self, frames: Iterable[Frame]) -> Iterator[tuple[list[_Place], Answer]]:
        """Yield the network's answers beside the frames that they belong to; only those under way are remembered."""
        flight: deque[_Place] = deque()

        def images() -> Iterator[Image]:
            for frame in frames:
                self._check(frame)
                flight.append((frame.time, frame.duration, frame.frames))
                yield frame.image

        for answer in self._runtime.infer(images()):
            yield [flight.popleft() for _ in answer[0]], answer

    def _check(self, frame: Frame) -> None:
        height, width, _ = frame.image.shape
        if (width, height) != (self.view.width, self.view.height):
            raise UsageError(
                f"The model {self.name} takes frames of {self.view.width}×{self.view.height}. Received: {width}×{height}. "
                "Open the video with open_video(path, view=model.view)."
            )


def _blocks(answers: Iterable[tuple[list[_Place], Answer]]) -> Iterator[tuple[list[_Place], Answer]]:
    """Join answers to blocks of at least 32 rows (the last may have fewer)."""
    gathered: list[tuple[list[_Place], Answer]] = []
    for places, answer in answers:
        gathered.append((places, answer))
        if sum(len(p) for p, _ in gathered) >= _BLOCK:
            yield _joined(gathered)
            gathered = []
    if gathered:
        yield _joined(gathered)


def _joined(gathered: list[tuple[list[_Place], Answer]]) -> tuple[list[_Place], Answer]:
    joined = Answer(*(np.concatenate(column) for column in zip(*(answer for _, answer in gathered), strict=True)))
    return [place for places, _ in gathered for place in places], joined

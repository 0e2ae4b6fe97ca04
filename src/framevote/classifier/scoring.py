"""The classifier: frames in, class probabilities or embeddings out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.calibration import known_share, tempered
from framevote.classifier.engines import Answered
from framevote.classifier.opening import open_engine
from framevote.errors import ModelError, UsageError
from framevote.model_file import ModelFile
from framevote.records import UNKNOWN, Features, Frame, Sampling, Scores, View
from framevote.runtime import Answer, Runtime

Watch = Callable[[Scores, Features], None]


@final
class Classifier:
    """A model that is ready to score frames.

    Attributes:
        card: what the model is.
        fingerprint: 12 hexadecimal digits that name the content.
        known_only: whether it never says unknown, even where it could.
    """

    def __init__(self, file: ModelFile, runtime: Runtime | None, known_only: bool = False) -> None:
        """Take a model file, and the runtime of its network; None where it has none."""
        self.card, self.fingerprint, self.known_only = file.card, file.fingerprint, known_only
        self._engine = open_engine(file, runtime)

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
    def lead(self) -> int:
        """How many frames before a clip tell what moves in its first; 0 where the model does not look at motion."""
        return self._engine.lead

    @property
    def precision(self) -> str:
        """`f32` or `bf16`: what the network computes in."""
        return self._engine.precision

    @property
    def device(self) -> str:
        """`cpu` or `gpu`: where the network runs."""
        return self._engine.device

    @property
    def embedding(self) -> int:
        """How many numbers describe a picture."""
        return self._engine.embedding

    def stream(self, frames: Iterable[Frame], watch: Watch | None = None) -> Iterator[Scores]:
        """Yield the scores of consecutive frames in blocks of about 32 rows; memory does not grow with their number.

        A model of single frames gives a row for each; one that sees order a row for each step of its own rate. `watch` is told each
        block, with the embeddings of its rows (of a model that sees order: of the first frames of their windows).

        Raises:
            UsageError: a frame is not of the model's size.
            ModelError: the model has no labels.
        """
        self._check_labels()
        for answered in self._engine.rows(self._checked(frames)):
            scores = self._scores(answered)
            if watch:
                watch(scores, Features(answered.answer.embedding, scores.times))
            yield scores

    def clips(self, clips: Iterable[Sequence[Frame]]) -> Iterator[Scores]:
        """Yield the scores of clips, one after another: of a model that sees windows, a row for each; else a row for each frame.

        Each has at least one frame; those whose `frames` are 0 only lead in. Of a network's head on windows each has `sampling.frames`. A
        row's time and duration are those of its first frame, so frames are timed by whoever makes the clips.
        """
        self._check_labels()
        return map(self._scores, self._engine.clips(list(self._checked(clip)) for clip in clips))

    def online(self) -> Callable[[Frame], Scores]:
        """Return a function that takes the next frame of live video and gives the rows that are settled by it, often none.

        Raises:
            UsageError: the model's windows need frames that are still to come.
        """
        self._check_labels()
        if self.view.motion:
            raise UsageError(f"The model {self.name} looks at motion, which live frames do not bring. Label a video instead.")
        self._engine.check_live(self.name)
        return lambda frame: Scores.join(map(self._scores, self._engine.online(next(self._checked([frame])))), self.labels)

    def _check_labels(self) -> None:
        if not self.card.labels:
            raise ModelError(f"The model {self.name} is a backbone, which gives embeddings only. Expected one with labels: train it first.")

    def _scores(self, answered: Answered) -> Scores:
        times, durations, counts = (np.array(column, np.float64) for column in zip(*answered.rows, strict=True))
        return Scores(self._values(answered.answer), times, durations, counts, self.labels)

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
        """Return the embeddings of frames: a row for each, in their order; of an encoding of windows, a row for each step."""
        blocks = list(self.embed_stream(frames))
        if not blocks:
            return Features(np.empty((0, self.embedding), np.float32), np.empty(0))
        return Features(np.concatenate([block.values for block in blocks]), np.concatenate([block.times for block in blocks]))

    def embed_stream(self, frames: Iterable[Frame]) -> Iterator[Features]:
        """Yield the embeddings of frames in blocks of about 32 rows, in their order."""
        for rows, answer in self._engine.described(self._checked(frames)):
            yield Features(answer.embedding, np.array([row.time for row in rows], np.float64))

    def _checked(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self._check(frame)
            yield frame

    def _check(self, frame: Frame) -> None:
        height, width, _ = frame.image.shape
        if (width, height) != (self.view.width, self.view.height):
            raise UsageError(
                f"The model {self.name} takes frames of {self.view.width}×{self.view.height}. Received: {width}×{height}. "
                "Open the video with open_video(path, view=model.view)."
            )
        if self.view.motion and frame.motion is None:
            raise UsageError(f"The model {self.name} looks at motion. Open the video with open_video(path, view=model.view).")

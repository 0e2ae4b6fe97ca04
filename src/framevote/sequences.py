"""Sequences: what sees order, at work. A video is cut into even steps, and a window of them slides along.

Step k of a video lies at [k, k + 1) × step seconds; its embedding is that of the frame shown in its middle, as in training. A row of
scores stands for one step, and its window has the row in its middle, or ends with it (`Sampling.causal`). Before the first step and
behind the last one, windows hold the first and the last.
"""

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from framevote.engine import load_keras, openvino_core
from framevote.errors import ModelError
from framevote.model_file import HEAD_KERAS, OUTPUTS, ModelFile
from framevote.records import Frame, Sampling

_BLOCK = 32  # windows at a time


class Windowed(NamedTuple):
    """What a head says of B windows: probabilities float32 (B, C), and familiarity (B,), NaN where it does not measure it."""

    probabilities: NDArray[np.float32]
    familiarity: NDArray[np.float32]


class HeadRuntime(Protocol):
    """A head that is ready to run."""

    def __call__(self, windows: NDArray[np.float32]) -> Windowed:
        """Return what it says of windows (B, T, D)."""


def open_head(file: ModelFile, embedding: int, keras: bool) -> HeadRuntime:
    """Return the runtime of a model file's head, on embeddings of so many numbers: Keras's, or OpenVINO's.

    Raises:
        ModelError: its graph is damaged, or does not fit the embeddings or the card.
    """
    head = _KerasHead(file) if keras else _OpenVINOHead(file)
    card = file.card
    expected = {"probabilities": len(card.labels), **({"familiarity": 1} if card.openness else {})}
    if head.takes != embedding or any(head.gives.get(name) != size for name, size in expected.items()):
        told = ", ".join(f"{name} (N, {size})" for name, size in expected.items())
        raise ModelError(
            f"The head in {file.path.name} should take windows (N, T, {embedding}) and give {told}. Received: (N, T, {head.takes}) and "
            f"{head.gives}. Export the model again."
        )
    return head


class _OpenVINOHead:
    """OpenVINO on the processor, in f32: a head costs little beside the backbone, and recurrent layers add up what they round.

    Attributes:
        takes: numbers of an embedding.
        gives: the numbers of each output.
    """

    def __init__(self, file: ModelFile) -> None:
        core = openvino_core()
        graph, weights = file.head or (b"", b"")
        try:
            model = core.read_model(graph, weights)
            self.takes = model.input().partial_shape[2].get_length()
            model.reshape([-1, file.card.sampling.frames if file.card.sampling else -1, self.takes])
            named = {name: port.partial_shape for port in model.outputs for name in port.get_names() if name in OUTPUTS}
            self.gives = {name: shape[1].get_length() for name, shape in named.items()}
            self._compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False})
        except Exception as error:  # OpenVINO raises RuntimeError, ValueError and others for a damaged graph
            raise ModelError(f"The head in {file.path.name} cannot be loaded by OpenVINO. Export the model again.") from error

    def __call__(self, windows: NDArray[np.float32]) -> Windowed:
        given = self._compiled(windows)
        return _windowed({name: given[name] for name in self.gives})


class _KerasHead:
    """The `.keras` model of the head on the installed Keras backend; its attributes are those of OpenVINO's."""

    def __init__(self, file: ModelFile) -> None:
        keras = load_keras("The runtime keras")
        with tempfile.TemporaryDirectory(prefix="framevote-") as folder:
            path = file.extract_keras(Path(folder), HEAD_KERAS)
            try:
                self._model = keras.models.load_model(path, compile=False, safe_mode=True)
            except Exception as error:  # Keras raises what its layers raise
                raise ModelError(f"The head in {file.path.name} cannot be loaded. Export the model again.") from error
        outputs = self._model.output if isinstance(self._model.output, dict) else {}
        self.takes = int(self._model.input_shape[-1] or 0)
        self.gives = {name: int(output.shape[-1] or 0) for name, output in outputs.items()}

    def __call__(self, windows: NDArray[np.float32]) -> Windowed:
        return _windowed(self._model.predict_on_batch(windows))


def _windowed(given: dict[str, Any]) -> Windowed:
    probabilities = np.array(given["probabilities"], np.float32)
    familiarity = np.array(given["familiarity"], np.float32)[:, 0] if "familiarity" in given else np.full(len(probabilities), np.nan)
    return Windowed(probabilities, familiarity.astype(np.float32))


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


class Slide:
    """Lets a window slide along a video: frames in, those that need the network out; their embeddings in, windows out."""

    def __init__(self, sampling: Sampling) -> None:
        self._stepper = Stepper(sampling.step)
        self._ahead, self._behind = sampling.ahead, sampling.frames - 1 - sampling.ahead
        self._pending: deque[Step] = deque()  # whose frame's embedding is still to come
        self._seen: list[NDArray[np.float32]] = []  # embeddings of the picked frames from the number `first_seen` on
        self._first_seen = 0
        self._steps: deque[Step] = deque()  # whose windows are still to come
        self._held: list[NDArray[np.float32]] = []  # embeddings of the steps from `first` on
        self._first = self._next = 0

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
        while self._steps:
            reach = self._first + len(self._held)
            ready = len(self._steps) if ended else reach - self._ahead - self._next
            if ready < (1 if ended else least):
                return
            count = min(ready, _BLOCK)
            places = np.arange(self._next, self._next + count)[:, None] + np.arange(-self._behind, self._ahead + 1)
            places = np.clip(places, 0, reach - 1) - self._first
            # No more than these windows span: where a frame is shown for minutes, thousands of steps wait.
            yield [self._steps.popleft() for _ in range(count)], np.stack(self._held[: places[-1, -1] + 1])[places]
            self._next += count
            passed = max(self._next - self._behind, 0) - self._first
            if passed > 0:
                del self._held[:passed]
                self._first += passed

    def _settle(self) -> None:
        """Give every step that has ended its embedding, as far as these have come; forget those that no later step is shown."""
        while self._pending and self._pending[0].pick < self._first_seen + len(self._seen):
            step = self._pending.popleft()
            passed = step.pick - self._first_seen
            del self._seen[:passed]
            self._first_seen = step.pick
            self._steps.append(step)
            self._held.append(self._seen[0])

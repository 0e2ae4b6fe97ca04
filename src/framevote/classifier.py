"""Classifiers: frames in, class probabilities or embeddings out."""

import difflib
import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import final

import numpy as np
import platformdirs
from numpy.typing import NDArray

from framevote.backbones import efficientnet_lite0
from framevote.backbones.imagenet import WEIGHTS_VERSION, imagenet_labels, lite0_weights
from framevote.errors import ModelError, OutputError, UsageError
from framevote.export import export_model
from framevote.model_file import FORMAT, SUFFIX, Card, ModelFile, read_model_file
from framevote.records import Features, Frame, Image, Scores, View
from framevote.runtime import Answer, Device, Precision, Runtime, RuntimeName, open_runtime

IMAGENET = "imagenet"
_EDITION = 1  # of the built-in model: raise it where its labels, its graph or its card change
_BLOCK = 32  # rows of a block of scores: little to wait for, little to do for each

_Place = tuple[float, float, int]  # a frame's time, duration and frames


@final
class Classifier:
    """A model that is ready to score frames.

    Attributes:
        card: what the model is.
        fingerprint: 12 hexadecimal digits that name the content.
    """

    def __init__(self, file: ModelFile, runtime: Runtime) -> None:
        self.card, self.fingerprint, self._runtime = file.card, file.fingerprint, runtime

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
        """The class names, one for each column of the scores."""
        return self.card.labels

    @property
    def view(self) -> View:
        """How a picture becomes the network's input."""
        return self.card.view

    @property
    def precision(self) -> str:
        """`f32` or `bf16`: what the network computes in."""
        return self._runtime.precision

    @property
    def device(self) -> str:
        """`cpu` or `gpu`: where the network runs."""
        return self._runtime.device

    def stream(self, frames: Iterable[Frame]) -> Iterator[Scores]:
        """Yield the scores of consecutive frames in blocks of about 32 rows; memory does not grow with their number.

        Raises:
            UsageError: a frame is not of the model's size.
        """
        for places, (probabilities, _) in _blocks(self._answers(frames)):
            times, durations, counts = (np.array(column, np.float64) for column in zip(*places, strict=True))
            yield Scores(_tempered(probabilities, self.card.temperature), times, durations, counts, self.labels)

    def scores(self, frames: Iterable[Frame]) -> Scores:
        """Return the class probabilities of frames: a row for each, in their order."""
        return Scores.join(self.stream(frames), self.labels)

    def embed(self, frames: Iterable[Frame]) -> Features:
        """Return the embeddings of frames: a row for each, in their order."""
        blocks = [([place[0] for place in places], embedding) for places, (_, embedding) in _blocks(self._answers(frames))]
        if not blocks:
            return Features(np.empty((0, self._runtime.embedding), np.float32), np.empty(0))
        return Features(np.concatenate([values for _, values in blocks]), np.concatenate([times for times, _ in blocks]))

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
    probabilities, embeddings = (np.concatenate([answer[i] for _, answer in gathered]) for i in (0, 1))
    return [place for places, _ in gathered for place in places], (probabilities, embeddings)


def _tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return softmax(logits / temperature) from softmax(logits): the power 1 / temperature, made to sum to 1 again."""
    if temperature == 1:
        return probabilities
    powers = np.power(probabilities.astype(np.float64), 1 / temperature)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def load_model(
    model: "str | Path | Classifier" = IMAGENET,
    *,
    precision: Precision = "auto",
    device: Device = "cpu",
    runtime: RuntimeName | None = None,
    notify: Callable[[str], None] | None = None,
) -> Classifier:
    """Return a model that is ready to score frames.

    Args:
        model: "imagenet", a `.fvm` file, or a classifier, which is returned as it is.
        precision: what the network computes in: `f32`, `bf16`, or `auto`: bf16 where the processor has it.
        device: `cpu`, or `gpu` for the Keras backend's.
        runtime: `openvino` or `keras`; None takes OpenVINO on the processor and Keras on a GPU.
        notify: is told in a sentence when something takes long: the ImageNet model is built on first use.

    Raises:
        UsageError: an argument that is not known; a model that is neither "imagenet" nor a `.fvm` file by its name.
        ModelError: the model cannot be found, read, or run as asked.
        MissingExtra: an optional package is absent.
    """
    if isinstance(model, Classifier):
        return model
    file = _imagenet(notify) if model == IMAGENET else read_model_file(_find(model))
    return Classifier(file, open_runtime(file, precision, device, runtime))


def _find(model: str | Path) -> Path:
    path = Path(model)
    if path.suffix.lower() == SUFFIX:
        return path
    near = difflib.get_close_matches(str(model).lower(), [IMAGENET], n=1, cutoff=0.6)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UsageError(f"There is no model {str(model)!r}.{hint} Expected {IMAGENET}, or a model file, whose name ends with {SUFFIX}.")


def _imagenet(notify: Callable[[str], None] | None) -> ModelFile:
    """Return the built-in ImageNet model from the cache folder; build it on first use, and again where its file is damaged.

    Two processes may build at once: each writes a file of its own and renames it.
    """
    path = imagenet_path()
    if path.exists():
        try:
            return read_model_file(path)
        except ModelError as error:
            _tell(notify, f"{error} It is built anew.")
    _build_imagenet(path, notify)
    return read_model_file(path)


def imagenet_path() -> Path:
    """Return where the built-in model's file lies; its name holds all that decides its content, so that no other version reads it."""
    return cache_folder() / f"{IMAGENET}-{efficientnet_lite0()}-{WEIGHTS_VERSION}-{FORMAT}.{_EDITION}{SUFFIX}"


def cache_folder() -> Path:
    """Return where models that can be made again are kept: FRAMEVOTE_CACHE, or the user's cache folder."""
    told = os.environ.get("FRAMEVOTE_CACHE")
    return Path(told) if told else platformdirs.user_cache_path("framevote")


def _build_imagenet(path: Path, notify: Callable[[str], None] | None) -> None:
    lite0_weights()  # an absent package or a closed folder is told before the long work
    backbone = efficientnet_lite0()
    card = Card(IMAGENET, imagenet_labels(), repr(backbone), "linear", backbone.view)
    _open_folder(path.parent)
    _tell(notify, f"Building the ImageNet model once, about 20 s; it is kept in {path.parent}")
    export_model(backbone, card, path)


def _open_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise OutputError(
            f"The ImageNet model cannot be kept in {folder}: {error.strerror}. Set FRAMEVOTE_CACHE to a folder that can be written to."
        ) from error


def _tell(notify: Callable[[str], None] | None, sentence: str) -> None:
    if notify:
        notify(sentence)

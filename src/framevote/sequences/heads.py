"""The network that stands on windows of embeddings, ready to run."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from framevote.engine import load_keras, openvino_core
from framevote.errors import ModelError
from framevote.model_file import HEAD_KERAS, OUTPUTS, ModelFile


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

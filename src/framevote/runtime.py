"""Runtimes: what carries a model's pictures through the network, in order, while the caller decodes the next ones.

`OpenVINORuntime` is the usual one; `KerasRuntime` runs the `.keras` model on the installed Keras backend, for GPUs.
"""

import abc
import importlib
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from framevote.engine import load_keras, openvino_core
from framevote.errors import ModelError, UsageError
from framevote.model_file import OUTPUTS, ModelFile
from framevote.records import Image

if TYPE_CHECKING:
    import openvino

Precision: TypeAlias = Literal["auto", "f32", "bf16"]
Device: TypeAlias = Literal["cpu", "gpu"]
RuntimeName: TypeAlias = Literal["openvino", "keras"]

PRECISIONS: tuple[Precision, ...] = ("auto", "f32", "bf16")
DEVICES: tuple[Device, ...] = ("cpu", "gpu")
RUNTIMES: tuple[RuntimeName, ...] = ("openvino", "keras")

# Images a request, by measurement (Zen 4, 2 cores, decoding 480p meanwhile; frames/s for 1, 2, 4, 8, 16 images):
# bf16 155, 201, 234, 233, 220; f32 140, 145, 146, 143, 139. On a GPU a kernel's start weighs more.
_BATCH = 4
_GPU_BATCH = 64

# Requests for each one that runs: with two more waiting, an uneven decoder starves nothing (bf16 234 → 249 frames/s).
_DEPTH = 3


class Answer(NamedTuple):
    """What a network says of B pictures, float32.

    Attributes:
        probabilities: (B, C), as the network gives them; C is 0 for a backbone.
        embedding: (B, D).
        familiarity: (B,), the similarity to what the model was trained on; NaN where the model does not measure it.
    """

    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    familiarity: NDArray[np.float32]


class Runtime(abc.ABC):
    """A network that is ready to run.

    Attributes:
        precision: `f32` or `bf16`, what the network computes in.
        device: `cpu` or `gpu`, where it runs.
        embedding: how many numbers describe a picture.
    """

    precision: str
    device: str
    embedding: int

    @abc.abstractmethod
    def infer(self, images: Iterable[Image]) -> Iterator[Answer]:
        """Yield answers on consecutive images, in their order.

        Images are uint8 (height, width, 3) of the network's size and are pulled one at a time, as they are needed. What the
        iterable raises reaches the caller; answers that were under way by then are dropped.
        """


def open_runtime(
    file: ModelFile, precision: Precision = "auto", device: Device = "cpu", runtime: RuntimeName | None = None, threads: int | None = None
) -> Runtime:
    """Return a runtime for a model file; OpenVINO on the processor and Keras on a GPU unless told otherwise.

    `threads` bounds how many OpenVINO computes with; None takes every core.

    Raises:
        UsageError: a name that is not known, or OpenVINO asked to run on a GPU.
        ModelError: the device or the precision is not to be had here, or the graph is damaged.
        MissingExtra: Keras is asked for and absent.
    """
    for name, received, known in (
        ("precision", precision, PRECISIONS),
        ("device", device, DEVICES),
        ("runtime", runtime, (None, *RUNTIMES)),
    ):
        if received not in known:
            raise UsageError(f"{name} is one of {', '.join(str(k) for k in known if k)}. Received: {received!r}")
    if device == "gpu" and runtime == "openvino":
        raise UsageError("The runtime openvino runs on the processor. For a GPU leave runtime out, or give runtime='keras'.")
    if device == "gpu" or runtime == "keras":
        return KerasRuntime(file, precision, device)
    return OpenVINORuntime(file, precision, threads=threads)


@final
class OpenVINORuntime(Runtime):
    """OpenVINO on the processor: a ring of requests, filled by the caller's thread and run by OpenVINO's own."""

    device = "cpu"

    def __init__(self, file: ModelFile, precision: Precision = "auto", batch: int = _BATCH, threads: int | None = None) -> None:
        """Compile the graph for `batch` images a request, to be run by so many threads; None: one for each core."""
        core = openvino_core()
        self.precision = _take_precision(precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        self.batch = batch
        view = file.card.view
        self._compiled = _compile(core, file, [batch, view.height, view.width, 3], self.precision, threads)
        shapes = {name: tuple(output.shape) for output in self._compiled.outputs for name in output.get_names()}
        self.embedding = _check_shapes(file, shapes)
        self._outputs = tuple(name for name in OUTPUTS if name in shapes)

    def infer(self, images: Iterable[Image]) -> Iterator[Answer]:
        """Yield answers, a request's worth at a time; while one is awaited, all others are under way."""
        source = iter(images)
        requests: list[openvino.InferRequest] = []
        room = _DEPTH * int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        flight: deque[tuple[openvino.InferRequest, int]] = deque()
        try:
            while True:
                request = requests.pop() if requests else self._compiled.create_infer_request()
                if not (count := _copy(source, request.get_input_tensor().data)):
                    break
                request.start_async()
                flight.append((request, count))
                if len(flight) == room:
                    request, count = flight[0]
                    yield self._await(request, count)
                    requests.append(flight.popleft()[0])
            while flight:
                yield self._await(*flight[0])
                flight.popleft()
        finally:
            for request, _ in flight:
                request.wait()

    def _await(self, request: "openvino.InferRequest", count: int) -> Answer:
        request.wait()
        return _answer({name: request.get_tensor(name).data for name in self._outputs}, count)


def _take_precision(asked: Precision, capabilities: Iterable[str]) -> str:
    able = "BF16" in capabilities
    if asked == "bf16" and not able:
        raise ModelError("This processor does not compute in bf16. Give precision='f32', or 'auto', which takes what is there.")
    return "bf16" if able and asked != "f32" else "f32"


def _compile(core: Any, file: ModelFile, shape: list[int], precision: str, threads: int | None) -> Any:
    # Threads that are tied to cores stand in the way of the decoder's: not tied, decoding and network together take 2–10 % less.
    hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision, "ENABLE_CPU_PINNING": False}
    if threads is not None:
        hints["INFERENCE_NUM_THREADS"] = threads
    try:
        model = core.read_model(file.graph, file.weights)
        model.reshape(shape)
        return core.compile_model(model, "CPU", hints)
    except Exception as error:  # OpenVINO raises RuntimeError, ValueError and others for a damaged graph
        raise ModelError(f"The network in {file.path.name} cannot be loaded by OpenVINO. Export the model again.") from error


def _check_shapes(file: ModelFile, shapes: dict[str, tuple[int | None, ...]]) -> int:
    """Return the embedding's length; raise where the network does not give what the card says."""
    behind = file.head or file.encoding  # which give the rest
    labels = 0 if behind else len(file.card.labels)
    openness = file.card.openness and not behind
    expected = {"embedding": None, **({"probabilities": labels} if labels else {}), **({"familiarity": 1} if openness else {})}
    fits = [len(shapes.get(name, ())) == 2 and size in (None, shapes[name][1]) for name, size in expected.items()]
    if not all(fits):
        told = ", ".join(f"{name} (N, {size or 'D'})" for name, size in expected.items())
        raise ModelError(f"The network in {file.path.name} should give {told}. Received: {shapes}")
    return int(shapes["embedding"][1] or 0)


def _answer(given: dict[str, Any], count: int) -> Answer:
    """Return copies of the first `count` rows of what a network gave; what it does not give is empty, or NaN."""
    told = {name: np.array(given[name][:count], np.float32) for name in OUTPUTS if name in given}
    familiarity = told["familiarity"][:, 0] if "familiarity" in told else np.full(count, np.nan, np.float32)
    return Answer(told.get("probabilities", np.empty((count, 0), np.float32)), told["embedding"], familiarity)


@final
class KerasRuntime(Runtime):
    """The `.keras` model on the installed Keras backend (KERAS_BACKEND chooses), in float32."""

    precision = "f32"

    def __init__(self, file: ModelFile, precision: Precision = "auto", device: Device = "cpu", batch: int | None = None) -> None:
        """Load the model; `batch` images run at a time, by default 4 on the processor and 64 on a GPU."""
        if precision == "bf16":
            raise ModelError("The runtime keras computes in f32. Give precision='auto', or run on the processor with runtime='openvino'.")
        load_keras(f"device={device!r} with the runtime keras")
        self.device = device
        self.batch = batch or (_GPU_BATCH if device == "gpu" else _BATCH)
        self._place = _place(device)
        self._shape = (self.batch, file.card.view.height, file.card.view.width, 3)
        self._model = _load_keras(file, self._place)
        outputs = self._model.output if isinstance(self._model.output, dict) else {}
        self.embedding = _check_shapes(file, {name: tuple(output.shape) for name, output in outputs.items()})

    def infer(self, images: Iterable[Image]) -> Iterator[Answer]:
        """Yield answers a batch at a time."""
        keras = load_keras()
        source, rows = iter(images), np.zeros(self._shape, np.uint8)
        while count := _copy(source, rows):
            with keras.device(self._place):
                given = self._model.predict_on_batch(rows)
            yield _answer(given, count)


def _copy(source: Iterator[Image], rows: NDArray[np.uint8]) -> int:
    """Copy the next images into rows, and return how many came; the rows behind the last keep what they held."""
    count = 0
    for image in islice(source, len(rows)):
        rows[count] = image
        count += 1
    return count


def _place(device: Device) -> str:
    """Return Keras's name for a device; raise where the backend has none such."""
    keras = load_keras()
    if device == "cpu":
        return "cpu:0"
    if not _has_gpu(keras.backend.backend()):
        raise ModelError(
            f"The Keras backend {keras.backend.backend()} sees no GPU here. Install a backend that does and choose it with KERAS_BACKEND "
            "(jax, torch or tensorflow), or give device='cpu'."
        )
    return "gpu:0"


def _has_gpu(backend: str) -> bool:
    module = importlib.import_module(backend)
    if backend == "tensorflow":
        return bool(module.config.list_physical_devices("GPU"))
    if backend == "jax":
        return bool(module.default_backend() == "gpu")
    return bool(module.cuda.is_available()) if backend == "torch" else False


def _load_keras(file: ModelFile, place: str) -> Any:
    keras = load_keras()
    with tempfile.TemporaryDirectory(prefix="framevote-") as folder:
        path = file.extract_keras(Path(folder))
        try:
            with keras.device(place):
                return keras.models.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises what its layers raise
            raise ModelError(f"The Keras model in {file.path.name} cannot be loaded. Export the model again.") from error

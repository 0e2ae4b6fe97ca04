"""Each target's own runtime: it opens what was written, says what goes in and out, and runs it (in the TensorFlow process)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.engine import load_keras, openvino_core
from framevote.targets.networks import Port

Batch = NDArray[Any]
Answers = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Opened:
    """A file in its runtime: one input, outputs by their names, and what runs it on a batch."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    run: Callable[[Batch], Answers]


def open_onnx(path: Path) -> Opened:
    """Open an ONNX file in ONNX Runtime."""
    import onnxruntime  # noqa: PLC0415 - heavy

    onnxruntime.disable_telemetry_events()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def ports(told: Any) -> tuple[Port, ...]:
        kinds = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}
        shapes = (tuple(size if isinstance(size, int) else None for size in port.shape) for port in told)
        return tuple(Port(port.name, shape, kinds.get(port.type, port.type)) for port, shape in zip(told, shapes, strict=True))

    inputs, outputs = ports(session.get_inputs()), ports(session.get_outputs())
    names = [port.name for port in outputs]
    return Opened(inputs, outputs, lambda batch: dict(zip(names, session.run(names, {inputs[0].name: batch}), strict=True)))


def open_openvino(path: Path) -> Opened:
    """Open a graph in OpenVINO, in f32."""
    compiled = openvino_core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def ports(told: Any) -> tuple[Port, ...]:
        shapes = (tuple(size.get_length() if size.is_static else None for size in port.partial_shape) for port in told)
        return tuple(Port(port.any_name, shape, port.element_type.to_dtype().name) for port, shape in zip(told, shapes, strict=True))

    outputs = ports(compiled.outputs)
    names = [port.name for port in outputs]

    def run(batch: Batch) -> Answers:
        answers = compiled(batch)
        return {name: np.array(answers[name]) for name in names}

    return Opened(ports(compiled.inputs), outputs, run)


def open_litert(path: Path) -> Opened:
    """Open a LiteRT file; one that takes one item at a time is run on each in turn."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - heavy

    runner = Interpreter(model_path=str(path)).get_signature_runner()

    def ports(told: Any) -> tuple[Port, ...]:
        rows = ((name, detail["shape_signature"], detail["dtype"]) for name, detail in told.items())
        return tuple(Port(name, tuple(None if n < 0 else int(n) for n in shape), np.dtype(kind).name) for name, shape, kind in rows)

    inputs, outputs = ports(runner.get_input_details()), ports(runner.get_output_details())
    (given,) = inputs

    def run(batch: Batch) -> Answers:
        parts = [batch] if given.shape[0] is None else [batch[at : at + 1] for at in range(len(batch))]
        answers = [runner(**{given.name: part}) for part in parts]
        return {port.name: np.concatenate([answer[port.name] for answer in answers]) for port in outputs}

    return Opened(inputs, outputs, run)


def open_saved_model(path: Path) -> Opened:
    """Open a SavedModel in TensorFlow."""
    import tensorflow as tf  # noqa: PLC0415 - heavy

    loaded = tf.saved_model.load(str(path))  # holds what the signature runs on: it must live as long
    signature = loaded.signatures["serving_default"]

    def ports(told: Any) -> tuple[Port, ...]:
        return tuple(Port(name, tuple(spec.shape), spec.dtype.name) for name, spec in told.items())

    inputs = ports(signature.structured_input_signature[1])

    def run(batch: Batch, _loaded: Any = loaded) -> Answers:
        return {name: values.numpy() for name, values in signature(**{inputs[0].name: tf.constant(batch)}).items()}

    return Opened(inputs, ports(signature.structured_outputs), run)


def open_keras(path: Path) -> Opened:
    """Open a Keras file in Keras."""
    model = load_keras().models.load_model(path, compile=False, safe_mode=True)

    def port(name: str, tensor: Any) -> Port:
        return Port(name, tuple(tensor.shape), tensor.dtype)

    inputs = tuple(port(tensor.name, tensor) for tensor in model.inputs)
    outputs = tuple(port(name, tensor) for name, tensor in model.output.items())
    return Opened(inputs, outputs, lambda batch: {name: np.asarray(values) for name, values in model(batch, training=False).items()})


RUNTIMES: dict[str, Callable[[Path], Opened]] = {
    "onnx": open_onnx,
    "openvino": open_openvino,
    "litert": open_litert,
    "saved_model": open_saved_model,
    "keras": open_keras,
}
"""How what was written for each target is opened."""

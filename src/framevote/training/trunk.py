"""A network in two: the trunk, whose layers stay as they are, and the tail, in which layers learn.

Nothing flows back into the trunk, so that any engine may run it. On a processor with TensorFlow that is OpenVINO, in bf16 where the
processor has it: measured on 2 cores (Zen 4) with Lite0's trunk, 254 pictures/s in bf16 and 125 in f32, where one training step of the
whole network with the same layers frozen takes 76 in TensorFlow. Elsewhere (a GPU, JAX, PyTorch) Keras runs it.
"""

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from framevote.engine import load_keras, load_openvino, openvino_core
from framevote.training.feeding import Look

if TYPE_CHECKING:
    import keras

# Pictures a request, as in framevote.runtime.
_BATCH = 4


def copied(model: "keras.Model", policy: str | None = None) -> "keras.Model":
    """Return a model of the same layers and weights that shares nothing, computing by another policy where one is given."""
    keras = load_keras()

    config = model.get_config()
    for layer in config["layers"]:
        if policy and layer["class_name"] != "InputLayer":
            layer["config"]["dtype"] = policy
    copy = keras.Model.from_config(config)
    copy.set_weights(model.get_weights())
    return copy


def waist(model: "keras.Model", layers: int) -> Any:
    """Return the last tensor before the last `layers` layers through which alone everything flows; at worst the pictures themselves."""
    operations = list(model.operations)
    first = operations.index(model.layers[max(len(model.layers) - layers, 0)])
    given = {id(tensor) for tensor in _tensors(model.inputs)}
    for end in range(first, 0, -1):
        made = given | {id(t) for operation in operations[:end] for t in _tensors(operation.output)}
        later = [t for operation in operations[end:] for t in _tensors(operation.input) if id(t) in made]
        crossing = {id(tensor): tensor for tensor in (*later, *(t for t in _tensors(model.outputs) if id(t) in made))}
        if len(crossing) == 1:
            return next(iter(crossing.values()))
    return model.inputs[0]


def _tensors(tree: Any) -> list[Any]:
    keras = load_keras()

    flat: list[Any] = keras.tree.flatten(tree)
    return flat


def freeze(model: "keras.Model", layers: int) -> None:
    """Let the last `layers` layers learn and no other; batch normalisation keeps the means that it has."""
    keras = load_keras()

    first = max(len(model.layers) - layers, 0)
    for place, layer in enumerate(model.layers):
        layer.trainable = place >= first and not isinstance(layer, keras.layers.BatchNormalization)


def open_trunk(model: "keras.Model", cut: Any, f32: bool = False) -> Look | None:
    """Return what runs a model up to a tensor: uint8 (B, h, w, 3) to float32 (B, …); None where the tensor is the model's input.

    OpenVINO computes in bf16 where the processor has it, unless `f32`.
    """
    keras = load_keras()

    if cut is model.inputs[0]:
        return None
    trunk = keras.Model(model.inputs[0], cut)
    if keras.backend.backend() == "tensorflow" and not on_gpu():
        return _Compiled(trunk, f32)

    def look(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(keras.ops.convert_to_numpy(trunk.predict_on_batch(pictures)), np.float32)

    return look


def on_gpu() -> bool:
    """Return whether the Keras backend computes on a GPU."""
    keras = load_keras()

    backend = importlib.import_module(name := keras.backend.backend())
    if name == "tensorflow":
        return bool(backend.config.list_physical_devices("GPU"))
    return backend.default_backend() == "gpu" if name == "jax" else bool(backend.cuda.is_available())


class _Compiled:
    """The trunk on OpenVINO; called by one thread at a time."""

    def __init__(self, trunk: "keras.Model", f32: bool) -> None:
        import tensorflow  # noqa: PLC0415 - heavy

        openvino, core = load_openvino(), openvino_core()
        shape = (_BATCH, *trunk.input_shape[1:])
        signature = tensorflow.TensorSpec(shape, tensorflow.uint8)

        def seen(pictures: Any) -> Any:
            return trunk(pictures, training=False)

        traced = tensorflow.function(seen, autograph=False).get_concrete_function(signature)
        able = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        hints = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "bf16" if able and not f32 else "f32"}
        converted = openvino.convert_model(traced)
        converted.reshape(list(shape))
        self._queue = openvino.AsyncInferQueue(core.compile_model(converted, "CPU", {**hints, "ENABLE_CPU_PINNING": False}))
        self._shape = tuple(trunk.output_shape[1:])

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        features = np.empty((len(pictures), *self._shape), np.float32)

        def keep(request: Any, at: int) -> None:
            features[at : at + _BATCH] = request.get_output_tensor().data[: len(features) - at]

        self._queue.set_callback(keep)
        for at in range(0, len(pictures), _BATCH):
            part = pictures[at : at + _BATCH]
            missing = _BATCH - len(part)
            self._queue.start_async([np.pad(part, [(0, missing), *[(0, 0)] * 3]) if missing else part], at)
        self._queue.wait_all()
        return features

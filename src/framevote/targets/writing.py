"""A Keras network as the file, or the folder, of each target (in the TensorFlow process)."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from framevote.engine import load_openvino, openvino_core
from framevote.targets.networks import Network, Shape
from framevote.targets.tempering import temper_graph

if TYPE_CHECKING:
    import keras

Write = Callable[["keras.Model", Network, Path], None]

_OPSET = 18


def write_onnx(model: "keras.Model", network: Network, path: Path) -> None:
    """Write ONNX by way of a TensorFlow function, which keeps loops over a free number of frames."""
    import tf2onnx  # noqa: PLC0415 - heavy

    called = _traced(model, network)
    names = [called.inputs[0].name], [output.name for output in called.outputs]  # what else goes in are constants, to be frozen
    renamed = {names[0][0]: network.feeds, **{output.name: name for name, output in called.structured_outputs.items()}}
    proto, _ = tf2onnx.convert.from_graph_def(
        tf2onnx.tf_loader.from_function(called, *names),
        name=model.name,
        input_names=names[0],
        output_names=names[1],
        opset=_OPSET,
        custom_op_handlers={"Erfc": (_erfc, [])},
        tensors_to_rename=renamed,
    )
    for port, free in ((proto.graph.input[0], ("batch", "time")), *((port, ("batch",)) for port in proto.graph.output)):
        for dimension, name in zip(port.type.tensor_type.shape.dim, free, strict=False):
            if not dimension.dim_value:
                dimension.dim_param = name
    path.write_bytes(proto.SerializeToString())


def _traced(model: "keras.Model", network: Network) -> Any:
    """Return the network as a TensorFlow function without functions within: Keras compiles convolutions in groups one by one."""
    import tensorflow as tf  # noqa: PLC0415 - heavy

    def call(given: Any) -> Any:
        tf.config.run_functions_eagerly(True)  # while this one is traced: those within become part of it
        try:
            return model(given, training=False)
        finally:
            tf.config.run_functions_eagerly(False)

    return tf.function(call).get_concrete_function(_signature(model, network))


def _erfc(context: Any, node: Any, *_: Any) -> Any:
    """Replace what TensorFlow computes gelu with, which tf2onnx does not know: erfc(x) = 1 - erf(x)."""
    (given,), (name,) = node.input, node.output
    shape, kind = context.get_shape(name), context.get_dtype(name)
    context.remove_node(node.name)
    erf = context.make_node("Erf", [given])
    one = context.make_const(f"{node.name}/one", np.ones((), np.float32))
    return context.make_node("Sub", [one.output[0], erf.output[0]], name=node.name, outputs=[name], shapes=[shape], dtypes=[kind])


def write_openvino(_model: "keras.Model", network: Network, path: Path) -> None:
    """Write the graph that the model file holds, with the temperature inside."""
    openvino = load_openvino()
    if network.temperature == 1:
        for suffix in (path.suffix, ".bin"):
            shutil.copyfile(Path(network.graph).with_suffix(suffix), path.with_suffix(suffix))
        return
    graph = openvino_core().read_model(network.graph)
    temper_graph(graph, network.temperature)
    openvino.save_model(graph, path, compress_to_fp16=False)


def write_litert(model: "keras.Model", network: Network, path: Path) -> None:
    """Write LiteRT's file, of its own operations alone.

    Its loops want to know the shape of what they gather, the number of items included: a network that has loops and cannot be
    converted for any number of items takes one at a time.
    """
    try:
        content = _litert(model, network, None)
    except Exception:  # the converter's own class is private
        content = _litert(model, network, 1)
    path.write_bytes(content)


def _litert(model: "keras.Model", network: Network, items: int | None) -> bytes:
    import tensorflow as tf  # noqa: PLC0415 - heavy

    with tempfile.TemporaryDirectory(prefix="framevote-") as folder:
        write_saved_model(model, network, Path(folder), items)
        return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def write_saved_model(model: "keras.Model", network: Network, path: Path, items: int | None = None) -> None:
    """Write TensorFlow's SavedModel, a folder; its signature takes any number of items, or just so many."""
    model.export(path, format="tf_saved_model", verbose=False, input_signature=[_signature(model, network, items)])


def write_keras(model: "keras.Model", _network: Network, path: Path) -> None:
    """Write a Keras file."""
    model.save(path)


def _signature(model: "keras.Model", network: Network, items: int | None = None) -> Any:
    import tensorflow as tf  # noqa: PLC0415 - heavy

    (given,) = model.inputs
    shape: Shape = (items, *given.shape[1:])
    return tf.TensorSpec(shape, given.dtype, name=network.feeds)


WRITERS: dict[str, Write] = {
    "onnx": write_onnx,
    "openvino": write_openvino,
    "litert": write_litert,
    "saved_model": write_saved_model,
    "keras": write_keras,
}
"""How each target is written."""

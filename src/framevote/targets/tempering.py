"""The temperature inside the network, so that nobody has to apply it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from framevote.engine import load_keras, load_openvino
from framevote.errors import ModelError

if TYPE_CHECKING:
    import keras

_NAME = "probabilities"
_SQUASHING = ("softmax", "sigmoid")


def tempered_network(model: "keras.Model", temperature: float) -> "keras.Model":
    """Return a network whose probabilities are softmax(logits / temperature), or the sigmoid of that, where it gives a sigmoid.

    A dense layer with softmax or sigmoid, which is how framevote's own networks end, has its weights divided by the temperature, in
    place; before an activation layer with one of them its input is divided. Both are exact, while probabilities near 1 would give
    their logits back but roughly.

    Args:
        model: gives `probabilities`, or else is returned as it is.
        temperature: above 0.

    Raises:
        ModelError: the probabilities come of neither layer.
    """
    if temperature == 1 or _NAME not in model.output:
        return model
    keras = load_keras()
    last = model.output[_NAME]._keras_history.operation
    squashing = getattr(getattr(last, "activation", None), "__name__", "") in _SQUASHING
    if squashing and isinstance(last, keras.layers.Dense):
        last.set_weights([array / temperature for array in last.get_weights()])
        return model
    if squashing and isinstance(last, keras.layers.Activation):
        return keras.Model(model.input, {**model.output, _NAME: last(last.input / temperature)}, name=model.name)
    raise _no_place(model.name, type(last).__name__)


def temper_graph(graph: Any, temperature: float) -> None:
    """Let an OpenVINO graph do the same: divide, in place, what goes into the softmax or sigmoid that its `probabilities` come of.

    Raises:
        ModelError: they come of something else.
    """
    opset13 = load_openvino().opset13
    for result in graph.get_results():
        last = result.input_value(0).get_node()
        if _NAME not in result.output(0).get_names():
            continue
        if last.get_type_name().lower() not in _SQUASHING:
            raise _no_place(graph.get_friendly_name(), last.get_type_name())
        cooled = opset13.divide(last.input_value(0), np.float32(temperature))
        last.input(0).replace_source_output(cooled.output(0))
    graph.validate_nodes_and_infer_types()


def _no_place(name: str, kind: str) -> ModelError:
    return ModelError(
        f"The network {name} has a temperature, and its probabilities come of a {kind}. Expected a dense or an activation layer with "
        f"{' or '.join(_SQUASHING)}."
    )

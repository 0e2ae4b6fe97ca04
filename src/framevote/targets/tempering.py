"""The temperature inside the network, so that nobody has to apply it."""

from typing import TYPE_CHECKING

from framevote.engine import load_keras
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
    raise ModelError(
        f"The network {model.name} has a temperature, and its probabilities come of a layer {type(last).__name__}. Expected a Dense or "
        f"an Activation layer with {' or '.join(_SQUASHING)}."
    )

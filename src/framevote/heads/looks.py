"""What a temporal head looks at: the embeddings of a window as they are, how they change, or what sets a moment apart in its clip.

Everything is a layer of the head's own network, so that what was learned and what is run can never differ.
"""

from typing import Any

from framevote.engine import load_keras
from framevote.errors import PartError

LOOKS = ("embedding", "change", "centred")

FLOOR = 0.1
"""Added to a number's spread over a clip before it is divided by it, in units of its spread over all training data: what hardly moves
is not blown up to noise."""

LEAST_SPREAD = 0.05
"""Added to a spread before its logarithm is taken, in units of the spread over all training data."""


def check_look(owner: str, look: object) -> None:
    """Raise PartError where `look` is not one or more of LOOKS, joined by +."""
    names = look.split("+") if isinstance(look, str) else []
    if not names or any(name not in LOOKS for name in names) or len(set(names)) < len(names):
        raise PartError(f"{owner} takes look: one or more of {', '.join(LOOKS)}, joined by +. Received: look={look!r}")


def looked(window: Any, look: str) -> Any:
    """Return what a head sees of standardised embeddings (N, T, D): (N, T, D × looks).

    `embedding` is the window itself, `change` the difference from the frame before (0 at the first), `centred` the window less its own
    mean over time: what a person looks like goes, how they move stays. Change and centred are divided by each number's spread over
    the window.
    """
    keras = load_keras()
    layers, ops = keras.layers, keras.ops
    names = look.split("+")
    seen = {"embedding": window}
    if names != ["embedding"]:
        centred = window - ops.mean(window, axis=[1], keepdims=True)
        spread = ops.sqrt(ops.mean(ops.square(centred), axis=[1], keepdims=True)) + FLOOR
        seen["centred"] = centred / spread
    if "change" in names:
        before, after = layers.Cropping1D((0, 1), name="before")(window), layers.Cropping1D((1, 0), name="after")(window)
        seen["change"] = layers.ZeroPadding1D((1, 0), name="change")(layers.Subtract(name="step")([after, before]) / spread)
    chosen = [seen[name] for name in names]
    return layers.Concatenate(name="look")(chosen) if len(chosen) > 1 else chosen[0]

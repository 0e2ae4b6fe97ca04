"""A trained model file of a small network, whose temperature is not 1; networks with a free number of frames; exports in this process."""

from pathlib import Path

import numpy as np
import pytest
from made_colours import VIEW, flat_backbone
from made_models import LABELS, card

from framevote.assembly import Top
from framevote.export import export_model
from framevote.model_file import Openness
from framevote.targets import job
from framevote.targets.process import carry_out

TEMPERATURE = 1.7
WIDTH = 6  # numbers of an embedding, in the networks that see order


def trained(path: Path, **changes) -> Path:
    """Write a model file as training writes one: a top with prototypes on a network, a temperature, and when to say unknown."""
    below, random = flat_backbone(), np.random.default_rng(0)
    below.save(path.with_suffix(".below.keras"))
    prototypes = random.normal(0, 1, (below.output_shape[-1], 7))
    told = {"view": VIEW, "temperature": TEMPERATURE, "openness": Openness((0.0, 0.5), (0.3,) * 3, (0.6, 0.7, 0.8), 0.05), **changes}
    kernel = random.normal(0, 1, (len(prototypes), len(LABELS)))
    several = told.get("several", False)
    top = Top(kernel, [0.1, 0.0, -0.1], several, prototypes / np.linalg.norm(prototypes, axis=0))
    export_model(path.with_suffix(".below.keras"), card(**told), path, top)
    return path


def export_here(patch: pytest.MonkeyPatch) -> None:
    """Let exports to targets run in this process: it saves TensorFlow's start, some five seconds."""
    patch.setattr(job, "run_tensorflow", lambda _module, arguments, *_: carry_out(Path(*arguments)))


def _recurrent(layers, window):
    return {
        "lstm": layers.LSTM(5)(window),
        "gru": layers.GRU(5)(window),
        "simple": layers.SimpleRNN(5)(window),
        "two_way": layers.Bidirectional(layers.LSTM(3))(window),
    }


def _convolved(layers, window):
    attended = layers.LayerNormalization()(layers.Add()([window, layers.MultiHeadAttention(2, 4)(window, window)]))
    picture = layers.Conv3D(4, (1, 1, 2), padding="same", activation="relu")(layers.Reshape((-1, 1, 2, WIDTH // 2))(window))
    mean = layers.GlobalAveragePooling1D()
    return {
        "same": mean(layers.Conv1D(5, 3, padding="same", activation="gelu")(window)),
        "causal": layers.GlobalMaxPooling1D()(layers.Conv1D(5, 3, padding="causal", dilation_rate=2)(window)),
        "attention": mean(attended),
        "two_plus_one": layers.GlobalAveragePooling3D()(layers.Conv3D(5, (3, 1, 1), padding="same")(picture)),
    }


KINDS = {"recurrent": _recurrent, "convolved": _convolved}


def sees_order(path: Path, kind: str):
    """Save and return a network of windows (N, T, 6), T free, with an output for each layer of its kind, and `probabilities`."""
    import keras

    keras.utils.set_random_seed(11)
    window = keras.Input((None, WIDTH), name="window")
    found = KINDS[kind](keras.layers, window)
    probabilities = keras.layers.Dense(3, activation="softmax", name="probabilities")(keras.layers.Concatenate()([*found.values()]))
    model = keras.Model(window, {"probabilities": probabilities, **found}, name=kind)
    model.save(path)
    return model

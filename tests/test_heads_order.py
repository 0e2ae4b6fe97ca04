"""What heads learn: a head that sees order tells rising from falling, which no bag of frames does; and how it looks at windows."""

import numpy as np
import pytest

from framevote.calibration import as_targets
from framevote.heads import Average
from framevote.heads.looks import FLOOR, LOOKS, looked
from framevote.parts import build

ORDERED = ["TemporalConv", "LSTM", "GRU", "SimpleRNN", "Transformer", "GRU(two_way=True)"]


def ramps(rows: int, seed: int, frames: int = 8, numbers: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Windows whose numbers rise or fall evenly in a direction; the frames of both classes are alike, and so are their changes' sizes."""
    random = np.random.default_rng(seed)
    rising = np.arange(rows) % 2
    line = np.linspace(-1, 1, frames)[None, :, None] * np.where(rising, 1, -1)[:, None, None]
    direction = np.random.default_rng(7).normal(0, 1, numbers)
    return (line * direction + random.normal(0, 0.3, (rows, frames, numbers))).astype(np.float32), rising


def accuracy(spec: str) -> float:
    name, _, more = spec.rstrip(")").partition("(")
    part = build("head", f"{name}(units=16, epochs=12, rate=0.01, dropout=0.2{', ' + more if more else ''})")
    values, rising = ramps(160, 0)
    shown, truth = ramps(200, 1)
    fitted = part(values, as_targets(rising, 2), np.ones(len(values)), False, 1.0)
    return float(np.mean(fitted.probabilities(shown).argmax(axis=1) == truth))


@pytest.mark.parametrize("spec", ORDERED)
def test_what_only_order_tells_is_learned(spec):
    assert accuracy(spec) >= 0.95


def test_what_only_order_tells_is_no_news_to_a_head_of_moments():
    for spec in ("MLP()", "MLP(look='centred')"):
        assert 0.35 < accuracy(spec) < 0.65


def test_what_only_order_tells_is_no_news_to_single_frames():
    values, rising = ramps(160, 0)
    shown, truth = ramps(200, 1)
    fitted = Average()(values.reshape(-1, 6), as_targets(np.repeat(rising, 8), 2), np.ones(160 * 8), False, 0.1)
    answers = fitted.probabilities(shown.reshape(-1, 6)).reshape(200, 8, 2).mean(axis=1)
    assert 0.35 < np.mean(answers.argmax(axis=1) == truth) < 0.65


def seen_by_numpy(window: np.ndarray, look: str) -> np.ndarray:
    centred = window - window.mean(axis=1, keepdims=True)
    spread = window.std(axis=1, keepdims=True) + FLOOR
    change = np.diff(window, axis=1, prepend=window[:, :1]) / spread
    return np.concatenate([{"embedding": window, "centred": centred / spread, "change": change}[name] for name in look.split("+")], axis=2)


@pytest.mark.parametrize("look", [*LOOKS, "embedding+change", "change+centred+embedding"])
@pytest.mark.parametrize("frames", [2, 9])
def test_looks_are_plain_arithmetic(look, frames):
    import keras

    window = np.random.default_rng(0).normal(1, 2, (4, frames, 5)).astype(np.float32)
    inputs = keras.Input((None, 5))
    found = keras.ops.convert_to_numpy(keras.Model(inputs, looked(inputs, look))(window))
    np.testing.assert_allclose(found, seen_by_numpy(window, look), atol=1e-4)


def test_a_window_that_stands_still_gives_numbers():
    import keras

    inputs = keras.Input((None, 5))
    found = keras.Model(inputs, looked(inputs, "change+centred"))(np.full((1, 4, 5), 3.0, np.float32))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), 0, atol=1e-6)


def test_weights_of_rows_count():
    """Rows of no weight teach nothing: turned round, they do no harm."""
    part = build("head", "TemporalConv(units=16, epochs=12, rate=0.01, dropout=0.2)")
    values, rising = ramps(160, 0)
    shown, truth = ramps(200, 1)
    turned = np.concatenate([values, values]), np.concatenate([rising, 1 - rising])
    weights = np.repeat([1.0, 1e-6], 160)
    fitted = part(turned[0], as_targets(turned[1], 2), weights, False, 1.0)
    assert np.mean(fitted.probabilities(shown).argmax(axis=1) == truth) >= 0.95


def test_several_labels_are_learned_each_by_itself():
    values, rising = ramps(160, 0)
    lifted = np.arange(160) // 2 % 2
    values[..., 0] += 3 * lifted[:, None]
    part = build("head", "TemporalConv(units=16, epochs=12, rate=0.01, dropout=0.1, look='embedding')")
    targets = np.stack([rising == 1, lifted == 1], axis=1)
    fitted = part(values, targets, np.ones(160), True, 1.0)
    assert ((fitted.probabilities(values) > 0.5) == targets).mean() > 0.97

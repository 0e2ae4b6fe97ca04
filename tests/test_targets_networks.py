"""Networks of every kind in every runtime: with a free number of frames, with a temperature; and what happens where one differs."""

import numpy as np
import pytest
from made_models import card, graph_folder, pictures
from made_targets import KINDS, TEMPERATURE, WIDTH, sees_order

from framevote.calibration import tempered
from framevote.engine import openvino_core
from framevote.errors import ModelError
from framevote.model_file import GRAPH
from framevote.targets import TARGETS
from framevote.targets.networks import WRITTEN, Network, Order, load_answer
from framevote.targets.process import TOLERANCE, carry_out, compare
from framevote.targets.runtimes import RUNTIMES, Opened
from framevote.targets.tempering import temper_graph, tempered_network
from framevote.targets.writing import WRITERS


@pytest.fixture(scope="module", params=KINDS)
def network(request, tmp_path_factory):
    path = tmp_path_factory.mktemp(request.param) / "head.keras"
    return path, sees_order(path, request.param)


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "openvino"])  # the graph of the file: test_targets.py
def test_networks_with_a_free_number_of_frames_say_in_every_runtime_what_keras_says(tmp_path, network, target):
    path, model = network
    Order(target, (Network("head", str(path), "window", temperature=TEMPERATURE),)).save(tmp_path)
    carry_out(tmp_path)
    (written,) = load_answer(tmp_path)
    assert 0 <= written.difference < 1e-6
    loops_in_litert = target == "litert" and model.name == "recurrent"
    assert written.inputs[0].shape == (1 if loops_in_litert else None, None, WIDTH)
    windows = np.random.default_rng(1).normal(0, 2, (4, 17, WIDTH)).astype(np.float32)  # neither number was tried
    expected = model.predict(windows, verbose=0)
    expected["probabilities"] = tempered(expected["probabilities"], TEMPERATURE)
    received = RUNTIMES[target](tmp_path / WRITTEN / f"head{TARGETS[target].suffix}").run(windows)
    assert received.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(received[name], values, atol=2e-6)


@pytest.mark.parametrize("target", ["onnx", "litert"])
def test_what_backbones_hold_says_what_keras_says(tmp_path, target):
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(7)
    given = keras.Input((12, 12, 3), dtype="uint8", name="given")
    x = layers.Normalization(mean=[120.0, 110.0, 100.0], variance=[60.0, 50.0, 40.0])(given)  # holds constants that are no weights
    x = layers.Conv2D(6, 3, groups=3, activation="gelu")(x)  # a function of its own within TensorFlow
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", activation="hard_swish")(x)
    model = keras.Model(given, {"embedding": layers.GlobalAveragePooling2D()(x)}, name="small")
    model.save(tmp_path / "small.keras")
    Order(target, (Network("model", str(tmp_path / "small.keras"), "picture"),)).save(tmp_path)
    carry_out(tmp_path)
    images = pictures(5, size=12)
    received = RUNTIMES[target](tmp_path / WRITTEN / f"model{TARGETS[target].suffix}").run(images)
    np.testing.assert_allclose(received["embedding"], model.predict(images, verbose=0)["embedding"], rtol=1e-5, atol=1e-5)


def _top(activation: str, dense: bool):
    import keras

    given = keras.Input((4,), name="given")
    logits = keras.layers.Dense(3, activation=activation if dense else None)(given)
    return keras.Model(given, {"probabilities": logits if dense else keras.layers.Activation(activation)(logits), "other": given})


@pytest.mark.parametrize(("activation", "dense"), [("softmax", True), ("sigmoid", True), ("softmax", False), ("sigmoid", False)])
@pytest.mark.parametrize("temperature", [0.3, 1, 4])
def test_the_temperature_inside_gives_what_framevote_gives(activation, dense, temperature):
    model = _top(activation, dense)
    values = np.random.default_rng(0).normal(0, 3, (50, 4)).astype(np.float32)
    before = model.predict(values, verbose=0)
    after = tempered_network(model, temperature).predict(values, verbose=0)
    expected = tempered(before["probabilities"], temperature, activation == "sigmoid")
    np.testing.assert_allclose(after["probabilities"], expected, atol=3e-5)
    np.testing.assert_array_equal(after["other"], values)


@pytest.mark.parametrize("several", [False, True])
def test_the_temperature_inside_an_openvino_graph_gives_what_framevote_gives(tmp_path, several):
    path = graph_folder(tmp_path / "parts", card(several=several)) / GRAPH
    images, graph = pictures(20), openvino_core().read_model(path)
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    before = openvino_core().compile_model(path, "CPU", exact)(images)
    temper_graph(graph, TEMPERATURE)
    after = openvino_core().compile_model(graph, "CPU", exact)(images)
    np.testing.assert_allclose(after["probabilities"], tempered(before["probabilities"], TEMPERATURE, several), atol=3e-5)
    np.testing.assert_array_equal(after["embedding"], before["embedding"])


def test_a_temperature_that_has_no_place_is_told():
    import keras
    import openvino
    from openvino import opset13

    given = keras.Input((3,), name="given")
    model = keras.Model(given, {"probabilities": keras.layers.Softmax()(given)}, name="odd")
    with pytest.raises(ModelError, match="network odd has a temperature, and its probabilities come of a Softmax"):
        tempered_network(model, 2)
    assert tempered_network(model, 1) is model
    parameter = opset13.parameter([-1, 3], np.float32)
    last = opset13.relu(parameter)
    last.output(0).set_names({"probabilities"})
    with pytest.raises(ModelError, match="its probabilities come of a Relu"):
        temper_graph(openvino.Model([last.output(0)], [parameter]), 2)


def test_a_runtime_that_gives_something_else_is_refused():
    model = _top("softmax", True)
    batch = np.ones((2, 4), np.float32)
    expected = model.predict(batch, verbose=0)
    cases = {
        r"onnx and Keras differ by 0\.5 in other": {**expected, "other": expected["other"] + 0.5},
        "onnx and Keras differ by nan in other": {**expected, "other": expected["other"] * np.nan},
        "Expected what Keras gives": {"other": expected["other"]},
    }
    for sentence, answer in cases.items():
        with pytest.raises(ModelError, match=sentence):
            compare("onnx", model, Opened((), (), lambda _batch, answer=answer: answer), batch)
    near = {**expected, "other": expected["other"] + TOLERANCE / 2}
    assert compare("onnx", model, Opened((), (), lambda _batch: near), batch) == pytest.approx(TOLERANCE / 2, rel=1e-2)


def test_what_a_target_lacks_is_told(tmp_path):
    import keras

    given = keras.Input((4,), name="window")
    keras.Model(given, {"probabilities": keras.ops.erfinv(given)}, name="odd").save(tmp_path / "odd.keras")
    Order("litert", (Network("head", str(tmp_path / "odd.keras"), "window"),)).save(tmp_path)
    with pytest.raises(ModelError, match=r"'head' \(odd\) cannot be written for litert, .*Choose another target\.$") as raised:
        carry_out(tmp_path)
    assert "\n" not in str(raised.value)


def test_every_target_has_what_writes_it_and_what_runs_it():
    assert set(WRITERS) == set(RUNTIMES) == set(TARGETS)

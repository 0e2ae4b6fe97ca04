"""From a small Keras model of one's own to a model file; the default model's export is tested wherever it is used."""

import numpy as np
import pytest
from made_models import SIZE, card, graph_folder, pictures

from framevote.backbones import efficientnet_lite0
from framevote.classifier import load_model
from framevote.errors import MissingExtra, ModelError
from framevote.export import _check_card, export_model
from framevote.model_file import GRAPH, KERAS, read_model_file
from framevote.records import Frame, View


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(3)
    image = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(5, 3, strides=2, padding="same", activation="relu")(x)
    embedding = keras.layers.GlobalAveragePooling2D()(x)
    scores = keras.layers.Dense(3, activation="softmax")(embedding)
    return keras.Model(image, {"probabilities": scores, "embedding": embedding}, name="small")


def test_a_model_of_ones_own_becomes_a_model_file(tmp_path, model):
    model.save(tmp_path / "small.keras")
    export_model(tmp_path / "small.keras", card(name="small"), tmp_path / "small.fvm")
    images = pictures(9)
    frames = [Frame(image, float(i)) for i, image in enumerate(images)]
    expected = model.predict(images, verbose=0)
    loaded = load_model(tmp_path / "small.fvm", precision="f32")
    np.testing.assert_allclose(loaded.scores(frames).values, expected["probabilities"], atol=1e-4)
    np.testing.assert_allclose(loaded.embed(frames).values, expected["embedding"], atol=1e-4)
    again = load_model(tmp_path / "small.fvm", runtime="keras")
    np.testing.assert_allclose(again.scores(frames).values, expected["probabilities"], atol=1e-6)
    assert {"framevote", "keras", "openvino"} <= set(loaded.card.versions)
    file = read_model_file(tmp_path / "small.fvm")
    assert str(tmp_path).encode() not in file.graph
    assert b"framevote-" not in file.graph
    assert file.extract_keras(tmp_path).name == KERAS
    assert sorted(p.name for p in tmp_path.iterdir()) == [KERAS, "small.fvm", "small.keras"]


@pytest.mark.parametrize("changes", [{"view": View(16, 16)}, {"labels": ("one", "two")}])
def test_a_card_that_does_not_fit_its_network_is_refused(tmp_path, changes):
    graph = graph_folder(tmp_path / "parts") / GRAPH
    _check_card(card(), graph)
    with pytest.raises(ModelError, match=r"The card says pictures .* Received a network with \[\?,8,8,3\] and \[\?,3\]"):
        _check_card(card(**changes), graph)


def test_a_model_with_other_outputs_is_refused_in_one_sentence_with_the_rest_as_a_note(tmp_path, model):
    import keras

    keras.Model(model.input, {"scores": model.output["probabilities"]}).save(tmp_path / "other.keras")
    sentence = r"could not be exported to OpenVINO: .*has the outputs probabilities and embedding\. Received: scores"
    with pytest.raises(ModelError, match=sentence) as raised:
        export_model(tmp_path / "other.keras", card(), tmp_path / "other.fvm")
    assert "\n" not in str(raised.value)
    assert "Traceback" in raised.value.__notes__[0]
    assert not (tmp_path / "other.fvm").exists()


@pytest.mark.parametrize("name", ["text.keras", "none.keras", "model.h5"])
def test_a_file_that_is_no_keras_model_is_refused(tmp_path, name):
    (tmp_path / "text.keras").write_text("none")
    with pytest.raises(ModelError, match=rf"{name} is no Keras model\. Expected a \.keras file"):
        export_model(tmp_path / name, card(), tmp_path / "text.fvm")


def test_absent_tensorflow_is_told_with_the_line_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr("framevote.export.importlib.util.find_spec", lambda name: None if name == "tensorflow" else object())
    with pytest.raises(MissingExtra, match=r"tensorflow-cpu, which is not installed.*pip install 'framevote\[train\]'"):
        export_model(efficientnet_lite0(), card(), tmp_path / "a.fvm")

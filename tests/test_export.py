"""From a small Keras model of one's own to a model file; the default model's export is tested wherever it is used."""

import numpy as np
import pytest
from made_colours import VIEW, flat_backbone
from made_models import SIZE, card, graph_folder, pictures

from framevote.assembly import Top
from framevote.backbones import efficientnet_lite0
from framevote.classifier import load_model
from framevote.errors import MissingExtra, ModelError
from framevote.export import _check_card, compare, export_model
from framevote.model_file import KERAS, Openness, read_model_file
from framevote.records import Frame, View
from framevote.runtime import open_runtime


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


@pytest.fixture(scope="module")
def topped(tmp_path_factory):
    """A top on a model, exported twice; with the model."""
    folder, below = tmp_path_factory.mktemp("topped"), flat_backbone()
    below.save(folder / "below.keras")
    random = np.random.default_rng(0)
    prototypes = random.normal(0, 1, (below.output_shape[-1], 7))
    top = Top(random.normal(0, 1, (len(prototypes), 3)), [0.1, 0.0, -0.1], False, prototypes / np.linalg.norm(prototypes, axis=0))
    wide = Openness((0.0, 0.5), (0.3,) * 3, (0.6,) * 3, 0.05)
    for name in ("a", "b"):
        export_model(folder / "below.keras", card(view=VIEW, openness=wide), folder / f"{name}.fvm", top)
    return folder, top, below


def test_a_top_on_a_model_gives_what_its_arrays_give(topped):
    folder, top, below = topped
    file = read_model_file(folder / "a.fvm")
    images = pictures(9, size=VIEW.width)
    embeddings = below.predict(images, verbose=0)
    for name in ("openvino", "keras"):
        answers = list(open_runtime(file, "f32", runtime=name).infer(images))
        probabilities, embedded, familiarity = (np.concatenate(column) for column in zip(*answers, strict=True))
        np.testing.assert_allclose(embedded, embeddings, atol=1e-4)
        np.testing.assert_allclose(probabilities, top.probabilities(embeddings), atol=1e-4)
        np.testing.assert_allclose(familiarity, top.familiarity(embeddings), atol=1e-4)


def test_the_same_model_has_the_same_fingerprint_each_time(topped):
    folder, *_ = topped
    assert read_model_file(folder / "a.fvm").fingerprint == read_model_file(folder / "b.fvm").fingerprint


def test_a_backbone_is_exported_by_itself(tmp_path, monkeypatch, model):
    from made_training import export_here, tiny

    export_here(monkeypatch)
    export_model(tiny(), card(labels=(), view=View(32, 32)), tmp_path / "tiny.fvm")
    loaded = load_model(tmp_path / "tiny.fvm", precision="f32")
    images = pictures(5, size=32)
    found = loaded.embed(Frame(image, float(number)) for number, image in enumerate(images)).values
    np.testing.assert_allclose(found, tiny()().predict(images, verbose=0), atol=1e-4)
    assert (loaded.labels, loaded.embedding) == ((), 128)
    model.save(tmp_path / "small.keras")  # it has a top, which is left out
    export_model(tmp_path / "small.keras", card(labels=()), tmp_path / "small.fvm")
    small = load_model(tmp_path / "small.fvm", precision="f32")
    images = pictures(5)
    found = small.embed(Frame(image, float(number)) for number, image in enumerate(images)).values
    np.testing.assert_allclose(found, model.predict(images, verbose=0)["embedding"], atol=1e-4)


def test_a_keras_file_that_carries_code_is_not_opened(tmp_path, monkeypatch, model):
    import keras
    from made_training import export_here

    export_here(monkeypatch)
    keras.Model(model.input, keras.layers.Lambda(lambda x: x)(model.output["embedding"])).save(tmp_path / "code.keras")
    monkeypatch.setattr(keras.models, "load_model", lambda *_, **__: pytest.fail("Keras opened it"))
    for top in (None, Top(np.zeros((5, 3)), np.zeros(3))):
        with pytest.raises(ModelError, match=r"Keras model in code\.keras holds a Lambda"):
            export_model(tmp_path / "code.keras", card(), tmp_path / "a.fvm", top)
    assert not (tmp_path / "a.fvm").exists()


@pytest.mark.parametrize("changes", [{"view": View(16, 16)}, {"labels": ("one", "two")}])
def test_a_card_that_does_not_fit_its_network_is_refused(tmp_path, changes):
    folder = graph_folder(tmp_path / "parts")
    _check_card(card(), folder)
    with pytest.raises(ModelError, match=r"The card says pictures .* Received a network with \[\?,8,8,3\] and \[\?,3\]"):
        _check_card(card(**changes), folder)
    with pytest.raises(ModelError, match="a network without a familiarity"):
        _check_card(card(openness=Openness((0, 1), (0,) * 3, (1,) * 3, 0.0)), folder)


def test_a_model_with_other_outputs_is_refused_in_one_sentence_with_the_rest_as_a_note(tmp_path, model):
    import keras

    keras.Model(model.input, {"scores": model.output["probabilities"]}).save(tmp_path / "other.keras")
    sentence = r"^A model for framevote has the outputs probabilities and embedding\. Received: scores"
    with pytest.raises(ModelError, match=sentence) as raised:
        export_model(tmp_path / "other.keras", card(), tmp_path / "other.fvm")
    assert "\n" not in str(raised.value)
    assert "Traceback" in raised.value.__notes__[0]
    assert not (tmp_path / "other.fvm").exists()


def test_weights_that_give_no_numbers_are_told(tmp_path, model):
    import keras

    damaged = keras.models.clone_model(model)
    damaged.set_weights([np.full_like(array, np.nan) for array in model.get_weights()])
    with pytest.raises(ModelError, match=r"^The network gives answers that are no numbers \(\w+\): its weights are damaged, or are no"):
        compare(damaged, tmp_path / "none.xml", pictures(1))


@pytest.mark.parametrize("name", ["text.keras", "none.keras", "model.h5"])
def test_a_file_that_is_no_keras_model_is_refused(tmp_path, name):
    (tmp_path / "text.keras").write_text("none")
    with pytest.raises(ModelError, match=rf"{name} is no Keras model\. Expected a \.keras file"):
        export_model(tmp_path / name, card(), tmp_path / "text.fvm")


def test_absent_tensorflow_is_told_with_the_line_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr("framevote.export.importlib.util.find_spec", lambda name: None if name == "tensorflow" else object())
    with pytest.raises(MissingExtra, match=r"tensorflow-cpu, which is not installed.*pip install 'framevote\[train\]'"):
        export_model(efficientnet_lite0(), card(), tmp_path / "a.fvm")

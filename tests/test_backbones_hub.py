"""KerasHub lives in an environment of its own: with FRAMEVOTE_HUB_PYTHON naming its python, the real one is tried as well."""

import importlib.machinery
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from framevote.backbones import find_backbone
from framevote.errors import MissingExtra, ModelError, PartError
from framevote.records import View


@pytest.fixture
def hub(monkeypatch, tmp_path) -> types.SimpleNamespace:
    """A stub of KerasHub with one preset in a folder, and one name that cannot be fetched."""
    import keras

    def folder_or_fail(preset: str) -> None:
        if not Path(preset).is_dir():
            raise OSError("no network in tests")

    class Converter:
        image_size, scale, offset = (16, 24), [0.5, 1.0, 2.0], -1.0
        crop_to_aspect_ratio, pad_to_aspect_ratio = False, True

        @classmethod
        def from_preset(cls, preset):
            folder_or_fail(preset)
            if "bare" in preset:
                raise FileNotFoundError("no image_converter.json")
            return cls()

    class Network:
        presets: ClassVar = {"resnet_18_imagenet": {}, "resnet_50_imagenet": {}}

        @classmethod
        def from_preset(cls, preset, load_weights):
            folder_or_fail(preset)
            given = keras.Input((32, 40, 3) if "bare" in preset else (None, None, 3))
            if "text" in preset:
                given = keras.Input((8,))
                return keras.Model(given, given)
            if "pooled" in preset:
                return keras.Model(given, {"grid": given, "pooled_output": keras.ops.max(given, axis=(1, 2))})
            if "tokens" in preset:
                network = keras.Model(given, keras.layers.Reshape((-1, 3))(given))
                network.use_class_token = "class" in preset
                return network
            network = keras.Model(given, keras.layers.Conv2D(5, 3, name="only")(given))
            network.image_shape = given.shape[1:]
            return network

    module = types.ModuleType("keras_hub")
    module.__spec__ = importlib.machinery.ModuleSpec("keras_hub", None)
    module.__version__ = "9"
    module.models, module.layers = types.SimpleNamespace(Backbone=Network), types.SimpleNamespace(ImageConverter=Converter)
    monkeypatch.setitem(sys.modules, "keras_hub", module)
    for name in ("preset", "bare", "text", "pooled", "tokens", "class tokens"):
        (tmp_path / name).mkdir()
    return types.SimpleNamespace(module=module, folder=tmp_path)


def some_pictures(backbone) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (2, backbone.view.height, backbone.view.width, 3), dtype=np.uint8)


def test_a_preset_is_laid_flat_behind_what_its_converter_does(hub):
    text = f"keras_hub:{hub.folder / 'preset'}"
    backbone = find_backbone(text)
    assert (repr(backbone), find_backbone(repr(backbone))) == (text, backbone)
    assert (backbone.view, backbone.weights) == (View(24, 16, "letterbox"), str(hub.folder / "preset"))
    model, pictures = backbone(), some_pictures(backbone)
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "Rescaling", "Conv2D", "GlobalAveragePooling2D"]
    assert (model.input.dtype, model.input.name, model.output_shape) == ("uint8", "image", (None, 5))
    scaled = pictures * np.array([0.5, 1, 2], np.float32) - 1
    expected = np.mean(model.get_layer("only")(scaled), axis=(1, 2))
    np.testing.assert_allclose(model(pictures), expected, atol=1e-4 * np.abs(expected).max())
    first = backbone.fingerprint
    (hub.folder / "preset" / "model.weights.h5").write_text("other")
    assert find_backbone(text).fingerprint != first


def test_a_preset_without_converter_takes_pixels_as_they_are_at_its_networks_size(hub):
    assert find_backbone(f"keras_hub:{hub.folder / 'bare'}").view == View(40, 32)
    (hub.folder / "bare" / "image_converter.json").write_text("damaged")
    with pytest.raises(ModelError, match=r"bare cannot be had: no image_converter\.json"):
        find_backbone(f"keras_hub:{hub.folder / 'bare'}")


def test_a_preset_ends_in_one_row_for_each_picture(hub):
    expected = {
        "pooled": lambda scaled: scaled.max((1, 2)),
        "tokens": lambda scaled: scaled.mean((1, 2)),
        "class tokens": lambda scaled: scaled[:, 0, 0],
    }
    for name, embedding in expected.items():
        backbone = find_backbone(f"keras_hub:{hub.folder / name}")
        pictures = some_pictures(backbone)
        scaled = pictures * np.array([0.5, 1, 2], np.float32) - 1
        np.testing.assert_allclose(backbone()(pictures), embedding(scaled), rtol=1e-4)


def test_what_is_no_preset_of_pictures_is_told(hub):
    sentences = {
        "keras_hub:": (PartError, r"is written keras_hub:NAME, such as keras_hub:resnet_18_imagenet\. Received: 'keras_hub:'"),
        "keras_hub:resnet_18_imagnet": (PartError, r"named 'resnet_18_imagnet'\. Did you mean keras_hub:resnet_18_imagenet\?"),
        "keras_hub:./nowhere": (PartError, r"no KerasHub preset, and no folder with one, named '\./nowhere'"),
        "keras_hub:resnet_18_imagenet": (ModelError, "resnet_18_imagenet cannot be had: no network in tests. Where there is no network"),
        f"keras_hub:{hub.folder / 'text'}": (ModelError, r"takes more or other than pictures"),
    }
    for text, (kind, sentence) in sentences.items():
        with pytest.raises(kind, match=sentence):
            find_backbone(text)()


def test_an_absent_package_is_told_with_an_environment_of_its_own(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    monkeypatch.setattr("framevote.backbones.hub.importlib.util.find_spec", lambda _: None)
    with pytest.raises(
        MissingExtra, match=r"keras_hub:resnet_18_imagenet needs the package keras-hub.*python -m venv hub && hub/bin/pip install"
    ):
        find_backbone("keras_hub:resnet_18_imagenet")


MADE = """
import sys, numpy as np, keras, keras_hub
from framevote.backbones import find_backbone
folder = sys.argv[1]
blocks = dict(stackwise_num_filters=[64, 64], stackwise_num_blocks=[1, 1], stackwise_num_strides=[1, 2], block_type="basic_block")
network = keras_hub.models.ResNetBackbone([64], [3], image_shape=(64, 64, 3), **blocks)
converter = keras_hub.layers.ResNetImageConverter(image_size=(64, 64), scale=[1 / 51, 1 / 76, 1 / 102], offset=[-1.0, -0.5, 0.1])
preprocessor = keras_hub.models.ResNetImageClassifierPreprocessor(image_converter=converter)
keras_hub.models.ResNetImageClassifier(backbone=network, num_classes=3, preprocessor=preprocessor).save_to_preset(folder + "/preset")
backbone = find_backbone(f"keras_hub:{folder}/preset")
pictures = np.random.default_rng(0).integers(0, 256, (2, backbone.view.height, backbone.view.width, 3), dtype=np.uint8)
model = backbone()
received = model.predict(pictures, verbose=0)
expected = network.predict(np.array(converter(pictures.astype("float32"))), verbose=0).mean((1, 2))
np.testing.assert_allclose(received, expected, atol=1e-4)
model.save(folder + "/flat.keras")
np.savez(folder + "/said.npz", pictures=pictures, embedding=received)
"""


def test_the_real_package_agrees_and_its_file_needs_keras_alone(tmp_path):
    python = os.environ.get("FRAMEVOTE_HUB_PYTHON")
    if not python:
        pytest.skip("FRAMEVOTE_HUB_PYTHON names no python with keras-hub")
    import keras

    source = Path(__file__).resolve().parents[1] / "src"
    subprocess.run([python, "-c", MADE, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(source)}, check=True, timeout=250)
    said = np.load(tmp_path / "said.npz")
    again = keras.models.load_model(tmp_path / "flat.keras", safe_mode=True)
    np.testing.assert_allclose(again.predict(said["pictures"], verbose=0), said["embedding"], atol=1e-4)

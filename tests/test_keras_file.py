"""What a `.keras` file may hold: every network of ours, and nothing that leads to code or to files."""

import json
import struct
import zipfile
import zlib

import numpy as np
import pytest
from made_models import keras_file

from framevote.errors import ModelError
from framevote.model_file import check_keras_file, read_model_file
from framevote.model_file import keras_file as looked


def layer(
    name: str = "Dense", module: str | None = "keras.layers", registered: str | None = None, /, **config: object
) -> dict[str, object]:
    return {"class_name": name, "module": module, "registered_name": registered, "config": config}


def model(*layers: object) -> dict[str, object]:
    return layer("Functional", "keras.src.models.functional", "Functional", layers=list(layers), name="made")


GOOD = {
    "layers": model(layer(kernel_initializer=layer("GlorotUniform", "keras.initializers"), dtype=layer("DTypePolicy", "keras"))),
    "operations": model(layer("Max", "keras.src.ops.numpy", "Max")),
    "layers of applications": model(layer("LayerScale", "keras.src.applications.convnext", "LayerScale")),
    "KerasHub": model(layer("ResNetBackbone", "keras_hub.src.models.resnet.resnet_backbone", "keras_hub>ResNetBackbone")),
    "values": model(layer("__keras_tensor__", None), layer("__slice__", None)),
    "how it was trained": {**model(), "compile_config": {"loss": layer("mine", "home", "home>mine")}},
    "a text that merely sounds so": model(layer(title="Lambda", units="os.system")),
}


@pytest.mark.parametrize("config", GOOD.values(), ids=GOOD)
def test_plain_layers_are_taken(tmp_path, config):
    check_keras_file(keras_file(tmp_path / "a.keras", config), "a.fvm")


BAD = {
    **{
        name: (model(layer(name)), f"a {name}")
        for name in ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "__lambda__", "function")
    },
    **{name: (model(layer(name)), f"a {name}, which reads files") for name in ("StringLookup", "TextVectorization")},
    "a Lambda deep within": (model(layer("TimeDistributed", layer={"a": [[layer("Lambda")]]})), "a Lambda"),
    "a Lambda by its own module": (model(layer("Lambda", "keras.src.layers.core.lambda_layer")), "a Lambda"),
    "a tokenizer": (model(layer("BytePairTokenizer", "keras_hub.src.tokenizers")), "a BytePairTokenizer, which reads files"),
    "os": (model(layer("system", "os")), "the class 'system' of 'os'"),
    "a submodule of another package": (model(layer("Popen", "subprocess.run")), "the class 'Popen' of 'subprocess.run'"),
    "eval": (model(layer("eval", "builtins")), "the class 'eval' of 'builtins'"),
    "a function of Python": (model(layer("function", "builtins")), "a function"),
    "a package that begins like Keras": (model(layer("Dense", "keras_evil.layers")), "the class 'Dense' of 'keras_evil.layers'"),
    "a module that begins like one": (model(layer("Dense", "keras.layersevil")), "the class 'Dense' of 'keras.layersevil'"),
    "Keras's own tools": (model(layer("get_file", "keras.utils")), "the class 'get_file' of 'keras.utils'"),
    "Keras's loader": (model(layer("load_model", "keras.saving")), "the class 'load_model' of 'keras.saving'"),
    "something of Keras itself": (model(layer("enable_unsafe_deserialization", "keras")), "'enable_unsafe_deserialization' of 'keras'"),
    "Keras's insides": (model(layer("get_file", "keras.src.utils.file_utils")), "of 'keras.src.utils.file_utils'"),
    "a module that is a list": (model(layer("Dense", ["keras"])), "the class 'Dense'"),
    "a class that is a list": (model({"class_name": ["Lambda"], "module": None, "config": {}}), "of no module"),
    "a class without module": (model({"class_name": "Dense", "config": {}}), "the class 'Dense' of no module"),
    "a registered class of another package": (model(layer("Dense", "keras.layers", "evil>Dense")), "the class 'evil>Dense'"),
    "a class of the program that saved it": (model(layer("Mine", "__main__", "Mine")), "the class 'Mine' of '__main__'"),
    "a type": (model({"spec_name": "Thing", "module": "os"}), "a Thing"),
}


@pytest.mark.parametrize(("config", "told"), BAD.values(), ids=BAD)
def test_what_leads_to_code_or_files_is_refused(tmp_path, config, told):
    with pytest.raises(ModelError, match=r"^The Keras model in a\.fvm holds .*Expected plain Keras layers.*do not use it\.$") as raised:
        check_keras_file(keras_file(tmp_path / "a.keras", config), "a.fvm")
    assert told in str(raised.value)


@pytest.mark.parametrize("config", ["no JSON", "[1]", "3", "null", '"Dense"', "[" * 200_000, "\ud800", ""])
def test_a_configuration_that_is_none_is_refused(tmp_path, config):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", config.encode("utf-8", "surrogatepass"))
    with pytest.raises(ModelError, match=r"Keras model in a\.fvm is damaged"):
        check_keras_file(tmp_path / "a.keras", "a.fvm")


def test_a_configuration_that_is_nested_without_end_is_walked(tmp_path):
    config = json.loads('{"a":' * 900 + json.dumps(layer("Lambda")) + "}" * 900)
    with pytest.raises(ModelError, match=r"a\.fvm holds a Lambda"):
        check_keras_file(keras_file(tmp_path / "a.keras", config), "a.fvm")


@pytest.mark.parametrize("name", ["code__py", "../config__json", "/etc/passwd", "assets/vocabulary__txt", "Config__json"])
def test_another_member_is_refused(tmp_path, name):
    with pytest.raises(
        ModelError, match=r"a\.fvm holds a member .*Expected only metadata\.json, config\.json, model\.weights\.h5, each once"
    ):
        check_keras_file(keras_file(tmp_path / "a.keras", **{name: b"x"}), "a.fvm")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_repeated_member_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"holds a member 'config\.json'\. Expected only"):
        check_keras_file(keras_file(tmp_path / "a.keras", config__json=json.dumps(model(layer("Lambda"))).encode()), "a.fvm")


@pytest.mark.parametrize("name", ["metadata.json", "config.json", "model.weights.h5"])
def test_a_member_that_unpacks_to_more_than_it_may_is_refused_unopened(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}") if name != "config.json" else None
        archive.writestr(name, b" " * 50_000_000)
    with pytest.raises(ModelError, match=rf"a\.fvm holds {name} that unpacks to 50000000 bytes"):
        check_keras_file(tmp_path / "a.keras", "a.fvm")


def test_a_member_that_lies_about_its_size_is_refused(tmp_path):
    text = zlib.compress(b"[" + b" " * 10_000_000 + b"]", 9)[2:-4]
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 10_000_002)
    whole = (tmp_path / "a.keras").read_bytes()
    (tmp_path / "a.keras").write_bytes(whole.replace(struct.pack("<L", 10_000_002), struct.pack("<L", 100)))
    assert len(text) < 100_000
    with pytest.raises(ModelError, match=r"Keras model in a\.fvm is damaged"):
        check_keras_file(tmp_path / "a.keras", "a.fvm")


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"])
def test_what_is_no_keras_file_is_refused(tmp_path, content):
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(ModelError, match=r"Keras model in a\.fvm is damaged"):
        check_keras_file(tmp_path / "a.keras", "a.fvm")


def test_a_file_without_configuration_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
    with pytest.raises(ModelError, match=r"is damaged \(KeyError"):
        check_keras_file(tmp_path / "a.keras", "a.fvm")


def test_keras_writes_what_is_taken_and_what_is_refused(tmp_path):
    """A Lambda as Keras writes it; and a fine-tuned network with a top, saved after it was compiled."""
    import keras
    from made_colours import flat_backbone

    from framevote.assembly import Top, crowned

    below = flat_backbone()
    whole = crowned(below, Top(np.zeros((8, 3)), np.zeros(3), prototypes=np.eye(8)))
    whole.compile("adam", {"probabilities": keras.losses.CategoricalCrossentropy(), "embedding": None, "familiarity": None})
    whole.save(tmp_path / "whole.keras")
    check_keras_file(tmp_path / "whole.keras", "a.fvm")
    keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x + 1)]).save(tmp_path / "code.keras")
    with pytest.raises(ModelError, match="holds a Lambda"):
        check_keras_file(tmp_path / "code.keras", "a.fvm")


@pytest.mark.parametrize("name", ["MobileNetV3Small(size=32, weights=None)", "SqueezeNet(size=64, weights=None)", "ConvNeXtTiny"])
def test_networks_are_taken(tmp_path, name):
    import keras

    from framevote.backbones import find_backbone

    if name == "ConvNeXtTiny":  # without its 28 million weights
        config = json.loads(keras.applications.ConvNeXtTiny(weights=None, include_top=False, input_shape=(32, 32, 3)).to_json())
        keras_file(tmp_path / "a.keras", config)
    else:
        find_backbone(name)().save(tmp_path / "a.keras")
    check_keras_file(tmp_path / "a.keras", "a.fvm")


def test_the_built_in_model_is_taken(imagenet, tmp_path):
    from framevote.classifier import imagenet_path

    assert read_model_file(imagenet_path()).extract_keras(tmp_path).stat().st_size > 1e7


def test_the_place_of_a_class_is_its_module_and_what_lies_below():
    assert all(place.split(".")[0] in ("keras", "keras_hub") for place in looked._PLACES)
    assert looked._reason(layer("Dense", "keras.layers.core")) == ""

import io
import os
import subprocess
import sys
import warnings
from contextlib import redirect_stdout

import numpy as np
import pytest

from framevote import parts
from framevote.backbones import Backbone, applications, find_backbone, listed
from framevote.backbones.table import BY_NAME, NETWORKS, weights_file
from framevote.errors import ModelError, PartError
from framevote.parts import build, makers, names
from framevote.records import View

SMALL = ("VGG16", "MobileNet", "MobileNetV3Small", "EfficientNetB0")
COUNTED = tuple(BY_NAME) if os.environ.get("FRAMEVOTE_EVERY_BACKBONE") else SMALL  # all of them: three minutes


def some_pictures(size: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def asked_of_keras(monkeypatch, answer=None) -> list[str]:
    """Let nothing reach the network: note the file that Keras asks for, and answer with a file or fail as a fetch does."""
    from keras.src.utils import file_utils

    asked = []

    def get_file(fname, origin, **options):
        asked.append(fname)
        assert options["cache_subdir"] == "models"
        sys.stdout.write(f"Downloading data from {origin}\n")
        if answer is None:
            raise Exception(f"URL fetch failure on {origin}: None -- no network in tests")
        return str(answer)

    monkeypatch.setattr(file_utils, "get_file", get_file)
    return asked


def lively(model) -> None:
    """Draw kernels so that numbers neither fade nor swell from layer to layer (He et al., 2015)."""
    draw = np.random.default_rng(5)
    for weight in model.trainable_weights:
        if len(weight.shape) >= 2:
            fan_in = np.prod(weight.shape[:2] if weight.shape[-1] == 1 else weight.shape[:-1])
            weight.assign(draw.normal(0, np.sqrt(2 / fan_in), weight.shape))


def test_every_network_of_keras_applications_is_known_by_its_name(monkeypatch):
    import inspect

    import keras

    theirs = {name for name in dir(keras.applications) if inspect.isfunction(getattr(keras.applications, name))}
    monkeypatch.setattr(parts, "_registered", {})  # what other tests have made known
    assert len(theirs) >= 38
    assert theirs == set(BY_NAME)
    assert theirs | {"efficientnet_lite0", "AlexNet", "SqueezeNet", "Pixels"} == set(names("backbone"))


def test_pictures_are_prepared_as_keras_prepares_them():
    import keras

    from framevote.backbones.pictures import prepared

    pictures = some_pictures(9)
    for network in NETWORKS:
        module = sys.modules[getattr(keras.applications, network.name).__module__]
        expected = module.preprocess_input(pictures.astype(np.float32))
        received = keras.ops.convert_to_numpy(prepared(pictures, network.mode))
        np.testing.assert_allclose(received, expected, atol=1e-4, err_msg=network.name)


@pytest.mark.parametrize("name", COUNTED)
def test_the_table_tells_the_truth_of_a_network(name, monkeypatch):
    network = BY_NAME[name]
    model = find_backbone(f"{name}(weights=None)")()
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert round(trainable / 1e6, 1) == network.parameters
    assert (model.input_shape, model.input.dtype, model.input.name) == ((None, network.size, network.size, 3), "uint8", "image")
    assert len(model.output_shape) == 2
    assert not [layer.name for layer in model.layers if type(layer).__name__ in ("Functional", "Model")]
    asked = asked_of_keras(monkeypatch)
    with pytest.raises(ModelError):
        find_backbone(name)()
    assert asked == [weights_file(network, network.size)]


@pytest.mark.parametrize("spec", ["VGG16(size=48)", "DenseNet121(size=64)", "MobileNet(alpha=0.25, size=64)", "MobileNetV3Small(size=64)"])
def test_a_backbone_gives_what_keras_gives_and_does_so_again_from_its_file(spec, tmp_path):
    import keras

    backbone = find_backbone(spec.replace(")", ", weights=None)"))
    model, pictures = backbone(), some_pictures(backbone.view.width)
    lively(model)
    theirs = getattr(keras.applications, backbone.name)
    original = theirs(include_top=False, weights=None, pooling="avg", input_shape=model.input_shape[1:], **dict(backbone.options))
    original.set_weights(model.get_weights())
    expected = original(sys.modules[theirs.__module__].preprocess_input(pictures.astype(np.float32)), training=False)
    received = model(pictures, training=False)
    np.testing.assert_allclose(received, expected, atol=1e-4, rtol=1e-4)
    assert np.std(expected) > 1e-2  # so that it says something
    if backbone.name == "DenseNet121":
        return  # quick to look at, slow to read again, and with no layers of its own
    model.save(tmp_path / "again.keras")
    again = keras.models.load_model(tmp_path / "again.keras", safe_mode=True)
    np.testing.assert_array_equal(again(pictures, training=False), received)


def test_what_a_picture_goes_through_reaches_openvino(tmp_path):
    import keras

    from framevote.engine import load_openvino, openvino_core

    model, pictures = find_backbone("SqueezeNet(size=32, weights=None)")(), some_pictures(32)  # caffe's, with its turned channels
    lively(model)
    model.export(tmp_path / "saved", format="tf_saved_model", verbose=False)
    openvino = load_openvino()
    compiled = openvino_core().compile_model(openvino.convert_model(tmp_path / "saved"), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    expected = keras.ops.convert_to_numpy(model(pictures))
    np.testing.assert_allclose(compiled(pictures)[0] / expected.max(), expected / expected.max(), atol=1e-4)


ALPHAS = [("MobileNet", 0.5, 160, "mobilenet_5_0_160_tf_no_top.h5"), ("MobileNetV2", 1.4, 200, "1.4_224_no_top.h5")]
ALPHAS += [("MobileNetV3Large", 0.75, 64, "weights_mobilenet_v3_large_224_0.75_float_no_top_v2.h5")]


@pytest.mark.parametrize(("name", "alpha", "size", "ending"), ALPHAS)
def test_weights_that_cannot_be_fetched_are_named_with_their_folder(name, alpha, size, ending, monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    asked, heard = asked_of_keras(monkeypatch), io.StringIO()
    backbone = find_backbone(f"{name}(alpha={alpha}, size={size})")
    with redirect_stdout(heard), pytest.raises(ModelError) as told:
        backbone()
    (file,) = asked
    assert file.endswith(ending)
    assert f"ImageNet weights of {name} are not on this machine" in str(told.value)
    assert f"Put the file {file} into {tmp_path / 'models'}, or give a file of your own: {name}(weights='FILE')." in str(told.value)
    assert "no network in tests" in str(told.value)
    assert heard.getvalue() == ""  # stdout is for results


def test_a_file_that_is_there_and_no_weights_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    file = tmp_path / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    file.parent.mkdir()
    file.write_text("none")
    asked_of_keras(monkeypatch, answer=file)
    with pytest.raises(ModelError, match="ImageNet weights of VGG16 do not fit, or are not the file that Keras expects"):
        find_backbone("VGG16(size=32)")()


def test_text_and_object_are_the_same_and_short():
    cases = {
        "ResNet50": "ResNet50",
        "ResNet50()": "ResNet50",
        "ResNet50(224, 'imagenet', fit='centre')": "ResNet50",
        "MobileNet(weights='a b.h5', alpha=0.5, size=160)": "MobileNet(alpha=0.5, size=160, weights='a b.h5')",
        "Xception(weights=None, fit='squash')": "Xception(weights=None, fit='squash')",
        "efficientnet_lite0(size=160)": "efficientnet_lite0(size=160)",
    }
    for text, shortest in cases.items():
        backbone = build("backbone", text)
        assert isinstance(backbone, Backbone)
        assert repr(backbone) == shortest
        assert find_backbone(shortest) == backbone == find_backbone(backbone)
    assert find_backbone("ResNet50").view == View(224, 224, "centre", crop=0.875)
    assert find_backbone("ResNet50(size=100, fit='letterbox')").view == View(100, 100, "letterbox", crop=1.0)
    assert find_backbone("MobileNet") != find_backbone("MobileNet(alpha=0.5)") != find_backbone("MobileNet(alpha=0.5, weights=None)")


BAD = {
    "ResNet51": "There is no backbone named 'ResNet51'. Did you mean ResNet50?",
    "ResNet50(size=31)": "takes size: whole pixels of a side, 32 or more. Received: size=31",
    "Xception(size=70)": "takes size: whole pixels of a side, 71 or more",
    "ResNet50(size=224.0)": "Received: size=224.0",
    "ResNet50(size=True)": "Received: size=True",
    "ResNet50(weights=7)": "takes weights='imagenet', weights='FILE' or weights=None. Received: weights=7",
    "ResNet50(weights='')": "Received: weights=''",
    "ResNet50(fit='zoom')": "takes fit='centre', 'squash' or 'letterbox'. Received: fit='zoom'",
    "ResNet50(alpha=0.5)": "ResNet50 takes size, weights, fit.",
    "MobileNet(alpha=0, weights=None)": "above 0 and at most 4. Received: alpha=0",
    "MobileNet(alpha='a', weights=None)": "Received: alpha='a'",
    "MobileNet(alpha=0.35)": "published for alpha 0.25, 0.5, 0.75, 1.0. Received: alpha=0.35",
    "ResNet50(": "A part is written Name or Name(key=value",
}


@pytest.mark.parametrize(("text", "sentence"), BAD.items(), ids=BAD)
def test_what_is_no_backbone_is_refused(text, sentence):
    with pytest.raises(PartError) as told:
        find_backbone(text)
    assert sentence in str(told.value)


def test_a_fingerprint_is_of_what_decides_the_answers(tmp_path):
    file = tmp_path / "w.h5"
    file.write_bytes(b"one")
    text = f"MobileNet(weights={str(file)!r})"
    first = find_backbone(text).fingerprint
    assert first == find_backbone(text).fingerprint
    assert len(first) == 12
    assert int(first, 16) >= 0
    file.write_bytes(b"other")
    others = {find_backbone(spec).fingerprint for spec in (text, "MobileNet", "MobileNet(weights=None)", "MobileNet(size=160)")}
    assert len({first, *others}) == 5
    file.unlink()
    with pytest.raises(ModelError, match=r"w\.h5 cannot be read: No such file"):
        _ = find_backbone(text).fingerprint


def test_every_maker_says_how_large_its_network_is():
    lines = {name: (make.__doc__ or "").partition("\n")[0] for name, make in makers("backbone")}
    for each in (each for each in listed() if each.parameters):
        assert lines[each.name].startswith(f"{each.parameters:.1f} million parameters, {each.size}×{each.size} pixels ({each.source})")
    assert [each.name for each in listed() if not each.parameters] == ["Pixels"]
    assert lines["Pixels"].startswith("No network")
    assert not hasattr(applications, "ResNet51")


def test_naming_and_listing_backbones_loads_no_keras():
    program = (
        "import sys; from framevote.backbones import find_backbone, listed; from framevote.parts import names\n"
        "assert all(find_backbone(name).name == name for name in names('backbone')) and len(list(listed())) > 40\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax', 'h5py', 'openvino'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_size_that_a_mobilenet_was_not_trained_at_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_backbone("MobileNet(size=100, alpha=0.25, weights=None)")().output_shape == (None, 256)

import collections
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from framevote.backbones import find_backbone
from framevote.errors import ModelError
from framevote.photos import read_photo

PUBLIC = {
    "SqueezeNet": ("squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5", "SqueezeNet(weights={!r})"),
    "MobileNet": ("mobilenet_2_5_224_tf_no_top.h5", "MobileNet(alpha=0.25, weights={!r})"),
}


def some_pictures(size: int) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 256, (2, size, size, 3), dtype=np.uint8)


def small_mobilenet(weights: object) -> str:
    return f"MobileNet(size=32, alpha=0.25, weights={weights if weights is None else str(weights)!r})"


def write_legacy(model, path: Path, **attributes: list[str]) -> None:
    """Write weights as Keras did before version 3, a group for each layer; or with other lists of layers."""
    import h5py

    with h5py.File(path, "w") as file:
        layers = [layer for layer in model.layers if layer.weights]
        for key, names in (attributes or {"layer_names": [layer.name for layer in layers]}).items():
            file.attrs[key] = [name.encode() for name in names]
        for layer in layers:
            group = file.create_group(layer.name)
            variables = [*layer.trainable_weights, *layer.non_trainable_weights]
            group.attrs["weight_names"] = [f"{layer.name}/{variable.name}:0".encode() for variable in variables]
            for variable in variables:
                group[f"{layer.name}/{variable.name}:0"] = np.asarray(variable)


@pytest.mark.parametrize("name", ["w.h5", "w.weights.h5", "w.keras", "cut.h5"])
def test_every_kind_of_keras_file_is_read(tmp_path, name):
    model = find_backbone(small_mobilenet(None))()
    path = tmp_path / name
    layers = [layer.name for layer in model.layers if layer.weights]
    if name == "cut.h5":  # long lists of names come in pieces
        write_legacy(model, path, layer_names0=layers[:20], layer_names1=layers[20:])
    elif name == "w.h5":
        write_legacy(model, path)
    else:
        (model.save if name.endswith(".keras") else model.save_weights)(path)
    again = find_backbone(small_mobilenet(path))()
    for first, second in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["whole.h5", "whole.keras", "whole.weights.h5", "bare.keras", "bare.weights.h5"])
def test_a_whole_classifier_of_keras_serves_without_its_top(tmp_path, name):
    import keras

    whole = keras.applications.MobileNet(weights=None, alpha=0.25, classes=7, input_shape=(32, 32, 3))
    embedding = keras.Model(whole.input, whole.get_layer("conv_pw_13_relu").output)
    saved = embedding if "bare" in name else whole
    (saved.save_weights if "weights" in name else saved.save)(tmp_path / name)
    pictures = some_pictures(32)
    expected = np.mean(embedding(keras.applications.mobilenet.preprocess_input(pictures.astype(np.float32))), axis=(1, 2))
    received = find_backbone(small_mobilenet(tmp_path / name))()(pictures)
    np.testing.assert_allclose(received, expected, atol=1e-6 + 1e-4 * np.abs(expected).max())


def test_layers_whose_names_count_on_are_taken_in_order(tmp_path):
    import keras

    first = keras.applications.Xception(include_top=False, weights=None, input_shape=(71, 71, 3), pooling="avg")
    write_legacy(first, tmp_path / "x.h5")
    again = find_backbone(f"Xception(size=71, weights={str(tmp_path / 'x.h5')!r})")()
    assert [w.path for w in first.weights] != [w.path for w in again.weights]  # conv2d, conv2d_4
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_efficientnets_published_deviation_is_mended_as_keras_mends_it(tmp_path, monkeypatch):
    import keras
    from keras.src.utils import file_utils

    model = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    layer = next(layer for layer in model.layers if isinstance(layer, keras.layers.Normalization))
    layer.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(1)])
    write_legacy(model, tmp_path / "b0.h5")
    monkeypatch.setattr(file_utils, "get_file", lambda *_, **__: str(tmp_path / "b0.h5"))
    theirs, ours = (find_backbone(f"EfficientNetB0(size=32, weights={w!r})")() for w in ("imagenet", str(tmp_path / "b0.h5")))
    numbers = [keras.Model(m.input, m.get_layer("stem_conv_pad").output)(some_pictures(32)) for m in (theirs, ours)]
    np.testing.assert_allclose(numbers[0], numbers[1], atol=1e-4)
    assert np.std(numbers[0]) > 1


def test_what_does_not_fit_is_told_with_layer_and_shapes(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 5, name="first"), keras.layers.Conv2D(4, 3, name="second")])
    write_legacy(model, tmp_path / "few.h5")
    write_legacy(find_backbone("MobileNet(size=32, alpha=0.5, weights=None)")(), tmp_path / "wide.h5")
    model.save_weights(tmp_path / "new.weights.h5")
    (tmp_path / "text.h5").write_text("none")
    write_legacy(model, tmp_path / "torn.h5", layer_names=["first", "third"])
    (tmp_path / "torch.pth").write_text("none")
    sentences = {
        "few.h5": "they are for 2 layers, the network has 54 with weights",
        "wide.h5": r"layer conv1 takes 3×3×3×8; the file has 3×3×3×16 in conv1\.",
        "new.weights.h5": r"do not fit mobilenet.*.*Layer 'conv1' expected 1 variables, .*kernel'\] Expected a file for this network",
        "text.h5": r"text\.h5 do not fit mobilenet, or cannot be read",
        "torn.h5": r"torn\.h5 are damaged: .*third",
        "torch.pth": "are a PyTorch checkpoint, and mobilenet takes files of Keras",
        "none.h5": r"There is no file .*none\.h5 with weights of mobilenet",
    }
    for name, sentence in sentences.items():
        with pytest.raises(ModelError, match=sentence):
            find_backbone(small_mobilenet(tmp_path / name))()


def test_a_network_without_public_weights_says_what_to_give():
    for name in ("AlexNet", "SqueezeNet"):
        with pytest.raises(ModelError, match=rf"no ImageNet weights of {name} that Keras could fetch\. Give a file, {name}\(weights='"):
            find_backbone(name)()


def saved_by_torch(network, path: Path) -> None:
    import torch

    torch.save(collections.OrderedDict(network.state_dict()), path, _use_new_zipfile_serialization=False)


def torch_pictures(pictures: np.ndarray):
    import torch

    scaled = (pictures / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32)


def torch_alexnet():
    """AlexNet as the field's checkpoints have it: Krizhevsky, 2014."""
    from torch import nn

    network = nn.Module()
    relu, pool = nn.ReLU(), nn.MaxPool2d(3, 2)
    convolutions = [nn.Conv2d(3, 64, 11, 4, 2), nn.Conv2d(64, 192, 5, padding=2), nn.Conv2d(192, 384, 3, padding=1)]
    convolutions += [nn.Conv2d(384, 256, 3, padding=1), nn.Conv2d(256, 256, 3, padding=1)]
    first, second, third, fourth, fifth = convolutions
    network.features = nn.Sequential(first, relu, pool, second, relu, pool, third, relu, fourth, relu, fifth, relu, pool)
    dense = [nn.Linear(9216, 4096), relu, nn.Dropout(), nn.Linear(4096, 4096), relu, nn.Linear(4096, 10)]
    network.classifier = nn.Sequential(nn.Dropout(), *dense)
    return network.eval()


def torch_squeezenet():
    """SqueezeNet 1.1 as the field's checkpoints have it."""
    from torch import cat, nn

    class Fire(nn.Module):
        def __init__(self, given, squeezed):
            super().__init__()
            self.squeeze = nn.Conv2d(given, squeezed, 1)
            self.expand1x1 = nn.Conv2d(squeezed, 4 * squeezed, 1)
            self.expand3x3 = nn.Conv2d(squeezed, 4 * squeezed, 3, padding=1)

        def forward(self, x):
            x = self.squeeze(x).relu()
            return cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], 1)

    network = nn.Module()
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    fires = [Fire(*sizes) for sizes in ((64, 16), (128, 16), (128, 32), (256, 32), (256, 48), (384, 48), (384, 64), (512, 64))]
    network.features = nn.Sequential(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool, *fires[:2], pool, *fires[2:4], pool, *fires[4:])
    return network.eval()


def test_squeezenet_takes_torchs_weights_and_gives_its_answers(tmp_path):
    import torch

    torch.manual_seed(1)
    network, pictures = torch_squeezenet(), some_pictures(224)
    saved_by_torch(network, tmp_path / "s.pth")
    with torch.no_grad():
        expected = network.features(torch_pictures(pictures)).mean((2, 3)).numpy()
    received = find_backbone(f"SqueezeNet(weights={str(tmp_path / 's.pth')!r})")()(pictures)
    np.testing.assert_allclose(received, expected, atol=1e-4)
    assert expected.std() > 1e-3


def test_alexnet_takes_torchs_weights_and_gives_its_answers(tmp_path):
    import torch

    torch.manual_seed(1)
    network, pictures = torch_alexnet(), some_pictures(224)
    saved_by_torch(network, tmp_path / "a.pth")
    with torch.no_grad():
        expected = network.classifier[:6](network.features(torch_pictures(pictures)).flatten(1)).numpy()
    model = find_backbone(f"AlexNet(weights={str(tmp_path / 'a.pth')!r})")()
    np.testing.assert_allclose(model(pictures), expected, atol=1e-4)
    assert expected.std() > 1e-3
    assert round(model.count_params() / 1e6, 1) == 57.0
    del network.classifier[4]
    saved_by_torch(network, tmp_path / "less.pth")
    with pytest.raises(ModelError, match=r"checkpoint less\.pth has no tensor 'classifier\.4\.weight', which alexnet needs"):
        find_backbone(f"AlexNet(weights={str(tmp_path / 'less.pth')!r})")()


def test_a_newer_checkpoint_is_told_how_to_become_an_older_one(tmp_path):
    import torch

    torch.save({"w": torch.zeros(2)}, tmp_path / "new.pth")
    with pytest.raises(ModelError, match=r"it is a zip, of PyTorch 1\.6 or newer; write it again .*_use_new_zipfile_serialization=False"):
        find_backbone(f"SqueezeNet(weights={str(tmp_path / 'new.pth')!r})")()


ELSEWHERE = """
import sys, numpy as np
from framevote.backbones import find_backbone
import keras
pictures = np.random.default_rng(64).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
for spec, out in zip(sys.argv[1::2], sys.argv[2::2]):
    np.save(out, keras.ops.convert_to_numpy(find_backbone(spec)()(pictures, training=False)))
"""


def test_every_keras_backend_gives_the_same_embeddings(tmp_path):
    import keras

    asked, expected = [], {}
    for name in ("MobileNetV3Small", "SqueezeNet"):
        model = find_backbone(f"{name}(size=64, weights=None)")()
        model.save_weights(tmp_path / f"{name}.weights.h5")
        expected[name] = keras.ops.convert_to_numpy(model(some_pictures(64), training=False))
        assert expected[name].std() > 0
        asked += [f"{name}(size=64, weights={str(tmp_path / f'{name}.weights.h5')!r})", str(tmp_path / f"{name}.npy")]
    for backend in ("jax", "torch"):
        environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
        subprocess.run([sys.executable, "-c", ELSEWHERE, *asked], env=environment, check=True, timeout=280)
        for name, numbers in expected.items():
            received = np.load(tmp_path / f"{name}.npy")
            (tmp_path / f"{name}.npy").unlink()
            np.testing.assert_allclose(received, numbers, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("name", "least"), [("SqueezeNet", 0.86), ("MobileNet", 0.82)])
def test_public_weights_tell_sports_apart(shared, name, least):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    file, spec = PUBLIC[name]
    backbone = find_backbone(spec.format(str(shared / "weights" / file)))
    classes = sorted(folder for folder in (shared / "sports").iterdir() if folder.is_dir())
    photos = [(photo, number) for number, folder in enumerate(classes) for photo in sorted(folder.iterdir())[::4][:100]]
    images = np.stack([read_photo(photo, backbone.view).image for photo, _ in photos])
    embeddings = backbone().predict(images, batch_size=64, verbose=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    accuracy = cross_val_score(LogisticRegression(C=0.01, max_iter=1000), embeddings, [label for _, label in photos], cv=folds).mean()
    assert accuracy > least  # of six classes: chance is 0.17

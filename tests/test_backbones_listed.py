import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from framevote.backbones import imagenet, listed
from framevote.backbones.table import BY_NAME, weights_file
from framevote.cli.models import models
from framevote.parts import names

PAGE = Path(__file__).resolve().parents[1] / "docs" / "backbones.md"


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(models)
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(autouse=True)
def keras_home(monkeypatch, tmp_path) -> Path:
    """A folder of Keras's that is empty."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_every_shipped_backbone_is_listed_once():
    found = [each.name for each in listed()]
    shipped = [name for name in names("backbone") if name in BY_NAME or name in ("efficientnet_lite0", "AlexNet", "SqueezeNet", "Pixels")]
    assert sorted(found) == sorted(shipped)
    assert len(found) > 40
    assert [line.split()[0] for line in run().splitlines()[3:]] == found


def test_weights_are_told_where_they_are(keras_home):
    assert {each.name: each.state for each in listed()}["MobileNet"] == "to be fetched"
    (keras_home / weights_file(BY_NAME["MobileNet"], 224)).touch()
    states = {each.name: each.state for each in listed()}
    assert [states[name] for name in ("efficientnet_lite0", "MobileNet", "VGG16", "AlexNet")] == [
        *("packaged", "here", "to be fetched", "none public")
    ]
    rows = json.loads(run("--json"))
    told = {row["name"]: row for row in rows}
    assert len(rows) == len(states)
    assert (told["MobileNet"]["here"], told["MobileNet"]["file"]) == (True, str(keras_home / "mobilenet_1_0_224_tf_no_top.h5"))
    assert (told["VGG16"]["here"], told["VGG16"]["parameters"], told["VGG16"]["size"]) == (False, 14.7, 224)
    assert [row["name"] for row in json.loads(run("--json", "--weights"))] == ["efficientnet_lite0", "MobileNet"]
    assert [line.split()[0] for line in run("--weights").splitlines()] == [
        "model:",
        "imagenet",
        "backbone:",
        "efficientnet_lite0",
        "MobileNet",
    ]


def test_an_absent_package_of_weights_is_told(monkeypatch):
    monkeypatch.setattr(imagenet.importlib.util, "find_spec", lambda _: None)
    assert next(listed()).state == "package missing"
    assert run("--weights").splitlines()[-1] == "backbone:"


def test_the_command_loads_no_keras():
    program = (
        "import sys; from framevote.cli.models import models; models(weights=False, as_json=False)\n"
        "assert not {'keras', 'tensorflow', 'torch', 'jax', 'openvino'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "the built-in model: 1000 labels" in done.stdout


def test_the_page_shows_the_list_as_it_is():
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| (\d+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(each.name, f"{each.parameters:.1f}", str(each.size), each.source) for each in listed()]

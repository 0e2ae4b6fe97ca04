"""The README's commands about a model of one's own, run as they stand on made data."""

import csv
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from media import ffmpeg, make_video
from PIL import Image
from typer.testing import CliRunner

from framevote.cli import app

pytestmark = pytest.mark.timeout(900)  # three models are trained and exported

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
(BLOCK,) = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "framevote train" in block]
COMMANDS = [shlex.split(line.partition(" #")[0])[1:] for line in BLOCK.splitlines()]

# What FFmpeg draws differs by more than colour, as real classes do.
SOURCES = {"stripes": "smptebars", "dial": "testsrc", "clouds": "gradients=seed=7:nb_colors=4"}

TURNS = ("null", "hflip", "vflip", "hflip,vflip")  # how the four people hold their camera, as it were


def _photos(folder: Path, count: int, seed: int) -> None:
    """Class folders of noisy pieces of three drawn pictures."""
    random = np.random.default_rng(seed)
    for label, source in SOURCES.items():
        drawn = folder.parent / f"{label}.png"
        if not drawn.exists():
            ffmpeg("-f", "lavfi", "-i", f"{source}{':' if '=' in source else '='}size=320x240:rate=1", "-frames:v", "1", drawn)
        (folder / label).mkdir(parents=True)
        whole = Image.open(drawn).convert("RGB")
        for number in range(count):
            side = int(random.integers(90, 200))
            left, top = (int(random.integers(0, room - side)) for room in whole.size)
            piece = whole.rotate(int(random.integers(-25, 26)), expand=False).crop((left, top, left + side, top + side)).resize((224, 224))
            tint = random.uniform(0.4, 1.6, 3)  # no two look the same: those that do would be one group
            noisy = np.clip(np.asarray(piece) * tint + random.integers(-40, 41, (224, 224, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / label / f"{number}.jpg")


@pytest.fixture(scope="module")
def home(tmp_path_factory, imagenet):
    """A folder with everything that the commands name, and what they printed."""
    folder = tmp_path_factory.mktemp("readme")
    _photos(folder / "sports", 14, seed=1)
    _photos(folder / "test", 5, seed=2)
    rows = []
    for label, source in SOURCES.items():
        for user in range(1, 5):
            path = folder / "signs" / label / f"user{user:02}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            make_video(
                path,
                "-vf",
                f"hue=h={user * 80}:s={user / 2},{TURNS[user - 1]},noise=alls=30:allf=t",
                source=source,
                size="160x120",
                rate="8",
                seconds=1,
            )
            rows += [(path.relative_to(folder), label, 0, 0.5, user), (path.relative_to(folder), label, 0.5, 1, user)]
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "start", "end", "group"), *rows])
    films = [(f"film{number}.mp4", label, 0, 2) for number, label in enumerate([*SOURCES] * 2)]
    for number, (film, label, _, _) in enumerate(films):
        make_video(folder / film, source=SOURCES[label], size="320x240", rate=str(8 + number), seconds=2)
    with (folder / "films.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "start", "end"), *films])
    make_video(folder / "match.mp4", source=SOURCES["dial"], size="320x240", rate="10", seconds=1)
    (folder / "mine.weights.h5").write_text("no weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        said = {}
        for command in COMMANDS:
            said[" ".join(command)] = CliRunner().invoke(app, command)
    return folder, said


def _of(said, *words):
    (found,) = [result for command, result in said.items() if all(word in command for word in words)]
    return found


def test_every_command_does_what_it_says(home):
    folder, said = home
    for command, result in said.items():
        if "mine.weights.h5" not in command:
            assert result.exit_code == 0, (command, result.stderr, result.exception)
    refused = _of(said, "mine.weights.h5")
    assert refused.exit_code == 1
    assert "mine.weights.h5" in str(refused.exception or refused.stderr)
    assert not (folder / "other.fvm").exists()


def test_training_tells_what_it_found(home):
    _, said = home
    told = _of(said, "train sports/", "-o sports.fvm").stdout
    found = re.search(r"Accuracy on 42 items that were held out: ([\d.]+) %", told)
    assert float(found[1]) > 70  # of three classes
    assert "A random split would have shown" in told
    assert re.search(r"Accuracy on 12 items .*by group", _of(said, "train signs/", "TemporalConv").stdout)
    assert re.search(r"Accuracy on 12 items .*by group", _of(said, "train signs/", "MotionVectors").stdout)
    assert "Best: " in _of(said, "compare").stdout
    assert "The frozen backbone has" in _of(said, "--fine-tune").stdout


def test_the_report_and_the_timeline_are_there(home):
    folder, said = home
    figures = json.loads((folder / "report" / "metrics.json").read_text("utf-8"))
    assert figures["format"] == "framevote.evaluation"
    assert (folder / "report" / "index.html").stat().st_size > 10_000
    segments = json.loads((folder / "match.json").read_text("utf-8"))["segments"]
    assert {segment["label"] for segment in segments} <= {*SOURCES, "unknown"}
    assert "3, one label a picture: clouds, dial, stripes" in _of(said, "inspect").stdout


def test_fine_tuning_leaves_its_run(home):
    folder, _ = home
    assert {"log.csv", "curves.png", "tensorboard"} <= {path.name for path in (folder / "gym.run").iterdir()}

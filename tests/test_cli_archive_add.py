"""`framevote archive add` as a user meets it."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_models import model_file

from framevote import cli
from framevote.archive.standing import Standing
from framevote.archive.store import open_archive
from framevote.cli import archive_add
from framevote.cli.archive_add import line, summary
from framevote.cli.batch import Tellings
from framevote.testing.made import made_video


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["framevote", "archive", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        caught = capfd.readouterr()
        return Said(int(left.value.code or 0), caught.out, caught.err)

    return run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_file(tmp_path_factory.mktemp("model") / "colours.fvm")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    for number in range(3):
        made_video(tmp_path / "films" / f"{number}.mkv", [40] * (25 + number))
    return tmp_path / "films"


def test_add_says_how_it_went(run: Run, films: Path, model: Path, tmp_path: Path) -> None:
    into = tmp_path / "library"
    asked = ("add", films, "--into", into, "--model", model, "--workers", "1")
    first = run(*asked)
    assert (first.code, first.err) == (0, "")
    lines = first.out.splitlines()
    assert lines[0] == f"{into}: 3 labelled."
    assert lines[1].startswith("0.00 h of video in ")
    assert lines[1].endswith(" h a minute.")
    assert run(*asked).out == f"{into}: 3 there before.\n"
    assert run(*asked, "--quiet").out == ""
    shutil.copy(films / "0.mkv", films / "copy.mkv")
    assert json.loads(run(*asked, "--json").out) | {"wall": 0} == {
        **dict.fromkeys(("done", "failed", "known_failed", "missing", "processor", "video", "wall", "hours_a_minute"), 0),
        **{"files": 1, "of": 1, "same": 1, "known": 3, "read": (films / "copy.mkv").stat().st_size},
        "size": (films / "copy.mkv").stat().st_size,
    }


def test_what_fails_is_said_and_kept_and_tried_again(run: Run, films: Path, model: Path, tmp_path: Path) -> None:
    into, bad = tmp_path / "library", films / "bad.mkv"
    bad.write_bytes(b"no film at all")
    asked = ("add", films, tmp_path / "gone", "--into", into, "--model", model, "--scores", "--strategy", "Every(seconds=0.4)")
    first = run(*asked)
    assert first.code == 1
    assert [each.split(" is no")[0].split(" does not")[0] for each in first.err.splitlines()] == [
        f"framevote: {tmp_path / 'gone'}",
        f"framevote: {bad}",
    ]
    assert f"{into}: 3 labelled, 1 failed, 1 left out." in first.out
    assert f"What failed, and why: framevote archive failed {into}" in first.out
    again = run("add", films, "--into", into, "--model", model, "--scores", "--strategy", "Every(seconds=0.4)")
    assert (again.code, again.err) == (1, "")  # what was asked for is not labelled still
    made_video(bad, [40] * 9)
    late = run("failed", into, "--retry", "--longest", "0.000001", "--memory", "2")
    assert (late.code, "took longer than 1e-06 s" in late.err) == (1, True)
    retried = run("failed", into, "--retry")
    assert (retried.code, retried.out.splitlines()[0]) == (0, f"{into}: 1 labelled.")
    assert open_archive(into).failed() == []


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--shard", "3"), "--shard takes one share of several, such as 3/8"),
        (("--shard", "9/8"), "Received: 9/8"),
        (("--shard", "-1/8"), "Received: '-1/8'"),
        (("--strategy", "Never()"), "no strategy named 'Never'"),
        (("--memory", "0"), "memory takes a number above 0"),
        (("--model", "teapot"), "There is no model 'teapot'"),
    ],
)
def test_wrong_usage(run: Run, films: Path, tmp_path: Path, more: tuple[str, ...], sentence: str) -> None:
    said = run("add", films, "--into", tmp_path / "library", *more)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "library").exists()


def test_an_archive_that_cannot_be(run: Run, films: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    said = run("add", films, "--into", tmp_path / "file", "--model", model)
    assert said.code == 1
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(films: Path, model: Path, tmp_path: Path, number: signal.Signals) -> None:
    into = tmp_path / "library"
    command = [sys.executable, "-m", "framevote", "archive", "add", films, "--into", into, "--model", model, "--workers", "1"]
    with subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True) as run:
        while not into.exists():
            time.sleep(0.01)
        run.send_signal(number)
        assert run.stderr
        said = run.stderr.read()
    assert run.returncode == 128 + number
    assert said == "framevote: Interrupted. What was finished is kept, nothing is half-written.\n"


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (Standing(of=20_000), "0 of 20,000 files"),
        (
            Standing(files=1234, of=20_000, read=10, size=100, failed=3, video=90_000, wall=100),
            "1,234 of 20,000 files · 3 failed · 15.0 h of video a minute · 15 min 0 s left",
        ),
        (Standing(files=2, of=2, read=9, size=9, video=60, wall=9), "2 of 2 files · 0.1 h of video a minute"),
        (Standing(files=1, of=2, read=1, size=100_001, video=1, wall=2), "1 of 2 files · 0.0 h of video a minute · 2 d 7 h left"),
    ],
)
def test_how_far_it_is(now: Standing, words: str) -> None:
    assert line(now) == words


def test_nothing_to_do() -> None:
    assert list(summary(Standing(), "library/")) == ["library/: nothing to do."]
    assert list(summary(Standing(missing=2), "library/")) == ["library/: 2 left out."]


def test_a_log_is_told_now_and_then(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 59.9, 60.0, 60.0, 119.9, 120.5, 120.5])
    monkeypatch.setattr(archive_add, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with archive_add.progress_line(Tellings(debug=False, quiet=False)) as progress:
        assert progress
        for files in range(4):
            progress(Standing(files=files, of=9))
    assert capfd.readouterr().err == "framevote: 1 of 9 files\nframevote: 3 of 9 files\n"
    with archive_add.progress_line(Tellings(debug=False, quiet=True)) as progress:
        assert progress is None

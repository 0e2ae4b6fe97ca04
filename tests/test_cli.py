"""The command line as a user meets it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from media import make_video
from test_annotated import assert_same_clock_and_sound

from framevote import cli

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
COMMAND = [sys.executable, "-m", "framevote"]


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], imagenet: object) -> Run:
    """Run the command line in this process."""

    def run(*arguments: str | Path) -> Said:
        monkeypatch.setattr(sys, "argv", ["framevote", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        caught = capfd.readouterr()
        return Said(int(left.value.code or 0), caught.out, caught.err)

    return run


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_video(tmp_path / "match.mp4", *X264, "-c:a", "aac", tone=True, seconds=1)


def test_label_prints_the_timeline_and_writes_json_beside(run: Run, clip: Path) -> None:
    said = run("label", clip)
    assert (said.code, said.err) == (0, "")
    assert "match.mp4" in said.out
    assert "0:00.0" in said.out
    assert "Label changes a minute" in said.out
    written = json.loads(clip.with_suffix(".json").read_text())
    assert written["segments"][0]["start"] == 0


def test_every_output_by_its_suffix(run: Run, clip: Path, tmp_path: Path) -> None:
    names = ["out.mp4", "out.json", "out.csv", "out.vtt", "out.srt", "out.png", "out.mkv"]
    said = run("label", clip, *(word for name in names for word in ("-o", tmp_path / name)))
    assert said.code == 0
    assert all((tmp_path / name).stat().st_size > 0 for name in names)
    assert not clip.with_suffix(".json").exists()
    assert_same_clock_and_sound(clip, tmp_path / "out.mp4", within=1e-4)


def test_many_files_and_one_bad_one(run: Run, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    (folder / "inner").mkdir(parents=True)
    for name in ("a.mp4", "inner/b.mkv"):
        make_video(folder / name, *X264, seconds=0.2)
    (folder / "broken.mp4").write_text("no video")
    said = run("label", clip, folder, tmp_path / "missing.mp4", "-o", tmp_path / "results", "--format", "json,mp4")
    assert said.code == 1
    results = {str(path.relative_to(tmp_path / "results")) for path in (tmp_path / "results").rglob("*") if path.is_file()}
    assert results == {"match.json", "match.mp4", "a.json", "a.mp4", "inner/b.json", "inner/b.mp4"}
    assert "broken.mp4 is no video" in said.err
    assert "missing.mp4 cannot be read" in said.err
    assert "Traceback" not in said.err


def test_names_that_would_meet_are_kept_apart(run: Run, tmp_path: Path) -> None:
    for name in ("a/x.mp4", "a/x.mkv", "b/x.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        make_video(tmp_path / name, *X264, seconds=0.2)
    files = [tmp_path / name for name in ("a/x.mp4", "a/x.mkv", "b/x.mp4")]
    assert run("label", *files, "-o", f"{tmp_path}/results").code == 0
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"x.mp4.json", "x.mkv.json", "x.mp4-2.json"}


def test_json_is_all_there_is_on_stdout(run: Run, clip: Path) -> None:
    said = run("label", clip, "--smoother", "RollingMean(frames=128)", "--json")
    assert json.loads(said.out)["recipe"]["smoother"] == "RollingMean(frames=128)"
    assert not clip.with_suffix(".json").exists()
    second = make_video(clip.with_name("second.mp4"), *X264, seconds=0.2)
    lines = run("label", clip, second, "--json").out.splitlines()
    assert [json.loads(line)["video"]["path"] for line in lines] == [str(clip), str(second)]


def test_quiet_says_nothing(run: Run, clip: Path) -> None:
    assert run("label", clip, "--quiet") == Said(0, "", "")
    assert clip.with_suffix(".json").exists()


def test_probe_tells_without_decoding(run: Run, clip: Path) -> None:
    said = run("probe", clip, "--json")
    assert json.loads(said.out)["frame_rate"] == "25"
    assert "h264" in run("probe", clip).out
    assert run("probe", clip.with_name("missing.mp4"), clip).code == 1


def test_parts_lists_every_part_with_a_line(run: Run) -> None:
    said = run("parts")
    for name in ("RollingMean", "Viterbi", "EveryFrame", "AnnotatedVideo", "smoother:", "strategy:"):
        assert name in said.out
    assert run("parts", "smoother").out.count("\n") == 5
    assert run("parts", "smother").code == 2


WRONG = {
    "unknown part": (["--smoother", "Mean()"], 2, "no smoother named 'Mean'"),
    "K = 0": (["--smoother", "RollingMean(frames=0)"], 2, "frames"),
    "unknown strategy": (["--strategy", "Some()"], 2, "no strategy named"),
    "unknown label": (["--only", "tennis bal"], 2, "tennis ball"),
    "unknown model": (["--model", "imagnet"], 2, "Did you mean imagenet"),
    "missing model file": (["--model", "gone.fvm"], 1, "gone.fvm"),
    "unknown suffix": (["-o", "out.xyz"], 2, "nothing writes .xyz files"),
    "unknown format": (["-o", "results/", "--format", "doc"], 2, "nothing writes .doc files"),
    "preset": (["-o", "out.mp4", "--preset", "warp"], 2, "preset is one of"),
    "crf": (["-o", "out.mp4", "--crf", "77"], 2, "crf"),
    "audio": (["-o", "out.webm"], 1, "--audio opus"),
    "unknown option": (["--smother", "x"], 2, "No such option"),
    "bad number": (["--unknown", "2"], 2, "--unknown"),
    "not a number": (["--shortest", "nan"], 2, "shortest"),
    "precision": (["--precision", "f8"], 2, "f8"),
    "no folder": (["-o", "no/such/folder/out.json"], 1, "there is no folder"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls_get_a_sentence(name: str, run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, code, sentence = WRONG[name]
    monkeypatch.chdir(clip.parent)
    said = run("label", clip, *arguments)
    assert (said.code, sentence in said.err) == (code, True), said.err
    assert "Traceback" not in said.err
    assert sorted(path.name for path in clip.parent.iterdir() if path.is_file()) == ["match.mp4"]


def test_an_output_that_exists_is_not_touched(run: Run, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    out.write_text("precious")
    said = run("label", clip, "-o", out)
    assert (said.code, out.read_text()) == (1, "precious")
    assert "--overwrite" in said.err
    assert run("label", clip, "-o", out, "--overwrite").code == 0
    assert out.read_text() != "precious"
    assert run("label", clip, "-o", clip, "--overwrite").code == 1
    assert make_video(tmp_path / "again.mp4", *X264, "-c:a", "aac", tone=True, seconds=1).read_bytes() == clip.read_bytes()


def test_one_output_that_fails_does_not_lose_the_others(run: Run, clip: Path, tmp_path: Path) -> None:
    said = run("label", clip, "-o", tmp_path / "out.webm", "-o", tmp_path / "out.json")
    assert said.code == 1
    assert (tmp_path / "out.json").exists()


def test_several_videos_cannot_become_one_file(run: Run, clip: Path, tmp_path: Path) -> None:
    second = make_video(tmp_path / "second.mp4", *X264, seconds=0.2)
    said = run("label", clip, second, "-o", tmp_path / "out.json")
    assert said.code == 2
    assert "Name a folder" in said.err


def test_a_name_that_begins_with_a_dash_is_a_file(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip.parent)
    clip.rename("-match.mp4")
    assert run("label", "-match.mp4", "-o", "out.json").code == 0
    assert Path("out.json").exists()


def test_debug_shows_where(run: Run, tmp_path: Path) -> None:
    said = run("label", tmp_path / "missing.mp4", "--debug")
    assert said.code == 1
    assert "Traceback" in said.err


def test_help_answers_at_once() -> None:
    for arguments in (["--help"], ["label", "--help"], ["--version"]):
        began = time.perf_counter()
        said = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=True)
        assert said.stdout
        assert time.perf_counter() - began < 2  # the figure itself is the benchmark's: this machine may be busy


def _environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")} | more


def test_colours_are_for_those_who_want_them(clip: Path, imagenet: object) -> None:
    forced = subprocess.run(
        [*COMMAND, "label", clip, "--overwrite"], capture_output=True, text=True, check=True, env=_environment(FORCE_COLOR="1")
    )
    assert "\x1b[" in forced.stdout
    assert "█" in forced.stdout
    bare = _environment(FORCE_COLOR="1", NO_COLOR="1")
    plain = subprocess.run([*COMMAND, "label", clip, "--overwrite"], capture_output=True, text=True, check=True, env=bare)
    assert "\x1b[3" not in plain.stdout
    assert "AAAA" in plain.stdout


def test_ctrl_c_leaves_no_broken_file(tmp_path: Path, imagenet: object) -> None:
    long = make_video(tmp_path / "long.mp4", *X264, size="1280x720", seconds=60)
    out = tmp_path / "out.mp4"
    process = subprocess.Popen([*COMMAND, "label", long, "--strategy", "Every(seconds=10)", "-o", out], stderr=subprocess.PIPE, text=True)
    partial: list[Path] = []
    while process.poll() is None and not partial:
        time.sleep(0.02)
        partial = list(tmp_path.glob(".framevote-*"))
    assert partial  # it is writing
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip() == "framevote: Interrupted. What was finished is kept, nothing is half-written."
    assert [path.name for path in tmp_path.iterdir()] == ["long.mp4"]


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_reader_that_leaves_early_is_no_error(clip: Path, imagenet: object) -> None:
    said = subprocess.run(f"{' '.join(COMMAND)} label {clip} --json | head -c 10", shell=True, capture_output=True, text=True, check=False)
    assert said.stdout.startswith("{")
    assert "Traceback" not in said.stderr

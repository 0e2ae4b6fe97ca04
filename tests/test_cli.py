"""The command line as a user meets it."""

import dataclasses
import io
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
from made_timelines import timeline
from media import make_video
from rich.console import Console
from test_annotated import assert_same_clock_and_sound

from framevote import cli
from framevote.cli import terminal
from framevote.cli.batch import Tellings
from framevote.cli.streams import stoppable
from framevote.records import Effort, Guess, Segment

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


def _stopped_while_writing(tmp_path: Path, number: signal.Signals) -> tuple[subprocess.Popen[str], str]:
    long = make_video(tmp_path / "long.mp4", *X264, size="1280x720", seconds=60)
    out = tmp_path / "out.mp4"
    process = subprocess.Popen([*COMMAND, "label", long, "--strategy", "Every(seconds=10)", "-o", out], stderr=subprocess.PIPE, text=True)
    partial: list[Path] = []
    while process.poll() is None and not partial:
        time.sleep(0.02)
        partial = list(tmp_path.glob(".framevote-*"))
    assert partial  # it is writing
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    return process, said


def test_ctrl_c_leaves_no_broken_file(tmp_path: Path, imagenet: object) -> None:
    process, said = _stopped_while_writing(tmp_path, signal.SIGINT)
    assert process.returncode == 130
    assert said.strip() == "framevote: Interrupted. What was finished is kept, nothing is half-written."
    assert [path.name for path in tmp_path.iterdir()] == ["long.mp4"]


def test_a_reader_that_leaves_early_is_no_error(clip: Path, imagenet: object) -> None:
    said = subprocess.run(f"{' '.join(COMMAND)} label {clip} --json | head -c 10", shell=True, capture_output=True, text=True, check=False)
    assert said.stdout.startswith("{")
    assert "Traceback" not in said.stderr


def test_files_are_written_though_the_reader_leaves(tmp_path: Path, imagenet: object) -> None:
    clips = [make_video(tmp_path / name, *X264, seconds=0.2) for name in ("a.mp4", "b.mp4")]
    reading, writing = os.pipe()
    os.close(reading)  # the reader has left before the first line
    process = subprocess.run([*COMMAND, "label", *clips], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (process.returncode, process.stderr) == (0, "")
    assert all(clip.with_suffix(".json").exists() for clip in clips)


def test_what_nobody_hears_is_not_worked_out(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = make_video(clip.with_name("second.mp4"), *X264, seconds=0.2)
    printed: list[object] = []
    monkeypatch.setattr("framevote.cli.batch.say", printed.append)  # nobody listens
    labelled: list[Path] = []
    monkeypatch.setattr("framevote.cli.batch.label", lambda video, *_, **__: labelled.append(video) or timeline())
    assert run("label", clip, second, "--json").code == 0
    assert (labelled, len(printed)) == ([clip], 1)
    assert run("label", clip, second, "--json", "--format", "csv").code == 0
    assert (labelled, len(printed)) == ([clip, clip, second], 2)


def test_a_stdout_that_cannot_be_written_is_told() -> None:
    with Path(os.devnull).open("rb") as only_to_read:
        said = subprocess.run([*COMMAND, "parts"], stdout=only_to_read, stderr=subprocess.PIPE, text=True, check=False)
    assert (said.returncode, said.stderr) == (1, "framevote: The results cannot be printed: Bad file descriptor. Send stdout elsewhere.\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["label", "CLIP"], ["label", "CLIP", "--json"], ["parts"], ["probe", "CLIP"], ["--version"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_stdout_is_told_once(arguments: list[str], unbuffered: str, clip: Path, imagenet: object) -> None:
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    words = [str(clip) if word == "CLIP" else word for word in arguments]
    with Path("/dev/full").open("wb") as full:
        said = subprocess.run([*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    sentence = "framevote: The results cannot be printed: No space left on device. Send stdout elsewhere.\n"
    assert (said.returncode, said.stderr) == (1, sentence)
    assert clip.with_suffix(".json").exists() == (arguments == ["label", "CLIP"])


def test_two_videos_of_one_stem_give_two_files_beside_them(run: Run, tmp_path: Path) -> None:
    clips = [make_video(tmp_path / name, *X264, seconds=0.2) for name in ("s.mp4", "s.mkv", "t.mp4")]
    assert run("label", *clips, "--overwrite").code == 0
    assert {path.name for path in tmp_path.glob("*.json")} == {"s.mp4.json", "s.mkv.json", "t.json"}


TWINS = {
    "one file by two names": ["-o", "x.json", "-o", "./x.json"],
    "one file by a link": ["-o", "x.json", "-o", "link/x.json"],
    "one folder by two names": ["-o", "results", "-o", "link/results/"],
}


@pytest.mark.parametrize("name", TWINS)
def test_two_results_never_become_one_file(name: str, run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip.parent)
    Path("link").symlink_to(".")
    said = run("label", clip, *TWINS[name], "--overwrite")
    assert (said.code, "are one file" in said.err) == (2, True), said.err
    assert sorted(path.name for path in clip.parent.iterdir()) == ["link", "match.mp4"]


def test_one_video_given_by_two_names_is_told(run: Run, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(".")
    assert run("label", clip, tmp_path / "link" / "match.mp4").code == 2


NO_FOLDERS = {
    "a file": ["-o", "plain", "--format", "json"],
    "within a file": ["-o", "plain/results"],
    "a file with a slash": ["-o", "plain/"],
    "a device": ["-o", "/dev/null"],
}


@pytest.mark.parametrize("name", NO_FOLDERS)
def test_a_folder_that_cannot_be_is_told_before_the_work(name: str, run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clip.parent)
    monkeypatch.setattr("framevote.cli.batch.load_model", lambda *_, **__: pytest.fail("this is work"))
    Path("plain").write_text("precious")
    said = run("label", clip, *NO_FOLDERS[name])
    assert (said.code, "cannot be made a folder: a file has that name" in said.err, said.err.count("\n")) == (1, True, 1), said.err
    assert Path("plain").read_text() == "precious"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place that takes no folder")
@pytest.mark.parametrize("place", ["/proc/results/", "/proc/"])
def test_a_place_that_takes_nothing_is_told(place: str, run: Run, clip: Path) -> None:
    said = run("label", clip, "-o", place)
    assert (said.code, "cannot be written" in said.err, said.err.count("\n")) == (1, True, 1), said.err


def test_a_folder_that_cannot_be_does_not_stop_the_others(run: Run, tmp_path: Path) -> None:
    for name in ("in/a/b.mp4", "in/c.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        make_video(tmp_path / name, *X264, seconds=0.2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("in the way")
    said = run("label", tmp_path / "in", "-o", tmp_path / "out")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert (tmp_path / "out" / "c.json").exists()


@pytest.mark.parametrize(("name", "encoding"), [(b"bad\xff.mp4", "utf-8"), ("игра 😀 é.mp4", "ascii"), ("игра 😀 é.mp4", "latin-1")])
def test_any_name_in_any_encoding(name: str | bytes, encoding: str, clip: Path, imagenet: object) -> None:
    strange = clip.rename(clip.with_name(os.fsdecode(name)))
    environment = _environment(PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    for words in (["label", strange], ["label", strange, "--overwrite", "--json"], ["probe", strange], ["probe", strange, "--json"]):
        said = subprocess.run([*COMMAND, *words], capture_output=True, check=False, env=environment)
        assert (said.returncode, said.stderr) == (0, b"")
        if "--json" in words:
            told = json.loads(said.stdout)
            assert Path(told.get("path") or told["video"]["path"]) == strange
    missing = subprocess.run([*COMMAND, "probe", strange.with_suffix(".avi")], capture_output=True, check=False, env=environment)
    assert (missing.returncode, missing.stderr.count(b"\n")) == (1, 1)


def test_names_and_labels_are_no_markup() -> None:
    err, out = io.StringIO(), io.StringIO()
    tell = Tellings(debug=False, quiet=False, err=Console(file=err, force_terminal=True, color_system=None))
    tell.note("wrote a[/red] :smile: [bold]b")
    assert "wrote a[/red] :smile: [bold]b" in err.getvalue()
    made = dataclasses.replace(timeline((Segment(0, 1, "[/red] :smile:", 0.5),)), overall=(Guess("[/red] :smile:", 0.7),))
    terminal.show(made, Console(file=out, width=200))
    assert out.getvalue().count("[/red] :smile:") == 2  # in the table, and on the whole


@pytest.mark.parametrize(
    ("effort", "told"),
    [
        (Effort(720, 5, 5, 0.1, 10.96), "Looked at 0.69 % of the frames (5 of 720; 5 decoded), about 111 × as fast as every frame."),
        (Effort(720, 728, 122, 2, 2.6), "Looked at 17 % of the frames (122 of 720; 728 decoded), about 2.3 × as fast as every frame."),
        (Effort(720, 720, 718, 2, 0.01), "Looked at more than 99 % of the frames (718 of 720; 720 decoded)."),
        (Effort(720, 720, 720, 2, 0, notes=("every packet is read",)), "Note: every packet is read."),
    ],
)
def test_what_it_took_is_told(effort: Effort, told: str) -> None:
    summary = terminal.summary(dataclasses.replace(timeline(), effort=effort, skipped=0))
    assert summary.splitlines()[2:] == [told]


def test_sigterm_leaves_no_broken_file(tmp_path: Path, imagenet: object) -> None:
    process, said = _stopped_while_writing(tmp_path, signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM
    assert said.strip() == "framevote: Interrupted. What was finished is kept, nothing is half-written."
    assert [path.name for path in tmp_path.iterdir()] == ["long.mp4"]


def test_a_hangup_ends_like_ctrl_c(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framevote.cli.batch.load_model", lambda *_, **__: signal.raise_signal(signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        said = run("label", clip)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (said.code, said.err) == (128 + signal.SIGHUP, "framevote: Interrupted. What was finished is kept, nothing is half-written.\n")


def test_a_hangup_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable() as came:
            signal.raise_signal(signal.SIGHUP)
        assert came == []
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_formats_apply_beside_the_video(run: Run, clip: Path) -> None:
    assert run("label", clip, "--format", "csv,.VTT,csv").code == 0
    assert sorted(path.name for path in clip.parent.iterdir()) == ["match.csv", "match.mp4", "match.vtt"]
    assert run("label", clip, "--json", "--format", "srt").out.startswith("{")
    assert clip.with_suffix(".srt").exists()


def test_a_video_is_never_replaced_by_a_result(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("framevote.cli.batch.load_model", lambda *_, **__: pytest.fail("this is work"))
    before = clip.read_bytes()
    said = run("label", clip, "--format", "mp4", "--overwrite")
    assert (said.code, "never replaced" in said.err, clip.read_bytes() == before) == (1, True, True)


CANNOT_HOLD = {
    "crf": (["-o", "x.mp4", "--crf", "60"], 2, "crf for .mp4 goes from 0 to 51"),
    "crf in a folder": (["-o", "results", "--format", "mp4", "--crf", "60"], 2, "crf for .mp4 goes from 0 to 51"),
    "sound": (["-o", "x.webm"], 1, "cannot hold aac sound"),
    "encoder": (["-o", "x.webm", "--audio", "aac"], 1, "cannot hold aac sound"),
}


@pytest.mark.parametrize("name", CANNOT_HOLD)
def test_what_a_container_cannot_hold_is_told_before_the_work(name: str, run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, code, sentence = CANNOT_HOLD[name]
    monkeypatch.chdir(clip.parent)
    monkeypatch.setattr("framevote.cli.batch.load_model", lambda *_, **__: pytest.fail("this is work"))
    said = run("label", clip, *arguments)
    assert (said.code, sentence in said.err, said.err.count("\n")) == (code, True, 1), said.err
    assert [path.name for path in clip.parent.iterdir()] == ["match.mp4"]


def test_a_name_that_ends_in_a_slash_is_a_folder(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("label", clip, "-o", f"{tmp_path}/a.v2/").code == 0
    assert [path.name for path in (tmp_path / "a.v2").iterdir()] == ["match.json"]


EMPTY = {
    "format": (["match.mp4", "-o", "res", "--format", ""], "--format names what to write"),
    "formats": (["match.mp4", "--format", " , "], "--format names what to write"),
    "format of a file": (["match.mp4", "-o", "out.json", "--format", "csv"], "--format is for folders"),
    "input": ([""], "Received an empty text as the name of a video"),
    "output": (["match.mp4", "-o", ""], "Received an empty text as --output"),
    "model": (["match.mp4", "--model", ""], "There is no model ''"),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_words_are_wrong_usage(name: str, run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, sentence = EMPTY[name]
    monkeypatch.chdir(clip.parent)
    said = run("label", *arguments)
    assert (said.code, sentence in said.err) == (2, True), said.err
    assert [path.name for path in clip.parent.iterdir() if path.is_file()] == ["match.mp4"]


@pytest.mark.parametrize("command", [[], ["label"], ["parts"], ["probe"]])
def test_h_is_help(command: list[str], run: Run) -> None:
    said = run(*command, "-h")
    assert (said.code, said.out) == (0, run(*command, "--help").out)
    assert "Usage:" in said.out


def test_a_keras_backend_that_is_absent_is_a_sentence(clip: Path, imagenet: object) -> None:
    environment = os.environ | {"KERAS_BACKEND": "none such"}
    said = subprocess.run([*COMMAND, "label", clip, "--runtime", "keras"], capture_output=True, text=True, check=False, env=environment)
    assert (said.returncode, said.stderr.startswith("framevote: Keras cannot start with KERAS_BACKEND=none such")) == (1, True), said.stderr

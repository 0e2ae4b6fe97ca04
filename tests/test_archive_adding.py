"""Many files into an archive: nothing lost, nothing twice, whatever stops the run, and whoever adds beside it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from made_jobs import PLACE
from made_models import model_file

from framevote.archive import adding, batches
from framevote.archive.adding import add, retry_failed
from framevote.archive.entries import Source
from framevote.archive.listing import list_sources
from framevote.archive.sharding import in_shard
from framevote.archive.standing import Standing
from framevote.archive.store import open_archive
from framevote.archive.tables import scan
from framevote.archive.workers import Workers
from framevote.errors import Error, InputError, ModelError, OutputError, UsageError
from framevote.testing.made import made_video

FILMS = 16

_PROGRAM = """
import json, sys
from framevote.archive import batches
from framevote.archive.adding import add
batches.FILES, batches.SECONDS = 4, 0.2
done = add(**json.loads(sys.argv[1]), progress=lambda now: print(now.files, flush=True))
print(f"done {done.done} of {done.of}", flush=True)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_file(tmp_path_factory.mktemp("model") / "colours.fvm")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films that all differ, each a third red, a third green, a third blue."""
    folder = tmp_path_factory.mktemp("made")
    for number in range(FILMS):
        made_video(folder / f"film{number:02}.mkv", [40] * (30 + 3 * number))
    return folder


@pytest.fixture
def films(made: Path, tmp_path: Path) -> Path:
    """Six films to be moved, changed and deleted."""
    folder = tmp_path / "films"
    folder.mkdir()
    for path in sorted(made.iterdir())[:6]:
        shutil.copy2(path, folder)
    return folder


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "library"


class Told:
    """What a run said."""

    def __init__(self) -> None:
        self.errors: list[Error] = []
        self.steps: list[Standing] = []

    def __call__(self, paths: Any, into: Path, model: Path, **more: Any) -> Standing:
        given = [paths] if isinstance(paths, Path) else paths
        return add(given, into, model=model, smoother="RollingMean(frames=1)", fail=self.errors.append, progress=self.steps.append, **more)


@pytest.fixture
def told() -> Told:
    return Told()


def table(into: Path, name: str, *columns: str) -> list[dict[str, Any]]:
    return scan(open_archive(into).table(name), columns).to_pylist()  # type: ignore[no-any-return]


def videos(into: Path) -> list[dict[str, Any]]:
    return table(into, "videos", "key", "content", "path", "settings", "state", "error", "segments")


def check_whole(into: Path, rows: int) -> None:
    """Every row is there once, done, and with just its own three segments."""
    found = videos(into)
    assert len(found) == len({row["key"] for row in found}) == rows
    assert {row["state"] for row in found} == {"done"}
    segments = Counter(row["video"] for row in table(into, "segments_3", "video"))
    assert segments == {row["key"]: 3 for row in found}


def started(paths: list[Path], into: Path, model: Path, **more: Any) -> "subprocess.Popen[str]":
    asked = {"paths": list(map(str, paths)), "into": str(into), "model": str(model), "smoother": "RollingMean(frames=1)", **more}
    return subprocess.Popen([sys.executable, "-c", _PROGRAM, json.dumps(asked)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(run: "subprocess.Popen[str]") -> str:
    """Return the last line that a run printed."""
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err[-2000:]
    return out.strip().splitlines()[-1]


def shard_of(folder: Path, shard: tuple[int, int]) -> list[str]:
    sources = list_sources([folder], pytest.fail)
    return sorted(Path(source.path).name for source in sources if in_shard(source, [str(folder)], shard))


def test_what_is_there_is_passed_over(made: Path, into: Path, model: Path, told: Told) -> None:
    first = told(made, into, model, workers=2)
    assert (first.done, first.of, first.files, first.known, first.failed) == (FILMS, FILMS, FILMS, 0, 0)
    assert first.video == pytest.approx(sum(0.04 * (30 + 3 * n) for n in range(FILMS)))
    assert (first.read, told.steps[-1].files) == (first.size, FILMS)
    assert first.processor > 0
    check_whole(into, FILMS)
    again = told(made, into, model, workers=2)
    assert (again.done, again.of, again.known, again.known_failed) == (0, 0, FILMS, 0)
    other = told(sorted(made.iterdir())[:2], into, model, strategy="Every(seconds=0.5)")
    assert (other.done, other.known) == (2, 0)
    assert told.errors == []
    assert len(videos(into)) == FILMS + 2
    assert len({row["settings"] for row in videos(into)}) == 2


def test_moved_copied_changed_and_deleted_files(films: Path, into: Path, model: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three, four, five, six = sorted(films.iterdir())
    told(films, into, model)
    one.rename(films / "moved.mkv")
    shutil.copy2(two, films / "copy.mkv")
    three.write_bytes(four.read_bytes())
    made_video(five, [40] * 12)
    os.utime(six, (1e9, 1e9))
    hashed = told(films, into, model)
    assert (hashed.done, hashed.same, hashed.known) == (1, 4, 2)  # five is new; moved, copied, overwritten and touched are not
    assert len(videos(into)) == 7
    paths = {row["path"]: row["content"] for row in table(into, "files", "path", "content")}
    assert paths[str(films / "copy.mkv")] == paths[str(two)]
    assert paths[str(three)] == paths[str(four)]
    assert str(films / "moved.mkv") in {row["path"] for row in videos(into)}
    assert told(films, into, model).of == 0

    listed = list(list_sources([films], pytest.fail))
    four.unlink()
    five.write_bytes(five.read_bytes() + b"more")
    monkeypatch.setattr(adding, "list_sources", lambda *_: iter(listed))
    later = told(films, into, model, strategy="Every(seconds=0.5)")
    assert (later.failed, later.done) == (2, 4)  # four stands as three too, and two as its copy
    assert sorted("deleted" if "was deleted" in str(error) else str(error).split()[1] for error in told.errors) == ["changed", "deleted"]
    assert told(films, into, model, strategy="Every(seconds=0.5)").failed == 2  # what could not be read is tried each time
    monkeypatch.undo()
    mended = told(films, into, model, strategy="Every(seconds=0.5)")
    assert (mended.done, mended.failed, mended.known_failed) == (1, 0, 0)  # what is gone is not listed
    assert [failure.source.path for failure in open_archive(into).failed()] == [str(four)]


def test_copies_in_one_run_are_looked_at_once(films: Path, into: Path, model: Path, told: Told) -> None:
    for number in range(4):
        shutil.copy(films / "film00.mkv", films / f"copy{number}.mkv")
    done = told(films, into, model, workers=2)
    assert (done.done, done.same) == (6, 4)
    check_whole(into, 6)
    assert len(table(into, "files", "path")) == 10


def test_failures_are_kept_and_tried_again_on_request(films: Path, into: Path, model: Path, told: Told) -> None:
    bad, empty = films / "bad.mkv", films / "empty.mkv"
    bad.write_bytes(b"no film" * 99)
    empty.touch()
    first = told(films, into, model)
    assert (first.done, first.failed) == (6, 2)
    assert sorted(str(error).partition(" is ")[0] for error in told.errors) == [str(bad), str(empty)]
    assert {row["error"] for row in videos(into) if row["state"] == "failed"} == {str(error) for error in told.errors}
    again = told(films, into, model)
    assert (again.of, again.known, again.known_failed) == (0, 8, 2)
    shutil.copy(bad, films / "copy.mkv")
    copied = told(films, into, model)
    assert (copied.of, copied.same, copied.known, copied.known_failed) == (1, 1, 8, 3)
    (films / "copy.mkv").unlink()
    retried = told(films, into, model, retry=True)
    assert (retried.of, retried.failed, retried.known) == (2, 2, 6)
    assert len(videos(into)) == 8
    shutil.copy(films / "film00.mkv", bad)
    made_video(empty, [40] * 9)
    done = retry_failed(into, fail=told.errors.append)
    assert (done.done, done.same, done.failed, done.missing) == (1, 1, 0, 0)


def test_failures_are_tried_again_by_the_model_that_failed(films: Path, into: Path, tmp_path: Path, told: Told) -> None:
    (films / "bad.mkv").write_bytes(b"no film" * 99)
    first, second = (model_file(tmp_path / f"{name}.fvm", name=name) for name in ("one", "two"))
    told(films, into, first)
    told(films, into, second, strategy="Every(seconds=0.5)")
    model_file(tmp_path / "three.fvm", temperature=2.0).replace(first)
    told.errors.clear()
    done = retry_failed(into, fail=told.errors.append)
    assert (done.failed, done.missing) == (1, 1)
    kinds = {type(error): str(error) for error in told.errors}
    assert set(kinds) == {ModelError, InputError}
    assert f"The model {first} has changed" in kinds[ModelError]


def test_a_model_that_changes_under_way_stops_the_run(films: Path, into: Path, tmp_path: Path, told: Told, monkeypatch) -> None:
    path = model_file(tmp_path / "changing.fvm")
    settled = adding.settle

    def settle(**looking: Any) -> Any:
        settings = settled(**looking)
        model_file(tmp_path / "other.fvm", temperature=2.0).replace(path)
        return settings

    monkeypatch.setattr(adding, "settle", settle)
    with pytest.raises(ModelError, match="has changed since the work began"):
        told(films, into, path)
    monkeypatch.undo()
    assert told(films, into, path).done == 6


def test_what_is_finished_is_written_before_an_error_stops_the_run(films: Path, into: Path, model: Path, told: Told) -> None:
    class Stops:
        """An engine that is stopped after three files, as by Ctrl-C."""

        def __init__(self, settings) -> None:
            self.workers = Workers(settings, 1)

        def __enter__(self) -> "Stops":
            return self

        def __exit__(self, *_: object) -> None:
            self.workers.__exit__(None, None, None)

        def run(self, tasks, known) -> Iterator[list[Any]]:
            done = 0
            for some in self.workers.run(tasks, known):
                yield some
                done += len(some)
                if done == 3:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told(films, into, model, engine=Stops)
    check_whole(into, 3)
    assert told(films, into, model).done == 3
    check_whole(into, 6)


@pytest.mark.parametrize("moment", [0, 5, 11])
def test_killed_at_any_moment_and_begun_again(made: Path, into: Path, model: Path, told: Told, moment: int) -> None:
    run = started([made], into, model, workers=2)
    assert run.stdout
    while int(run.stdout.readline()) < moment:
        pass
    run.kill()
    run.communicate()
    if into.exists():
        there = videos(into)
        assert len(there) == len({row["key"] for row in there}) <= FILMS
    told(made, into, model, workers=2)
    check_whole(into, FILMS)
    assert told(made, into, model).of == 0


def test_stopped_by_a_signal_and_begun_again(made: Path, into: Path, model: Path, told: Told) -> None:
    run = started([made], into, model, workers=2)
    assert run.stdout
    while int(run.stdout.readline()) < 5:
        pass
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    there = len(videos(into))
    assert there >= 5
    assert told(made, into, model, workers=2).done == FILMS - there
    check_whole(into, FILMS)


def test_several_processes_add_the_same_at_once(made: Path, into: Path, model: Path) -> None:
    for run in [started([made], into, model, workers=1) for _ in range(2)]:
        finished(run)
    check_whole(into, FILMS)


def at_once(*runs: Callable[[], Standing]) -> list[Standing]:
    """Do several runs at the same time, on threads."""
    with ThreadPoolExecutor(len(runs)) as pool:
        return [future.result() for future in [pool.submit(run) for run in runs]]


def test_who_adds_beside_others_does_little_twice(tmp_path: Path, into: Path, model: Path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", PLACE)
    monkeypatch.setattr(batches, "FILES", 1)
    slow = [tmp_path / f"wait{number}" for number in range(10)]
    for path in slow:
        path.write_bytes(b"none is read")
    one = partial(Told(), slow, into, model, engine=lambda settings: Workers(settings, 1, job="made_jobs"))
    done = at_once(one, one)
    assert len(videos(into)) == 10
    assert 10 <= sum(each.done for each in done) <= 17  # in one order they would be 20
    assert {each.done + each.same + each.known for each in done} == {10}


def test_two_models_at_once(made: Path, into: Path, model: Path, tmp_path: Path) -> None:
    other = model_file(tmp_path / "other.fvm", temperature=2.0)
    done = at_once(*(partial(Told(), made, into, each, workers=1) for each in (model, other)))
    assert [each.done for each in done] == [FILMS, FILMS]
    check_whole(into, 2 * FILMS)
    assert set(Counter(row["settings"] for row in videos(into)).values()) == {FILMS}


def test_shards_are_everything_once(made: Path, into: Path, model: Path, told: Told, tmp_path: Path) -> None:
    sizes = [told(made, into, model, shard=(number, 3)).done for number in (1, 2, 3)]
    assert sum(sizes) == FILMS
    assert min(sizes) > 0
    check_whole(into, FILMS)
    elsewhere = shutil.copytree(made, tmp_path / "seen from another machine")
    for number, size in enumerate(sizes, start=1):
        here, there = (shard_of(folder, (number, 3)) for folder in (made, elsewhere))
        assert here == there
        assert len(here) == size


@pytest.mark.parametrize(
    ("path", "given", "same"),
    [
        ("/a/b/c.mp4", ["/a"], ("/x/b/c.mp4", ["/x"])),
        ("/a/b/c.mp4", ["/a/"], ("/a/b/c.mp4", ["/a"])),
        ("/a/b/c.mp4", ["/a/b/c.mp4"], ("/y/c.mp4", ["/y/c.mp4"])),
        ("s3://one/b/c.mp4", ["s3://one"], ("s3://two/b/c.mp4", ["s3://two/"])),
    ],
)
def test_a_share_is_settled_by_the_name_within_what_was_given(path, given, same, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda self: self.suffix == "")
    for number in range(1, 6):
        shares = [in_shard(Source(name, 0, 0), roots, (number, 5)) for name, roots in ((path, given), same)]
        assert shares[0] == shares[1]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"shard": (0, 3)}, "third of eight"),
        ({"shard": (4, 3)}, "Received: 4/3"),
        ({"workers": 0}, "workers takes a number above 0"),
        ({"longest": -1}, "longest takes a number above 0"),
        ({"memory": float("nan")}, "memory takes a number above 0"),
        ({"strategy": "Never()"}, "no strategy named"),
    ],
)
def test_wrong_usage_is_told_before_an_archive_is_made(films: Path, into: Path, model: Path, wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        add([films], into, model=model, **wrong)
    assert not into.exists()


def test_what_cannot_be_listed_is_told_and_the_rest_goes_on(films: Path, into: Path, model: Path, told: Told, tmp_path: Path) -> None:
    done = told([films, tmp_path / "gone", tmp_path / "gone.mp4"], into, model)
    assert (done.done, done.missing, len(told.errors)) == (6, 2, 2)


def test_a_worker_that_dies_of_a_file(films: Path, into: Path, model: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", PLACE)
    shutil.copy(films / "film00.mkv", films / "crash")
    done = told([*films.glob("*.mkv"), films / "crash"], into, model, engine=lambda settings: Workers(settings, 2, job="made_jobs"))
    assert (done.done, done.failed) == (6, 1)
    assert "crashed the decoder (SIGSEGV)" in str(told.errors[0])
    assert told([films / "crash"], into, model).known_failed == 1
    assert told([films / "crash"], into, model, retry=True).done == 1


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk, on which just one archive of few films has room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, *options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{','.join(options)}", folder], check=True)


def test_a_full_disk_and_one_to_be_read_only(disk: Path, made: Path, model: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "FILES", 2)
    into = disk / "library"
    told(sorted(made.iterdir())[:2], into, model)
    before = videos(into)
    filler = disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}"], capture_output=True, check=False)
    with pytest.raises(OutputError, match=r"the disk is full.*goes on"):
        told(made, into, model)
    filler.unlink()
    assert [row for row in videos(into) if row in before] == before
    remount(disk, "size=20m", "ro")
    with pytest.raises(OutputError, match="can only be read"):
        told(made, into, model)
    remount(disk, "rw")
    told(made, into, model)
    check_whole(into, FILMS)


def test_all_odd_files_in_one_run(shared: Path, into: Path, model: Path, told: Told) -> None:
    odd = [path for path in sorted((shared / "odd").rglob("*")) if path.is_file()]
    done = told(odd, into, model, workers=2, strategy="Every(seconds=1)")
    assert (done.files, done.done + done.failed + done.same) == (len(odd), len(odd))
    rows = {row["path"]: row for row in videos(into)}
    assert len(rows) == done.done + done.failed
    for error in told.errors:
        assert str(error).startswith("/")
        assert "Traceback" not in str(error)
    assert {row["error"] for row in rows.values() if row["state"] == "failed"} == {str(error) for error in told.errors}
    assert not any("fault is framevote's" in str(error) or "crashed" in str(error) for error in told.errors)
    assert told(odd, into, model, strategy="Every(seconds=1)").of == 0


def test_how_far_a_run_is() -> None:
    now = Standing(files=2, of=8, read=20, size=80, done=2, video=120, wall=4)
    assert (now.rate, now.left) == (30, 12)
    assert (Standing().rate, Standing(size=3).left) == (0, float("inf"))
    assert (now + Standing(files=1, known=3)) == replace(now, files=3, known=3)

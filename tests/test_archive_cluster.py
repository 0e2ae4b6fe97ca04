"""The same rows from Ray as from workers here, whoever dies: an actor, what passes on, or the caller."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from made_jobs import PLACE, SETTINGS, source
from made_models import model_file

from framevote.archive import cluster, cluster_driver
from framevote.archive.adding import add
from framevote.archive.cluster import Cluster, add_on, engine_on
from framevote.archive.cluster_actors import Ended, Fault, Order, Question, Told, _bundles
from framevote.archive.entries import Entry, Source
from framevote.archive.store import Seen, open_archive
from framevote.archive.tables import scan
from framevote.archive.workers import Workers
from framevote.archive.working import Task
from framevote.cli import _run
from framevote.errors import Error, MissingExtra, ModelError, UsageError
from framevote.testing.made import made_video

FILMS = 14
JOB = "made_cluster_job"

_PROGRAM = """
import json, sys
from functools import partial
from framevote.archive import batches
from framevote.archive.adding import add
from framevote.archive.cluster import Cluster
batches.FILES, batches.SECONDS = 2, 0.2
engine = partial(Cluster, on="local", workers=2, job="made_cluster_job")
add(**json.loads(sys.argv[1]), engine=engine, progress=lambda now: print(now.files, flush=True))
"""


@pytest.fixture(autouse=True)
def _found_by_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", PLACE)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_file(tmp_path_factory.mktemp("model") / "colours.fvm")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films that all differ, one of them there twice."""
    folder = tmp_path_factory.mktemp("films")
    for number in range(FILMS):
        made_video(folder / f"film{number:02}.mkv", [40] * (30 + 3 * number))
    shutil.copy(folder / "film00.mkv", folder / "copy.mkv")
    return folder


def rows(into: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """Everything that does not depend on when it was found, and by whom; of the two that are the same, either may be named."""
    archive = open_archive(into)
    videos = [
        dict(row) for row in scan(archive.table("videos"), ("key", "content", "path", "state", "error", "label", "score")).to_pylist()
    ]
    for row in videos:
        row["path"] = row["path"].replace("copy.mkv", "film00.mkv")
    segments = scan(archive.table("segments_3"), ("video", "start", "end", "label", "score", "embedding")).to_pylist()
    files = scan(archive.table("files"), ("path", "content")).to_pylist()
    return sorted(videos, key=json.dumps), sorted(segments, key=json.dumps), sorted(files, key=json.dumps)


def below(name: str) -> list[psutil.Process]:
    """The processes that this one has started, and they in their turn, with a word in their command line."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if name in " ".join(process.cmdline()):
                found.append(process)
    return found


def check_gone(processes: Sequence[psutil.Process], within: float = 30) -> None:
    """None of them is left; one that has only not been asked yet how it ended is none."""
    deadline = time.monotonic() + within
    left = list(processes)
    while left and time.monotonic() < deadline:
        left = [each for each in left if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
        time.sleep(0.1)
    assert left == []


def test_ray_gives_the_rows_that_workers_here_give_whoever_is_killed(films: Path, model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(films, tmp_path / "films")
    for name in ("crashing.mkv", "worse.mkv"):
        (folder / name).write_bytes(name.encode())
    started: list[psutil.Process] = []
    kills = {3: "ray::MapWorker", 8: "ray::Desk"}

    def watch(now: Any) -> None:
        """Kill an actor, and later what passes on; what a terminal sends here, such as Ctrl-C, meets none of them."""
        for moment in [moment for moment in kills if now.files >= moment]:
            started.extend(below(""))
            assert os.getpgid(0) not in {os.getpgid(each.pid) for each in below("ray")}
            (victim, *_) = below(kills.pop(moment))
            victim.kill()

    fails: list[str] = []
    looking = {"model": model, "smoother": "RollingMean(frames=1)", "fail": lambda error: fails.append(str(error))}
    done = add([folder], tmp_path / "ray", engine=partial(Cluster, on="local", workers=2, job=JOB), progress=watch, **looking)
    assert kills == {}
    assert (done.files, done.of, done.done, done.same, done.failed) == (FILMS + 3, FILMS + 3, FILMS, 1, 2)
    assert sorted(said.partition(" ")[2][:20] for said in fails) == ["crashed the decoder ", "lost what looked at "]
    check_gone(started)

    (folder / "worse.mkv").unlink()
    add([folder], tmp_path / "here", engine=partial(Workers, count=2, job=JOB), **looking)
    ray, here = rows(tmp_path / "ray"), rows(tmp_path / "here")
    worse = str(folder / "worse.mkv")
    assert [row for row in ray[0] if row["path"] != worse] == here[0]
    assert len(here[0]) == FILMS + 1
    assert ray[1] == here[1]
    assert len(here[1]) == 3 * FILMS
    assert [row for row in ray[2] if row["path"] != worse] == here[2]


def test_a_caller_that_is_killed_leaves_nothing_running_and_the_same_call_goes_on(films: Path, model: Path, tmp_path: Path) -> None:
    into, asked = tmp_path / "library", {"model": str(model), "smoother": "RollingMean(frames=1)"}
    told = json.dumps({"paths": [str(films)], "into": str(into), **asked})
    run = subprocess.Popen([sys.executable, "-c", _PROGRAM, told], stdout=subprocess.PIPE, text=True)
    assert run.stdout
    while int(run.stdout.readline()) < 5:
        pass
    started = below("")
    run.kill()
    run.communicate()
    assert len(started) > 8
    check_gone(started)
    assert [place for place in map(Path, {part for each in started for part in _arguments(each)}) if place.exists()] == []
    before = len(rows(into)[0])
    done = add([films], into, model=model, smoother="RollingMean(frames=1)")
    assert done.done == FILMS - before < FILMS
    assert len({row["key"] for row in rows(into)[0]}) == len(rows(into)[0]) == FILMS
    assert len(rows(into)[1]) == 3 * FILMS


def _arguments(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return [part for part in process.cmdline() if "framevote-ray-" in part and part.startswith("/")]
    return []


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A cluster of others: the address of its client's door."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("GRPC_ENABLE_FORK_SUPPORT", "0")  # its fork handlers fail now and then in the door that Ray opens for clients
    folder = Path("/tmp") / f"framevote-head-{secrets.token_hex(4)}"
    ports = [_free_port() for _ in range(2)]
    options = {"port": ports[0], "ray-client-server-port": ports[1], "node-ip-address": "127.0.0.1", "num-cpus": 2, "temp-dir": folder}
    told = [f"--{name}={value}" for name, value in {**options, "include-dashboard": "false", "object-store-memory": 100_000_000}.items()]
    with (tmp_path / "head.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start", "--head", "--block", *told],
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(lambda: "Ray runtime started" in (tmp_path / "head.log").read_text(encoding="utf-8") and _answers(ports[1]))
        yield f"ray://127.0.0.1:{ports[1]}"
    finally:
        started = psutil.Process(process.pid).children(recursive=True)
        for each in [psutil.Process(process.pid), *started]:  # in order it takes half a minute
            with suppress(psutil.Error):
                each.kill()
        process.wait()
        check_gone(started)
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _answers(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    return False


def _wait_for(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline, "Ray did not start"
        time.sleep(0.1)


def test_a_cluster_elsewhere_looks_at_files_and_stays(head: str) -> None:
    names = ["crash", "copy", *(f"good{n}" for n in range(6))]
    with Cluster(SETTINGS, head, workers=2, job="made_jobs") as engine:
        tasks = [Task(source(name)) for name in names]
        found = {Path(result.source.path).name: result for some in engine.run(tasks, lambda content: "copy" in content) for result in some}
    assert sorted(found) == sorted(names)
    assert [name for name, result in found.items() if isinstance(result, Seen)] == ["copy"]
    assert [name for name, result in found.items() if isinstance(result, Entry) and result.error] == ["crash"]
    assert _answers(int(head.rpartition(":")[2]))


class Driver:
    """Stands for Ray: says what was prepared, a round at a time, and keeps what it is told."""

    rounds: list[list[list[Told]]]
    told: list[Any]

    def __init__(self, order: Order) -> None:
        self.left: list[list[Told]] = []

    def send(self, message: Any) -> None:
        self.told.append(message)
        if not self.left:
            self.left = list(self.rounds.pop(0))

    def heard(self) -> list[Told]:
        return self.left.pop(0)

    def stop(self) -> None:
        self.told.append("stop")


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Cluster]:
    monkeypatch.setattr(cluster, "_Driver", Driver)

    def prepare(*rounds: list[list[Told]]) -> Cluster:
        Driver.rounds, Driver.told = list(rounds), []
        return Cluster(SETTINGS)

    return prepare


def entry(name: str) -> Entry:
    return Entry(source(name), f"content of {name}", SETTINGS, "done")


def test_what_comes_twice_is_taken_once_and_what_was_lost_is_begun_anew(prepared: Callable[..., Cluster]) -> None:
    question = Question("/videos/b", "content of b")
    asked: list[str] = []

    def known(content: str) -> bool:
        asked.append(content)
        return len(asked) > 1  # as in `adding`: whoever is told to bring a content is the last that is told so

    with prepared([[entry("a")], [question], [entry("a"), Ended("lost")]], [[question], [entry("b"), entry("a")], [Ended()]]) as engine:
        found = [result for some in engine.run([Task(source("a")), Task(source("b"))], known) for result in some]
    assert [result.source.path for result in found] == ["/videos/a", "/videos/b"]
    assert asked == ["content of b"]
    assert Driver.told == [
        (Task(source("a")), Task(source("b"))),
        (question, False),
        (Task(source("b")),),
        (question, False),
        "stop",
    ]


def test_a_cluster_that_brings_nothing_is_given_up(prepared: Callable[..., Cluster]) -> None:
    with (
        pytest.raises(Error, match=r"Ray ended 3 times in a row before any of 1 files was through \(why\)"),
        prepared(*[[[Ended("why")]]] * 3) as engine,
    ):
        list(engine.run([Task(source("a"))], lambda _: False))


def test_what_would_meet_every_file_is_raised(prepared: Callable[..., Cluster]) -> None:
    with pytest.raises(ModelError, match="gone"), prepared([[Fault(ModelError("gone"))]]) as engine:
        list(engine.run([Task(source("a"))], lambda _: False))
    assert Driver.told[-1] == "stop"


@pytest.mark.parametrize("on", ["", "ray://", "here", "127.0.0.1:10001", "http://127.0.0.1", "Local"])
def test_where_to_work_must_be_known(on: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Expected local, auto, or an address such as ray://head:10001"):
        add_on(on, [tmp_path], tmp_path / "library")


def test_the_command_passes_on_where_to_work(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    film = made_video(tmp_path / "film.mkv", [40] * 9)
    told = [
        str(film),
        "--into",
        str(tmp_path / "library"),
        "--model",
        str(model_file(tmp_path / "colours.fvm")),
        "--on",
        "ray://127.0.0.1:9",
    ]
    assert _run(["archive", "add", *told]) == 1
    assert "The cluster ray://127.0.0.1:9 cannot be reached" in capfd.readouterr().err
    assert _run(["archive", "add", *told[:-1], "nowhere"]) == 2
    assert "Received the cluster 'nowhere'. Expected local, auto, or an address" in capfd.readouterr().err


@pytest.mark.parametrize("limits", [{"workers": 0}, {"longest": -1}, {"memory": 0}])
def test_limits_must_be_above_0(limits: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="takes a number above 0"):
        engine_on("local", **limits)  # type: ignore[arg-type]


def test_without_ray_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib_of(cluster), "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'framevote\[ray\]'"):
        engine_on("local")


def importlib_of(module: Any) -> Any:
    return module.importlib.util


@pytest.mark.parametrize(
    ("on", "sentence"),
    [
        ("ray://127.0.0.1:9", r"The cluster ray://127.0.0.1:9 cannot be reached \(.*refused\). Expected the address of its head"),
        ("ray://127.0.0.1:port", r"cannot be reached \(ValueError: Port could not be cast"),
        ("auto", r"There is no Ray cluster that this machine belongs to .* `ray start --head`"),
    ],
)
def test_a_cluster_that_is_not_there_is_told_in_seconds(on: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # whatever runs here
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    began = time.monotonic()
    with pytest.raises(Error, match=sentence), engine_on(on)(SETTINGS) as engine:
        list(engine.run([Task(source("a"))], lambda _: False))
    assert time.monotonic() - began < 20


def test_a_process_that_ends_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_PROGRAM", "raise SystemExit('no memory')")
    with (
        pytest.raises(Error, match=r"The process that speaks with Ray ended with exit code 1 and said: no memory\. What was finished"),
        Cluster(SETTINGS) as engine,
    ):
        list(engine.run([Task(source("a"))], lambda _: False))


def test_a_ray_of_our_own_is_closed_to_others_and_bears_little_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    order = Order(SETTINGS, "local", 3, None, None, JOB)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(cluster_driver.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 64 << 20}))
    small = cluster_driver._own(order, "/tmp/somewhere")
    assert small["_plasma_directory"] == small["_temp_dir"] == "/tmp/somewhere"
    assert (small["num_cpus"], small["include_dashboard"], len(os.environ["RAY_AUTH_TOKEN"])) == (3, False, 64)
    monkeypatch.setattr(cluster_driver.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1 << 30}))
    assert "_plasma_directory" not in cluster_driver._own(order, "/tmp/somewhere")


def test_short_files_go_together_and_long_ones_alone() -> None:
    def bundled(most: int, *sizes: float) -> list[list[float]]:
        tasks = [Task(Source(f"/videos/{number}", int(size * 1e6), 0.0)) for number, size in enumerate(sizes)]
        bundles = list(_bundles(tasks, most))
        assert [task for bundle in bundles for task in bundle] == tasks
        return [[task.source.size / 1e6 for task in bundle] for bundle in bundles]

    assert bundled(100, 1, 2, 3) == [[1, 2, 3]]
    assert bundled(100, *[1] * 10) == [[1] * 8, [1] * 2]
    assert bundled(100, 9, 7, 1, 40, 1, 2) == [[9, 7], [1], [40], [1, 2]]
    assert bundled(1, 1, 2) == [[1], [2]]
    assert bundled(5) == []

"""A file that crashes the decoder, dawdles or gorges takes only itself with it; whatever ends the run ends its workers."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from made_jobs import PLACE, SETTINGS, source

from framevote.archive.entries import Entry
from framevote.archive.store import Seen
from framevote.archive.workers import Workers
from framevote.archive.working import Task
from framevote.errors import Error, ModelError, UsageError

GOOD = tuple(f"good{n}" for n in range(6))


def left() -> list[psutil.Process]:
    """The workers among this process's children; others belong to other tests, such as the tracker of multiprocessing."""
    return [child for child in psutil.Process().children() if "framevote.archive.working" in " ".join(child.cmdline())]


@pytest.fixture(autouse=True)
def _found_by_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", PLACE)


def run(*names: str, settings=SETTINGS, count=2, known=lambda _content: False, **limits) -> dict[str, Entry | Seen]:
    with Workers(settings, count, job="made_jobs", **limits) as workers:
        found = [result for some in workers.run(map(Task, map(source, names)), known) for result in some]
    assert len(found) == len(names)
    return {Path(result.source.path).name: result for result in found}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("crash", r"/videos/crash crashed the decoder \(SIGSEGV\)\. Expected a video that FFmpeg can decode"),
        ("killed", "/videos/killed was being looked at when its worker process was killed, most likely because memory ran out"),
        ("leave", "/videos/leave ended its worker process with exit code 3"),
        ("break", r"exit code 1 \(ValueError: a fault of ours\)"),
        ("gorge", r"/videos/gorge took 0\.\d GB of memory, where 0\.3 GB are allowed, .* --memory"),
        ("dawdle", r"/videos/dawdle took longer than 2 s and was stopped\. Allow more with --longest"),
    ],
)
def test_a_bad_file_takes_only_itself(name: str, sentence: str) -> None:
    found = run(GOOD[0], name, *GOOD[1:], longest=2, memory=0.3e9)
    bad = found.pop(name)
    assert isinstance(bad, Entry)
    assert (bad.state, bad.content, bad.settings) == ("failed", f"content of {name}", SETTINGS)
    assert re.search(sentence, bad.error), bad.error
    assert all(isinstance(each, Entry) and each.state == "done" for each in found.values())
    assert sorted(found) == sorted(GOOD)


def test_nothing_but_bad_files() -> None:
    found = run("crash", "leave", "killed", "break", count=1)
    assert [each.state for each in found.values()] == ["failed"] * 4  # type: ignore[union-attr]


def test_a_worker_is_one_thread_that_the_kernel_takes_first() -> None:
    told = [found.probe for found in run(*GOOD).values()]  # type: ignore[union-attr]
    assert {(each["oom"], each["threads"]) for each in told} == {("1000", "1")}
    assert all(each["pid"] != os.getpid() for each in told)


def test_no_more_workers_than_files_and_than_asked() -> None:
    one = run("good0", count=4)
    assert len({each.probe["pid"] for each in one.values()}) == 1  # type: ignore[union-attr]
    names = [f"wait{n}" for n in range(10)]
    assert len({each.probe["pid"] for each in run(*names, count=2).values()}) == 2  # type: ignore[union-attr]


def test_known_content_is_not_looked_at() -> None:
    asked: list[str] = []

    def known(content: str) -> bool:
        asked.append(content)
        return content == "content of crash"

    found = run("good0", "crash", known=known)
    assert found["crash"] == Seen(source("crash"), "content of crash")
    assert sorted(asked) == ["content of crash", "content of good0"]


def test_content_that_was_found_before_goes_along() -> None:
    with Workers(SETTINGS, 1, job="made_jobs") as workers:
        (found,) = [each for some in workers.run([Task(source("good0"), "told")], lambda content: content == "told") for each in some]
    assert found == Seen(source("good0"), "told")


def test_what_a_file_leaves_in_memory_is_not_the_next_ones_fault() -> None:
    found = run("hoard", "good0", count=1, memory=0.3e9)
    assert {each.state for each in found.values()} == {"done"}  # type: ignore[union-attr]
    assert len({each.probe["pid"] for each in found.values()}) == 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("names", "settings", "error", "sentence"),
    [
        (GOOD, replace(SETTINGS, model="gone"), ModelError, "The model gone cannot be read"),
        (("good0", "refuse"), SETTINGS, UsageError, "The settings are wrong"),
        (GOOD, replace(SETTINGS, model="stillborn"), Error, "The worker processes cannot start: it was ended by SIGBUS"),
    ],
)
def test_what_would_meet_every_file_stops_the_run(names, settings, error, sentence) -> None:
    with pytest.raises(error, match=sentence):
        run(*names, settings=settings)
    assert left() == []


def test_a_job_that_cannot_be_loaded_stops_the_run() -> None:
    with (
        pytest.raises(Error, match="cannot start: it ended with exit code 1 and said: ModuleNotFoundError"),
        Workers(SETTINGS, 2, job="no_such_module") as workers,
    ):
        list(workers.run([Task(source("good0"))], lambda _content: False))


def test_time_passes_while_nothing_is_finished() -> None:
    with Workers(SETTINGS, 1, job="made_jobs") as workers:
        steps = workers.run([Task(source("dawdle"))], lambda _content: False)
        assert [next(steps) for _ in range(5)] == [[]] * 5
    assert left() == []


_PROGRAM = """
import sys
from made_jobs import SETTINGS, source
from framevote.archive.workers import Workers
from framevote.archive.working import Task
with Workers(SETTINGS, 2, job="made_jobs") as workers:
    for some in workers.run([Task(source("dawdle")), Task(source("dawdle"))], lambda content: print(content, flush=True)):
        pass
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_do_not_outlive_the_run(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", _PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout
        assert [run.stdout.readline() for _ in range(2)] == [b"content of dawdle\n"] * 2  # both are at work
        workers = psutil.Process(run.pid).children()
        assert len(workers) == 2
        run.send_signal(number)
        run.wait(10)
    gone, alive = psutil.wait_procs(workers, 5)
    assert (len(gone), alive) == (2, [])


def test_a_stopped_run_goes_down_at_once() -> None:
    began = time.monotonic()
    with Workers(SETTINGS, 2, job="made_jobs") as workers:
        steps = workers.run(map(Task, map(source, ("dawdle", "dawdle"))), lambda _content: False)
        while not all(worker.task for worker in workers._workers) or len(workers._workers) < 2:
            next(steps)
    assert left() == []
    assert time.monotonic() - began < 20


def test_no_room_for_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(Error, match=r"cannot start: Resource temporarily unavailable\. Take fewer workers"):
        run("good0")

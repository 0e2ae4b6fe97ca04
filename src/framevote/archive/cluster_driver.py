"""The process that speaks with Ray: it starts it or joins it, sets up the desk, and passes on what is said there.

`framevote.archive.cluster` starts it, and ends it by closing the pipe; so it ends as well when its parent is killed. What goes through
the pipe, as pickles between two processes of one program: an `Order` at first, then tuples of `Task`s in, each answered by lists of
`Told` up to `Ended`; and answers to `Question`s in.
"""

import logging
import os
import secrets
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import urlsplit

from framevote.archive.cluster_actors import Desk, Ended, Fault, Order
from framevote.archive.working import Task
from framevote.errors import Error

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "error",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

_STORE = 100_000_000
"""Bytes of shared memory for a Ray of our own: what goes through it are names and rows, never pictures."""

_SILENCE = 60.0
"""Seconds without a sign of the desk, which has something to say every half second: Ray itself has gone."""

_REACHING = 10.0
"""Seconds until a cluster elsewhere must have answered."""

_LEAVE = 30.0
"""Seconds for Ray to end in order when the parent has gone."""


def main() -> None:
    """Work until the pipe is closed."""
    os.environ.update({name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()})
    pipe = Connection(int(sys.argv[1]))
    with suppress(EOFError, ConnectionError):
        order: Order = pipe.recv()
        with _told(pipe), _connected(order, sys.argv[2]) as workers, _told(pipe):
            _work(pipe, order, workers)


@contextmanager
def _told(pipe: Connection) -> Iterator[None]:
    """Tell the parent of an error; before Ray is stopped, since a broken one may take its time for that."""
    try:
        yield
    except Error as error:
        pipe.send([Fault(error)])


def _work(pipe: Connection, order: Order, workers: int) -> None:
    """Do one list of tasks after another; answers come in between them."""
    lists: Queue[tuple[Task, ...] | None] = Queue()
    desks: list[Any] = []
    threading.Thread(target=_listen, args=(pipe, lists, desks), daemon=True).start()
    while tasks := lists.get():
        _perform(pipe, order, tasks, workers, lists, desks)


def _listen(pipe: Connection, lists: "Queue[tuple[Task, ...] | None]", desks: list[Any]) -> None:
    """Pass on what the parent says: a list to whoever waits for one, an answer to the desk that is open; None at the end."""
    with suppress(EOFError, OSError):
        while True:
            match pipe.recv():
                case (question, bool(known)):
                    desks[-1].answer.remote(question, known)
                case tasks:
                    lists.put(tasks)
    lists.put(None)
    time.sleep(_LEAVE)
    os._exit(1)  # what Ray has started here goes with this process


def _perform(pipe: Connection, order: Order, tasks: tuple[Task, ...], workers: int, lists: "Queue[Any]", desks: list[Any]) -> None:
    """Have tasks done at a new desk, and tell the parent what is heard there, until all is told or the parent has gone."""
    import ray  # noqa: PLC0415 - heavy, and of an extra

    try:
        desk = _opened()
        desks.append(desk)
        desk.perform.remote(order, tasks, workers, desk)
        ended = False
        while not ended and lists.empty():
            told = ray.get(desk.heard.remote(), timeout=_SILENCE)
            ended = any(isinstance(one, Ended) for one in told)
            if told:
                pipe.send(told)
        ray.kill(desk)
    except ray.exceptions.RayActorError as error:
        pipe.send([Ended(_short(error))])
    except ray.exceptions.RayError as error:
        raise Error(
            f"The cluster {order.on} no longer answers ({_short(error)}). What was finished is in the archive; the same call goes on."
        ) from error


def _opened() -> Any:
    """Return a desk that answers."""
    import ray  # noqa: PLC0415 - heavy, and of an extra

    desk: Any = ray.remote(Desk).options(num_cpus=0, max_concurrency=10_000).remote()
    try:
        ray.get(desk.heard.remote())
    except ray.exceptions.RayError as error:
        raise Error(
            f"The cluster cannot run framevote ({_short(error)}). Expected framevote[ray] {version('framevote')} on each of its machines."
        ) from error
    return desk


@contextmanager
def _connected(order: Order, folder: str) -> Iterator[int]:
    """Start Ray or join it, and give how many actors are to look at files; what was started is stopped, and its folder removed."""
    options = _own(order, folder) if order.on == "local" else _others(order.on)
    import ray  # noqa: PLC0415 - heavy, and of an extra; and once the environment is as it is to be

    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # ConnectionError, RuntimeError, ValueError and what gRPC has
        raise Error(_unreachable(order.on, error)) from error
    try:
        cores: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        yield order.workers or max(int(cores.get("CPU", 1)), 1)
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _own(order: Order, folder: str) -> dict[str, Any]:
    """Return how a Ray of our own is started: small, quiet, and closed to others, with nothing left behind."""
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # Ray's own would be left in the home folder
    shared = Path("/dev/shm")
    small = not shared.is_dir() or shutil.disk_usage(shared).free < 1.2 * _STORE  # as in containers, which have 64 MB
    return {
        "address": "local",
        "num_cpus": order.workers or len(os.sched_getaffinity(0)),
        "num_gpus": 0,
        "include_dashboard": False,
        "object_store_memory": _STORE,
        "_temp_dir": folder,
        **({"_plasma_directory": folder} if small else {}),
    }


def _others(on: str) -> dict[str, Any]:
    """Return how a cluster is joined; one elsewhere that does not answer is told sooner than Ray would tell it."""
    if on != "auto":
        try:
            place = urlsplit(on)
            socket.create_connection((place.hostname or "", place.port or 10001), _REACHING).close()
        except (OSError, ValueError) as error:
            raise Error(_unreachable(on, error)) from error
    return {"address": on}


def _unreachable(on: str, error: Exception) -> str:
    match on:
        case "local":
            return f"Ray cannot be started here ({_short(error)})."
        case "auto":
            return (
                f"There is no Ray cluster that this machine belongs to ({_short(error)}). Start one with `ray start --head`, name one "
                "elsewhere with ray://host:10001, or take --on local."
            )
        case _:
            return (
                f"The cluster {on} cannot be reached ({_short(error)}). Expected the address of its head and the port of the Ray client, "
                "10001 if nobody chose another; the same versions of Ray and Python as there; and its token, if it asks for one."
            )


def _short(error: Exception) -> str:
    """Return the last line of what Ray says, which is the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}{': ' + lines[-1].rstrip('.')[:300] if lines else ''}"

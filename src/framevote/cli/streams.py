"""What is printed, and the signals that end a run: nothing that a terminal, pipe or disk does gives a traceback."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from framevote.errors import OutputError


def take_any_text() -> None:
    """Make both streams print what their encoding lacks, and names that are no text, as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # None where the stream is closed
            stream.reconfigure(errors="backslashreplace")


def say(text: str | Callable[[], str]) -> bool:
    """Print a result, or what a function makes, which may touch stdout itself.

    Returns:
        Whether it was heard: False where the reader has left, as `head` does; what follows is printed to nobody.

    Raises:
        OutputError: stdout cannot be written, as on a full disk; what follows is printed to nobody.
    """
    try:
        print(text if isinstance(text, str) else text(), flush=True)  # noqa: T201 (the one place that does)
    except BrokenPipeError:
        _drop(sys.stdout)
        return False
    except OSError as error:
        _drop(sys.stdout)
        raise OutputError(f"The results cannot be printed: {error.strerror}. Send stdout elsewhere.") from error
    return True


def complain(sentence: str) -> None:
    """Print a sentence to stderr; where even that cannot be written, there is nobody to tell."""
    try:
        print(f"framevote: {sentence}", file=sys.stderr, flush=True)  # noqa: T201 (plain, so that no width breaks the sentence)
    except OSError:
        _drop(sys.stderr)


def printable_json(text: str) -> str:
    """Return JSON that stdout's encoding can print: outside UTF-8, all that is not ASCII becomes JSON's own escapes."""
    if sys.stdout is None or (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf8sig"):
        return text
    return "".join(sign if sign.isascii() else json.dumps(sign)[1:-1] for sign in text)


@contextmanager
def stoppable() -> Iterator[list[int]]:
    """Let SIGTERM and SIGHUP end the run as Ctrl-C does, so that nothing half-written stays; yields the list of those that came.

    A signal that is ignored, as by `nohup`, stays ignored.
    """
    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, stop)
    try:
        yield came
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _drop(stream: TextIO) -> None:
    """Send a stream that is broken to nowhere, with what it still holds, so that Python's own last flush succeeds."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)

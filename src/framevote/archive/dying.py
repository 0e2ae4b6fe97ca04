"""How a worker process ended, in words."""

import os
import signal
from typing import IO


def how(code: int, last: str) -> str:
    """Return how a file's worker died, as the rest of a sentence that begins with the file."""
    if -code == signal.SIGKILL:
        return "was being looked at when its worker process was killed, most likely because memory ran out. Try it again with --retry."
    if code < 0:
        return (
            f"crashed the decoder ({_signal(-code)}). Expected a video that FFmpeg can decode; convert it with `ffmpeg -i IN out.mp4`, "
            "or check that the file is whole."
        )
    return f"ended its worker process with exit code {code}{f' ({last})' if last else ''}. Try it again with --retry."


def ending(code: int) -> str:
    """Return how a process ended, as the rest of a sentence that begins with it."""
    return f"was ended by {_signal(-code)}" if code < 0 else f"ended with exit code {code}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_line(log: IO[bytes]) -> str:
    """Return the last line that a process wrote to its stderr."""
    log.seek(max(log.seek(0, os.SEEK_END) - 4096, 0))
    lines = log.read().decode("utf-8", "replace").split("\n")
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

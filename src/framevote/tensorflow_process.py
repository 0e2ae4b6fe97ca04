"""A TensorFlow process of its own: it keeps TensorFlow, and what it says, out of the caller's process.

The process runs one of our modules, which fills a folder. Where it cannot, it leaves in the folder why, in one sentence.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from framevote.errors import Error, ModelError

_MOST_SECONDS = 1800
_REASON = "reason.txt"
_SENTENCE = "sentence.txt"  # instead of a reason, where framevote itself refused
_ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}


def run_tensorflow(module: str, arguments: Sequence[str], folder: Path, failed: str) -> None:
    """Run a module of ours as a process with TensorFlow.

    Args:
        module: its name; its main function works under `telling(folder)`.
        arguments: of its command line.
        folder: where it leaves why it failed.
        failed: how a sentence about a failure begins, such as "The model a.keras could not be exported".

    Raises:
        ModelError: it failed, in one sentence; the end of what it said hangs on it as a note, for --debug.
    """
    # -P: what lies in the working directory must not be imported.
    command = [sys.executable, "-P", "-m", module, *arguments]
    environment = {**os.environ, **_ENVIRONMENT}
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_MOST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(f"{failed}: it took more than {_MOST_SECONDS} seconds and was stopped.") from None
    if done.returncode:
        raise _failure(folder, failed, done)


def _failure(folder: Path, failed: str, done: subprocess.CompletedProcess[bytes]) -> ModelError:
    reason = f"the process ended with {done.returncode}"
    if done.returncode < 0:
        reason = f"the process was ended by signal {-done.returncode}; memory may have run out"
    elif (told := folder / _REASON).exists():
        reason = told.read_text("utf-8")
    sentence = told.read_text("utf-8") if (told := folder / _SENTENCE).exists() else f"{failed}: {reason}"
    error = ModelError(sentence)
    lines = done.stderr.decode("utf-8", "replace").splitlines()[-40:]
    error.add_note("The end of the process's output:\n" + "\n".join(lines))
    return error


@contextmanager
def telling(folder: Path) -> Iterator[None]:
    """Leave in the folder why the work within failed (in the TensorFlow process)."""
    try:
        yield
    except Exception as error:
        if isinstance(error, Error):
            (folder / _SENTENCE).write_text(str(error), "utf-8")
        else:
            reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            (folder / _REASON).write_text(reason, "utf-8")
        raise

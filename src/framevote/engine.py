"""The engines below, loaded on first use: OpenVINO without its telemetry, Keras without TensorFlow's chatter, scikit-learn quietly."""

import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from framevote.errors import ModelError, missing_extra

# TensorFlow tells of its start in many lines; 3 leaves what ends the process.
_LEVEL = "TF_CPP_MIN_LOG_LEVEL", "3"
_STDERR = 2
_ONE_AT_A_TIME = Lock()


def load_openvino() -> Any:
    """Return the module `openvino`.

    On import it reports each start to its maker's statistics, unless the package that does so is absent; a tool that runs in
    archives and labs has no business telling. Where somebody has loaded that package already, the choice was theirs.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino  # noqa: PLC0415 - heavy

    return openvino


def openvino_core() -> Any:
    """Return OpenVINO's `Core`, one for the whole process.

    Each `Core` gives the thread that first uses its CPU plugin a stack of its own for signals, and puts the former back as it goes
    (OpenVINO 2026.4). Of two that go in the order in which they came, the second puts back what is gone: then the next signal, such as
    that of Ctrl-C, is a segmentation fault. One that stays has nothing to put back.
    """
    with _ONE_AT_A_TIME:
        return _core()


@cache
def _core() -> Any:
    return load_openvino().Core()


def load_keras(purpose: str = "Running a network on Keras") -> Any:
    """Return the module `keras` with its backend, which KERAS_BACKEND chooses.

    Args:
        purpose: what needs it, for the sentence where it is absent.

    Raises:
        MissingExtra: Keras is not installed.
        ModelError: the backend is not installed, or there is none such.
    """
    if importlib.util.find_spec("keras") is None:
        raise missing_extra("keras", "train", purpose)
    if "keras" in sys.modules:
        return sys.modules["keras"]
    os.environ.setdefault(*_LEVEL)
    try:
        with _unheard():
            import keras  # noqa: PLC0415 - heavy
    except (ImportError, ValueError) as error:  # ValueError: KERAS_BACKEND names nothing that Keras knows
        named = os.environ.get("KERAS_BACKEND")
        chosen = f"KERAS_BACKEND={named}" if named else "its configured backend"
        raise ModelError(
            f"Keras cannot start with {chosen}: {error}. Install that backend (jax, torch or tensorflow), or choose one that is installed "
            "with KERAS_BACKEND. Where runtime and device are left out, OpenVINO labels without Keras."
        ) from error
    return keras


@contextmanager
def _unheard() -> Iterator[None]:
    """Send to nowhere what libraries write to the process's stderr as they load: TensorFlow's first lines heed no level.

    What a user set the level for is heard.
    """
    if os.environ[_LEVEL[0]] != _LEVEL[1]:
        yield
        return
    try:
        kept, nowhere = os.dup(_STDERR), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # a process without stderr
        yield
        return
    try:
        os.dup2(nowhere, _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)


def fitted(model: Any, *given: Any, **more: Any) -> None:
    """Fit one of scikit-learn's models; that it stopped before the last digit was settled, or found fewer clusters, is no news."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - heavy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(*given, **more)

"""The public names: few, sorted, light to import."""

import subprocess
import sys

import pytest

import framevote


def test_the_names_are_sorted_and_all_there() -> None:
    assert framevote.__all__ == sorted(framevote.__all__)
    for name in framevote.__all__:
        assert getattr(framevote, name) is not None
    assert set(framevote.__all__) >= {
        *("label", "write", "load_model", "open_video", "probe"),
        *("Frame", "VideoInfo", "Scores", "Features", "Segment", "Timeline"),
        *("RollingMean", "RollingMedian", "Exponential", "Viterbi", "EveryFrame", "Every", "Error"),
    }
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        framevote.nothing  # noqa: B018


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, framevote, framevote.cli; "
        "print([m for m in ('numpy', 'av', 'keras', 'tensorflow', 'openvino', 'PIL', 'rich') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_labelling_imports_no_tensorflow(imagenet: object) -> None:
    code = (
        "import sys, numpy as np, framevote; model = framevote.load_model('imagenet'); "
        "frame = framevote.Frame(np.zeros((224, 224, 3), np.uint8), 0.0, duration=1.0); model.scores([frame]); "
        "print([m for m in ('keras', 'tensorflow', 'torch', 'jax') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"

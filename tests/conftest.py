"""Fixtures that several tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from framevote.classifier import Classifier, load_model
from framevote.engine import load_openvino

load_openvino()  # first, so that no test's own import of it reports to its maker's statistics

# What CI finds can be found again: the same examples each time. At home they vary.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI") == "true":
    settings.load_profile("ci")

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of the session's own, so that the default model is exported by the code under test, once.

    With FRAMEVOTE_CACHE set, that folder is taken: quicker for who works on other rooms.
    """
    folder = Path(os.environ.get("FRAMEVOTE_CACHE") or tmp_path_factory.mktemp("cache"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEVOTE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def imagenet(model_cache: Path) -> Classifier:
    """The default model in f32, which gives the same scores on every processor to 1e-4."""
    return load_model("imagenet", precision="f32")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the project; without it tests are skipped at home and fail in CI."""
    if not SHARED.is_dir():
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse("the real data of ../shared/data is not here")
    return SHARED

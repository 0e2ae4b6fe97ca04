"""From features as a part to what describes frames."""

from typing import cast

from framevote.descriptors.base import Extractor, LocalFeatures
from framevote.descriptors.grid import Grid
from framevote.errors import ModelError
from framevote.records import View
from framevote.runtime import Runtime


def open_extractor(features: LocalFeatures, runtime: Runtime | None = None, view: View | None = None) -> Extractor:
    """Return what describes frames.

    Args:
        features: the part.
        runtime: of the backbone whose grid `Grid` is.
        view: how that backbone wants its pictures.

    Raises:
        ModelError: features of a network, and none is given.
    """
    if not isinstance(features, Grid):
        return cast(Extractor, features)
    if runtime is None or view is None:
        raise ModelError(f"{features} describes pictures by a network. Expected a model that has one.")
    return features.on(runtime, view)

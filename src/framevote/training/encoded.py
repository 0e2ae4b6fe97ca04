"""Writing the model file of an encoding: arrays alone, and the backbone where the features come from one."""

import tempfile
from dataclasses import replace
from pathlib import Path

from framevote.assembly import Top
from framevote.encoders import Encoding
from framevote.export import package_versions
from framevote.model_file import CODEBOOK, GRAPH, TOP, WEIGHTS, Card, ModelFile, write_model_file


def write_encoded(path: Path, card: Card, encoding: Encoding, top: Top, below: ModelFile | None) -> None:
    """Write a model file.

    Args:
        path: the `.fvm` file.
        card: what the model is; the versions are filled in here.
        encoding: from descriptors to vectors.
        top: from vectors to probabilities.
        below: the backbone, where the features come from one; it stays as it is.

    Raises:
        OutputError: the file cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="framevote-") as name:
        folder = Path(name)
        (folder / CODEBOOK).parent.mkdir()
        (folder / CODEBOOK).write_bytes(encoding.save())
        top.save(folder / TOP)
        if below:
            (folder / GRAPH).parent.mkdir()
            (folder / GRAPH).write_bytes(below.graph)
            (folder / WEIGHTS).write_bytes(below.weights)
            below.extract_keras(folder)
        write_model_file(path, replace(card, versions=package_versions()), folder)

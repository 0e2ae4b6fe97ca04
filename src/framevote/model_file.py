"""The model file: one `.fvm`, a stored zip of data and nothing that runs.

model.keras          how to train on
openvino/model.xml   how to run: probabilities and embedding from one pass, preprocessing inside the graph
openvino/model.bin   its weights, float32
card.json            labels, backbone, head, view, temperature, training data, versions
"""

import hashlib
import json
import os
import struct
import tempfile
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from framevote.errors import ModelError, OutputError
from framevote.records import View

FORMAT = 1
SUFFIX = ".fvm"

KERAS = "model.keras"
GRAPH = "openvino/model.xml"
WEIGHTS = "openvino/model.bin"
CARD = "card.json"

# The most bytes that each member may have: a card of a million labels and a network of two thousand million numbers fit.
_MOST_BYTES = {KERAS: 16 << 30, GRAPH: 256 << 20, WEIGHTS: 8 << 30, CARD: 64 << 20}

# What zipfile raises for files that no zip program wrote.
_DAMAGED = (zipfile.BadZipFile, EOFError, KeyError, NotImplementedError, OverflowError, RuntimeError, ValueError, struct.error)


@dataclass(frozen=True)
class Card:
    """What a model is: everything that is no weight.

    Attributes:
        name: what the model is called.
        labels: the class names, one for each probability.
        backbone: the network's text as a part.
        head: what stands on the backbone.
        view: how a picture becomes the input, the same as in training.
        temperature: the probabilities are softmax(logits / temperature); 1 leaves the network's own.
        training: a summary of what it was trained on; None where nobody wrote one.
        versions: of the packages that made it.
    """

    name: str
    labels: tuple[str, ...]
    backbone: str
    head: str
    view: View
    temperature: float = 1.0
    training: dict[str, Any] | None = None
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"Card expects labels, no two alike. Received: {len(self.labels)} with {len(set(self.labels))} different")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"Card expects a temperature above 0. Received: {self.temperature}")


@dataclass(frozen=True, repr=False)
class ModelFile:
    """A model file, opened: its card and its graph in memory, the Keras model still on disk.

    Attributes:
        path: the file.
        card: what the model is.
        graph, weights: OpenVINO's XML and its numbers.
        fingerprint: 12 hexadecimal digits of the SHA-256 of card, graph and weights: what decides the scores.
    """

    path: Path
    card: Card
    graph: bytes
    weights: bytes
    fingerprint: str

    def __repr__(self) -> str:
        return f"ModelFile({self.path.name!r}, {self.card.name}, {len(self.card.labels)} labels)"

    def extract_keras(self, folder: Path) -> Path:
        """Write the Keras model into a folder and return where it lies."""
        with _opened(self.path) as archive:
            target = folder / KERAS
            target.write_bytes(_member(self.path, archive, KERAS))
        return target


def read_model_file(path: Path) -> ModelFile:
    """Open a model file.

    Raises:
        ModelError: it is missing, damaged, no model file, or of a newer format.
    """
    with _opened(path) as archive:
        _check_members(path, archive)
        card, graph, weights = (_member(path, archive, name) for name in (CARD, GRAPH, WEIGHTS))
    digest = hashlib.sha256()
    for part in (card, graph, weights):
        digest.update(len(part).to_bytes(8, "little") + part)
    return ModelFile(path, _card(path, card), graph, weights, digest.hexdigest()[:12])


def write_model_file(path: Path, card: Card, folder: Path) -> None:
    """Write a model file, whole or not at all, from a card and a folder that holds the other members.

    Raises:
        OutputError: the file cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise OutputError(f"The model file {path} cannot be written: {error.strerror}. Choose a folder that can be written to.") from error
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(zipfile.ZipInfo(CARD), _card_text(card))
            for member in (GRAPH, WEIGHTS, KERAS):
                archive.write(folder / member, member)
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except OSError as error:
        raise OutputError(f"The model file {path} cannot be written: {error.strerror}. Nothing was left there.") from error
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    """Return the process's mask for new files, which `mkstemp` does not follow."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except OSError as error:
        raise ModelError(f"The model file {path} cannot be read: {error.strerror}. Expected a {SUFFIX} file.") from error
    except _DAMAGED as error:
        raise ModelError(f"{path.name} is no model file, or is damaged ({error}). Expected a {SUFFIX} file, which is a zip.") from None


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse what no model file of ours has: paths that climb, repeated, packed or oversize members."""
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if climbing := [name for name in names if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name]:
        raise ModelError(
            f"{path.name} holds a member that points outside of it, {climbing[0]!r}. A model file has no such thing: do not use it."
        )
    if missing := [name for name in _MOST_BYTES if names.count(name) != 1]:
        raise ModelError(f"{path.name} should hold {missing[0]} once. Received: {names.count(missing[0])} times. Export the model again.")
    for info in infos:
        most = _MOST_BYTES.get(info.filename, 0)
        if most and (info.file_size > most or info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1):
            raise ModelError(
                f"{path.name}: {info.filename} is larger than {most} bytes, packed or encrypted. Expected a plain stored member."
            )


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a member's bytes, its checksum compared."""
    try:
        return archive.read(name)
    except (OSError, *_DAMAGED) as error:
        raise ModelError(f"{path.name}: {name} is damaged ({error}). Copy or export the model file again.") from None


def _card_text(card: Card) -> str:
    return json.dumps({"format": FORMAT, **asdict(card)}, indent=1, ensure_ascii=False)


def _card(path: Path, text: bytes) -> Card:
    """Return the card that a text holds; fields that this version does not know are left aside."""
    try:
        told = json.loads(text)
        if (received := int(told.pop("format"))) > FORMAT:
            raise ModelError(f"{path.name} has model format {received}; this framevote reads up to {FORMAT}. Install a newer framevote.")
        view = View(**told.pop("view"))
        known = {name: told[name] for name in Card.__dataclass_fields__ if name in told}
        card = Card(**{**known, "labels": tuple(told["labels"]), "view": view})
        _check_kinds(card)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path.name}: its card cannot be read ({type(error).__name__}: {error}). Export the model again.") from None
    return card


def _check_kinds(card: Card) -> None:
    texts = (card.name, card.backbone, card.head, *card.labels, *card.versions, *card.versions.values())
    sizes = (card.view.width, card.view.height)
    if not (all(isinstance(text, str) for text in texts) and all(type(size) is int for size in sizes)):
        raise TypeError("a name that is no text, or a size that is no whole number")
    if not isinstance(card.temperature, int | float) or not isinstance(card.training, dict | None):
        raise TypeError("a temperature that is no number, or a training summary that is no dict")

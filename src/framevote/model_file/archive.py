"""Reading and writing the zip of a model file; everything that no model file of ours has is refused."""

import hashlib
import shutil
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from framevote.errors import ModelError, OutputError
from framevote.files import make_folder, whole_file
from framevote.model_file.card import Card, card_text, read_card
from framevote.model_file.keras_file import check_keras_file

SUFFIX = ".fvm"

KERAS = "model.keras"
GRAPH = "openvino/model.xml"
WEIGHTS = "openvino/model.bin"
CARD = "card.json"

# The most bytes that each member may have: a card of a million labels and a network of two thousand million numbers fit.
_MOST_BYTES = {KERAS: 16 << 30, GRAPH: 256 << 20, WEIGHTS: 8 << 30, CARD: 64 << 20}

# What zipfile raises for files that no zip program wrote.
_DAMAGED = (zipfile.BadZipFile, EOFError, KeyError, NotImplementedError, OverflowError, RuntimeError, ValueError, struct.error)


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
        """Write the Keras model into a folder and return where it lies.

        Raises:
            ModelError: it is damaged, or no model of plain layers (see `check_keras_file`).
            OutputError: the folder has no room for it.
        """
        target = folder / KERAS
        with _opened(self.path) as archive, _damage_told(self.path, KERAS), archive.open(KERAS) as stored:
            try:
                with target.open("wb") as file:
                    shutil.copyfileobj(stored, file)
            except OSError as error:
                raise OutputError(
                    f"The Keras model of {self.path.name} cannot be unpacked into {folder}: {error.strerror}. Free some room there, or "
                    "set TMPDIR to another folder."
                ) from error
        check_keras_file(target, self.path.name)
        return target


def read_model_file(path: str | Path) -> ModelFile:
    """Open a model file.

    Raises:
        ModelError: it is missing, damaged, no model file, or of a newer format.
    """
    path = Path(path)
    with _opened(path) as archive:
        _check_members(path, archive)
        card, graph, weights = (_member(path, archive, name) for name in (CARD, GRAPH, WEIGHTS))
    digest = hashlib.sha256()
    for part in (card, graph, weights):
        digest.update(len(part).to_bytes(8, "little") + part)
    return ModelFile(path, read_card(path.name, card), graph, weights, digest.hexdigest()[:12])


def write_model_file(path: Path, card: Card, folder: Path) -> None:
    """Write a model file, whole or not at all, from a card and a folder that holds the other members.

    Raises:
        OutputError: the file cannot be written there.
    """
    make_folder(path.parent)
    with whole_file(path, overwrite=True) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(CARD), card_text(card))
        for member in (GRAPH, WEIGHTS, KERAS):
            archive.write(folder / member, member)


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
    with _damage_told(path, name):
        return archive.read(name)


@contextmanager
def _damage_told(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, *_DAMAGED) as error:
        raise ModelError(f"{path.name}: {name} is damaged ({error}). Copy or export the model file again.") from None

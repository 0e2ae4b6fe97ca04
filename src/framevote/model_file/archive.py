"""Reading and writing the zip of a model file; everything that no model file of ours has is refused."""

import hashlib
import shutil
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path

from framevote.errors import ModelError, OutputError
from framevote.files import check_open, make_folder, whole_file
from framevote.model_file.card import Card, Vote, card_text, deciding_text, read_card, voted_text
from framevote.model_file.keras_file import check_keras_file

SUFFIX = ".fvm"

KERAS = "model.keras"
GRAPH = "openvino/model.xml"
WEIGHTS = "openvino/model.bin"
CARD = "card.json"

HEAD_KERAS = "head.keras"
HEAD_GRAPH = "openvino/head.xml"
HEAD_WEIGHTS = "openvino/head.bin"
HEAD = (HEAD_KERAS, HEAD_GRAPH, HEAD_WEIGHTS)
"""Members of a model that sees order: a second network, from windows of embeddings to probabilities."""

CODEBOOK = "encoding/codebook.npz"
TOP = "encoding/top.npz"
ENCODING = (CODEBOOK, TOP)
"""Members of a model of an encoding: what was learned of descriptors, and the classifier of the vectors that come of them."""

# The most bytes that each member may have: a card of a million labels and a network of two thousand million numbers fit.
_MOST_BYTES = {KERAS: 16 << 30, GRAPH: 256 << 20, WEIGHTS: 8 << 30, CARD: 64 << 20}
_MOST_BYTES_OF_HEAD = {HEAD_KERAS: 4 << 30, HEAD_GRAPH: 256 << 20, HEAD_WEIGHTS: 4 << 30}
_MOST_BYTES_OF_ENCODING = {CODEBOOK: 1 << 30, TOP: 4 << 30}

# What zipfile raises for files that no zip program wrote.
_DAMAGED = (zipfile.BadZipFile, EOFError, KeyError, NotImplementedError, OverflowError, RuntimeError, ValueError, struct.error)


@dataclass(frozen=True, repr=False)
class ModelFile:
    """A model file, opened: its card and its graph in memory, the Keras model still on disk.

    Attributes:
        path: the file.
        card: what the model is.
        graph, weights: OpenVINO's XML and its numbers; empty where the model has no network below.
        head: the same of the network behind it, from windows of embeddings to probabilities, where the model sees order; else None.
        encoding: the codebook and the classifier of a model of an encoding, as `.npz` files; else None.
        fingerprint: 12 hexadecimal digits of the SHA-256 of graph, weights and what of the card decides the scores: neither what the
            card tells of training nor the vote.
    """

    path: Path
    card: Card
    graph: bytes
    weights: bytes
    fingerprint: str
    head: tuple[bytes, bytes] | None = None
    encoding: tuple[bytes, bytes] | None = None

    def __repr__(self) -> str:
        return f"ModelFile({self.path.name!r}, {self.card.name}, {len(self.card.labels)} labels)"

    def extract_keras(self, folder: Path, member: str = KERAS) -> Path:
        """Write the Keras model, or that of the head (HEAD_KERAS), into a folder and return where it lies.

        Raises:
            ModelError: it is damaged, or no model of plain layers (see `check_keras_file`).
            OutputError: the folder has no room for it.
        """
        target = folder / member
        with _opened(self.path) as archive, _damage_told(self.path, member), archive.open(member) as stored:
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
        text = _member(path, archive, CARD)
        card = read_card(path.name, text)
        _check_told(path, archive, card)
        graph, weights = (_member(path, archive, name) if card.backbone else b"" for name in (GRAPH, WEIGHTS))
        head = _pair(path, archive, HEAD_GRAPH, HEAD_WEIGHTS)
        encoding = _pair(path, archive, *ENCODING)
    digest = hashlib.sha256()
    for part in (deciding_text(text).encode(), graph, weights, *(head or ()), *(encoding or ())):
        digest.update(len(part).to_bytes(8, "little") + part)
    return ModelFile(path, card, graph, weights, digest.hexdigest()[:12], head, encoding)


def _check_told(path: Path, archive: zipfile.ZipFile, card: Card) -> None:
    """Raise where a file holds other members than its card says."""
    for told, member, what in zip(members_of(card), (GRAPH, HEAD_GRAPH, CODEBOOK), ("network", "head of windows", "encoding"), strict=True):
        held = member in archive.namelist()
        if held != told:
            said = f"a {what} that its card does not tell of" if held else f"no {what}, though its card tells of one"
            raise ModelError(f"{path.name} holds {said}. Expected both, or neither. Export the model again.")


def members_of(card: Card) -> tuple[bool, bool, bool]:
    """Return whether a card tells of a network, of a head that samples time, and of an encoding."""
    return bool(card.backbone), card.sampling is not None and not card.encoder, bool(card.encoder)


def _pair(path: Path, archive: zipfile.ZipFile, one: str, other: str) -> tuple[bytes, bytes] | None:
    return (_member(path, archive, one), _member(path, archive, other)) if one in archive.namelist() else None


def write_model_file(path: Path, card: Card, folder: Path) -> None:
    """Write a model file, whole or not at all, from a card and a folder that holds the other members.

    Raises:
        OutputError: the file cannot be written there.
    """
    make_folder(path.parent)
    with whole_file(path, overwrite=True) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(CARD), card_text(card))
        for told, members in zip(members_of(card), ((GRAPH, WEIGHTS, KERAS), HEAD, ENCODING), strict=True):
            for member in members if told else ():
                archive.write(folder / member, member)


def write_vote(path: Path, vote: Vote | None) -> None:
    """Give a model file another vote, whole or not at all; all else in it stays byte for byte, and so does its fingerprint.

    Raises:
        ModelError: it is missing, damaged or no model file.
        OutputError: it is for reading only, or the file cannot be written there.
    """
    check_writable(path)
    with _opened(path) as given:
        _check_members(path, given)
        text = _member(path, given, CARD)
        read_card(path.name, text)
        with whole_file(path, overwrite=True) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as made:
            made.comment = given.comment
            for info in given.infolist():
                if info.filename == CARD:
                    made.writestr(info, voted_text(text, vote))
                else:
                    _copy(path, given, made, info)


def check_writable(path: Path) -> None:
    """Refuse a model file that may not be replaced, before any work is done for it.

    Raises:
        ModelError: it is missing.
        OutputError: the file, its folder or its disk is for reading only.
    """
    try:
        closed = not path.stat().st_mode & 0o222
    except OSError as error:
        raise ModelError(f"The model file {path} cannot be read: {error.strerror}. Expected a {SUFFIX} file.") from error
    if closed:
        raise OutputError(f"{path} is for reading only. Copy it and take the copy, or open it for writing: chmod u+w {path}")
    check_open(path)


def _copy(path: Path, given: zipfile.ZipFile, made: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Copy a member; what its checksum finds damaged is told, and what the disk cannot take is the caller's to tell."""
    with given.open(info) as stored, made.open(copy(info), "w") as file:
        while True:
            with _damage_told(path, info.filename):
                block = stored.read(1 << 20)
            if not block:
                return
            file.write(block)


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
    encoded = any(name in names for name in ENCODING)
    whole = not encoded or any(name in names for name in (KERAS, GRAPH, WEIGHTS))
    known = _MOST_BYTES if whole else {CARD: _MOST_BYTES[CARD]}
    known = known | (_MOST_BYTES_OF_HEAD if any(name in names for name in HEAD) else {}) | (_MOST_BYTES_OF_ENCODING if encoded else {})
    if missing := [name for name in known if names.count(name) != 1]:
        raise ModelError(f"{path.name} should hold {missing[0]} once. Received: {names.count(missing[0])} times. Export the model again.")
    for info in infos:
        most = known.get(info.filename, 0)
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

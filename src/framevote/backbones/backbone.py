"""The value `Backbone`: a network by name, with the size and fit of its pictures and the weights that it starts from."""

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framevote.errors import ModelError, PartError, missing_extra
from framevote.records import View

if TYPE_CHECKING:
    import keras

IMAGENET = "imagenet"
NOTHING = "nothing"  # the weights of a network that has none to learn
CROP = 0.875  # what ImageNet's models are judged with: 224 pixels out of 256


@dataclass(frozen=True, repr=False)
class Backbone:
    """A network by name; calling it builds the Keras model.

    Attributes:
        name: the network's real name.
        view: how a picture becomes its input.
        weights: "imagenet", a file, or None for random ones: to train from scratch.
        text: its text as a part, no longer than need be.
        options: what else its maker was given, such as `alpha`.
        make: what builds the model.
        edition: raised where the same text gives other answers than before.
        regions: cells of a side that its last grid is pooled to; 0 gives its own embedding.
    """

    name: str
    view: View
    weights: str | None
    text: str
    make: Callable[["Backbone"], Any] = field(compare=False)
    options: tuple[tuple[str, Any], ...] = ()
    edition: str = "1"
    regions: int = 0

    def __repr__(self) -> str:
        return self.text

    def __call__(self) -> "keras.Model":
        """Return the model: uint8 RGB pictures (N, height, width, 3), named `image`, in; embeddings float32 (N, D) out.

        Raises:
            ModelError: the weights cannot be had, or do not fit.
            MissingExtra: Keras is absent.
        """
        if importlib.util.find_spec("keras") is None:
            raise missing_extra("keras", "train", f"The backbone {self.name}")
        if not self.regions:
            return self.make(self)
        from framevote.backbones.regions import regional  # noqa: PLC0415 - heavy: it imports Keras

        return regional(self.make(self), self.regions, self.name)

    def by_region(self, cells: int) -> "Backbone":
        """Return the backbone that gives its last grid as cells × cells regions, (N, cells × cells × channels); 0 leaves it as it is.

        Raises:
            PartError: cells that are no whole number, or a backbone whose text names no part.
        """
        if type(cells) is not int or not 0 <= cells <= 64:
            raise PartError(f"{self.name} takes regions: cells of a side, from 0 to 64. Received: regions={cells!r}.")
        if cells == self.regions:
            return self
        if self.regions or ":" in self.text:
            raise PartError(f"{self.text} cannot be pooled by region. Expected a backbone as it is; give the head regions=0.")
        opened = f"{self.text[:-1]}, " if self.text.endswith(")") else f"{self.text}("
        return replace(self, regions=cells, text=f"{opened}regions={cells})")

    @property
    def fingerprint(self) -> str:
        """12 hexadecimal digits that decide its answers: text, edition and what lies in its weights' file.

        Raises:
            ModelError: the file cannot be read.
        """
        content = "" if self.weights in (None, IMAGENET, NOTHING) else file_digest(Path(str(self.weights)))
        return hashlib.sha256("\n".join((self.text, self.edition, content)).encode()).hexdigest()[:12]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder with their names; raise ModelError where it cannot be read."""
    try:
        if path.expanduser().is_dir():
            files = sorted(file for file in path.expanduser().rglob("*") if file.is_file())
            return hashlib.sha256("\n".join(f"{file.name} {file_digest(file)}" for file in files).encode()).hexdigest()
        found = path.expanduser().stat()
        return _digest(path.expanduser(), found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise ModelError(f"The weights {path} cannot be read: {error.strerror}.") from error


@lru_cache(maxsize=64)
def _digest(path: Path, _size: int, _changed: int) -> str:
    """Return a file's SHA-256, computed once for each state of the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def named(
    name: str,
    make: Callable[[Backbone], Any],
    size: int,
    weights: str | None,
    fit: Any,
    *,
    own_size: int,
    least: int = 32,
    edition: str = "1",
    options: dict[str, tuple[Any, Any]] | None = None,
) -> Backbone:
    """Return the backbone of that name; checks what every family takes, and finds its shortest text.

    Args:
        name: the network's real name.
        make: what builds the model.
        size: pixels of a side of the square input.
        weights: "imagenet", a file, or None.
        fit: `centre`, `squash` or `letterbox`.
        own_size: the network's own size, which need not be told.
        least: the smallest size that it works with.
        edition: see `Backbone`.
        options: the family's own, each with its default.

    Raises:
        PartError: an argument that no network takes.
    """
    if type(size) is not int or size < least:
        raise PartError(f"{name} takes size: whole pixels of a side, {least} or more. Received: size={size!r}.")
    if not (weights is None or (isinstance(weights, str | Path) and str(weights))):
        raise PartError(f"{name} takes weights='imagenet', weights='FILE' or weights=None. Received: weights={weights!r}.")
    if fit not in ("centre", "squash", "letterbox"):
        raise PartError(f"{name} takes fit='centre', 'squash' or 'letterbox'. Received: fit={fit!r}.")
    weights = None if weights is None else str(weights)
    told = {**(options or {}), "size": (size, own_size), "weights": (weights, IMAGENET), "fit": (fit, "centre")}
    arguments = [f"{key}={value!r}" for key, (value, default) in told.items() if value != default]
    return Backbone(
        name,
        View(size, size, fit, crop=CROP if fit == "centre" else 1.0),
        weights,
        f"{name}({', '.join(arguments)})" if arguments else name,
        make,
        tuple((key, value) for key, (value, _) in (options or {}).items()),
        edition,
    )

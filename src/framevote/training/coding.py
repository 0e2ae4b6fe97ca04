"""Encodings: what a training call asks for, and the data encoded for it."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.datasets import Dataset, Item
from framevote.descriptors import Descriptors, Extractor, Grid, LocalFeatures, open_extractor
from framevote.encoders import Encoder, Encoding, Projection
from framevote.errors import InputError, PartError, UsageError
from framevote.features import Done, Embedded, Looking, Rows, check_vectors, describe_items, each_of, learn_encoding
from framevote.model_file import ModelFile
from framevote.parts import build, spelled
from framevote.records import FloatArray, Sampling
from framevote.runtime import Precision, open_runtime
from framevote.training.windows import Windows, windows_of
from framevote.video import has_vectors, probe

DEFAULT_FEATURES = "Grid()"
DEFAULT_ENCODER = "FisherVector()"


@dataclass(frozen=True)
class Coding:
    """What stands below the head instead of a network's embedding.

    Attributes:
        features: what is described.
        projection: what descriptors go through first.
        encoder: how they become a vector.
    """

    features: LocalFeatures
    projection: Projection
    encoder: Encoder

    @property
    def networked(self) -> bool:
        """Whether the features come from a backbone."""
        return isinstance(self.features, Grid)


def coding_of(features: str | LocalFeatures | None, projection: str | Projection | None, encoder: str | Encoder | None) -> Coding | None:
    """Return the coding that a call asks for, None where it asks for none; what it leaves out is the default.

    Raises:
        PartError: something that is no such part.
    """
    if features is None and encoder is None:
        if projection is not None:
            raise UsageError(f"A projection stands between features and an encoder. Received: {projection!r} alone; give an encoder too.")
        return None
    chosen: Encoder = _part("encoder", encoder or DEFAULT_ENCODER, Encoder)
    return Coding(
        _part("features", features or DEFAULT_FEATURES, LocalFeatures),
        _part("projection", chosen.projection if projection is None else projection, Projection),
        chosen,
    )


def check_network(coding: Coding, backbone: object, precision: Precision) -> None:
    """Refuse what is meant for a network where features come from none.

    Raises:
        UsageError: a backbone, or bf16.
    """
    if coding.networked:
        return
    if backbone is not None:
        raise UsageError(f"{coding.features} comes from no network. Leave --backbone out, or take --features Grid().")
    if precision == "bf16":
        raise UsageError(f"{coding.features} comes from no network, and is computed in f32. Leave --precision out.")


def _part(kind: str, spec: object, base: type[Any]) -> Any:
    part = build(kind, spec)
    if not isinstance(part, base):
        raise PartError(f"Expected {kind} as an object or as text; `framevote parts {kind}` lists them. Received: {spec!r}")
    return part


@dataclass(frozen=True, eq=False)
class Pieces:
    """What is encoded of a data set: a vector for each piece.

    Attributes:
        items: the pieces; photos and single frames of videos have as many vectors as frames.
        owners: (P,), the item that each is of.
        sampling: of windows; None where single frames are encoded.
    """

    items: Sequence[Item]
    owners: NDArray[np.intp]
    sampling: Sampling | None

    def apart(self, several: list[Descriptors]) -> list[list[Descriptors]]:
        """Return the moments of a piece by what has a vector of its own: the whole window, or each frame."""
        return [several] if self.sampling else [[each] for each in several]


def looked_at(
    dataset: Dataset,
    coding: Coding,
    file: ModelFile | None,
    frames: int,
    window: float | None,
    precision: Precision,
    notify: Callable[[str], None],
) -> tuple[Looking, Pieces]:
    """Return how the items of a data set are looked at, and in what pieces; `file` is the backbone's, where features come from one.

    Raises:
        InputError: photos for features that look at motion.
        UsageError: a window, and photos that have none.
    """
    looking = _looking(coding, file, frames, precision)
    pieces = _pieces(dataset, looking.extractor.moving, frames, window, coding.features)
    if pieces.sampling:
        looking = replace(looking, frames=pieces.sampling.frames)
        notify(f"Windows of {pieces.sampling.frames} frames in {pieces.sampling.seconds:.2g} s")
    if looking.extractor.view.motion == "vectors" and (told := _without_vectors(dataset.items)):
        notify(told)
    return looking, pieces


def _looking(coding: Coding, file: ModelFile | None, frames: int, precision: Precision) -> Looking:
    """Return how items are looked at; `file` is the backbone's, where the features come from one."""
    runtime = open_runtime(file, precision) if file else None
    extractor: Extractor = open_extractor(coding.features, runtime, file.card.view if file else None)
    below = f" {file.fingerprint} {runtime.precision}" if file and runtime else ""
    return Looking(extractor, f"{spelled(coding.features)}{below}", frames)


def _pieces(dataset: Dataset, moving: bool, frames: int, window: float | None, features: object) -> Pieces:
    """Return the windows of a data set of clips; where there are photos among the items, the items as they are, frame by frame.

    Raises:
        InputError: photos for features that look at motion.
        UsageError: a window, and photos that have none.
    """
    photos = [item for item in dataset.items if item.kind == "photo"]
    if moving and photos:
        raise InputError(
            f"{features} looks at how things move. Received: {len(photos)} photos, such as {photos[0].path}. "
            "Expected videos alone; for photos take DenseSIFT() or Grid()."
        )
    if photos or (frames == 1 and not moving and window is None):
        if window is not None:
            raise UsageError(f"Photos have no window. Received: window={window!r} and {len(photos)} photos. Leave --window out.")
        return Pieces(dataset.items, np.arange(len(dataset.items)), None)
    found: Windows = windows_of(dataset, max(frames, 2), window, causal=False)
    return Pieces(found.pieces, found.owners, found.sampling)


@dataclass(frozen=True, eq=False)
class Coded:
    """The data, encoded.

    Attributes:
        embedded: a vector for each window, or each frame.
        encoding: what they were encoded with.
        sampling: of windows; None where single frames are encoded.
    """

    embedded: Embedded
    encoding: Encoding
    sampling: Sampling | None


def encode_dataset(dataset: Dataset, pieces: Pieces, coding: Coding, looking: Looking, seed: int, done: Done | None) -> Coded:
    """Describe all pieces, learn the codebook of those that are no test items, and encode them.

    The codebook has no part in the labels, so that it is learned once, of all folds.

    Raises:
        InputError: there is too little to learn from.
    """

    def vectors_of(several: list[Descriptors]) -> list[FloatArray]:
        return [encoding.vector(own) for own in pieces.apart(several)]

    with closing(describe_items(pieces.items, looking, done)) as described:
        learned = [number for number in described.kept if dataset.items[pieces.owners[number]].side != "test"]
        encoding = learn_encoding(described, learned, coding.encoder, coding.projection, seed)
        check_vectors(len(described) if pieces.sampling else described.moments, encoding)
        vectors, owners = [], []
        for number, own in zip(described.kept, each_of(described, described.kept, vectors_of), strict=True):
            vectors += own
            owners += [int(pieces.owners[number])] * len(own)
    kept, places = np.unique(np.array(owners, np.intp), return_inverse=True)
    rows = Rows(np.stack(vectors), places, len(kept))
    problems = tuple(dict.fromkeys(described.problems))
    return Coded(Embedded(rows, tuple(kept.tolist()), problems, described.computed), encoding, pieces.sampling)


def _without_vectors(items: Sequence[Item]) -> str:
    """Return a sentence about videos whose codec has no motion vectors; empty where all have."""
    codecs: dict[str, int] = {}
    paths = dict.fromkeys(item.path for item in items)
    for path in paths:
        try:
            info = probe(path)
        except InputError:  # told when it is described
            continue
        if not has_vectors(info):
            codecs[info.codec] = codecs.get(info.codec, 0) + 1
    if not codecs:
        return ""
    told = " and ".join(f"{count} in {codec}" for codec, count in codecs.items())
    return f"{sum(codecs.values())} of {len(paths)} videos have no motion vectors ({told}): their flow is computed instead, which is slower"

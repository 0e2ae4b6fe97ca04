"""Pooling and normalisation: from rows of cells, moment by moment, to one vector of a window.

The cells of all levels of a pyramid are made of the cells of one fine grid, so every descriptor is pooled once.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from framevote.errors import PartError

Floats = NDArray[np.float32]

POOLINGS = ("sum", "average", "max")
NORMALISATIONS = ("power", "intra", "l1", "l2")

_MOST_CELLS = 256
_TINY = 1e-12


@dataclass(frozen=True)
class Level:
    """One way of cutting what is seen: so many columns and rows of the picture, and so many parts of the window's time."""

    columns: int
    rows: int
    moments: int = 1


@dataclass(frozen=True)
class Pyramid:
    """The levels, and the fine grid of which all their cells are made.

    Source: Lazebnik, Schmid and Ponce, "Beyond bags of features: spatial pyramid matching", CVPR 2006.
    """

    levels: tuple[Level, ...]

    @property
    def columns(self) -> int:
        """Of the fine grid."""
        return math.lcm(*(level.columns for level in self.levels))

    @property
    def rows(self) -> int:
        """Of the fine grid."""
        return math.lcm(*(level.rows for level in self.levels))

    @property
    def fine(self) -> int:
        """Cells of the fine grid."""
        return self.columns * self.rows

    @property
    def cells(self) -> int:
        """Cells of all levels, in space and time."""
        return sum(level.columns * level.rows * level.moments for level in self.levels)

    def of(self, places: Floats) -> NDArray[np.intp]:
        """Return the fine cell (N,) of places (N, 2) from 0 to 1, row by row."""
        grid = np.array([self.columns, self.rows])
        column, row = np.minimum((np.clip(places, 0, 1) * grid).astype(np.intp), grid - 1).T
        return np.asarray(row * self.columns + column, np.intp)

    @cached_property
    def members(self) -> tuple[NDArray[np.bool_], ...]:
        """Of each level, which fine cells make up each of its cells: (cells, fine)."""
        column, row = np.arange(self.fine) % self.columns, np.arange(self.fine) // self.columns
        found = []
        for level in self.levels:
            own = row * level.rows // self.rows * level.columns + column * level.columns // self.columns
            found.append(own == np.arange(level.columns * level.rows)[:, None])
        return tuple(found)


def pyramid_of(text: str, owner: str = "An encoder") -> Pyramid:
    """Return the pyramid of a text such as `1x1+2x2x2`.

    Raises:
        PartError: it is none, or has too many cells.
    """
    parts = text.split("+") if isinstance(text, str) else [""]
    if not all(re.fullmatch(r"[1-9]\d?x[1-9]\d?(x[1-9]\d?)?", part) for part in parts) or len(set(parts)) < len(parts):
        raise PartError(f"{owner} takes pyramid: levels such as 1x1+2x2 or 1x1x1+1x1x2, joined by +. Received: pyramid={text!r}")
    found = Pyramid(tuple(Level(*map(int, part.split("x"))) for part in parts))
    if found.cells > _MOST_CELLS or found.fine > _MOST_CELLS:
        told = f"{found.cells}" if found.cells > _MOST_CELLS else f"a grid of {found.fine} on which all its levels' edges lie"
        raise PartError(f"{owner} takes a pyramid of at most {_MOST_CELLS} cells. Received: pyramid={text!r}, which has {told}.")
    return found


@dataclass(frozen=True, eq=False)
class Moment:
    """What the descriptors of one moment, or of several joined, give.

    Attributes:
        codes: float32 (F, L), of each fine cell.
        counts: (F,), descriptors in each.
    """

    codes: Floats
    counts: NDArray[np.float64]


def joined(moments: Sequence[Moment], pooling: str) -> Moment:
    """Return several moments as one; at least one is given."""
    codes = moments[0].codes
    if len(moments) > 1:
        codes = np.array(codes)
        gather = np.maximum if pooling == "max" else np.add
        for moment in moments[1:]:
            gather(codes, moment.codes, out=codes)
    return Moment(codes, np.sum([moment.counts for moment in moments], axis=0))


def coarse(moment: Moment, members: NDArray[np.bool_], pooling: str) -> Moment:
    """Return what the fine cells of each of a level's cells give together."""
    counts = members @ moment.counts
    if pooling != "max":
        return Moment(members.astype(np.float32) @ moment.codes, counts)
    return Moment(np.stack([moment.codes[own].max(axis=0) for own in members]), counts)


def parts_of(count: int, parts: int) -> list[slice]:
    """Return even parts of so many moments, in their order; where these are fewer, some parts are the same moment."""
    edges = [(number * count // parts, max((number + 1) * count // parts, number * count // parts + 1)) for number in range(parts)]
    return [slice(start, end) for start, end in edges]


def normalised(vectors: Floats, normalisation: str, block: int) -> Floats:
    """Return vectors (S, L), of the S cells of one window, normalised together.

    `power` is the signed square root (Perronnin, Sánchez and Mensink, "Improving the Fisher kernel", ECCV 2010), `intra` brings each
    word's numbers to length 1 (Arandjelović and Zisserman, "All about VLAD", CVPR 2013), or where words have one number each, each
    cell's; `l1` and `l2` bring the whole to a sum of absolute values, or a length, of 1. What is zero stays so.
    """
    found = vectors
    for step in normalisation.split("+"):
        if step == "power":
            found = np.sign(found) * np.sqrt(np.abs(found))
        elif step == "intra":
            apart = found.reshape(len(found), -1, block if block > 1 else found.shape[1])
            found = (apart / np.maximum(np.linalg.norm(apart, axis=2, keepdims=True), _TINY)).reshape(found.shape)
        elif step in ("l1", "l2"):
            found = found / max(float(np.linalg.norm(found.ravel(), 1 if step == "l1" else 2)), _TINY)
    return np.asarray(found, np.float32)

"""A fitted encoding: from the descriptors of moments to the one vector of a window."""

import io
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from framevote.descriptors import Descriptors, together
from framevote.encoders.base import Coder, Encoder
from framevote.encoders.nearest import blocks
from framevote.encoders.pooling import Floats, Moment, Pyramid, coarse, joined, normalised, parts_of, pyramid_of
from framevote.encoders.projection import Projected, Projection
from framevote.errors import ModelError

_LEAST_SAMPLE, _MOST_SAMPLE = 20_000, 250_000  # descriptors; of 128 numbers, the most are 128 MB
_BLOCK = 32_768  # descriptors that are projected at a time
_MOST_NUMBERS = 2**20  # of a descriptor, in a file that is not damaged
_EVEN = 12**-0.5  # the standard deviation of what is even from 0 to 1


@dataclass(frozen=True, eq=False)
class Encoding:
    """An encoder with its projection, fitted to descriptors.

    Attributes:
        encoder: the part.
        projected: what descriptors go through first.
        coder: the fitted encoder.
        numbers: D, of the descriptors that it takes.
    """

    encoder: Encoder
    projected: Projected
    coder: Coder
    numbers: int

    def __repr__(self) -> str:
        return f"Encoding({self.encoder!r}, {self.numbers} numbers a descriptor → {self.length})"

    @cached_property
    def pyramid(self) -> Pyramid:
        """The cells that are pooled apart."""
        return pyramid_of(self.encoder.pyramid)

    @property
    def length(self) -> int:
        """How many numbers a window's vector has."""
        return self.pyramid.cells * self.coder.words * self.coder.block

    def moment(self, descriptors: Descriptors, when: float | Floats = 0.5) -> Moment:
        """Return what the descriptors of a moment give.

        Args:
            descriptors: of D numbers; there may be none.
            when: the place in the window, 0 to 1, of the moment or of each descriptor; it counts only where the encoder appends it.
        """
        return self._moments(descriptors, when, (self.encoder.pooling,))[0]

    def _moments(self, descriptors: Descriptors, when: float | Floats, poolings: Sequence[str]) -> list[Moment]:
        """Return the same for each of several poolings."""
        every: list[list[Moment]] = []
        for block in blocks(max(len(descriptors), 1), _BLOCK):
            placed = when[block] if isinstance(when, np.ndarray) else when
            every.append(self._of_block(descriptors.values[block], descriptors.places[block], placed, poolings))
        return [joined(moments, pooling) for moments, pooling in zip(zip(*every, strict=True), poolings, strict=True)]

    def _of_block(self, values: Floats, places: Floats, when: float | Floats, poolings: Sequence[str]) -> list[Moment]:
        cells = self.pyramid.of(places)
        order = np.argsort(cells, kind="stable")
        starts = np.searchsorted(cells[order], np.arange(self.pyramid.fine + 1))
        placed = when[order] if isinstance(when, np.ndarray) else when
        own = prepared(Descriptors(values[order], places[order]), self.projected, self.encoder, placed)
        counts = np.diff(starts).astype(np.float64)
        return [Moment(codes, counts) for codes in self.coder.pooled_each(own, starts, poolings)]

    def vector(self, several: Sequence[Descriptors]) -> Floats:
        """Return the vector (L,) of a window, of the descriptors of its moments in their order; at least one moment is given."""
        cells = self.cells(several, (self.encoder.pooling,))[0]
        return normalised(cells, self.encoder.normalisation, self.coder.block).ravel()

    def cells(self, several: Sequence[Descriptors], poolings: Sequence[str]) -> list[Floats]:
        """Return the same before it is normalised, (S, L / S) for S cells, for each of several poolings of the same codes."""
        count, every = len(several), list[list[Moment]]()
        # Where there are fewer moments than parts, each by itself: in a coarse level none may count twice.
        for part in parts_of(count, min(count, math.lcm(*(level.moments for level in self.pyramid.levels)))):
            own = range(*part.indices(count))
            when = np.repeat((np.array(own, np.float32) + 0.5) / count, [len(several[number]) for number in own])
            every.append(self._moments(together(several[part]), np.asarray(when, np.float32), poolings))
        return [self._cells(moments, pooling) for moments, pooling in zip(zip(*every, strict=True), poolings, strict=True)]

    def window(self, moments: Sequence[Moment]) -> Floats:
        """Return the vector (L,) of the moments of a window, in their order; at least one."""
        cells = self._cells(moments, self.encoder.pooling)
        return normalised(cells, self.encoder.normalisation, self.coder.block).ravel()

    def _cells(self, moments: Sequence[Moment], pooling: str) -> Floats:
        found = []
        for level, members in zip(self.pyramid.levels, self.pyramid.members, strict=True):
            for part in parts_of(len(moments), level.moments):
                cells = coarse(joined(moments[part], pooling), members, pooling)
                found.append(self.coder.finish(cells.codes, cells.counts, pooling))
        return np.concatenate(found)

    def save(self) -> bytes:
        """Return all that was learned, as the bytes of an `.npz` file."""
        file = io.BytesIO()
        told: dict[str, Any] = {"numbers": np.array([self.numbers]), "spread": np.array([self.projected.spread])}
        told |= {"middle": self.projected.middle, "axes": self.projected.axes}
        told |= {f"coder_{name}": array for name, array in self.coder.arrays().items()}
        np.savez(file, **told)
        return file.getvalue()


@dataclass(frozen=True, eq=False)
class Sample:
    """Descriptors that a codebook is learned from.

    Attributes:
        values: float32 (M, D).
        places: float32 (M, 2), where in the picture each lies.
        moments: float32 (M,), where in its window, 0 to 1.
    """

    values: Floats
    places: Floats
    moments: Floats


def budget(encoder: Encoder) -> int:
    """Return how many descriptors a codebook is learned from, at most."""
    return min(max(encoder.per_word * encoder.words, _LEAST_SAMPLE), _MOST_SAMPLE)


def fit_encoding(encoder: Encoder, projection: Projection, sample: Sample, seed: int = 0) -> Encoding:
    """Return an encoder with its projection, fitted to a sample.

    Raises:
        InputError: there are too few descriptors, all are the same, or some are not finite.
    """
    encoder.check(sample.values)
    projected = projection.fit(sample.values)
    values = _placed(projected(sample.values), sample.places, sample.moments, projected.spread, encoder)
    return Encoding(encoder, projected, encoder.fit(values, seed), sample.values.shape[1])


def prepared(descriptors: Descriptors, projected: Projected, encoder: Encoder, when: float | Floats = 0.5) -> Floats:
    """Return what an encoder's coder takes of descriptors: projected, and with their places where it asks for them."""
    moments = np.broadcast_to(np.asarray(when, np.float32), len(descriptors))
    return _placed(projected(descriptors.values), descriptors.places, moments, projected.spread, encoder)


def _placed(values: Floats, places: Floats, moments: Floats, spread: float, encoder: Encoder) -> Floats:
    """Append x, y and the time in the window, in units of a descriptor's spread (Sánchez, Perronnin and de Campos, 2012)."""
    told = [values]
    if encoder.position:
        told.append((places - 0.5) * np.float32(encoder.position * spread / _EVEN))
    if encoder.moment:
        told.append((moments[:, None] - 0.5) * np.float32(encoder.moment * spread / _EVEN))
    return np.concatenate(told, axis=1) if len(told) > 1 else values


def load_encoding(data: bytes, encoder: Encoder, owner: str) -> Encoding:
    """Return what `Encoding.save` wrote, of the same encoder.

    Args:
        data: the bytes.
        encoder: the part.
        owner: the file that they come from, for the sentence where they are damaged.

    Raises:
        ModelError: they are damaged, or another encoder's.
    """
    try:
        with np.errstate(all="ignore"):
            return _loaded(data, encoder)
    except (ValueError, LookupError, TypeError, ArithmeticError, OSError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile) as error:
        raise ModelError(f"The codebook in {owner} cannot be read ({type(error).__name__}: {error}). Train the model again.") from None


def _loaded(data: bytes, encoder: Encoder) -> Encoding:
    with np.load(io.BytesIO(data), allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
    if any(array.dtype.kind not in "fi" or not np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("arrays of finite numbers expected")
    coder = encoder.coder({name.removeprefix("coder_"): array for name, array in arrays.items() if name.startswith("coder_")})
    found = Encoding(encoder, Projected(arrays["middle"], arrays["axes"], float(arrays["spread"][0])), coder, int(arrays["numbers"][0]))
    _check(found)
    return found


def _check(encoding: Encoding) -> None:
    """Raise ValueError where the arrays do not fit one another, the encoder or the descriptors."""
    if encoding.coder.words != encoding.encoder.words:
        raise ValueError(f"{encoding.encoder.words} words expected, received {encoding.coder.words}")
    if not 1 <= encoding.numbers <= _MOST_NUMBERS:
        raise ValueError(f"descriptors of at least one number expected, received {encoding.numbers}")
    made = encoding.moment(Descriptors(np.zeros((1, encoding.numbers), np.float32), np.zeros((1, 2), np.float32)))
    vector = encoding.window([made])
    if vector.shape != (encoding.length,) or not np.isfinite(vector).all():
        raise ValueError(f"a vector of {encoding.length} finite numbers expected, received {vector.shape}")

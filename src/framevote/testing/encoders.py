"""What a projection and an encoder promise."""

import dataclasses

import numpy as np
from numpy.typing import NDArray

from framevote.descriptors import Descriptors
from framevote.encoders import Encoder, Encoding, Plain, Projection, Sample, fit_encoding, load_encoding
from framevote.errors import ModelError
from framevote.parts import build
from framevote.testing.made import made_descriptors
from framevote.testing.promises import check_text, expect, same


def check_projection(part: Projection, numbers: int = 16) -> None:
    """Check a projection: each descriptor is projected by itself, the same twice, to no more numbers than it had.

    Args:
        part: the projection.
        numbers: of a descriptor that it takes.
    """
    check_text("projection", part)
    sample, shown = (made_descriptors(400, numbers, seed).values for seed in (0, 1))
    one, two = part.fit(sample), part.fit(sample)
    found = one(shown)
    expect(found.ndim == 2 and len(found) == len(shown), f"{part} promises a row for each descriptor", found.shape)
    expect(found.dtype == np.float32, f"{part} promises float32", found.dtype)
    expect(1 <= found.shape[1] <= numbers, f"{part} promises from 1 to {numbers} numbers of {numbers}", found.shape)
    expect(bool(np.isfinite(found).all()), f"{part} promises finite numbers", found)
    same(two(shown), found, f"{part} promises the same of the same sample")
    same(one(shown[:3]), found[:3], f"{part} promises rows that do not hang on what else is projected", within=1e-5)
    expect(one(shown[:0]).shape == (0, found.shape[1]), f"{part} promises no rows of no descriptors", one(shown[:0]).shape)
    expect(0 < one.spread < np.inf, f"{part} promises the spread of what comes out", one.spread)


def check_encoder(part: Encoder, numbers: int = 8) -> None:
    """Check an encoder: the same vector twice, however descriptors are ordered or cut into moments, and from its bytes.

    Args:
        part: of few words; it is fitted twice, on 1000 descriptors or 8 for each word.
        numbers: of a descriptor that it takes.
    """
    check_text("encoder", part)
    wanted = build("projection", part.projection)
    expect(isinstance(wanted, Projection), f"{part} promises the text of a projection as `projection`", part.projection)
    made = made_descriptors(max(1000, 8 * part.words), numbers)
    sample = Sample(made.values, made.places, np.linspace(0, 1, len(made), dtype=np.float32))
    one, two = (fit_encoding(part, Plain(), sample, seed=3) for _ in range(2))
    shown = made_descriptors(300, numbers, seed=1)
    vector = _encoded(one, shown)
    expect(vector.shape == (one.length,) and vector.dtype == np.float32, f"{part} promises {one.length} float32", vector.shape)
    expect(bool(np.isfinite(vector).all() and vector.any()), f"{part} promises finite numbers, not all of them 0", vector)
    same(_encoded(two, shown), vector, f"{part} promises the same vector of the same sample and seed", within=1e-5)
    again = _encoded(one, _rows(shown, np.random.default_rng(0).permutation(len(shown))))
    same(again, vector, f"{part} promises a vector that does not hang on the order of descriptors", within=1e-4)
    _check_moments(part, one, shown)
    _check_bytes(part, one, shown)


def _encoded(encoding: Encoding, *moments: Descriptors) -> NDArray[np.float32]:
    """Return the vector of a window of these moments."""
    return encoding.window([encoding.moment(descriptors) for descriptors in moments])


def _check_moments(part: Encoder, encoding: Encoding, shown: Descriptors) -> None:
    whole, nothing = _encoded(encoding, shown), _rows(shown, np.arange(0))
    empty = _encoded(encoding, nothing, nothing)
    same(empty, np.zeros_like(whole), f"{part} promises zeros of moments without descriptors")
    if all(level.moments == 1 for level in encoding.pyramid.levels):
        cut = [_rows(shown, np.arange(start, end)) for start, end in ((0, 7), (7, 7), (7, 300))]
        same(_encoded(encoding, *cut), whole, f"{part} promises the same vector when the same descriptors come in moments", within=1e-4)


def _check_bytes(part: Encoder, encoding: Encoding, shown: Descriptors) -> None:
    data = encoding.save()
    loaded = load_encoding(data, part, "the check")
    same(_encoded(loaded, shown), _encoded(encoding, shown), f"{part} promises the same vector from its bytes")
    other = dataclasses.replace(part, words=part.words + 1)
    for held, owner in ((data, other), (data[: len(data) // 2], part)):
        try:
            load_encoding(held, owner, "the check")
        except ModelError:
            continue
        raise AssertionError(f"{part} promises to refuse bytes that are cut off or another encoder's. Received: an encoding")


def _rows(descriptors: Descriptors, chosen: NDArray[np.intp]) -> Descriptors:
    return Descriptors(descriptors.values[chosen], descriptors.places[chosen])

"""A bounded random sample of the descriptors of items: what codebooks are learned from."""

from collections.abc import Sequence

import numpy as np

from framevote.encoders import Encoder, Encoding, Projection, Sample, budget, fit_encoding
from framevote.errors import InputError
from framevote.features.describing import Described

_MOST_NUMBERS = 1_500_000_000  # of all vectors: 6 GB


def sample_of(described: Described, numbers: Sequence[int], most: int, seed: int = 0) -> Sample:
    """Return about `most` descriptors of some items, drawn evenly from each.

    Raises:
        InputError: there are none.
    """
    random, values, places, moments = np.random.default_rng(seed), [], [], []
    quota = -(-most // max(len(numbers), 1))
    for number in numbers:
        several = described.of(number)
        ends = np.cumsum([len(each) for each in several])
        drawn = np.sort(random.permutation(ends[-1])[:quota]) if len(several) else np.empty(0, np.intp)
        moment = np.searchsorted(ends, drawn, side="right")
        if len(drawn):
            values.append(np.concatenate([each.values for each in several])[drawn])
            places.append(np.concatenate([each.places for each in several])[drawn])
            moments.append(((moment + 0.5) / len(several)).astype(np.float32))
    if not values:
        raise InputError(
            f"The features found nothing to describe in {len(numbers)} items: nothing moves in them, or they show nothing. "
            "Expected other features, or other videos."
        )
    return Sample(np.concatenate(values), np.concatenate(places), np.concatenate(moments))


def learn_encoding(described: Described, numbers: Sequence[int], encoder: Encoder, projection: Projection, seed: int = 0) -> Encoding:
    """Return an encoder fitted to a sample of the descriptors of some items.

    Raises:
        InputError: they are too few, or all the same.
    """
    return fit_encoding(encoder, projection, sample_of(described, numbers, budget(encoder), seed), seed)


def check_vectors(count: int, encoding: Encoding) -> None:
    """Refuse vectors that would not fit into memory, before any is computed.

    Raises:
        InputError: they are too many, or too long.
    """
    if count * encoding.length > _MOST_NUMBERS:
        raise InputError(
            f"{count} vectors of {encoding.length} numbers are more than can be learned from at once. Expected at most "
            f"{_MOST_NUMBERS // count} numbers a vector: take fewer words, or a pyramid of fewer cells."
        )

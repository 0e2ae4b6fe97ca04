"""Encoders that say of each descriptor how much it is of each word: hard and soft assignment, and locality-constrained linear coding.

Their codebook is k-means (Lloyd 1957; mini-batches after Sculley, WWW 2010) by scikit-learn.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.encoders.base import Arrays, Coder, Encoder, Floats
from framevote.encoders.codebooks import k_means
from framevote.encoders.nearest import blocks, nearest
from framevote.errors import PartError


class CodeCoder(Coder):
    """A coder of a code for each descriptor.

    Attributes:
        codebook: float32 (K, D).
    """

    def __init__(self, codebook: Floats) -> None:
        self.codebook = codebook
        self.words = len(codebook)

    @abc.abstractmethod
    def codes(self, values: Floats) -> Floats:
        """Return the codes (N, K) of a block of descriptors (N, D); none is below 0 but by rounding, or where the method says so."""

    def pooled(self, values: Floats, starts: NDArray[np.intp], pooling: str) -> Floats:
        """Return the codes of each cell, summed or their maxima (at least 0): (S, K)."""
        return self.pooled_each(values, starts, (pooling,))[0]

    def pooled_each(self, values: Floats, starts: NDArray[np.intp], poolings: Sequence[str]) -> list[Floats]:
        """Return the same for each of several poolings; each descriptor has one code for all."""
        every = [np.zeros((len(starts) - 1, self.words), np.float32) for _ in poolings]
        for block in blocks(len(values)):
            codes = self.codes(values[block])
            inside = np.clip(starts, block.start, block.stop) - block.start
            for cell in np.flatnonzero(np.diff(inside)):
                own = codes[inside[cell] : inside[cell + 1]]
                for found, pooling in zip(every, poolings, strict=True):
                    if pooling == "max":
                        np.maximum(found[cell], own.max(axis=0), out=found[cell])
                    else:
                        found[cell] += own.sum(axis=0)
        return every

    def arrays(self) -> Arrays:
        """Return the codebook."""
        return {"codebook": self.codebook}


class _Hard(CodeCoder):
    def codes(self, values: Floats) -> Floats:
        codes = np.zeros((len(values), self.words), np.float32)
        codes[np.arange(len(values)), nearest(values, self.codebook, 1)[0][:, 0]] = 1
        return codes

    def pooled_each(self, values: Floats, starts: NDArray[np.intp], poolings: Sequence[str]) -> list[Floats]:
        places = np.concatenate([nearest(values[block], self.codebook, 1)[0][:, 0] for block in blocks(len(values))] or [np.empty(0, int)])
        cells = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        found = np.bincount(cells * self.words + places, minlength=(len(starts) - 1) * self.words)
        counts = found.reshape(-1, self.words).astype(np.float32)
        return [np.minimum(counts, 1) if pooling == "max" else counts for pooling in poolings]


@final
@dataclass(frozen=True, repr=False)
class BagOfWords(Encoder):
    """Hard assignment: each descriptor counts for its nearest word, codeₖ(x) = 1 where k is nearest, else 0.

    Sivic and Zisserman, "Video Google", ICCV 2003; Csurka et al., 2004.
    """

    normalisation: str = "power+l2"

    def _fit(self, sample: Floats, seed: int) -> Coder:
        return _Hard(k_means(sample, self.words, seed))

    def coder(self, arrays: Arrays) -> Coder:
        """Return the coder of a codebook."""
        return _Hard(arrays["codebook"])


class _Soft(CodeCoder):
    def __init__(self, codebook: Floats, scale: float, count: int) -> None:
        super().__init__(codebook)
        self._scale, self._count = scale, min(count or self.words, self.words)

    def codes(self, values: Floats) -> Floats:
        places, squares = nearest(values, self.codebook, self._count)
        weights = np.exp((squares[:, :1] - squares) * np.float32(self._scale))
        codes = np.zeros((len(values), self.words), np.float32)
        np.put_along_axis(codes, places, weights / weights.sum(axis=1, keepdims=True), axis=1)
        return codes

    def arrays(self) -> Arrays:
        return {"codebook": self.codebook, "scale": np.array([self._scale])}


@final
@dataclass(frozen=True, repr=False)
class SoftAssignment(Encoder):
    """Kernel codebook: each descriptor counts for the words around it, by exp(−|x − cₖ|² / 2σ²), in all for 1.

    van Gemert et al., "Kernel codebooks for scene categorization", ECCV 2008; with `nearest`, localised soft assignment: Liu, Wang and
    Liu, "In defense of soft-assignment coding", ICCV 2011.

    Args:
        nearest: how many words a descriptor counts for; 0 is all of them.
        width: σ, in units of the root mean square distance of a descriptor to its nearest word.
    """

    pooling: str = "max"
    nearest: int = 5
    width: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nearest(self, self.nearest, least=0)
        self._check_number("width", least=0.0, above=True)

    def _fit(self, sample: Floats, seed: int) -> Coder:
        codebook = k_means(sample, self.words, seed)
        squares = np.concatenate([nearest(sample[block], codebook, 1)[1][:, 0] for block in blocks(len(sample))])
        square = max(float(squares.mean(dtype=np.float64)), 1e-12)
        return _Soft(codebook, 1 / (2 * self.width**2 * square), self.nearest)

    def coder(self, arrays: Arrays) -> Coder:
        """Return the coder of a codebook and its scale, 1 / 2σ²."""
        return _Soft(arrays["codebook"], float(arrays["scale"][0]), self.nearest)


class _Local(CodeCoder):
    def __init__(self, codebook: Floats, count: int, regular: float) -> None:
        super().__init__(codebook)
        self._count, self._regular = min(count, self.words), regular

    def codes(self, values: Floats) -> Floats:
        places, _ = nearest(values, self.codebook, self._count)
        apart = (self.codebook[places] - values[:, None]).astype(np.float64)
        gram = apart @ apart.transpose(0, 2, 1)
        trace = np.einsum("nkk->n", gram)
        gram[:, np.arange(self._count), np.arange(self._count)] += np.where(trace > 0, self._regular * trace, 1.0)[:, None]
        weights = np.linalg.solve(gram, np.ones((len(values), self._count, 1)))[:, :, 0]
        codes = np.zeros((len(values), self.words), np.float32)
        np.put_along_axis(codes, places, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32), axis=1)
        return codes


@final
@dataclass(frozen=True, repr=False)
class LLC(Encoder):
    """Locality-constrained linear coding, approximate: each descriptor as an affine mixture of its nearest words.

    The code c on the `nearest` words B makes |x − cᵀB|² + λ |c|² least with Σ c = 1, where λ is `regular` times the trace of the words'
    Gram matrix around x: C c ∝ 1 with C = (B − x)(B − x)ᵀ + λ I. Wang et al., "Locality-constrained linear coding for image
    classification", CVPR 2010, section 4.

    Args:
        nearest: how many words a descriptor is made of.
        regular: how much the code is kept small; at least 1e-8, so that there is one.
    """

    pooling: str = "max"
    nearest: int = 5
    regular: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nearest(self, self.nearest, least=1)
        self._check_number("regular", least=1e-8)

    def _fit(self, sample: Floats, seed: int) -> Coder:
        return _Local(k_means(sample, self.words, seed), self.nearest, self.regular)

    def coder(self, arrays: Arrays) -> Coder:
        """Return the coder of a codebook."""
        return _Local(arrays["codebook"], self.nearest, self.regular)


def check_nearest(encoder: Encoder, count: int, least: int) -> None:
    """Refuse a number of nearest words that cannot be."""
    if type(count) is not int or not least <= count <= encoder.words:
        name = type(encoder).__name__
        raise PartError(f"{name} takes nearest: a whole number from {least} to its {encoder.words} words. Received: nearest={count!r}")

"""Encoders that say how descriptors differ from the words: Fisher vector, VLAD and super-vector."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from framevote.encoders.base import Arrays, Coder, Encoder, Floats
from framevote.encoders.codebooks import Mixture, k_means, mixture
from framevote.encoders.nearest import blocks, nearest

_SUMS = ("sum", "average")
_BLOCK, _MOST_CELLS = 4096, 16  # descriptors, and cells, that are summed together: what they need stays in the cache
_FAR = 16.0  # deviations: the square of that costs single precision two digits
_TINY = 1e-12


class FisherCoder(Coder):
    """Gradients of a mixture's log-likelihood with respect to its means and deviations, whitened.

    A cell's numbers are, word by word, D of the means and D of the deviations.
    """

    def __init__(self, given: Mixture) -> None:
        self.mixture = given
        self.words, numbers = given.means.shape
        self.block = 2 * numbers
        # All is reckoned from the middle of the means: far from 0, squares in single precision would keep no digit.
        self._middle = given.means.mean(axis=0)
        means = given.means.astype(np.float64) - self._middle
        precisions = 1 / np.square(given.deviations.astype(np.float64))
        # log wₖ N(x; k) = x² · squares + x · linear + level, in one product of matrices.
        self._factors = np.concatenate([-precisions / 2, means * precisions], axis=1).T.astype(np.float32)
        levels = np.log(np.maximum(given.weights.astype(np.float64), _TINY)) + 0.5 * np.log(precisions).sum(axis=1)
        self._levels = (levels - 0.5 * (means**2 * precisions).sum(axis=1)).astype(np.float32)
        self._told = _scales(means, given)

    def posteriors(self, values: Floats) -> Floats:
        """Return the probability (N, K) that each descriptor (N, D) is of each word."""
        return self._posteriors(self._with_squares(values))

    def _with_squares(self, values: Floats) -> Floats:
        both = np.empty((len(values), self.block), np.float32)
        squares, own = both[:, : self.block // 2], both[:, self.block // 2 :]
        np.subtract(values, self._middle, out=own)
        np.square(own, out=squares)
        return both

    def _posteriors(self, both: Floats) -> Floats:
        logs = both @ self._factors
        logs += self._levels
        logs -= logs.max(axis=1, keepdims=True)
        np.exp(logs, out=logs)
        logs /= logs.sum(axis=1, keepdims=True)
        return logs

    def pooled(self, values: Floats, starts: NDArray[np.intp], pooling: str) -> Floats:
        """Return the gradients of each cell, summed over its descriptors: (S, K × 2 D)."""
        del pooling
        found = np.empty((len(starts) - 1, self.words, self.block), np.float32)
        for cells in _groups(starts):
            inside = starts[cells.start : cells.stop + 1]
            self._gradients(*self._summed(values[inside[0] : inside[-1]], inside - inside[0]), found[cells])
        return found.reshape(len(found), -1)

    def _summed(self, values: Floats, starts: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Return of each cell and word how many descriptors are of it (S, K, 1), and the sums of their squares and of themselves."""
        cells = len(starts) - 1
        mass, moments = np.zeros((cells, self.words, 1), np.float32), np.zeros((cells, self.words, self.block), np.float32)
        for block in blocks(len(values), _BLOCK):
            both = self._with_squares(values[block])
            inside = np.clip(starts, block.start, block.stop) - block.start
            _gather(self._posteriors(both), both, inside, mass, moments)
        return mass, moments

    def _gradients(self, mass: Floats, moments: Floats, out: Floats) -> None:
        numbers = self.block // 2
        seconds, firsts = moments[:, :, :numbers], moments[:, :, numbers:]
        means, variances, of_mean, of_deviation = self._told
        differences = firsts - mass * means
        squares = differences + firsts
        squares *= means
        np.subtract(seconds, squares, out=squares)  # Σ γ (x − μ)² = Σ γ x² − (Σ γ x − μ Σ γ + Σ γ x) μ
        squares -= mass * variances
        np.multiply(differences, of_mean, out=out[:, :, :numbers], casting="same_kind")
        np.multiply(squares, of_deviation, out=out[:, :, numbers:], casting="same_kind")

    def arrays(self) -> Arrays:
        """Return the mixture."""
        return dict(self.mixture._asdict())


def _scales(means: NDArray[np.float64], given: Mixture) -> tuple[NDArray[np.floating], ...]:
    """Return what gradients are made with: means from the middle, variances, and the factors of the two halves, each (K, D).

    In double precision where words lie far out, in units of their deviations: then the sums are large, and their differences small.
    """
    deviations = given.deviations.astype(np.float64)
    root = np.sqrt(np.maximum(given.weights.astype(np.float64), _TINY))[:, None]
    told = (means, deviations**2, 1 / (deviations * root), 1 / (deviations**2 * root * np.sqrt(2)))
    far = float(np.abs(means / deviations).max(initial=0)) > _FAR
    return told if far else tuple(array.astype(np.float32) for array in told)


def _groups(starts: NDArray[np.intp]) -> Iterator[slice]:
    """Yield cells side by side that hold a block of descriptors together, or a single cell that holds more."""
    cells, first = len(starts) - 1, 0
    while first < cells:
        last = int(np.searchsorted(starts, starts[first] + _BLOCK, side="right")) - 1
        yield slice(first, first := min(max(last, first + 1), cells, first + _MOST_CELLS))


def _gather(likely: Floats, both: Floats, starts: NDArray[np.intp], mass: Floats, moments: Floats) -> None:
    """Add what a block's descriptors are of each word (N, K), and their numbers (N, L) times that, to their cells' (S, K, 1) and (S, K, L).

    Cells of one size go through at once.
    """
    sizes = np.diff(starts)
    held = np.flatnonzero(sizes)
    if len(held) > 1 and (sizes[held] == sizes[held[0]]).all() and held[-1] - held[0] == len(held) - 1:
        shape, inside = (len(held), sizes[held[0]], -1), slice(starts[held[0]], starts[held[-1] + 1])
        own, given = likely[inside].reshape(shape), both[inside].reshape(shape)
        moments[held] += own.transpose(0, 2, 1) @ given
        mass[held] += own.sum(axis=1)[:, :, None]
        return
    for cell in held:
        inside = slice(starts[cell], starts[cell + 1])
        moments[cell] += likely[inside].T @ both[inside]
        mass[cell, :, 0] += likely[inside].sum(axis=0)


@final
@dataclass(frozen=True, repr=False)
class FisherVector(Encoder):
    """Fisher vector, improved: how a mixture would have to change to fit a cell's descriptors better.

    With γₖ(x) the probability that x is of word k, it sums γₖ (x − μₖ) / (σₖ √wₖ) and γₖ ((x − μₖ)² / σₖ² − 1) / √(2 wₖ).
    Perronnin, Sánchez and Mensink, "Improving the Fisher kernel for large-scale image classification", ECCV 2010; Sánchez et al.,
    IJCV 2013.
    """

    words: int = 64
    normalisation: str = "power+l2"

    poolings: ClassVar[tuple[str, ...]] = _SUMS
    projection: ClassVar[str] = "PCA()"
    per_word: ClassVar[int] = 1000

    def _fit(self, sample: Floats, seed: int) -> Coder:
        return FisherCoder(mixture(sample, self.words, seed))

    def coder(self, arrays: Arrays) -> Coder:
        """Return the coder of a mixture."""
        return FisherCoder(Mixture(*(arrays[name] for name in Mixture._fields)))


class VLADCoder(Coder):
    """Sums of differences from the nearest word: a cell's numbers are D for each word."""

    def __init__(self, codebook: Floats) -> None:
        self.codebook = codebook
        self.words, self.block = codebook.shape
        self._middle = codebook.mean(axis=0)

    def pooled(self, values: Floats, starts: NDArray[np.intp], pooling: str) -> Floats:
        """Return the differences of each cell, summed: (S, K × D)."""
        del pooling
        return self.differences(values, starts)[1].reshape(len(starts) - 1, -1)

    def differences(self, values: Floats, starts: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Return how many descriptors of each cell are nearest to each word (S, K), and their summed differences (S, K, D)."""
        cells = len(starts) - 1
        counts, sums = np.zeros((cells, self.words, 1), np.float32), np.zeros((cells, self.words, values.shape[1]), np.float32)
        for block in blocks(len(values)):
            own = np.zeros((block.stop - block.start, self.words), np.float32)
            own[np.arange(len(own)), nearest(values[block], self.codebook, 1)[0][:, 0]] = 1
            inside = np.clip(starts, block.start, block.stop) - block.start
            _gather(own, values[block] - self._middle, inside, counts, sums)
        sums -= counts * (self.codebook - self._middle)
        return counts, sums

    def arrays(self) -> Arrays:
        """Return the codebook."""
        return {"codebook": self.codebook}


@final
@dataclass(frozen=True, repr=False)
class VLAD(Encoder):
    """Vector of locally aggregated descriptors: for each word, the sum of x − cₖ over the descriptors that are nearest to it.

    Jégou et al., "Aggregating local descriptors into a compact image representation", CVPR 2010.
    """

    words: int = 64
    normalisation: str = "power+l2"

    poolings: ClassVar[tuple[str, ...]] = _SUMS
    projection: ClassVar[str] = "PCA()"
    per_word: ClassVar[int] = 500

    def _fit(self, sample: Floats, seed: int) -> Coder:
        return VLADCoder(k_means(sample, self.words, seed))

    def coder(self, arrays: Arrays) -> Coder:
        """Return the coder of a codebook."""
        return VLADCoder(arrays["codebook"])


class SuperVectorCoder(VLADCoder):
    """A cell's numbers are, word by word, the share of its descriptors and D of their mean difference."""

    def __init__(self, codebook: Floats, share: float) -> None:
        super().__init__(codebook)
        self.block, self._share = codebook.shape[1] + 1, share

    def pooled(self, values: Floats, starts: NDArray[np.intp], pooling: str) -> Floats:
        """Return counts and summed differences of each cell: (S, K × (1 + D))."""
        del pooling
        return np.concatenate(self.differences(values, starts), axis=2).reshape(len(starts) - 1, -1)

    def finish(self, pooled: Floats, counts: NDArray[np.float64], pooling: str) -> Floats:
        """Return s √pₖ and uₖ for each word, where pₖ is its share of the cell's descriptors."""
        del pooling
        apart = pooled.reshape(len(pooled), self.words, -1).astype(np.float64)
        all_of = np.maximum(counts, 1.0)[:, None, None]
        root = np.sqrt(apart[:, :, :1] / all_of)
        differences = apart[:, :, 1:] / all_of / np.maximum(root, 1e-6)
        return np.concatenate([self._share * root, differences], axis=2).astype(np.float32).reshape(len(pooled), -1)


@final
@dataclass(frozen=True, repr=False)
class SuperVector(Encoder):
    """Super-vector coding: of each word s √pₖ, with pₖ its share of the N descriptors, and uₖ = Σ (x − cₖ) / (N √pₖ) over its own.

    Zhou et al., "Image classification using super-vector coding of local image descriptors", ECCV 2010, in the form of Chatfield et
    al., "The devil is in the details", BMVC 2011.

    Args:
        share: s, how much the shares weigh against the differences.
    """

    words: int = 64
    normalisation: str = "power+l2"
    share: float = 0.1

    poolings: ClassVar[tuple[str, ...]] = ("average",)
    projection: ClassVar[str] = "PCA()"
    per_word: ClassVar[int] = 500
    pooling: str = "average"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_number("share", least=0.0)

    def _fit(self, sample: Floats, seed: int) -> Coder:
        return SuperVectorCoder(k_means(sample, self.words, seed), self.share)

    def coder(self, arrays: Arrays) -> Coder:
        """Return the coder of a codebook."""
        return SuperVectorCoder(arrays["codebook"], self.share)

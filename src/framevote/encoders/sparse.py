"""Sparse coding: each descriptor as a sum of few atoms."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from framevote.encoders.assigning import CodeCoder
from framevote.encoders.base import Arrays, Coder, Encoder, Floats
from framevote.encoders.codebooks import dictionary
from framevote.encoders.lasso import sparse_codes
from framevote.errors import PartError


def of_length_one(values: Floats) -> Floats:
    """Return rows brought to length 1; zero rows stay so."""
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12), np.float32)


class _Sparse(CodeCoder):
    def __init__(self, codebook: Floats, alpha: float) -> None:
        super().__init__(codebook)
        self._alpha, self._gram = alpha, codebook @ codebook.T

    def codes(self, values: Floats) -> Floats:
        return np.abs(sparse_codes(of_length_one(values), self.codebook, self._gram, self._alpha))


@final
@dataclass(frozen=True, repr=False)
class SparseCoding(Encoder):
    """Sparse coding: the code z of a descriptor x of length 1 makes ½ |x − zᵀB|² + α |z|₁ least; its absolute values are pooled.

    Yang et al., "Linear spatial pyramid matching using sparse coding", CVPR 2009, whose pooling is the maximum too. The codebook B is
    learned so that it serves: Mairal et al., ICML 2009.

    Args:
        alpha: the price of using an atom, from 0.001 to below 1; the higher, the fewer are used.
    """

    pooling: str = "max"
    alpha: float = 0.15

    per_word: ClassVar[int] = 30

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_number("alpha", least=1e-3)
        if self.alpha >= 1:
            raise PartError(f"SparseCoding takes alpha below 1: from there on every code is zero. Received: alpha={self.alpha!r}")

    def _fit(self, sample: Floats, seed: int) -> Coder:
        return _Sparse(dictionary(of_length_one(sample), self.words, self.alpha, seed), self.alpha)

    def coder(self, arrays: Arrays) -> Coder:
        """Return the coder of a dictionary."""
        return _Sparse(arrays["codebook"], self.alpha)

"""Encoders: many descriptors of a moment or a window become one vector, by a codebook (see docs/encodings.md).

features → projection → encoder (codebook, codes, pooling, normalisation) → a linear head.
"""

from framevote.encoders.assigning import LLC, BagOfWords, SoftAssignment
from framevote.encoders.base import Coder, Encoder
from framevote.encoders.differences import VLAD, FisherVector, SuperVector
from framevote.encoders.encoding import Encoding, Sample, budget, fit_encoding, load_encoding
from framevote.encoders.pooling import NORMALISATIONS, POOLINGS, Moment, normalised, pyramid_of
from framevote.encoders.projection import PCA, Plain, Projection
from framevote.encoders.sliding import sliding, steps_of
from framevote.encoders.sparse import SparseCoding

__all__ = [
    "LLC",
    "NORMALISATIONS",
    "PCA",
    "POOLINGS",
    "VLAD",
    "BagOfWords",
    "Coder",
    "Encoder",
    "Encoding",
    "FisherVector",
    "Moment",
    "Plain",
    "Projection",
    "Sample",
    "SoftAssignment",
    "SparseCoding",
    "SuperVector",
    "budget",
    "fit_encoding",
    "load_encoding",
    "normalised",
    "pyramid_of",
    "sliding",
    "steps_of",
]

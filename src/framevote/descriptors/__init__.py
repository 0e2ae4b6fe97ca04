"""Local features: many places of each moment, each described by a row of numbers, for the encoders to count."""

from framevote.descriptors.base import Descriptors, Extractor, LocalFeatures
from framevote.descriptors.sift import DenseSIFT

__all__ = ["DenseSIFT", "Descriptors", "Extractor", "LocalFeatures"]

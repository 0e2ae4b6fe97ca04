"""Local features: many places of each moment, each described by a row of numbers, for the encoders to count."""

from framevote.descriptors.base import Descriptors, Extractor, LocalFeatures, together
from framevote.descriptors.grid import Grid
from framevote.descriptors.opening import open_extractor
from framevote.descriptors.sift import DenseSIFT

__all__ = ["DenseSIFT", "Descriptors", "Extractor", "Grid", "LocalFeatures", "open_extractor", "together"]

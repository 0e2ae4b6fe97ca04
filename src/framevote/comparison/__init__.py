"""Comparing encodings on a data set: every encoder × pooling × normalisation, on the same splits, with what each costs."""

from framevote.comparison.job import compare
from framevote.comparison.results import Comparison, Row

__all__ = ["Comparison", "Row", "compare"]

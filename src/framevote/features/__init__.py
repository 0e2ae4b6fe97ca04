"""Embeddings, or local descriptors, of a data set's items, computed once and kept by content."""

from framevote.features.describing import Described, Looking, describe_items
from framevote.features.embedding import Done, Embedded, digest_of, embed_items
from framevote.features.rows import Rows
from framevote.features.sampling import check_vectors, learn_encoding, sample_of
from framevote.features.working import each_of

__all__ = [
    "Described",
    "Done",
    "Embedded",
    "Looking",
    "Rows",
    "check_vectors",
    "describe_items",
    "digest_of",
    "each_of",
    "embed_items",
    "learn_encoding",
    "sample_of",
]

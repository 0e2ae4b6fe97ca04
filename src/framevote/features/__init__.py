"""Embeddings of a data set's items, computed once by the fast runtime and kept by content."""

from framevote.features.embedding import Done, Embedded, embed_items
from framevote.features.rows import Rows

__all__ = ["Done", "Embedded", "Rows", "embed_items"]

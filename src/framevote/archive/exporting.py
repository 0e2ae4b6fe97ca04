"""An archive as one file for other programs: Parquet or CSV, written a block at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framevote.archive.querying import Kind, columns_of, rows
from framevote.archive.store import Archive
from framevote.errors import UsageError
from framevote.files import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".csv")


def export(
    archive: Archive,
    path: str | Path,
    where: str | None = None,
    kind: Kind = "segments",
    *,
    embeddings: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], object] | None = None,
) -> int:
    """Write the rows of `querying.rows` to a `.parquet` or `.csv` file, whole or not at all, and return how many they are.

    Memory stays the same however many rows there are, but for the keys of the videos.

    Args:
        archive: the archive.
        path: the file.
        where: an SQL condition; None: every row.
        kind: `segments`, each with the path of its video, or `videos`.
        embeddings: with each row's embedding, in Parquet.
        overwrite: replace a file that exists.
        progress: told how many rows are written so far.

    Raises:
        UsageError: the suffix is another, CSV shall hold embeddings, or the condition cannot be understood.
        InputError: the archive cannot be read.
        OutputError: the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"An archive is exported to {' or '.join(SUFFIXES)}. Received: {path}")
    if embeddings and suffix == ".csv":
        raise UsageError(f"A line of CSV holds no embedding. Export to .parquet, or leave the embeddings out. Received: {path}")
    written = 0
    with whole_file(path, overwrite) as temporary, _opened(temporary, columns_of(kind, embeddings)) as file:
        for block in rows(archive, where, kind, embeddings):
            file.write_batch(block)
            written += block.num_rows
            if progress:
                progress(written)
    return written


@contextmanager
def _opened(path: Path, schema: "pa.Schema") -> Iterator[Any]:
    if path.suffix.lower() == ".csv":
        from pyarrow.csv import CSVWriter as Writer  # noqa: PLC0415 (an extra)
    else:
        from pyarrow.parquet import ParquetWriter as Writer  # noqa: PLC0415

    with Writer(path, schema) as file:
        yield file

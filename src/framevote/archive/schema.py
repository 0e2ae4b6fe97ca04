"""The tables of an archive: their columns, and what was found as their rows.

====================  ==============================================================================================
`videos`              one row a video under one set of settings; committed last, so that a row here says: all is there
`segments_N`          one row a segment; N is the length of the embeddings (0: none)
`files`               one row a path: which content it had when it was last looked at; "" where it could not be read
====================  ==============================================================================================

The segments of models with embeddings of different lengths lie in different tables, because LanceDB builds and searches a vector
index only on a column of fixed length. A video has one embedding, few enough to be searched as they are: its column has any length.

Every text is stored by `stored`, since names of files need not be UTF-8, and Arrow's texts must be.
"""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from framevote.archive.entries import Entry, FrameScores, Settings, Source

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
"""Of the tables: raise it where an older framevote would misread them."""

FORMAT_KEY = b"framevote:format"
VIDEOS, FILES, SEGMENTS = "videos", "files", "segments_"

# With it two processes that insert one key at once are told apart from two that insert different ones: the second tries again.
_PRIMARY_KEY = {b"lance-schema:unenforced-primary-key": b"true"}


def videos_schema() -> "pa.Schema":
    """Return the columns of `videos`; times of the clock are UTC, sizes bytes, lengths seconds."""
    import pyarrow as pa  # noqa: PLC0415 (an extra)

    columns: dict[str, Any] = {
        "content": pa.string(),
        "path": pa.string(),
        "size": pa.int64(),
        "modified": pa.float64(),
        "settings": pa.string(),
        "settings_json": pa.string(),
        "model": pa.string(),
        "state": pa.string(),
        "error": pa.string(),
        "width": pa.int32(),
        "height": pa.int32(),
        "duration": pa.float64(),
        "frame_rate": pa.float64(),
        "codec": pa.string(),
        "probe_json": pa.string(),
        "label": pa.string(),
        "score": pa.float32(),
        "segments": pa.int32(),
        "looked": pa.int64(),
        "decoded": pa.int64(),
        "seconds": pa.float64(),
        "finished": pa.timestamp("us"),
        "embedding": pa.list_(pa.float32()),
        "frame_times": pa.list_(pa.float32()),
        "frame_labels": pa.list_(pa.uint16()),
        "frame_scores": pa.list_(pa.float32()),
        "frame_names": pa.list_(pa.string()),
    }
    return _schema("key", columns)


def segments_schema(length: int) -> "pa.Schema":
    """Return the columns of the segments whose embeddings have a length; start and end are seconds, [start, end)."""
    import pyarrow as pa  # noqa: PLC0415 (an extra)

    columns: dict[str, Any] = {
        "video": pa.string(),
        "path": pa.string(),
        "settings": pa.string(),
        "model": pa.string(),
        "number": pa.int32(),
        "label": pa.string(),
        "score": pa.float32(),
        "start": pa.float64(),
        "end": pa.float64(),
    }
    return _schema("key", columns | ({"embedding": pa.list_(pa.float32(), length)} if length else {}))


def files_schema() -> "pa.Schema":
    """Return the columns of `files`."""
    import pyarrow as pa  # noqa: PLC0415 (an extra)

    return _schema("path", {"size": pa.int64(), "modified": pa.float64(), "content": pa.string()})


def video_rows(entries: Sequence[Entry]) -> "pa.Table":
    """Return the rows of `videos`."""
    import pyarrow as pa  # noqa: PLC0415 (an extra)

    return pa.Table.from_pylist([_video_row(entry) for entry in entries], schema=videos_schema())


def segment_rows(entries: Sequence[Entry], length: int) -> "pa.Table":
    """Return the rows of the segments of entries whose embeddings have one length."""
    import pyarrow as pa  # noqa: PLC0415 (an extra)

    schema = segments_schema(length)
    rows = [row for entry in entries for row in _segment_rows(entry)]
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema if field.name != "embedding"]
    if length:
        vectors = [piece.embedding for entry in entries for piece in entry.pieces if piece.embedding is not None]
        flat = np.concatenate([*vectors, np.empty(0)], dtype=np.float32)
        columns.append(pa.FixedSizeListArray.from_arrays(flat, length))
    return pa.table(columns, schema=schema)


def file_rows(files: Sequence[tuple[Source, str]]) -> "pa.Table":
    """Return the rows of `files`: each path's size and time, and its content."""
    import pyarrow as pa  # noqa: PLC0415 (an extra)

    rows = [{"path": stored(of.path), "size": of.size, "modified": of.modified, "content": content} for of, content in files]
    return pa.Table.from_pylist(rows, schema=files_schema())


def by_length(entries: Sequence[Entry]) -> dict[int, list[Entry]]:
    """Return those of some entries that have segments, by the length of their embeddings.

    Raises:
        ValueError: the segments of one disagree.
    """
    groups: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.pieces:
            groups[_embedding_length(entry)].append(entry)
    return groups


def stored(text: str) -> str:
    r"""Return a text that UTF-8 can hold: a lone surrogate, a byte of a name that is no UTF-8, becomes an escape such as \udcff.

    A backslash before a u becomes \u005c, so that `restored` gives the very same text back. All others stay as they are.
    """
    return re.sub(r"\\(?=u)|[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def restored(text: str) -> str:
    """Return what `stored` was given."""
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)


def settings_of(text: str) -> Settings:
    """Return the settings that a row's JSON tells of; what this version does not know is left out."""
    told = json.loads(text)
    known = {field.name: told[field.name] for field in fields(Settings) if field.name in told}
    return Settings(**known | {"only": tuple(known.get("only", ()))})


def _embedding_length(entry: Entry) -> int:
    lengths = {0 if piece.embedding is None else len(piece.embedding) for piece in entry.pieces}
    if len(lengths) > 1:
        raise ValueError(f"Expected embeddings of one length. Received, of {entry.source.path}: {sorted(lengths)}")
    return lengths.pop()


def _schema(key: str, columns: dict[str, Any]) -> "pa.Schema":
    import pyarrow as pa  # noqa: PLC0415 (an extra)

    first = pa.field(key, pa.string(), nullable=False, metadata=_PRIMARY_KEY)
    return pa.schema([first, *(pa.field(name, kind) for name, kind in columns.items())], metadata={FORMAT_KEY: str(FORMAT)})


def _video_row(entry: Entry) -> dict[str, Any]:
    probe, rate = entry.probe, entry.probe.get("frame_rate")
    return {
        "key": entry.key,
        "content": entry.content,
        "path": stored(entry.source.path),
        "size": entry.source.size,
        "modified": entry.source.modified,
        "settings": entry.settings.fingerprint,
        "settings_json": json.dumps(asdict(entry.settings)),
        "model": stored(entry.settings.model),
        "state": entry.state,
        "error": stored(entry.error),
        **{name: probe.get(name) for name in ("width", "height", "duration", "codec")},
        "frame_rate": float(Fraction(rate)) if rate else None,
        "probe_json": json.dumps(probe),
        "label": stored(entry.label),
        "score": entry.score,
        "segments": len(entry.pieces),
        "looked": entry.looked,
        "decoded": entry.decoded,
        "seconds": entry.seconds,
        "finished": round(entry.finished * 1e6),
        "embedding": entry.embedding,
        **(_frame_columns(entry.frame_scores, entry.labels) if entry.frame_scores else {}),
    }


def _frame_columns(scores: FrameScores, labels: Sequence[str]) -> dict[str, Any]:
    """Return the frames' scores as flat lists, with those labels only that are there: K of them a frame, best first."""
    present, places = np.unique(scores.labels, return_inverse=True)
    return {
        "frame_times": scores.times.astype(np.float32),
        "frame_labels": places.ravel().astype(np.uint16),
        "frame_scores": scores.values.ravel().astype(np.float32),  # DuckDB reads no half floats
        "frame_names": [stored(labels[place]) for place in present],
    }


def _segment_rows(entry: Entry) -> list[dict[str, Any]]:
    shared = {
        "video": entry.key,
        "path": stored(entry.source.path),
        "settings": entry.settings.fingerprint,
        "model": stored(entry.settings.model),
    }
    return [
        {
            **shared,
            "key": f"{entry.key}:{number}",
            "number": number,
            "label": stored(piece.label),
            "score": piece.score,
            "start": piece.start,
            "end": piece.end,
        }
        for number, piece in enumerate(entry.pieces)
    ]

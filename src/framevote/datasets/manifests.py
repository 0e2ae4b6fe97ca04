"""Manifests: a line for each photo, video or piece of a video; Hugging Face's metadata files are of this kind."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from framevote.datasets.items import Problem, Side
from framevote.datasets.media import subfolders
from framevote.datasets.sources import SIDE_WORDS, Entry, Reading, side_of
from framevote.datasets.tables import SUFFIXES, Row, Table, columns_of, read_table
from framevote.errors import InputError

# Names that people give to columns that would else be passed over in silence: a piece would become its whole video.
_DOUBTFUL = {
    "start": "starts start_time time_start begin from",
    "end": "ends end_time time_end stop to",
    "split": "splits subset partition",
    "group": "groups",
}

_METADATA = [f"metadata{suffix}" for suffix in (".csv", ".jsonl", ".parquet")]


@dataclass(frozen=True)
class Columns:
    """What the columns of the path and of the label are called."""

    path: str = "path"
    label: str = "label"


def is_manifest(path: Path) -> bool:
    """Return whether a file is a list by its suffix."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def read_manifest(path: Path) -> Reading:
    """Read a list with the columns path,label[,start,end][,group][,split]; paths count from the list's folder."""
    table = read_table(path)
    return _reading(path, path.parent, [(table, "")], Columns())


def is_huggingface(path: Path) -> bool:
    """Return whether there is a metadata file with the column file_name, in the folder or in those of its sides."""
    if path.is_file():
        columns = columns_of(path) if is_manifest(path) else ()
        return path.name in _METADATA or ("file_name" in columns and "path" not in columns)
    return bool(_metadata(path))


def read_huggingface(path: Path) -> Reading:
    """Read Hugging Face's image and video folders: metadata.csv with file_name and label, at the root or one in each side."""
    tables = [(read_table(file), side) for file, side in _metadata(path)] if path.is_dir() else [(read_table(path), _side_above(path))]
    columns = {name for table, _ in tables for name in table.columns}
    label = "label" if "label" in columns or "labels" not in columns else "labels"
    return _reading(path, path if path.is_dir() else path.parent, tables, Columns("file_name", label))


def _metadata(path: Path) -> list[tuple[Path, Side]]:
    sides: list[tuple[Path, Side]] = [(path, "")]
    sides += [(path / name, side) for name in subfolders(path) if (side := side_of(name))]
    return [(folder / name, side) for folder, side in sides for name in _METADATA if (folder / name).is_file()]


def _side_above(path: Path) -> Side:
    return side_of(path.absolute().parent.name) or ""


def _reading(source: Path, root: Path, tables: list[tuple[Table, Side]], columns: Columns) -> Reading:
    found: list[Entry | Problem] = []
    for table, side in tables:
        _check_columns(table, columns)
        _check_splits(table)
        found.extend(table.problems)
        found.extend(_entries(table, side, columns))
    return Reading(
        source,
        root,
        tuple(one for one in found if isinstance(one, Entry)),
        each="any",
        listed=True,
        columns=tuple(dict.fromkeys(name for table, _ in tables for name in table.columns)),
        problems=tuple(one for one in found if isinstance(one, Problem)),
    )


def _check_columns(table: Table, columns: Columns) -> None:
    came = f"Received: {', '.join(map(repr, table.columns)) or 'none'}."
    expected = f"{columns.path},{columns.label}[,start,end][,group][,split]"
    if missing := [name for name in (columns.path, columns.label) if name not in table.columns]:
        raise InputError(f"{table.path} has no column {' and no column '.join(missing)}. Expected the columns {expected}. {came}")
    for name, words in _DOUBTFUL.items():
        doubtful = [word for word in words.split() if word in table.columns]
        if doubtful and name not in table.columns:
            raise InputError(f"{table.path} has a column {doubtful[0]!r}, which may mean {name!r}. Rename it to that, or otherwise. {came}")


def _check_splits(table: Table) -> None:
    """A misspelled split is refused outright: left out, it would take all its lines with it."""
    for row in table.rows:
        word = _text(row.cells.get("split"))
        if word.strip() and side_of(word) is None:
            raise InputError(f"{table.path.parent / row.where}: the split is {word!r}. Expected one of {SIDE_WORDS}, or nothing.")


def _entries(table: Table, side: Side, columns: Columns) -> Iterator[Entry | Problem]:
    for row in table.rows:
        try:
            yield _entry(row, table.path.parent, side, columns)
        except InputError as error:  # of this row; the others go on
            yield Problem(row.where, str(error))


def _entry(row: Row, folder: Path, side: Side, columns: Columns) -> Entry:
    name = _text(row.cells.get(columns.path))
    if not name.strip():
        raise InputError("the path is empty")
    start, end = _times(row.cells)
    return Entry(
        Path(os.path.normpath(folder / name)),
        _labels(row.cells.get(columns.label)),
        start,
        end,
        group=_text(row.cells.get("group")).strip(),
        side=side_of(_text(row.cells.get("split"))) or side or _side_within(name, columns),
        where=row.where,
        cells={column: _text(cell).strip() for column, cell in row.cells.items()},
    )


def _side_within(name: str, columns: Columns) -> Side:
    """Return the side that a path begins with, as Hugging Face reads it."""
    return (side_of(name.partition("/")[0]) or "") if columns != Columns() else ""


def _times(cells: Mapping[str, object]) -> tuple[float, float | None]:
    start, end = (_seconds(cells.get(name), name) for name in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise InputError(f"the end, {end:g}, is not after the start, {start or 0.0:g}")
    return start or 0.0, end


def _seconds(cell: object, name: str) -> float | None:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    try:
        seconds = float(str(cell))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise InputError(f"the {name} is {cell!r}; expected seconds from 0 on, such as 12.5")
    return seconds


def _labels(cell: object) -> tuple[str, ...]:
    """Return the labels of a cell: a JSON list, texts parted by |, or one text; blanks around the only one are kept as they are."""
    listed = _listed(cell)
    if listed is None:
        text = _text(cell)
        listed = [part.strip() for part in text.split("|")] if "|" in text else [text]
    if not all(isinstance(label, str | int | float) and _text(label).strip() for label in listed):
        raise InputError(f"the label is {cell!r}; expected a text, or a list of texts")
    return tuple(dict.fromkeys(map(_text, listed)))


def _listed(cell: object) -> list[object] | None:
    if isinstance(cell, str) and cell.strip().startswith("["):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None  # a label that begins with a bracket
    return list(cell) if isinstance(cell, list | tuple) else None


def _text(cell: object) -> str:
    """Return a cell as text; whole numbers without a point, since tables of numbers know no others."""
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)

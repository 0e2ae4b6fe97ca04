"""Lists with columns: CSV, JSONL and Parquet, as rows."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from framevote.datasets.items import Problem
from framevote.errors import InputError, missing_extra

TEXT_SUFFIXES = frozenset({".csv", ".tsv"})
LINE_SUFFIXES = frozenset({".jsonl", ".ndjson"})
PARQUET_SUFFIXES = frozenset({".parquet", ".pq"})
SUFFIXES = TEXT_SUFFIXES | LINE_SUFFIXES | PARQUET_SUFFIXES

# What is looked at to say what a file is.
_HEAD = 65536


@dataclass(frozen=True)
class Row:
    """A line of a list: where it stands, and its cells by column."""

    where: str
    cells: Mapping[str, object]


@dataclass(frozen=True)
class Table:
    """A list that was read: names of the columns (in small letters, without blanks around), rows, and lines that are none."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...] = ()


def read_table(path: Path) -> Table:
    """Return the rows of a CSV, JSONL or Parquet file.

    Raises:
        InputError: the file cannot be read as what its suffix says, has no rows, or two columns of one name.
        MissingExtra: it is Parquet, and pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    read = _read_parquet if suffix in PARQUET_SUFFIXES else _read_jsonl if suffix in LINE_SUFFIXES else _read_csv
    table = read(path)
    twice = [name for name, count in Counter(table.columns).items() if count > 1]
    if twice:
        raise InputError(f"{path} has several columns named {twice[0]!r}. Expected each name once. Received: {', '.join(table.columns)}.")
    if not table.rows:
        why = f"; {len(table.problems)} lines are none, the first: {table.problems[0]}" if table.problems else ""
        raise InputError(f"{path} has no rows{why}. Expected a line for each photo, video or piece, below the names of the columns.")
    return table


def columns_of(path: Path) -> tuple[str, ...]:
    """Return the names of a text list's columns by its first line; none where it is no such list."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).decode("utf-8-sig", errors="replace")
    except OSError:
        return ()
    first = next((line for line in head.splitlines() if line.strip()), "")
    try:
        if path.suffix.lower() in LINE_SUFFIXES:
            cells = json.loads(first)
            return tuple(map(_plain, cells)) if isinstance(cells, dict) else ()
        return tuple(map(_plain, next(csv.reader([first], delimiter=_delimiter(first)), [])))
    except (csv.Error, ValueError, RecursionError):
        return ()


def _read_csv(path: Path) -> Table:
    text = text_of(path)
    header = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(header), strict=True)
    columns: tuple[str, ...] = ()
    rows: list[Row] = []
    problems: list[Problem] = []
    try:
        for cells in reader:
            where = f"{path.name}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = tuple(map(_plain, cells))
            elif len(cells) != len(columns):
                problems.append(
                    Problem(where, f"{len(cells)} cells, where the first line has {len(columns)}; put cells with commas in quotes")
                )
            else:
                rows.append(Row(where, dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}, is no CSV: {error}. Expected quotes that close, doubled within a cell."
        ) from None
    return Table(path, columns, tuple(rows), tuple(problems))


def _delimiter(header: str) -> str:
    """Return what parts the cells of the first line most often.

    csv.Sniffer guesses from whole rows, where labels with commas, quotes and blanks mislead it; names of columns hold none.
    """
    return max(",;\t", key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))


def _read_jsonl(path: Path) -> Table:
    rows: list[Row] = []
    problems: list[Problem] = []
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        where = f"{path.name}, line {number}"
        if not line.strip():
            continue
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(Problem(where, f"this is no JSON: {error}"))
            continue
        if isinstance(cells, dict):
            rows.append(Row(where, {_plain(name): cell for name, cell in cells.items()}))
        else:
            problems.append(Problem(where, 'expected an object, such as {"path": "a.mp4", "label": "tennis"}'))
    columns = tuple(dict.fromkeys(name for row in rows for name in row.cells))
    return Table(path, columns, tuple(rows), tuple(problems))


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import ArrowException  # noqa: PLC0415 - heavy
        from pyarrow.parquet import read_table as read  # noqa: PLC0415 - heavy
    except ImportError:
        raise missing_extra("pyarrow", "parquet", f"Reading {path.name}") from None
    try:
        table = read(path)
    except (ArrowException, OSError) as error:
        raise InputError(
            f"{path} cannot be read as Parquet: {error}. Expected a whole file, written by pyarrow, pandas or another."
        ) from None
    columns = tuple(map(_plain, table.column_names))
    cells = zip(*(column.to_pylist() for column in table.columns), strict=True)
    rows = (Row(f"{path.name}, row {number}", dict(zip(columns, row, strict=True))) for number, row in enumerate(cells, start=1))
    return Table(path, columns, tuple(rows))


def text_of(path: Path) -> str:
    """Return a text file's contents, without a byte order mark.

    Raises:
        InputError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}. Expected a text file.") from None


def json_of(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        InputError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(text_of(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}. Expected a whole file; download or export it again.") from None


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield where each line of a text list stands, and the line; blank ones are passed over."""
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        if line.strip():
            yield f"{path.name}, line {number}", line.strip()


def _plain(name: object) -> str:
    return str(name).strip().casefold()

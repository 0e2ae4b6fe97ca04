"""The study as a page with a heat map, and as a table of plain numbers. Jinja is imported with this module."""

import csv
import io
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from framevote.comparison.record import PAGE, TABLE
from framevote.comparison.results import Comparison, Row, told_figure
from framevote.files import whole_file

COLUMNS = (
    "encoder",
    "pooling",
    "normalisation",
    "accuracy",
    "low",
    "high",
    "behind",
    "behind_low",
    "behind_high",
    "numbers",
    "codebook_seconds",
    "encode_ms",
    "fit_seconds",
)

_DARKEST, _LIGHTEST = (24, 76, 126), (238, 243, 248)  # of the house's blue
_WHITE_FROM = 0.7  # of the way to the darkest: from there on, letters are white


def write_study(found: Comparison, folder: Path) -> tuple[Path, Path]:
    """Write the page and the table into the study's folder, in place of former ones, and return where they are.

    Raises:
        OutputError: they cannot be written.
    """
    for name, text in ((PAGE, page_of(found)), (TABLE, table_of(found))):
        with whole_file(folder / name, overwrite=True) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="")
    return folder / PAGE, folder / TABLE


def table_of(found: Comparison) -> str:
    """Return the rows as CSV, the best first; shares from 0 to 1, times in seconds or milliseconds."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for row in found.rows:
        figures = (row.accuracy.value, row.accuracy.low, row.accuracy.high, row.behind.value, row.behind.low, row.behind.high)
        told = [f"{value:.4f}" for value in figures]
        costs = (row.length, f"{row.learning:.2f}", f"{1000 * row.encoding:.3f}", f"{row.fitting:.3f}")
        rows.writerow([row.family, row.encoder.pooling, row.encoder.normalisation, *told, *costs])
    return text.getvalue()


def page_of(found: Comparison) -> str:
    """Return the study as one HTML page that needs nothing else: no network, no script."""
    environment = Environment(loader=PackageLoader("framevote.comparison", "."), autoescape=True)
    return environment.get_template("study.html.jinja").render(
        sentence=found.sentence,
        features=found.features,
        held=f"{found.items} held-out items of {found.classes} classes in {found.groups} groups, {found.folds} "
        f"fold{'' if found.folds == 1 else 's'}",
        columns=_normalisations(found),
        lines=_lines(found),
        rows=[_cells(row) for row in found.rows],
    )


def _normalisations(found: Comparison) -> list[str]:
    return sorted({row.encoder.normalisation for row in found.rows})


def _lines(found: Comparison) -> list[dict[str, Any]]:
    """Return the lines of the heat map: an encoder and a pooling each, best first."""
    low, high = (edge(row.accuracy.value for row in found.rows) for edge in (min, max))
    lines: dict[tuple[str, str], dict[str, Row]] = {}
    for row in found.rows:
        lines.setdefault((row.family, row.encoder.pooling), {})[row.encoder.normalisation] = row
    return [
        {"name": family, "pooling": pooling, "cells": [_cell(own.get(name), found, low, high) for name in _normalisations(found)]}
        for (family, pooling), own in lines.items()
    ]


def _cell(row: Row | None, found: Comparison, low: float, high: float) -> dict[str, Any]:
    if row is None:
        return {"text": "", "style": "", "title": ""}
    share = (row.accuracy.value - low) / max(high - low, 1e-9)
    colour = tuple(round(light + share * (dark - light)) for light, dark in zip(_LIGHTEST, _DARKEST, strict=True))
    mark = " ★" if row is found.best else " ·" if row.is_level else ""
    return {
        "text": f"{100 * row.accuracy.value:.1f}{mark}",
        "style": f"background: rgb{colour}; color: {'#fff' if share > _WHITE_FROM else '#1c1c1d'}",
        "title": f"{row.encoder}: {told_figure(row.accuracy)}",
    }


def _cells(row: Row) -> tuple[str, ...]:
    behind = "best" if row.behind.value == 0 and row.is_level else f"{100 * row.behind.value:.1f}"
    costs = (f"{row.learning:.1f}", f"{1000 * row.encoding:.2g}", f"{row.fitting:.1f}")
    return (repr(row.encoder), told_figure(row.accuracy), f"{behind}{' ·' if row.is_level else ''}", f"{row.length}", *costs)

"""The diagnosis as a picture: a bar for each way of looking, with its interval. matplotlib is imported with this module."""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from framevote.doctor.results import Diagnosis, Look
from framevote.errors import UsageError
from framevote.evaluation.plots import BLUE, INK, RED, house_style
from framevote.files import check_free, check_open, whole_file

SUFFIXES = (".png", ".svg", ".pdf")

_LIGHT, _PALE = "#9cc4e4", "#dde6ee"  # of the house's blue
_WIDTH, _BAR, _MARGIN = 7.2, 0.36, 1.75  # inches
_SIGNS = 96  # of a line of the sentence
_DOTS = 150  # an inch


def check_picture(path: Path, overwrite: bool = False) -> None:
    """Refuse a file that no picture can be written to, before any work is done for it.

    Raises:
        UsageError: a suffix that is no picture's.
        OutputError: the file exists, or cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"A picture's name ends with {', '.join(SUFFIXES)}. Received: {str(path)!r}; expected {path.name}.png, say.")
    check_free(path, overwrite)
    check_open(path)


def write_picture(found: Diagnosis, path: Path, overwrite: bool = False) -> Path:
    """Draw a diagnosis; one without figures is its sentence alone.

    Raises:
        OutputError: the file exists, or cannot be written.
    """
    check_picture(path, overwrite)
    with house_style(), whole_file(path, overwrite) as temporary:
        _figure(found).savefig(temporary, dpi=_DOTS, facecolor="white")
    return path


def _figure(found: Diagnosis) -> Figure:
    lines = textwrap.wrap(found.sentence, _SIGNS)
    head, foot = 0.19 * len(lines) + 0.3, 0.55 if found.looks else 0.0
    height = head + foot + _BAR * len(found.looks)
    figure = Figure((_WIDTH, height))
    figure.text(0.15 / _WIDTH, 1 - 0.15 / height, "\n".join(lines), va="top", linespacing=1.35, fontsize=9)
    if found.looks:
        box = (_MARGIN / _WIDTH, foot / height, (_WIDTH - _MARGIN - 1.0) / _WIDTH, (height - head - foot) / height)
        axes = figure.add_axes(box)
        places = np.arange(len(found.looks))
        values = [look.accuracy.value for look in found.looks]
        axes.barh(places, values, 0.66, color=[_colour(look, found) for look in found.looks])
        for place, look in zip(places, found.looks, strict=True):
            low, high = look.accuracy.low, look.accuracy.high
            axes.plot([low, high], [place, place], color=INK, linewidth=1.4, solid_capstyle="butt")
            axes.plot([low, high], [place, place], "|", color=INK, markersize=6)
            axes.annotate(str(look), (1, place), (8, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center")
        axes.axvline(found.chance, color=RED, linestyle="--", linewidth=1.2)
        axes.set_yticks(places, [look.title for look in found.looks])
        axes.invert_yaxis()
        axes.set(xlim=(0, 1), xlabel=f"share of {found.items} held-out clips named rightly; dashed: the most frequent label")
        axes.tick_params(axis="y", length=0)
    return figure


def _colour(look: Look, found: Diagnosis) -> str:
    """Return full blue for the head to take, a lighter one for the others, and a paler one for what heads are shown besides."""
    if look.cost and look.head == found.head:
        return BLUE
    return _LIGHT if look.cost else _PALE

"""The plots of the report, as SVG that follows the page's light or dark; matplotlib is imported with this module."""

import base64
import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from framevote.colours import label_colours
from framevote.evaluation.classification import Answers, ClassFigures, Classification, Reliability, precision_recall
from framevote.evaluation.wording import number, percent, shortened, shown

INK, FAINT = "#1c1c1d", "#c9c9ca"  # of text and of lines; the page's dark style exchanges them
BLUE, RED = "#2f78b7", "#b3402a"
_DARK = {INK: "#ececed", FAINT: "#4a4a4c", BLUE: "#6db3ee", RED: "#f08a70"}

# Where more classes than this are seen, those are shown that are most often mistaken.
MOST_CONFUSED, _MOST_CURVES, MOST_BARS = 30, 10, 40
_MOST_SIGNS = 24  # of a label
_BARS = 5.6  # inches

_STYLE: Any = {
    "svg.fonttype": "none",  # letters stay letters: the browser has fonts for every script
    "svg.hashsalt": "framevote",  # the same plot twice is the same text
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,  # a label may hold $
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


@dataclass(frozen=True)
class Plot:
    """A picture for the page: its data URI, what it shows in words, and how wide it likes to be, in pixels."""

    uri: str
    alt: str
    width: int


def confusion_plot(confusion: NDArray[np.int64], labels: Sequence[str]) -> Plot:
    """Draw what is taken for what: true classes down, answers across, each row coloured by its shares."""
    chosen = most_confused(confusion)
    counts = confusion[np.ix_(chosen, chosen)]
    shares = counts / np.maximum(confusion.sum(axis=1)[chosen], 1)[:, None]
    names = [_name(labels[column]) for column in chosen]
    side = len(names) * (0.27 if len(names) > 12 else 0.5)
    margin = 0.075 * max(map(len, names)) + 0.45
    width, height = max(side + margin + 0.1, 3.2), side + margin + 0.1

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((margin / width, 0.05 / height, side / width, side / height))
        axes.imshow(np.ma.masked_equal(shares, 0), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
        axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.grid(visible=True, which="minor")
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("answer")
        axes.set_ylabel("truth")
        axes.tick_params(which="both", length=0)
        for row, column in zip(*np.nonzero(counts), strict=True):
            ink = "#ffffff" if shares[row, column] > 0.55 else "#000000"
            axes.text(column, row, _short(int(counts[row, column])), ha="center", va="center", color=ink, fontsize=7)

    alt = f"Confusion matrix of {len(chosen)} classes: of {int(confusion.sum())} answers {int(np.trace(confusion))} are right."
    return _plot(draw, width, height, alt)


def most_confused(confusion: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the classes that are seen, in order; of more than 30, at most 30 that are most often taken for one another."""
    seen = np.flatnonzero(confusion.sum(axis=0) + confusion.sum(axis=1))
    if len(seen) <= MOST_CONFUSED:
        return seen
    wrong = confusion * ~np.eye(len(confusion), dtype=np.bool_)
    truths, answers = np.nonzero(wrong)
    order = np.argsort(-wrong[truths, answers], kind="stable")
    pairs = np.stack([truths[order], answers[order]], axis=1).ravel()
    chosen = list(dict.fromkeys(pairs.tolist()))[:MOST_CONFUSED]
    return np.sort(np.array(chosen, np.intp)) if chosen else seen[:MOST_CONFUSED]


def curves_plot(answers: Answers, classes: Sequence[ClassFigures]) -> Plot:
    """Draw precision over recall, of at most ten classes: those with the lowest average precision."""
    ranked = sorted((c for c in classes if c.support), key=lambda c: c.average_precision)[:_MOST_CURVES]
    colours = label_colours(answers.labels)
    strokes = ("-", "--", "-.", ":")

    def draw(figure: Figure) -> None:
        foot = 0.19 + 0.035 * ((len(ranked) + 1) // 2)
        axes = figure.add_axes((0.13, foot, 0.84, 0.98 - foot))
        for place, row in enumerate(ranked):
            recall, precision = precision_recall(answers, answers.labels.index(row.label))
            stroke = strokes[place % len(strokes)]
            axes.step(recall, precision, where="post", color=INK, linewidth=3.2, alpha=0.35)
            told = f"{_name(row.label)}  {number(row.average_precision)}"
            axes.step(recall, precision, where="post", color=_web(colours[row.label]), linewidth=2, linestyle=stroke, label=told)
        axes.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel="recall", ylabel="precision")
        axes.grid(visible=True)
        figure.legend(loc="lower center", ncols=2, title="average precision", title_fontsize=8, handlelength=3)

    worst = f"; lowest average precision: {ranked[0].label} {number(ranked[0].average_precision)}" if ranked else ""
    return _plot(draw, 5.0, 5.2, f"Precision over recall of {len(ranked)} classes{worst}.")


def reliability_plot(reliability: Reliability, ece: float) -> Plot:
    """Draw how often answers of each confidence are right, above how many there are."""
    bins = len(reliability.counts)
    middles = (np.arange(bins) + 0.5) / bins
    filled = reliability.counts > 0

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((0.13, 0.4, 0.84, 0.57))
        axes.bar(middles[filled], reliability.correct[filled], 0.9 / bins, color=BLUE, label="share that is right")
        axes.plot(reliability.confidence[filled], reliability.correct[filled], "o", color=INK, markersize=3)
        axes.plot([0, 1], [0, 1], "--", color=RED, linewidth=1.5, label="perfectly calibrated")
        axes.set(xlim=(0, 1), ylim=(0, 1.03), ylabel="share that is right")
        axes.tick_params(labelbottom=False)
        axes.grid(visible=True, axis="y")
        axes.set_axisbelow(True)
        axes.legend(loc="upper left")
        below = figure.add_axes((0.13, 0.12, 0.84, 0.22))
        below.bar(middles, reliability.counts, 0.9 / bins, color=BLUE)
        for middle, count in zip(middles[filled], reliability.counts[filled], strict=True):
            below.annotate(_short(int(count)), (middle, count), (0, 2), textcoords="offset points", ha="center", fontsize=6.5)
        below.set(xlim=(0, 1), ylim=(0, reliability.counts.max() * 1.25), xlabel="probability", ylabel="answers")
        below.tick_params(axis="y", labelleft=False, length=0)

    return _plot(draw, 5.0, 5.2, f"Reliability diagram in {bins} bins; calibration error {number(ece)}.")


def classes_plot(result: Classification, labels: Sequence[str]) -> Plot:
    """Draw each class's F1 as a bar in the class's colour, the worst first; of more than 40 classes, the worst 40."""
    rows = sorted((row for row in result.classes if row.support), key=lambda row: row.f1)[:MOST_BARS]
    colours = label_colours(labels)
    names = [_name(row.label) for row in rows]
    height, margin = 0.27 * len(rows) + 0.6, 0.075 * max(map(len, names)) + 0.15

    def draw(figure: Figure) -> None:
        axes = figure.add_axes((margin / _BARS, 0.45 / height, (_BARS - margin - 0.55) / _BARS, (height - 0.5) / height))
        places = np.arange(len(rows))
        values = [row.f1 for row in rows]
        axes.barh(places, values, 0.72, color=[_web(colours[row.label]) for row in rows], edgecolor=INK, linewidth=0.5)
        for place, row in zip(places, rows, strict=True):
            axes.annotate(percent(row.f1), (row.f1, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        axes.set(xlim=(0, 1), xlabel="F1")
        axes.tick_params(axis="y", length=0)
        axes.margins(y=0.01)

    alt = "F1 of each class, the worst first: " + ", ".join(f"{row.label} {percent(row.f1)}" for row in rows[:5])
    return _plot(draw, _BARS, height, alt + (" …" if len(rows) > 5 else "."))


def _plot(draw: Callable[[Figure], None], width: float, height: float, alt: str) -> Plot:
    """Return what `draw` draws on a figure of so many inches, whatever style the user's own matplotlibrc asks for."""
    written = io.StringIO()
    with house_style():
        figure = Figure((width, height))
        draw(figure)
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    encoded = base64.b64encode(_themed(written.getvalue()).encode("utf-8")).decode("ascii")
    return Plot(f"data:image/svg+xml;base64,{encoded}", shown(alt), round(width * 96))


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in one style, whatever the user's own matplotlibrc asks for."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # it only measures the text; the browser draws it
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def _themed(svg: str) -> str:
    """Let the drawing follow the dark style: ink becomes light where the reader's screen is dark, and stays on paper."""
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}' for light, dark in _DARK.items() for kind in ("fill", "stroke")
    )
    style = f"<style>@media screen and (prefers-color-scheme:dark){{{rules}}}</style>"
    return re.sub(r"(<svg[^>]*>)", lambda found: found[1] + style, svg, count=1)


def _name(label: str) -> str:
    return shortened(shown(label), _MOST_SIGNS)


def _short(count: int) -> str:
    return str(count) if count < 10_000 else f"{count / 1000:.0f}k"


def _web(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)

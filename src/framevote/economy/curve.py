"""The curve as a picture: agreement with every frame against seconds; matplotlib is imported on use."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framevote.economy.budgets import budget_text
from framevote.economy.placing import Words, placed
from framevote.economy.results import Economy, Trial
from framevote.economy.wording import share, times
from framevote.errors import UsageError, missing_extra
from framevote.files import check_free, check_open, whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".svg")

_WIDTH, _HEIGHT, _DOTS = 8.0, 5.6, 160  # inches, and dots an inch
_PLOT = (0.085, 0.235, 0.895, 0.685)  # left, bottom, width, height of the axes, as shares
_SMALL = 7.5  # points, of what stands beside a mark

# Okabe and Ito's colours, which colour-blind eyes tell apart, and a shape each for paper without colours.
_LOOKS = {
    "EveryFrame": ("#1c1c1d", "*"),
    "CoarseToFine": ("#d55e00", "o"),
    "Budget": ("#e69f00", "D"),
    "Keyframes": ("#0072b2", "s"),
    "Uniform": ("#56b4e9", "^"),
    "MotionUniform": ("#cc79a7", "v"),
    "ShotChanges": ("#6b5b95", "P"),
    "Every": ("#009e73", "X"),
}
_MEANT = {"CoarseToFine": "CoarseToFine, confidence"}
"""Strategies whose budgets are numbers without a unit, and what these are."""

_OTHERS = (("#8a6d3b", "<"), ("#7a7a7c", ">"), ("#3b8a86", "p"), ("#8a3b5b", "h"))


def check_curve(path: Path, overwrite: bool = False) -> None:
    """Refuse a file that no picture can be written to, before any work is done for it.

    Raises:
        UsageError: its suffix is none of SUFFIXES.
        MissingExtra: matplotlib is absent.
        OutputError: the file exists, or cannot be written there.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"The curve is a picture: expected a name that ends with {' or '.join(SUFFIXES)}. Received: {path.name}")
    if find_spec("matplotlib") is None:
        raise missing_extra("matplotlib", "evaluate", "Drawing the curve")
    check_free(path, overwrite)
    check_open(path)


def write_curve(found: Economy, path: str | Path, overwrite: bool = False) -> Path:
    """Draw every strategy by its seconds and its agreement, a line through the budgets of each, and write the picture whole or not at all.

    Raises:
        UsageError: its name ends with something else than .png or .svg.
        MissingExtra: matplotlib is absent.
        OutputError: the file exists, or cannot be written there.
    """
    path = Path(path)
    check_curve(path, overwrite)
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy

    from framevote.evaluation.plots import house_style  # noqa: PLC0415 - draws

    with house_style(), whole_file(path, overwrite) as part:
        figure = Figure((_WIDTH, _HEIGHT), dpi=_DOTS)
        _draw(figure.add_axes(_PLOT), found)
        figure.text(_PLOT[0], 0.955, _title(found), fontsize=10.5, va="center")
        form = path.suffix.lower()[1:]
        figure.savefig(part, format=form, dpi=_DOTS, facecolor="white", metadata={"Date": None} if form == "svg" else {})
    return path


def _title(found: Economy) -> str:
    from framevote.evaluation.wording import shortened, shown  # noqa: PLC0415 - a room of its own

    return f"{shortened(shown(Path(found.video).name), 40)} ({found.duration:.1f} s): agreement with every frame, and what it costs"


def _draw(axes: "Axes", found: Economy) -> None:
    from framevote.evaluation.plots import INK, RED  # noqa: PLC0415 - draws

    trials = (found.reference, *found.trials)
    _limits(axes, trials, found.least)
    axes.axhline(100 * found.least, color=RED, linestyle="--", linewidth=1, zorder=1, label=f"asked for: {100 * found.least:g} %")
    words: list[Words] = []
    for name, steps, (colour, shape) in _families(trials):
        seconds, shares = [trial.seconds for trial in steps], [100 * trial.agreement for trial in steps]
        size = 13.0 if shape == "*" else 7.0
        axes.plot(
            seconds,
            shares,
            color=colour,
            marker=shape,
            markersize=size,
            linewidth=1.4,
            markeredgecolor="white",
            label=_MEANT.get(name, name),
            zorder=3,
        )
        words.extend(Words(trial.seconds, 100 * trial.agreement, budget_text(trial.strategy), colour) for trial in steps)
    best = found.recommended
    told = f"to take: {best.strategy!r} ({share(best.agreement)}, {times(best)} × as fast)"
    looks: dict[str, Any] = {"s": 120, "facecolors": "none", "edgecolors": INK, "linewidths": 1.3, "zorder": 4}
    axes.scatter([best.seconds], [100 * best.agreement], label=told, **looks)
    _write(axes, words)
    _finish(axes)


def _families(trials: Sequence[Trial]) -> Iterator[tuple[str, list[Trial], tuple[str, str]]]:
    """Yield the name of each kind of strategy, its trials from the quickest to the slowest, and its colour and shape."""
    kinds: dict[str, list[Trial]] = {}
    for trial in trials:
        kinds.setdefault(type(trial.strategy).__name__, []).append(trial)
    others = cycle(_OTHERS)
    for name, own in kinds.items():
        yield name, sorted(own, key=lambda trial: trial.seconds), _LOOKS.get(name) or next(others)


def _limits(axes: "Axes", trials: Sequence[Trial], least: float) -> None:
    """Set the axes' ends: seconds by tens, and of the agreement no more than there is to see."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: PLC0415 - heavy

    seconds = [max(trial.seconds, 1e-4) for trial in trials]
    low = min(*(trial.agreement for trial in trials), least)
    room = max(1 - low, 0.02)
    axes.set_xscale("log")
    axes.set(xlim=(min(seconds) / 1.5, max(seconds) * 1.5), ylim=(100 * (low - 0.1 * room), 100 * (1 + 0.08 * room)))
    axes.set(xlabel="seconds that it took (a logarithmic axis)", ylabel="time axis labelled as by every frame, per cent")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True)
    axes.set_axisbelow(True)


def _write(axes: "Axes", words: Sequence[Words]) -> None:
    """Write the budgets beside their marks, where they cover no mark and one another not."""
    from matplotlib.colors import to_rgb  # noqa: PLC0415 - heavy

    point = _DOTS / 72
    pixels = [tuple(axes.transData.transform((word.x, word.y))) for word in words]
    box = axes.get_window_extent()
    found = placed(
        [(x / point, y / point) for x, y in pixels],
        [word.text for word in words],
        _SMALL,
        (box.x0 / point, box.y0 / point, box.x1 / point, box.y1 / point),
    )
    for word, place in zip(words, found, strict=True):
        if place and word.text:
            dark = [0.7 * part for part in to_rgb(word.colour)]
            looks: dict[str, Any] = {"ha": "left", "va": "bottom", "fontsize": _SMALL, "color": dark, "zorder": 5}
            behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.4}  # a halo would turn letters into outlines
            axes.annotate(word.text, (word.x, word.y), place, textcoords="offset points", bbox=behind, **looks)


def _finish(axes: "Axes") -> None:
    """Put the legend below: the strategies in columns, and in a line of its own the one to take."""
    handles, labels = axes.get_legend_handles_labels()
    last = len(labels) - 1
    looks: dict[str, Any] = {"loc": "upper left", "handletextpad": 0.5, "columnspacing": 1.6, "borderaxespad": 0}
    first = axes.legend(handles[:last], labels[:last], ncols=5, bbox_to_anchor=(0, -0.14), **looks)
    axes.add_artist(first)
    axes.legend(handles[last:], labels[last:], bbox_to_anchor=(0, -0.275), **looks)

"""The trade-off curve as a picture: how right a vote is against how late its labels are seen; matplotlib is imported on use."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framevote.errors import UsageError
from framevote.files import whole_file
from framevote.tuning.results import Tried, Tuned
from framevote.tuning.wording import seconds, vote_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".svg")

# Okabe and Ito's colours, which colour-blind eyes tell apart, and a shape each for paper without colours.
_LOOKS = {
    "Viterbi": ("most likely path", "#0072b2", "o"),
    "RollingMean": ("rolling mean", "#d55e00", "s"),
    "RollingMedian": ("rolling median", "#009e73", "^"),
    "Exponential": ("exponential mean", "#cc79a7", "D"),
}


def check_curve(path: Path) -> None:
    """Refuse a name that no picture is written to.

    Raises:
        UsageError: its suffix is none of SUFFIXES.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"The curve is a picture: expected a name that ends with {' or '.join(SUFFIXES)}. Received: {path.name}")


def write_curve(tuned: Tuned, path: str | Path, overwrite: bool = False) -> Path:
    """Draw every vote that was tried by its delay and its F1@50, and write the picture, whole or not at all.

    Raises:
        UsageError: its name ends with something else than .png or .svg.
        OutputError: the file exists, or cannot be written there.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy

    from framevote.evaluation.plots import house_style  # noqa: PLC0415 - draws

    path = Path(path)
    check_curve(path)
    with house_style(), whole_file(path, overwrite) as part:
        figure = Figure((7.6, 5.0))
        _draw(figure.add_axes((0.09, 0.28, 0.885, 0.64)), tuned)
        figure.text(0.09, 0.955, _title(tuned), fontsize=10.5, va="center")
        form = path.suffix.lower()[1:]
        figure.savefig(part, format=form, dpi=160, facecolor="white", metadata={"Date": None} if form == "svg" else {})
    return path


def _title(tuned: Tuned) -> str:
    films = "one video" if tuned.videos == 1 else f"{tuned.videos} videos"
    return f"{len(tuned.tried)} votes on {films}: F1@50 against delay"


def _draw(axes: "Axes", tuned: Tuned) -> None:
    from framevote.evaluation.plots import FAINT, INK, RED  # noqa: PLC0415 - draws

    shown = [each for each in tuned.tried if math.isfinite(each.delay)]
    for name, (told, colour, shape) in _LOOKS.items():
        own = [each for each in shown if each.vote.smoother.startswith(f"{name}(")]
        if own:
            axes.scatter(*_places(own), s=11, c=colour, marker=shape, alpha=0.45, linewidths=0, label=told)
    right = _right(tuned, shown)
    front = [each for each in tuned.front if math.isfinite(each.delay)]
    delays, scores = _places(front)
    axes.step([*delays, right], [*scores, scores[-1]], where="post", color=INK, linewidth=1.2, label="best for its delay", zorder=3)
    if tuned.max_delay is not None and tuned.max_delay < right:
        axes.axvspan(tuned.max_delay, right, color=FAINT, alpha=0.25, linewidth=0, zorder=0)
        axes.axvline(tuned.max_delay, color=RED, linestyle="--", linewidth=1, label=f"longest delay allowed: {seconds(tuned.max_delay)}")
    _mark(axes, tuned.default, "default", "X", "#ffffff")
    if tuned.chosen.vote != tuned.default.vote:
        _mark(axes, tuned.chosen, "tuned", "*", "#f0e442")
    low = min(each.f1 for each in (*front, tuned.default))
    top = max(each.f1 for each in front)
    room = max(top - low, 0.05)
    axes.set(xlim=(0, right), ylim=(100 * max(low - 0.35 * room, 0), 100 * min(top + 0.12 * room, 1.02)))
    axes.set(xlabel="delay: seconds from the begin of a label until it is seen, median", ylabel="segment F1@50, per cent")
    _finish(axes)


def _places(tried: list[Tried]) -> tuple[list[float], list[float]]:
    return [each.delay for each in tried], [100 * each.f1 for each in tried]


def _right(tuned: Tuned, shown: list[Tried]) -> float:
    """Return where the axis ends: a little beyond the best vote and all that is marked; what is slower and worse is left out."""
    marked = (tuned.default, tuned.chosen, max(shown, key=lambda each: (each.f1, -each.delay)))
    last = max(*(each.delay for each in marked), tuned.max_delay or 0.0, 0.2)
    return min(1.25 * last, max(*(each.delay for each in shown), last) * 1.05)


def _mark(axes: "Axes", tried: Tried, name: str, shape: str, colour: str) -> None:
    """Mark a vote; its text stands in the legend, where it can cross nothing."""
    from framevote.evaluation.plots import INK  # noqa: PLC0415 - draws

    told = f"{name}: {vote_text(tried.vote)} ({100 * tried.f1:.1f} %, {seconds(tried.delay)})"
    size = 190 if shape == "*" else 90
    axes.scatter([tried.delay], [100 * tried.f1], s=size, marker=shape, c=colour, edgecolors=INK, linewidths=1.1, label=told, zorder=5)


def _finish(axes: "Axes") -> None:
    """Draw the grid, and put the legend below: short names first, the two votes with their texts in a column of their own."""
    handles, labels = axes.get_legend_handles_labels()
    votes = [place for place, label in enumerate(labels) if ":" in label]
    rest = [place for place in range(len(labels)) if place not in votes]
    axes.grid(visible=True)
    axes.set_axisbelow(True)
    looks: dict[str, Any] = {"loc": "upper left", "handletextpad": 0.4, "columnspacing": 1.4, "borderaxespad": 0}
    first = axes.legend([handles[p] for p in rest], [labels[p] for p in rest], ncols=len(rest), bbox_to_anchor=(0, -0.18), **looks)
    axes.add_artist(first)
    axes.legend([handles[p] for p in votes], [labels[p] for p in votes], ncols=1, bbox_to_anchor=(0, -0.25), labelspacing=0.6, **looks)

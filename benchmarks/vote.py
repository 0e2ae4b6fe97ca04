"""What the vote costs a frame, beside what the network costs."""

from collections.abc import Iterator

from benchmarks import media
from benchmarks.measuring import Spread, Worker
from benchmarks.table import Row, Setting
from framevote.parts import DEFAULT_SMOOTHER

_LABELS = 1000
_ROWS = 4096
_SMOOTHERS = (
    DEFAULT_SMOOTHER,
    "RollingMean(frames=128)",
    "RollingMean(seconds=4, centred=True)",
    "RollingMedian(seconds=4)",
    "Exponential(seconds=2)",
)


def vote(setting: Setting) -> Iterator[Row]:
    """Yield a row for each smoother."""
    with Worker() as network:
        path = media.video(360)
        network.time("network", path=path)
        frame = network.time("network", path=path).cost
    for smoother in _SMOOTHERS:
        with Worker() as worker:
            worker.time("vote", smoother=smoother, rows=256, labels=_LABELS)
            usages = [worker.time("vote", smoother=smoother, rows=_ROWS, labels=_LABELS) for _ in range(setting.rounds)]
        cost = Spread.of([usage.cost for usage in usages]).median
        measured = f"{cost / frame:.1%} of the network's processor time"
        beside = f"{cost * 1e6:.0f} µs a row of {_LABELS} labels; the network: {frame * 1e6:.0f} µs a frame"
        yield Row(f"the vote alone, `{smoother}`", "", measured, None, beside, {"µs": cost * 1e6, "share": cost / frame})

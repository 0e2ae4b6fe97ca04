r"""Signs and actions: what heads that see order reach on people whom they have never seen, beside the average of single frames.

    python recipes/order.py ../shared/data/signs --group-by 'user(\d+)' --leave 2
    python recipes/order.py ../shared/data/weizmann --group-by '_(\d+)\.' --leave 1

Every figure is over folds that each leave so many groups (people) out. The tables stand in recipes/README.md.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from framevote.calibration import pooled
from framevote.classifier import Classifier, backbone_file
from framevote.datasets import Dataset, read_dataset
from framevote.features import Rows, embed_items
from framevote.heads import Head
from framevote.parts import build
from framevote.runtime import open_runtime
from framevote.training.cross_fitting import Material
from framevote.training.job import backbone_for
from framevote.training.windows import joined, windows_of

HEADS = (
    "Average(strength=0.1)",
    "Moments(strength=10)",
    "MLP()",
    "SimpleRNN()",
    "LSTM()",
    "LSTM(two_way=True)",
    "GRU()",
    "TemporalConv()",
    "Transformer()",
    "R2Plus1D()",
)

Ids = NDArray[np.intp]


def main() -> None:
    """Measure, and print the table."""
    told = _arguments()
    data = read_dataset(told.data, group_by=told.group_by)
    folds = left_out([item.group for item in data.items], told.leave)
    title = f"{len(data)} clips of {len(data.labels)} classes; {len(folds)} folds, each without {told.leave} of the groups"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("head", "backbone", "accuracy ± sd over folds", "embedding s", "seconds a fit"):
        table.add_column(name, overflow="fold")
    for text in told.heads or HEADS:
        head: Head = build("head", text)
        backbone = told.backbone if text.split("(")[0] != "R2Plus1D" else None
        table.add_row(*measured(data, head, backbone, folds, told.frames, told.window))
    Console().print(table)


def left_out(groups: Sequence[str], count: int) -> list[tuple[Ids, Ids]]:
    """Return folds (train, held out), each of which holds the next `count` groups out."""
    names, own = np.unique(groups, return_inverse=True)
    parts = [range(at, min(at + count, len(names))) for at in range(0, len(names), count)]
    return [(np.flatnonzero(~np.isin(own, part)), np.flatnonzero(np.isin(own, part))) for part in parts]


def measured(
    data: Dataset, head: Head, backbone: str | None, folds: Sequence[tuple[Ids, Ids]], frames: int, window: float | None
) -> tuple[str, ...]:
    """Return a row of the table."""
    began = time.monotonic()
    rows = embedded(data, head, backbone, frames, window)
    took = time.monotonic() - began
    material = Material(rows, data.targets, several=False)
    fitting = time.monotonic()
    found = []
    for train, held in folds:
        fitted = material.fit(head, train, head.strengths[0])
        own = rows.of(held)
        items, places = np.unique(rows.owners[own], return_inverse=True)
        answers = pooled(fitted.probabilities(rows.values[own]), places)
        found.append(float((answers.argmax(axis=1) == data.targets[items].argmax(axis=1)).mean()))
    seconds = (time.monotonic() - fitting) / len(folds)
    return repr(head), repr(backbone_for(head, backbone)), f"{mean(found):.3f} ± {stdev(found):.3f}", f"{took:.0f}", f"{seconds:.1f}"


def embedded(data: Dataset, head: Head, backbone: str | None, frames: int, window: float | None) -> Rows:
    """Return the embeddings of the clips' frames, or of their windows for a head that sees order."""
    file = backbone_file(backbone_for(head, backbone))
    model = Classifier(file, open_runtime(file))
    if not head.temporal:
        seen = embed_items(data.items, model, frames)
    else:
        windows = windows_of(data, frames, window, causal=False)
        seen = joined(windows, embed_items(windows.pieces, model, windows.sampling.frames))
    if len(seen.kept) < len(data):
        raise SystemExit(f"{len(data) - len(seen.kept)} clips cannot be read: {seen.problems[0]}")
    return seen.rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="class folders of clips")
    parser.add_argument("--group-by", required=True, help="a regular expression on the path: the person, say")
    parser.add_argument("--leave", type=int, default=1, help="groups that each fold leaves out")
    parser.add_argument("--backbone", default="efficientnet_lite0", help="the network below")
    parser.add_argument("--frames", type=int, default=16, help="of a window")
    parser.add_argument("--window", type=float, help="seconds of a window; the clips' median length, 4 at most, where it is left out")
    parser.add_argument("--head", dest="heads", action="append", help="a head as text; may be told again; all where none is named")
    return parser.parse_args()


if __name__ == "__main__":
    main()

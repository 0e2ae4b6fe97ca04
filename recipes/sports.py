"""Six sports from photos: what `framevote train` reaches, how sure it is, and what it calls unknown.

    python recipes/sports.py ../shared/data/sports --others ../shared/data/scene15 --fine-tune 60

Everything is measured on items that the model in question has not seen: five folds, by group and without look-alikes across them.
The table below stands in recipes/README.md, with the time that each part took. Any folder of class folders can be given instead.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from framevote.backbones import find_backbone
from framevote.calibration import is_unknown, tempered
from framevote.classifier import Classifier, backbone_file
from framevote.datasets import Dataset, read_dataset
from framevote.features import Rows, embed_items
from framevote.heads import Average, Fitted
from framevote.model_file import Openness
from framevote.runtime import open_runtime
from framevote.splits import folds, merged_groups, near_duplicates
from framevote.training import DEFAULT_BACKBONE, FineTuning, train
from framevote.training.cross_fitting import Material, calibrated, cross_fit, figures, openness_of

SEEDS = range(5)

Ids = NDArray[np.intp]


def main() -> None:
    """Measure, and print the table."""
    told = _arguments()
    console, model = Console(), _model()
    data = read_dataset(told.data)
    seen = embed_items(data.items, model)
    data = data.take(seen.kept)
    material = Material(seen.rows, data.targets, data.several)
    groups = merged_groups([item.group for item in data.items], near_duplicates(seen.rows))
    table = Table(title=f"{len(data)} items of {len(data.labels)} classes", title_justify="left", box=None, pad_edge=False)
    for name in ("figure", "mean ± sd", "of"):
        table.add_column(name)
    for row in (*frozen(data, material, groups), *unknown(data, material, groups, model, told.others), *left_out(data, material, groups)):
        table.add_row(*row)
    if told.fine_tune:
        table.add_row(*tuned(data, groups, told.fine_tune, told.folds))
    table.add_row(*whole_command(told.data))
    console.print(table)


def frozen(data: Dataset, material: Material, groups: Ids) -> Iterator[tuple[str, str, str]]:
    """Yield accuracy and calibration of the head on frozen embeddings."""
    found = []
    for seed in SEEDS:
        own = replace(material, seed=seed)
        held = cross_fit(own, Average(), folds(data, groups, seed=seed), familiar=False)
        found.append(figures(held, calibrated(held, own), own))
    yield (
        "accuracy, frozen",
        spread([f["accuracy"] for f in found], 4),
        f"{len(SEEDS)} seeds of 5 folds; sd over folds {mean(f['accuracy_sd'] for f in found):.4f}",
    )
    yield "calibration error before", spread([f["ece_before"] for f in found], 4), "15 bins, all held-out items of a seed"
    yield "calibration error after", spread([f["ece"] for f in found], 4), "each fold at the temperature that the other folds choose"


def unknown(data: Dataset, material: Material, groups: Ids, model: Classifier, others: Path | None) -> Iterator[tuple[str, str, str]]:
    """Yield what is lost of known items, and caught of photos of other classes, by models that have seen neither."""
    if others is None:
        return
    strange = embed_items(read_dataset(others).items, model).rows
    said = [(opened(data, material, groups, train_side), held) for train_side, held in folds(data, groups)]
    lost = [share(*one, material.rows.values[material.rows.of(held)]) for one, held in said]
    caught = [share(*one, strange.values) for one, _ in said]
    yield "known items called unknown", spread(lost, 3), "5 folds"
    yield f"items of {others.name} called unknown", spread(caught, 3), f"{strange.items} items, 5 folds"


def left_out(data: Dataset, material: Material, groups: Ids) -> Iterator[tuple[str, str, str]]:
    """Yield what is caught of each class by a model of all the others: the hard kind of unknown."""
    caught = []
    for column in range(len(data.labels)):
        known = np.flatnonzero(~material.targets[:, column])
        rest = narrowed(data, known, column)
        own = Material(rows_of(material.rows, known), rest.targets, rest.several)
        one = opened(rest, own, groups[known], np.arange(len(known)))
        caught.append(share(*one, material.rows.values[material.rows.of(np.flatnonzero(material.targets[:, column]))]))
    names = ", ".join(f"{label} {value:.2f}" for label, value in zip(data.labels, caught, strict=True))
    yield "a class left out called unknown", spread(caught, 3), names


def opened(data: Dataset, material: Material, groups: Ids, items: Ids) -> tuple[Fitted, float, Openness]:
    """Return a head fitted to some items, its temperature, and when it says unknown."""
    inner = [(items[a], items[b]) for a, b in folds(data.take(items.tolist()), groups[items], seed=1)]
    held = cross_fit(material, Average(), inner)
    top = material.fit(Average(), items, held.strength).with_prototypes(material.prototypes(items))
    openness = openness_of(held, material, data.labels)
    if openness is None:
        raise SystemExit("Too few items to say unknown by. Expected at least a hundred.")
    return top, held.temperature, openness


def share(top: Fitted, temperature: float, openness: Openness, values: NDArray[np.float32]) -> float:
    """Return the share of embeddings that are called unknown."""
    said = tempered(top.probabilities(values), temperature)
    return float(is_unknown(openness, said, top.familiarity(values)).mean())


def tuned(data: Dataset, groups: Ids, layers: int, count: int) -> tuple[str, str, str]:
    """Return the accuracy with the last layers learned, each fold tested by a model that has not seen it."""
    after, before, began = [], [], time.monotonic()
    for number, (_, held) in enumerate(folds(data, groups)[:count]):
        tested = set(held.tolist())
        items = tuple(replace(item, side="test" if place in tested else "") for place, item in enumerate(data.items))
        with tempfile.TemporaryDirectory() as folder:
            done = train(replace(data, items=items), Path(folder) / "tuned.fvm", fine_tuning=FineTuning(layers), seed=number)
        after.append(done.card.metrics["accuracy"])
        before.append(done.card.metrics["frozen_accuracy"])
        print(f"fold {number}: {before[-1]:.4f} frozen, {after[-1]:.4f} fine-tuned, {done.seconds:.0f} s", file=sys.stderr)
    beside = f"{count} folds; the same heads frozen: {spread(before, 4)}; {(time.monotonic() - began) / count:.0f} s a fold"
    return f"accuracy, the last {layers} layers fine-tuned", spread(after, 4), beside


def whole_command(data: Path) -> tuple[str, str, str]:
    """Return how long `framevote train` takes as a user runs it, embeddings computed anew."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"FRAMEVOTE_CACHE": folder}
        command = [sys.executable, "-m", "framevote", "train", str(data), "-o"]
        first = timed([*command, f"{folder}/first.fvm"], environment)
        again = timed([*command, f"{folder}/again.fvm"], environment)
    return "seconds of `framevote train`", f"{first:.0f}", f"nothing remembered, the built-in model exported on the way; again: {again:.0f}"


def timed(command: Sequence[str], environment: dict[str, str]) -> float:
    """Return the seconds that a command takes."""
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, **environment})
    return time.monotonic() - began


def narrowed(data: Dataset, items: Ids, column: int) -> Dataset:
    """Return some items without one of the labels."""
    kept = data.take(items.tolist())
    return replace(kept, labels=tuple(label for place, label in enumerate(data.labels) if place != column))


def rows_of(rows: Rows, items: Ids) -> Rows:
    """Return the rows of some items, which are numbered anew."""
    own = rows.of(items)
    return Rows(rows.values[own], np.searchsorted(items, rows.owners[own]), len(items))


def spread(values: Sequence[float], digits: int) -> str:
    """Return mean ± standard deviation."""
    return f"{mean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


def _model() -> Classifier:
    file = backbone_file(find_backbone(DEFAULT_BACKBONE))
    return Classifier(file, open_runtime(file))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="class folders of photos")
    parser.add_argument("--others", type=Path, help="photos of other classes, in class folders")
    parser.add_argument("--fine-tune", type=int, default=0, metavar="N", help="also let the last N layers learn: minutes a fold")
    parser.add_argument("--folds", type=int, default=5, choices=range(1, 6), help="how many folds to fine-tune")
    return parser.parse_args()


if __name__ == "__main__":
    main()

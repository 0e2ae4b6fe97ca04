"""The job: a data set in, a table of encodings with their accuracy and their cost out."""

import hashlib
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.backbones import Backbone
from framevote.classifier import backbone_file
from framevote.comparison.grid import NORMALISATIONS, Family, families
from framevote.comparison.record import Done, Record
from framevote.comparison.results import Comparison, summed_up
from framevote.datasets import FRAMES, Dataset, Item, Problem, read_dataset
from framevote.descriptors import Grid, LocalFeatures
from framevote.encoders import Encoder, Encoding, Projection, normalised
from framevote.errors import InputError, PartError, UsageError
from framevote.features import Described, Looking, Rows, check_vectors, describe_items, each_of, learn_encoding
from framevote.heads import Head, LinearSVM
from framevote.model_file import ModelFile
from framevote.parts import build, spelled
from framevote.records import FloatArray
from framevote.runtime import Precision
from framevote.splits import FOLDS, Fold, copies, folds, merged_groups
from framevote.training import Watch
from framevote.training.coding import Coding, Pieces, check_network, coding_of, looked_at
from framevote.training.job import backbone_for, check_dataset, check_numbers, check_packages
from framevote.training.plan import check_learned, leak_of

DEFAULT_HEAD = LinearSVM(strength=1.0)
"""What every encoding is judged with: one strength for all, on vectors of mean length 1."""


@dataclass(frozen=True, eq=False)
class _Study:
    """What is compared, on what.

    Attributes:
        dataset: the items that could be described.
        pieces: what is encoded of them.
        owners: (P,), the item among those of the data set that each described piece is of.
        described: their descriptors.
        folds: pairs (train, held out) of item numbers.
        grid: the encoders and their settings.
        projection: of all; None is each encoder's own.
        head: what judges.
        seed: of everything that is drawn.
        record: what is done.
        watch: who is told.
    """

    dataset: Dataset
    pieces: Pieces
    owners: NDArray[np.intp]
    described: Described
    folds: Sequence[Fold]
    grid: tuple[Family, ...]
    projection: Projection | None
    head: Head
    seed: int
    record: Record
    watch: Watch

    @cached_property
    def kept(self) -> str:
        """Which items could be described, as a digest: a result of others is none of this study's."""
        told = "\n".join(f"{item.path} {item.start} {item.end}" for item in self.dataset.items)
        return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def compare(
    data: str | Path | Dataset,
    output: str | Path,
    *,
    features: str | LocalFeatures | None = None,
    projection: str | Projection | None = None,
    encoders: Sequence[str | Encoder] = (),
    normalisations: Sequence[str] = NORMALISATIONS,
    pyramid: str | None = None,
    head: str | Head = DEFAULT_HEAD,
    backbone: str | Backbone | None = None,
    layout: str = "auto",
    group_by: str | None = None,
    frames: int = FRAMES,
    window: float | None = None,
    seed: int = 0,
    precision: Precision = "auto",
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Comparison:
    """Compare encodings: every encoder with every pooling and normalisation, judged on items that nothing was learned from.

    Features are described once; of each fold, each encoder's codebook is learned from the train side alone, and all its settings share
    it and its codes. Where the data name a test side that is the only fold, else there are five, by group. Every result is written down
    at once, and the same call goes on where it was stopped.

    Args:
        data: a folder or a list of items in one of the layouts of `framevote.datasets`, or a data set.
        output: the folder of the study; `framevote.comparison.page.write_study` writes its table and page there.
        features: the local features, as a part or its text; None is the backbone's grid.
        projection: what they go through first; None is what each encoder is made for.
        encoders: parts or their texts; none are all that are known.
        normalisations: that are tried with each.
        pyramid: the cells that all encoders pool apart; None leaves each its own.
        head: what judges the vectors: LinearSVM() or Average(), its strength settled.
        backbone: of the grid.
        layout: what the data are to be read as.
        group_by: a regular expression or a column: items that share its match stay on one side of every split.
        frames: how many frames of a video, or of a window, are looked at.
        window: seconds of a window, where the items are clips; None takes their median length, 4 at most.
        seed: of everything that is drawn.
        precision: what the backbone computes in.
        overwrite: whether a study in the folder is begun anew.
        watch: who is told.

    Raises:
        UsageError: the call is wrong, or the folder holds another study.
        InputError: the data cannot be compared on.
        OutputError: the folder cannot be written to.
        MissingExtra: an optional package is absent.
    """
    watch = watch or Watch()
    check_numbers(frames, seed)
    grid, judge = families(encoders, normalisations, pyramid), _judge(head)
    coding = coding_of(features, projection, grid[0].encoder)
    assert coding is not None
    check_network(coding, backbone, precision)
    check_packages(coding.networked, "Comparing", {"jinja2": "jinja2"})
    if not isinstance(data, Dataset):
        _check_apart(Path(data), Path(output))
    dataset = data if isinstance(data, Dataset) else read_dataset(data, layout, group_by)
    check_dataset(dataset, frames)
    if dataset.several:
        raise InputError("Encodings are compared on items that have one label each. Received: items with several, or with none.")
    looking, pieces = looked_at(dataset, coding, _below(coding, backbone, watch), frames, window, precision, watch.notify)
    record = Record(
        Path(output), _asked(dataset, looking, pieces, "" if projection is None else spelled(coding.projection), judge, seed), overwrite
    )
    with closing(describe_items(pieces.items, looking, watch.embedded)) as described:
        kept, owners = _kept(dataset, pieces, described)
        shared = None if projection is None else coding.projection
        study = _Study(kept, pieces, owners, described, _folds(kept, seed), grid, shared, judge, seed, record, watch)
        for number, fold in enumerate(study.folds):
            for family in grid:
                _compare_family(study, family, number, fold)
    return summed_up(study.dataset, study.folds, grid, record, repr(coding.features))


def _check_apart(data: Path, output: Path) -> None:
    """Refuse a study within the data: the next run would read it as a class."""
    if data.is_dir() and output.resolve().is_relative_to(data.resolve()):
        raise UsageError(f"The study {output} would lie within the data {data}. Choose a folder beside it.")


def _judge(head: str | Head) -> Head:
    part = build("head", head)
    if not isinstance(part, Head) or part.temporal or len(part.strengths) > 1:
        raise PartError(
            f"Encodings are judged by LinearSVM or Average of settled strength. Received: {head!r}; give LinearSVM(strength=1.0), say."
        )
    return part


def _below(coding: Coding, backbone: str | Backbone | None, watch: Watch) -> ModelFile | None:
    """Return the backbone whose grid is taken; None where features come from none."""
    if not isinstance(coding.features, Grid):
        return None
    return backbone_file(backbone_for(DEFAULT_HEAD, backbone).by_region(coding.features.cells), watch.notify)


def _asked(dataset: Dataset, looking: Looking, pieces: Pieces, projection: str, head: Head, seed: int) -> dict[str, Any]:
    """Return all that decides a setting's result but the setting itself."""
    told = "\n".join(_named(item) for item in dataset.items)
    return {
        "data": f"{len(dataset.items)} items, {hashlib.sha256(told.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}",
        "features": looking.name,
        "projection": projection or "each encoder's own",
        "head": repr(head),
        "window": repr(pieces.sampling),
        "frames": looking.frames,
        "seed": seed,
    }


def _named(item: Item) -> str:
    """Return an item as a text, however its path was typed, with its file's size and time, by which a change of it is noticed."""
    path = item.path.resolve()
    group = "" if item.group == str(item.path) else item.group
    try:
        state = f"{path.stat().st_size} {path.stat().st_mtime_ns}"
    except OSError:
        state = ""
    return f"{path} {item.labels} {item.start} {item.end} {group} {item.side} {state}"


def _kept(dataset: Dataset, pieces: Pieces, described: Described) -> tuple[Dataset, NDArray[np.intp]]:
    """Return the items of which something could be described, and the number among these of each described piece's item."""
    kept, owners = np.unique(pieces.owners[list(described.kept)], return_inverse=True)
    left = _grouped(dataset.take(kept.tolist(), tuple(dict.fromkeys(described.problems))))
    counts = left.targets.sum(axis=0)
    if few := [label for label, count in zip(left.labels, counts.tolist(), strict=True) if count < 2]:
        first = f" The first problem: {described.problems[0]}" if described.problems else ""
        raise InputError(f"Of the class {few[0]!r} too little can be read. Expected at least two items of every class.{first}")
    return left, np.asarray(owners, np.intp)


def _grouped(dataset: Dataset) -> Dataset:
    """Return the data with copies of one content in one group, and with what is wrong with the sides that they name told."""
    groups = merged_groups([item.group for item in dataset.items], copies(dataset.items))
    items = tuple(replace(item, group=f"{group}") for item, group in zip(dataset.items, groups.tolist(), strict=True))
    told = leak_of(dataset, groups)
    return replace(dataset, items=items, problems=(*dataset.problems, *([Problem("Beware", told, note=True)] if told else [])))


def _folds(dataset: Dataset, seed: int) -> list[Fold]:
    """Return the test side that the data name, or five folds by group."""
    tested = np.array([item.side == "test" for item in dataset.items])
    if not tested.any():
        return folds(dataset, merged_groups([item.group for item in dataset.items]), FOLDS, seed)
    check_learned(dataset, np.flatnonzero(~tested))
    return [(np.flatnonzero(~tested), np.flatnonzero(tested))]


def _compare_family(study: _Study, family: Family, number: int, fold: Fold) -> None:
    """Learn a codebook on a fold's train side, encode all pieces, and judge every setting that is not done."""
    left = [setting for setting in family.settings if not study.record.has(repr(setting), number, study.kept, len(fold[1]))]
    if not left:
        return
    study.watch.notify(f"{family.encoder}, fold {number + 1} of {len(study.folds)}: learning its codebook")
    train = np.flatnonzero(np.isin(study.owners, fold[0]))
    began = time.monotonic()
    projection = study.projection or build("projection", family.encoder.projection)
    encoding = learn_encoding(study.described, [study.described.kept[place] for place in train], family.encoder, projection, study.seed)
    learned = time.monotonic()
    cells, owners = _encoded(study, encoding, tuple(dict.fromkeys(setting.pooling for setting in left)))
    each = (time.monotonic() - learned) / max(len(study.dataset.items), 1)
    for setting in left:
        fitting, winners = _judged(study, encoding, cells[setting.pooling], owners, setting, fold)
        study.record.add(Done(repr(setting), number, study.kept, winners, encoding.length, learned - began, each, fitting))


def _encoded(study: _Study, encoding: Encoding, poolings: tuple[str, ...]) -> tuple[dict[str, list[FloatArray]], NDArray[np.intp]]:
    """Return the cells of each window or frame, before they are normalised, for each pooling, and the item of each."""
    count = len(study.described) if study.pieces.sampling else study.described.moments
    check_vectors(count * len(poolings), encoding)
    found: dict[str, list[FloatArray]] = {pooling: [] for pooling in poolings}
    owners = []
    cells_of = each_of(
        study.described, study.described.kept, lambda several: [encoding.cells(own, poolings) for own in study.pieces.apart(several)]
    )
    for owner, every in zip(study.owners.tolist(), cells_of, strict=True):
        for own in every:
            owners.append(owner)
            for pooling, cells in zip(poolings, own, strict=True):
                found[pooling].append(cells)
    return found, np.array(owners, np.intp)


def _judged(
    study: _Study, encoding: Encoding, cells: Sequence[FloatArray], owners: NDArray[np.intp], setting: Encoder, fold: Fold
) -> tuple[float, tuple[int, ...]]:
    """Return the seconds that the head took to learn one setting, and the class that it names for each held-out item."""
    vectors = np.stack([normalised(each, setting.normalisation, encoding.coder.block).ravel() for each in cells])
    rows = Rows(vectors, owners, len(study.dataset.items))
    train, held = (rows.of(side) for side in fold)
    began = time.monotonic()
    targets, weights = study.dataset.targets[rows.owners[train]], rows.weights[train]
    fitted = study.head(vectors[train], targets, weights, False, study.head.strengths[0], study.seed)
    took = time.monotonic() - began
    said = fitted.probabilities(vectors[held])
    sums = np.zeros((len(study.dataset.items), said.shape[1]))
    np.add.at(sums, rows.owners[held], said)
    return took, tuple(sums[fold[1]].argmax(axis=1).tolist())

"""The job: a data set in, whether averaging its frames is enough out."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from framevote.backbones import Backbone, find_backbone
from framevote.classifier import Classifier, backbone_file
from framevote.datasets import FRAMES, Dataset, Item, read_dataset
from framevote.datasets.clips import length_of
from framevote.doctor.deciding import decide
from framevote.doctor.measuring import AVERAGING, ONE_FRAME, REVERSED, SHUFFLED, Answers, Bench, average, chance, looks_of, temporal
from framevote.doctor.results import Cost, Diagnosis
from framevote.errors import InputError, UsageError
from framevote.features import embed_items
from framevote.heads import MLP, Average, TemporalConv
from framevote.runtime import Precision, open_runtime
from framevote.training import DEFAULT_BACKBONE, Chosen, Watch
from framevote.training.cross_fitting import Material
from framevote.training.job import backbone_for, check_dataset, check_numbers, check_packages, check_window
from framevote.training.plan import Plan, Prepared, prepare
from framevote.training.windows import joined, windows_of
from framevote.video import probe

MOVING, ORDERED = MLP(), TemporalConv()
"""The heads that are tried beside the average: the one sees how much moves, the other in which order."""

_NO_FILE = Path("diagnosis.fvm")  # of a plan that writes none


def examine(
    data: str | Path | Dataset,
    *,
    layout: str = "auto",
    group_by: str | None = None,
    frames: int = FRAMES,
    window: float | None = None,
    backbone: str | Backbone | None = None,
    seed: int = 0,
    precision: Precision = "auto",
    watch: Watch | None = None,
) -> Diagnosis:
    """Tell whether averaging frames is enough for a data set, or whether order matters.

    Each clip is looked at in several ways: all frames averaged, its middle frame alone, its windows by a head that sees how much
    moves, and by one that sees order; the latter is then shown the same frames shuffled and reversed. All answers are for items
    whose groups, and whose look-alikes, were not trained on, and the folds are the same for all. A test side that the data name is
    not looked at.

    Args:
        data: a folder or a list of items in one of the layouts of `framevote.datasets`, or a data set.
        layout: what the data are to be read as.
        group_by: a regular expression or a column: items that share its match stay on one side of every split.
        frames: how many frames of a window are looked at, 2 or more.
        window: seconds of a window; None takes the clips' median length, 4 at most.
        backbone: the network below, as a part, its text, or a KerasHub preset.
        seed: of everything that is drawn.
        precision: what the embeddings are computed in.
        watch: who is told.

    Raises:
        UsageError: the call is wrong.
        InputError: the data cannot be learned from.
        ModelError: the backbone's weights cannot be had.
        MissingExtra: an optional package is absent.
    """
    watch = watch or Watch()
    check_numbers(frames, seed)
    if frames < 2:
        raise UsageError(f"In fewer than two frames no order can be seen. Received: frames={frames}; give 2 or more.")
    check_window(ORDERED, window)
    check_packages()
    below = find_backbone(backbone or DEFAULT_BACKBONE)
    if below.weights is None:
        raise UsageError(f"{below} has random weights, which tell nothing apart. Give it weights, or take another backbone.")
    dataset = data if isinstance(data, Dataset) else read_dataset(data, layout, group_by)
    check_dataset(dataset, frames)
    if told := _without_order(dataset):
        return Diagnosis("averaging", repr(Average()), told, problems=dataset.problems)
    clips, left_out = _clips(dataset)
    check_dataset(clips, frames)
    plan = Plan(clips, _NO_FILE, backbone_for(ORDERED, backbone), ORDERED, None, frames, seed, precision, _NO_FILE, watch, window)
    found = _measured(plan, below)
    return replace(found, sentence=found.sentence + left_out)


def auto(
    dataset: Dataset,
    *,
    backbone: str | Backbone | None = None,
    frames: int = FRAMES,
    window: float | None = None,
    seed: int = 0,
    precision: Precision = "auto",
    watch: Watch | None = None,
) -> Chosen:
    """Return the cheapest head that is enough for a data set, and why: what `framevote.training.train` takes as its `head`."""
    if frames < 2:
        return Chosen(Average(), "Averaging frames is enough: in a single frame no order can be seen.")
    if any(item.kind == "photo" for item in dataset.items):
        return Chosen(Average(), "Averaging frames it is: there are photos among the items, and these have no order.")
    found = examine(dataset, backbone=backbone, frames=frames, window=window, seed=seed, precision=precision, watch=watch)
    head = next(head for head in (Average(), MOVING, ORDERED) if repr(head) == found.head)
    return Chosen(head, found.sentence)


def _without_order(dataset: Dataset) -> str:
    """Return why no order can be seen in most items, in a sentence; empty where it can."""
    photos = sum(item.kind == "photo" for item in dataset.items)
    if 2 * photos > len(dataset.items):
        told = f"{photos} of {len(dataset.items)} items are photos"
        return f"Averaging is enough: photos have no order, and {told}. Train with --head Average()."
    still = sum(_shows_one(item) for item in dataset.items if item.kind != "photo")
    if 2 * (still + photos) > len(dataset.items):
        return (
            f"Averaging is enough: {still + photos} of {len(dataset.items)} items show a single frame, which has no order. "
            "Train with --head Average()."
        )
    return ""


def _shows_one(item: Item) -> bool:
    """Return whether a clip says that it is a single frame long; one that cannot be opened is told of when it is embedded."""
    try:
        length = length_of(item)
        return length > 0 and round(length * float(probe(item.path).frame_rate)) < 2
    except InputError:
        return False


def _clips(dataset: Dataset) -> tuple[Dataset, str]:
    """Return the clips among the items, and what of the others is to be said."""
    kept = [number for number, item in enumerate(dataset.items) if item.kind != "photo"]
    if photos := len(dataset.items) - len(kept):
        return dataset.take(kept), f" ({photos} photos were left out: heads that see order learn from clips alone.)"
    return dataset, ""


def _measured(plan: Plan, below: Backbone) -> Diagnosis:
    """Return what is found on clips; `below` is the backbone as the average head has it, by the whole picture."""
    prepared = prepare(plan, backbone_file(plan.network, plan.watch.notify))
    bench = Bench(prepared.sides.folds, prepared.groups, plan.seed)
    right, cost = _looked(plan, prepared, _whole(plan, prepared, below), bench)
    heads = {AVERAGING: repr(Average()), ONE_FRAME: repr(Average()), repr(MOVING): repr(MOVING)}
    heads |= dict.fromkeys((repr(ORDERED), SHUFFLED, REVERSED), repr(ORDERED))
    found, by_chance = looks_of(right, heads, cost, bench), chance(prepared.material, bench)
    decision = decide(right, found, bench, (AVERAGING, repr(MOVING), repr(ORDERED)), repr(ORDERED), by_chance)
    return Diagnosis(
        decision.verdict,
        heads[decision.look],
        decision.sentence,
        found,
        by_chance,
        len(bench.held),
        len(np.unique(bench.groups[bench.held])),
        prepared.sides.how,
        prepared.dataset.problems,
    )


def _whole(plan: Plan, prepared: Prepared, below: Backbone) -> Material:
    """Return the frames of the same windows, as the average head has them: embedded by the whole picture, and one by one."""
    material = prepared.material
    if below == plan.backbone or prepared.sampling is None:
        return replace(material, rows=material.rows.frames)
    model = Classifier(file := backbone_file(below, plan.watch.notify), open_runtime(file, plan.precision))
    windows = windows_of(prepared.dataset, prepared.sampling.frames, prepared.sampling.seconds, prepared.sampling.causal)
    seen = joined(windows, embed_items(windows.pieces, model, prepared.sampling.frames, plan.watch.embedded))
    if not np.array_equal(seen.rows.owners, material.rows.owners):
        raise InputError("The clips changed while they were looked at: other windows of them can be read now. Run it again.")
    return replace(material, rows=seen.rows.frames)


def _looked(plan: Plan, prepared: Prepared, whole: Material, bench: Bench) -> tuple[Answers, dict[str, Cost]]:
    """Return the answers of all looks, the cheapest first, and what the heads cost."""
    length = prepared.material.rows.values.shape[1]
    plan.watch.notify(f"Averaging the frames, {len(bench.folds)} folds")
    right, cost = average(whole, bench, length)
    costs = {AVERAGING: cost}
    for head in (MOVING, ORDERED):
        plan.watch.notify(f"Fitting {head}, {len(bench.folds)} folds")
        answers, costs[repr(head)] = temporal(prepared.material, bench, head)
        right |= answers if head == ORDERED else {repr(head): answers[repr(head)]}
    return right, costs

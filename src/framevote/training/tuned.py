"""Training with the backbone's last layers: the head first, then both together, judged on a side that neither has seen."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from framevote.assembly import Top, cooled, embedding_of
from framevote.calibration import fit_temperature
from framevote.classifier import Classifier
from framevote.datasets import Problem
from framevote.engine import load_keras
from framevote.errors import InputError, UsageError
from framevote.export import export_model
from framevote.features import embed_items
from framevote.model_file import Card, read_model_file
from framevote.runtime import open_runtime
from framevote.splits import Fold, one_split
from framevote.training.cross_fitting import HeldOut, Material, cross_fit
from framevote.training.fine_tuning import FineTuning, fine_tune
from framevote.training.frozen import by_chance, card_of, figures_on
from framevote.training.plan import Plan, Prepared, summary

if TYPE_CHECKING:
    import keras


def train_tuned(plan: Plan, prepared: Prepared) -> tuple[Problem, ...]:
    """Fit the head, let the last layers learn with it, calibrate, write the model file; return what could not be read meanwhile.

    The model is fitted on the train side only: validation ends the learning and calibrates, and the test side tells what it is worth.
    """
    settings = plan.fine_tuning or FineTuning(1)
    train, validation, test = three_sides(prepared, plan.seed)
    first = cross_fit(prepared.material, plan.head, [(train, validation)], familiar=False)
    # At its temperature, so that the state before learning is compared by what it knows and not by how loud it says so.
    fitted = prepared.material.fit(plan.head, train, first.strength)
    if not isinstance(fitted, Top):
        raise UsageError(f"{plan.head} learns on frozen embeddings. Fine-tune with --head Average().")
    head = cooled(fitted, first.temperature)
    first = replace(first, temperature=1.0)
    problems: list[Problem] = []
    with tempfile.TemporaryDirectory(prefix="framevote-") as name:
        folder = Path(name)
        model = _learned(plan, prepared, head, (train, validation), replace(settings, seed=plan.seed), folder, problems)
        model.save(folder / "tuned.keras")
        kernel, bias = model.get_layer("logits").get_weights()
        plan.watch.notify("Embedding the items with the network as it is now")
        tuned = replace(prepared, material=_embedded(plan, prepared, folder))
        top = Top(kernel, bias, prepared.dataset.several)
        if not prepared.dataset.several:
            top = top.with_prototypes(tuned.material.prototypes(train))
        held = _held(tuned.material, top, validation)
        card = replace(
            card_of(plan, tuned, held),
            training=summary(prepared)
            | {"learned": len(train), "validated": len(validation), "tested": len(test), "split": _how(prepared)},
            metrics=_measured(plan, prepared, tuned, (head, top), (first, held), test),
        )
        plan.watch.notify("Writing the model file: about 20 s")
        export_model(folder / "tuned.keras", card, plan.path, top)
    return tuple(problems)


def three_sides(prepared: Prepared, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the item numbers to train, to validate and to test with; sides that the data name are kept."""
    sides = prepared.sides
    if len(sides.tested):
        train, validation = sides.folds[0] if sides.validated else _parted(prepared, sides.learned, seed)
        return train, validation, sides.tested
    learned, test = sides.folds[0] if sides.validated else _parted(prepared, sides.learned, seed, left=2)
    return *_parted(prepared, learned, seed), test


def _how(prepared: Prepared) -> str:
    """Return how the sides came about, in words."""
    named = [name for name, told in (("test", len(prepared.sides.tested)), ("validation", prepared.sides.validated)) if told]
    by_group = "train, validation and test, by group"
    return f"{by_group}; the data name the {' and the '.join(named)} side" if named else by_group


def _parted(prepared: Prepared, items: NDArray[np.intp], seed: int, left: int = 1) -> Fold:
    """Return some items in two parts, by group; `left` groups of each class stay in the first."""
    first, second = one_split(prepared.dataset.take(items.tolist()), prepared.groups[items], seed, left)
    return items[first], items[second]


def _learned(
    plan: Plan,
    prepared: Prepared,
    head: Top,
    sides: tuple[NDArray[np.intp], NDArray[np.intp]],
    settings: FineTuning,
    folder: Path,
    problems: list[Problem],
) -> "keras.Model":
    keras = load_keras()

    path = prepared.below.extract_keras(folder)
    whole = keras.models.load_model(path, compile=False, safe_mode=True)
    backbone = keras.Model(whole.input, embedding_of(whole), name=whole.name)
    items = prepared.dataset.items
    train, validation = ([items[number] for number in side] for side in sides)
    plan.watch.notify(f"Fine-tuning the last {settings.layers} of {len(backbone.layers)} layers; {plan.run} keeps the run")
    return fine_tune(
        backbone,
        head.kernel,
        head.bias,
        train,
        validation,
        prepared.dataset.labels,
        prepared.dataset.several,
        settings,
        plan.network.view,
        plan.run,
        plan.frames,
        plan.watch.learned,
        problems,
    )


def _embedded(plan: Plan, prepared: Prepared, folder: Path) -> Material:
    """Return the items seen by the network that was learned, through the fast runtime."""
    path = folder / "tuned.fvm"
    bare = Card(plan.path.stem, (), repr(plan.backbone), "", plan.network.view)
    export_model(folder / "tuned.keras", bare, path)
    file = read_model_file(path)
    model = Classifier(file, open_runtime(file, plan.precision))
    seen = embed_items(prepared.dataset.items, model, plan.frames, plan.watch.embedded, keep=False)
    if seen.problems:
        raise InputError(f"An item that could be read at first cannot be read any more. Train again. {seen.problems[0]}")
    return replace(prepared.material, rows=seen.rows)


def _held(material: Material, top: Top, items: NDArray[np.intp]) -> HeldOut:
    """Return what a top says of items that it was not fitted on, with the temperature that suits them."""
    rows = material.rows.of(items)
    said = top.probabilities(material.rows.values[rows])
    owners = material.rows.owners[rows]
    temperature = fit_temperature(said, material.targets[owners], owners, material.several)
    return HeldOut(rows, np.zeros(len(rows), np.intp), said, top.familiarity(material.rows.values[rows]), 0.0, temperature)


def _measured(
    plan: Plan, prepared: Prepared, tuned: Prepared, tops: tuple[Top, Top], helds: tuple[HeldOut, HeldOut], test: NDArray[np.intp]
) -> dict[str, Any]:
    """Return what the tuned network is worth on the test side, beside the same head on the frozen one."""
    before = figures_on(tops[0], test, helds[0].temperature, prepared)
    after = figures_on(tops[1], test, helds[1].temperature, tuned)
    beside: dict[str, Any] = {name: before[name] for name in ("accuracy", "mean_average_precision", "ece") if name in before}
    beside |= by_chance(plan, prepared, helds[0])
    return {"on": _tested_on(prepared), **after, **{f"frozen_{name}": value for name, value in beside.items()}}


def _tested_on(prepared: Prepared) -> str:
    if len(prepared.sides.tested):
        return "the test side that the data name"
    test = "the validation side that the data name" if prepared.sides.validated else "one fold of items"
    return f"{test}, which neither taught nor stopped it"

"""Training with the backbone as it is: the head on its embeddings, judged on items that were held out."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.assembly import Top
from framevote.calibration import tempered
from framevote.descriptors import open_extractor
from framevote.export import export_model
from framevote.heads import Fitted
from framevote.model_file import Card
from framevote.parts import spelled
from framevote.splits import FOLDS, random_folds
from framevote.training.cross_fitting import HeldOut, calibrated, cross_fit, figures, openness_of, thresholds_of
from framevote.training.encoded import write_encoded
from framevote.training.plan import Plan, Prepared, summary


def train_frozen(plan: Plan, prepared: Prepared) -> None:
    """Fit the head, calibrate it, write the model file."""
    material, sides, dataset = prepared.material, prepared.sides, prepared.dataset
    held = cross_fit(material, plan.head, sides.folds, familiar=not dataset.several)
    top = material.fit(plan.head, sides.learned, held.strength)
    if not dataset.several:
        top = top.with_prototypes(material.prototypes(sides.learned))
    card = replace(
        card_of(plan, prepared, held),
        head=repr(plan.head.at(held.strength)),
        metrics={**measured(prepared, held, top), **by_chance(plan, prepared, held)},
    )
    if prepared.encoding and isinstance(top, Top):
        write_encoded(plan.path, card, prepared.encoding, top, prepared.file)
        return
    plan.watch.notify(f"Writing the model file: about {10 if plan.head.temporal else 20} s")
    export_model(prepared.below, card, plan.path, top)


def card_of(plan: Plan, prepared: Prepared, held: HeldOut) -> Card:
    """Return the card with what held-out items calibrate; the metrics are still to come."""
    dataset, material = prepared.dataset, prepared.material
    coding = plan.coding
    return Card(
        name=plan.path.stem,
        labels=dataset.labels,
        backbone=repr(plan.backbone) if plan.backbone else "",
        head=repr(plan.head),
        view=open_extractor(coding.features).view if coding and not coding.networked else plan.network.view,
        features=spelled(coding.features) if coding else "",
        projection=spelled(coding.projection) if coding else "",
        encoder=spelled(coding.encoder) if coding else "",
        temperature=held.temperature,
        several=dataset.several,
        thresholds=thresholds_of(held, material),
        openness=openness_of(held, material, dataset.labels),
        frames=prepared.sampling.frames if prepared.sampling else plan.frames,
        sampling=prepared.sampling,
        training=summary(prepared),
    )


def measured(prepared: Prepared, held: HeldOut, top: Fitted) -> dict[str, Any]:
    """Return what was found on the items that the data keep for testing; where they keep none, on those that were held out in turn."""
    material, tested = prepared.material, prepared.sides.tested
    if not len(tested):
        return {"on": prepared.sides.how, **figures(held, calibrated(held, material), material)}
    return {"on": "the test side that the data name", **figures_on(top, tested, held.temperature, prepared)}


def figures_on(top: Fitted, items: NDArray[np.intp], temperature: float, prepared: Prepared) -> dict[str, Any]:
    """Return what a top at a temperature is worth on items that it has not seen."""
    material = prepared.material
    rows = material.rows.of(items)
    said = top.probabilities(material.rows.values[rows])
    seen = HeldOut(rows, np.zeros(len(rows), np.intp), said, top.familiarity(material.rows.values[rows]), 0.0, temperature)
    return figures(seen, tempered(said, temperature, material.several), material)


def by_chance(plan: Plan, prepared: Prepared, held: HeldOut) -> dict[str, Any]:
    """Return what a random split would have shown, beside which the honest figure stands."""
    random = random_folds(prepared.dataset, FOLDS, plan.seed)
    if plan.head.temporal:  # one part will do: each costs seconds
        random = random[:1]
    found = cross_fit(prepared.material, plan.head.at(held.strength), random, familiar=False)
    told = figures(found, calibrated(found, prepared.material), prepared.material)
    return {f"random_split_{name}": told[name] for name in ("accuracy", "mean_average_precision") if name in told}

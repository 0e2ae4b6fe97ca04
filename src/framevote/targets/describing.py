"""What stands beside an export: the labels, what goes in and comes out, and what to make of the numbers, as JSON."""

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from framevote.model_file import Card, ModelFile
from framevote.targets.networks import Written
from framevote.targets.table import Target

FORMAT = 1
"""Of the JSON."""


def description(file: ModelFile, target: Target, written: list[Written], paths: dict[str, Path]) -> str:
    """Return the JSON that is written beside an export; docs/export.md explains every field.

    Args:
        file: what was exported.
        target: what it was exported to.
        written: each network.
        paths: where each lies, by its name.
    """
    networks = [
        {
            "name": each.network,
            "file": paths[each.network].name,
            "inputs": [asdict(port) for port in each.inputs],
            "outputs": [asdict(port) for port in each.outputs],
            "difference": each.difference,
        }
        for each in written
    ]
    told = {"format": FORMAT, **_model(file), "target": target.name, "runtime": target.version(), "networks": networks}
    return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _model(file: ModelFile) -> dict[str, Any]:
    card = file.card
    return {
        "name": card.name,
        "fingerprint": file.fingerprint,
        "framevote": version("framevote"),
        "labels": card.labels,
        "several": card.several,
        "thresholds": card.thresholds,
        "temperature": {"value": card.temperature, "applied": True},
        "unknown": asdict(card.openness) if card.openness else None,
        "picture": {**asdict(card.view), "colours": "RGB", "layout": "NHWC", "dtype": "uint8"},
        "window": _window(card),
    }


def _window(card: Card) -> dict[str, Any] | None:
    """Return how a head that sees order samples time."""
    told = card.sampling
    return {"frames": told.frames, "seconds": told.seconds, "frames_per_second": told.rate, "causal": told.causal} if told else None

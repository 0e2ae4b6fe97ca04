"""`framevote inspect`: what a model file says of itself."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from framevote.model_file import Card, ModelFile

_MOST_LABELS = 40


def inspect(
    files: Annotated[list[Path], typer.Argument(help="Model files (.fvm).", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the cards as JSON, a line for each file.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error arose.")] = False,
) -> None:
    """Tell what model files are: their labels, what they were trained on, and what held-out items found. Nothing in them is run."""
    from framevote.cli.batch import Tellings  # noqa: PLC0415 (brings numpy and the decoder)
    from framevote.cli.streams import printable_json  # noqa: PLC0415
    from framevote.model_file import read_model_file  # noqa: PLC0415

    tell = Tellings(debug, quiet=False)
    for path in files:
        with tell.failing():
            file = read_model_file(path)
            tell.result(printable_json(card_json(file.card, file.fingerprint)) if as_json else "\n".join(_lines(file)))
    raise typer.Exit(1 if tell.failed else 0)


def card_json(card: "Card", fingerprint: str = "") -> str:
    """Return a card as one line of JSON."""
    told = {**asdict(card), **({"fingerprint": fingerprint} if fingerprint else {})}
    return json.dumps(told, ensure_ascii=False)


def worth(card: "Card") -> Iterator[str]:
    """Yield, in sentences, what a model is worth on items that it was not trained on."""
    found = card.metrics
    if "accuracy" in found:
        spread = f" ± {100 * found['accuracy_sd']:.1f}" if found.get("accuracy_sd") else ""
        yield f"Accuracy on {found['items']} items that were held out: {100 * found['accuracy']:.1f} %{spread} ({found['on']}).{_beside(card, 'accuracy')}"
    if "mean_average_precision" in found:
        value = found["mean_average_precision"]
        yield f"Mean average precision on {found['items']} items that were held out: {value:.3f} ({found['on']}).{_beside(card, 'mean_average_precision')}"
    if "ece" in found:
        yield f"Calibration error {found['ece']:.3f}, before calibration {found['ece_before']:.3f}."
    if card.openness:
        yield f"Says unknown where none of its classes is likely; of held-out items that it knows, {100 * card.openness.loss:.1f} % are lost so."


def _beside(card: "Card", name: str) -> str:
    """Return what the figure is to be held against: a random split, the frozen backbone."""
    scale, unit, digits = (100, " %", 1) if name == "accuracy" else (1, "", 3)
    words = (("random_split_", "A random split would have shown"), ("frozen_", "The frozen backbone has"))
    told = [f"{sentence} {scale * card.metrics[key + name]:.{digits}f}{unit}." for key, sentence in words if key + name in card.metrics]
    return "".join(f" {sentence}" for sentence in told)


def _lines(file: "ModelFile") -> Iterator[str]:
    """Yield what a person wants to know of a model file."""
    card = file.card
    kind = "several labels a picture" if card.several else "one label a picture"
    yield f"{file.path}: {card.name} ({file.fingerprint})"
    labels = ", ".join(card.labels[:_MOST_LABELS]) + (", …" if len(card.labels) > _MOST_LABELS else "")
    rows = {
        "labels": f"{len(card.labels)}, {kind}: {labels}" if card.labels else "none: embeddings only",
        "backbone": card.backbone,
        "head": card.head or "none",
        "sees": f"{card.view.width}×{card.view.height} pixels, {card.view.fit}, {100 * card.view.crop:g} % of the picture's middle",
        "trained on": _trained_on(card),
        "temperature": f"{card.temperature:.3f}",
        "made with": ", ".join(f"{name} {version}" for name, version in card.versions.items()),
    }
    yield from (f"{name:>12}  {text}" for name, text in rows.items() if text)
    yield from worth(card)


def _trained_on(card: "Card") -> str:
    told = card.training
    if not told:
        return ""
    counts = " and ".join(f"{told[kind]} {kind}" for kind in ("photos", "videos") if told.get(kind))
    return f"{counts} in {told.get('groups', '?')} groups ({told.get('layout', '?')}; {told.get('split', '?')})"

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
_WARNINGS = ("leak", "contradiction")  # what a card's training summary may warn of
_MOST = 1e9  # no figure of ours is larger

# Each figure's title, scale, unit and digits; and what it is held against.
_FIGURES = {"accuracy": ("Accuracy", 100, " %", 1), "mean_average_precision": ("Mean average precision", 1, "", 3)}
_BESIDE = {
    "random_split_": "A random split would have shown",
    "frozen_": "The frozen backbone has",
    "frozen_random_split_": "A random split would have shown for it",
}


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
    return json.dumps(told, ensure_ascii=False, allow_nan=False)


def worth(card: "Card") -> Iterator[str]:
    """Yield, in sentences, what a model is worth on items that it was not trained on."""
    figures = {name: float(value) for name, value in card.metrics.items() if type(value) in (int, float) and abs(value) < _MOST}
    on = f"on {figures.get('items', 0):.0f} items that were held out"
    where = f" ({card.metrics['on']})" if "on" in card.metrics else ""
    for name, (title, scale, unit, digits) in _FIGURES.items():
        if name in figures:
            spread = f" ± {scale * figures[f'{name}_sd']:.{digits}f}" if figures.get(f"{name}_sd") else ""
            yield f"{title} {on}: {scale * figures[name]:.{digits}f}{unit}{spread}{where}.{_beside(figures, name)}"
    if "ece" in figures and "ece_before" in figures:
        same = figures["ece"] == figures["ece_before"]
        beside = "no temperature made held-out items likelier" if same else f"before calibration {figures['ece_before']:.3f}"
        yield f"Calibration error {figures['ece']:.3f}, {beside}."
    if card.openness:
        lost = f"{100 * card.openness.loss:.1f} %"
        yield f"Says unknown where none of its classes is likely; of held-out items that it knows, {lost} are lost so."
    elif card.training and not card.several and "unknown" not in card.labels:
        yield "Never says unknown: there are too few held-out items (a hundred at least) to tell what the known look like."
    if chosen := (card.training or {}).get("chosen"):
        yield f"The head was chosen: {chosen}"
    yield from (f"Beware: {told}" for name in _WARNINGS if (told := (card.training or {}).get(name)))


def _beside(figures: dict[str, float], name: str) -> str:
    """Return what the figure is to be held against: a random split, the frozen backbone."""
    _, scale, unit, digits = _FIGURES[name]
    told = [f"{words} {scale * figures[key + name]:.{digits}f}{unit}." for key, words in _BESIDE.items() if key + name in figures]
    return "".join(f" {sentence}" for sentence in told)


def _lines(file: "ModelFile") -> Iterator[str]:
    """Yield what a person wants to know of a model file."""
    card = file.card
    kind = "several labels a picture" if card.several else "one label a picture"
    yield f"{file.path}: {_plain(card.name)} ({file.fingerprint})"
    labels = ", ".join(card.labels[:_MOST_LABELS]) + (", …" if len(card.labels) > _MOST_LABELS else "")
    rows = {
        "labels": f"{len(card.labels)}, {kind}: {labels}" if card.labels else "none: embeddings only",
        **{kind: _shortest(kind, getattr(card, kind)) for kind in ("features", "projection", "encoder")},
        "backbone": card.backbone,
        "head": card.head or "none",
        "sees": _sees(card),
        "window": _window(card),
        "trained on": _trained_on(card),
        "temperature": f"{card.temperature:.3f}",
        "vote": _vote(card),
        "made with": ", ".join(f"{name} {version}" for name, version in card.versions.items()),
    }
    yield from (f"{name:>12}  {_plain(text)}" for name, text in rows.items() if text)
    yield from map(_plain, worth(card))


def _plain(text: str) -> str:
    """Return a text whose signs a terminal takes as no command: whoever made the file wrote it."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _shortest(kind: str, text: str) -> str:
    """Return the shortest text of a part that a card tells of; the text itself where no such part is known here."""
    from framevote.errors import Error  # noqa: PLC0415
    from framevote.parts import build  # noqa: PLC0415

    try:
        return repr(build(kind, text)) if text else ""
    except Error:
        return text


def _sees(card: "Card") -> str:
    """Return what of a picture the model sees."""
    view = card.view
    motion = {"": "", "vectors": ", with the codec's motion vectors", "flow": ", with optical flow"}[view.motion]
    middle = f", {100 * view.crop:g} % of the picture's middle" if view.fit == "centre" else ""
    return f"{view.width}×{view.height} pixels, {view.fit}{middle}{motion}"


def _window(card: "Card") -> str:
    """Return how a head that sees order samples time; nothing of a model of single frames."""
    if not (told := card.sampling):
        return ""
    place = "before each row" if told.causal else "around each row"
    return f"{told.frames} frames in {told.seconds:.3g} s {place}, {told.rate:.3g} a second"


def _vote(card: "Card") -> str:
    """Return what the model's timelines take where nobody names a vote; nothing where it was never tuned."""
    return ", ".join(map(repr, card.vote.parts())) if card.vote else ""


def _trained_on(card: "Card") -> str:
    told = card.training
    if not told:
        return ""
    counts = " and ".join(f"{told[kind]} {kind}" for kind in ("photos", "videos") if told.get(kind))
    return f"{counts} in {told.get('groups', '?')} groups ({told.get('layout', '?')}; {told.get('split', '?')})"

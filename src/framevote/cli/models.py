"""`framevote models`: every backbone and the built-in model, and whether their weights are on this machine."""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from framevote.cli.streams import printable_json, say

_BUILT_IN = "imagenet"


def models(
    weights: Annotated[bool, typer.Option("--weights", help="Only those whose weights are on this machine.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: a list of backbones.")] = False,
) -> None:
    """List the built-in model and every backbone: size, and whether its ImageNet weights are here.

    A backbone of KerasHub is written keras_hub:NAME; see docs/backbones.md.
    """
    from framevote.backbones import listed  # noqa: PLC0415 (brings numpy)

    found = [each for each in listed() if each.here or not weights]
    if as_json:
        rows = [{**each._asdict(), "here": each.here} for each in found]
        say(printable_json(json.dumps(rows, ensure_ascii=False)))
        return
    lines = ["model:", f"  {_BUILT_IN}  {_built_in()}", "backbone:"]
    table = [(each.name, f"{each.parameters:.1f} million", f"{each.size}×{each.size}", each.state, each.source) for each in found]
    say("\n".join([*lines, *_columns(table)]))


def _built_in() -> str:
    from framevote.classifier import imagenet_path  # noqa: PLC0415 (brings numpy)

    state = "ready" if imagenet_path().is_file() else "to be built on first use"
    return f"the built-in model: 1000 labels, on efficientnet_lite0 ({state})"


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield each row as a line, with columns as wide as need be; numbers, which are the second and third, stand to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    for row in rows:
        cells = [
            cell.rjust(width) if column in (1, 2) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"  {'  '.join(cells)}".rstrip()

"""Print the table of figures: `python -m benchmarks` from the project's root."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.agreement import agreement
from benchmarks.archive import archive
from benchmarks.archive_kills import archive_kills
from benchmarks.archive_ray import archive_ray
from benchmarks.archive_rows import archive_rows
from benchmarks.copies import copies
from benchmarks.encoders import encoders
from benchmarks.flicker import flicker
from benchmarks.heads import heads
from benchmarks.long import long
from benchmarks.measuring import ROOT, OthersWork, Worker
from benchmarks.memory import memory
from benchmarks.motion import motion
from benchmarks.speed import annotated, gpu, labels
from benchmarks.stages import stages
from benchmarks.starting import start
from benchmarks.strategies import strategies
from benchmarks.table import Row, Setting, machine, markdown
from benchmarks.training import training
from benchmarks.vote import vote

# In this order: memory and start come first, since a child's peak memory begins at its parent's size.
GROUPS: dict[str, Callable[[Setting], Iterator[Row]]] = {
    "start": start,
    "memory": memory,
    "long": long,
    "labels": labels,
    "annotated": annotated,
    "gpu": gpu,
    "stages": stages,
    "copies": copies,
    "flicker": flicker,
    "vote": vote,
    "training": training,
    "agreement": agreement,
    "heads": heads,
    "strategies": strategies,
    "motion": motion,
    "encoders": encoders,
    "archive": archive,
    "archive_kills": archive_kills,
    "archive_rows": archive_rows,
    "archive_ray": archive_ray,
}
README = ROOT / "benchmarks" / "README.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 where something could not be measured."""
    chosen = _parser().parse_args(arguments)
    with Worker() as worker:
        worker.ask("load")  # the model file is built where it is not there yet
    before = _calibrated()
    others = OthersWork()
    rows, failed = _measured(chosen.only or list(GROUPS), Setting(chosen.quick))
    text = f"{machine(others.cores(), (before, _calibrated()))}\n\n{markdown(rows)}\n"
    if chosen.quick:
        text = f"A quick run: one round each, short inputs.\n\n{text}"
    print(text)
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    if chosen.write:
        _write(text)
    return 1 if failed else 0


def _calibrated() -> float:
    with Worker() as worker:
        return float(worker.ask("calibrate")["gflops"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description="Measure framevote's figures and print them as one table.")
    parser.add_argument("--quick", action="store_true", help="one round each, short inputs: minutes, not a quarter of an hour")
    parser.add_argument("--only", nargs="+", choices=GROUPS, metavar="NAME", help=f"only these groups: {', '.join(GROUPS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON as well")
    parser.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    return parser


def _measured(groups: Sequence[str], setting: Setting) -> tuple[list[Row], list[str]]:
    """Return the rows of the groups in order, and the groups that broke; one that breaks does not stop the others."""
    rows: list[Row] = []
    failed: list[str] = []
    for name in groups:
        try:
            for row in GROUPS[name](setting):
                print(f"{name}: {row.name}: {row.measured}", file=sys.stderr, flush=True)
                rows.append(row)
        except Exception as error:
            failed.append(name)
            rows.append(Row(name, "", f"failed: {type(error).__name__}: {error}", False))
            print(f"{name}: {rows[-1].measured}", file=sys.stderr, flush=True)
    return rows, failed


def _write(text: str) -> None:
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

"""Rows, the table they make, and what machine they were measured on."""

import os
import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.measuring import cores
from benchmarks.media import source

_PACKAGES = (
    "framevote",
    "av",
    "openvino",
    "numpy",
    "keras",
    "tensorflow-cpu",
    "tensorflow",
    "opencv-python-headless",
    "opencv-python",
    "typer",
)


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: what was measured.
        goal: what is promised, in words.
        measured: the figure, in words.
        kept: whether the promise is kept; None where nothing is promised, or nothing was measured.
        beside: the limits, and how it was measured.
        numbers: the same for programs.
    """

    name: str
    goal: str
    measured: str
    kept: bool | None = None
    beside: str = ""
    numbers: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """How thoroughly to measure: how many rounds, and whether long inputs are shortened."""

    quick: bool = False

    @property
    def rounds(self) -> int:
        """How often each pair is repeated."""
        return 1 if self.quick else 5


def markdown(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    kept = {True: "yes", False: "**no**", None: "–"}
    lines = ["| figure | goal | measured | kept | beside it |", "|---|---|---|---|---|"]
    lines += [f"| {row.name} | {row.goal or '–'} | {row.measured} | {kept[row.kept]} | {row.beside} |" for row in rows]
    return "\n".join(lines)


def machine(others: float, speeds: tuple[float, float]) -> str:
    """Return what the table was measured on, in a few lines.

    `others` is how many cores had other work meanwhile; `speeds` are GFLOP/s of a matrix product, before and after: on rented
    machines the same processor may be twice as slow from one hour to the next.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))
    return "\n".join(
        [
            f"- Processor: {processor()}, {cores()} cores, {memory:.0f} GiB of memory",
            f"- System: {platform.system()}, Python {platform.python_version()}",
            f"- Versions: {versions}",
            f"- Pictures: {source().words}",
            f"- Other work on the machine meanwhile: {others:.2f} of its {cores()} cores on average",
            f"- Matrix product in f32 on every core: {speeds[0]:.0f} GFLOP/s before, {speeds[1]:.0f} after",
        ]
    )


def processor() -> str:
    """Return what the processor is, and what it can."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = facts.get("flags", "").split()
    able = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    name = facts.get("model name", platform.machine())
    family = f"family {facts['cpu family']}, model {facts['model']}" if "cpu family" in facts else ""
    return ", ".join(part for part in (name, family, " ".join(able)) if part)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""

"""What the doctor found: how far each way of looking comes, what it costs, and what follows."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from framevote.datasets import Problem
from framevote.evaluation.bootstrap import Figure

Verdict = Literal["averaging", "change", "order"]
"""Averaging frames is enough; it is not, though no order is used; or order matters."""

FORMAT, VERSION = "framevote.diagnosis", 1


@dataclass(frozen=True)
class Cost:
    """What a head costs here.

    Attributes:
        fit: seconds to fit it in all folds.
        step: milliseconds of the head for one answer when labelling, behind the backbone and in Keras: of a frame, or of a window.
        parameters: numbers that it holds.
    """

    fit: float
    step: float
    parameters: int


@dataclass(frozen=True)
class Look:
    """One way of looking at held-out items.

    Attributes:
        name: in words.
        head: the spec of the head that answers.
        accuracy: share of the items that are named rightly, 0 to 1, with its 95 % interval over groups.
        folds: the accuracy in each fold.
        sd: standard deviation over the folds; NaN of one fold.
        cost: of its head; None where it is a head of another row that is shown something else.
    """

    name: str
    head: str
    accuracy: Figure
    folds: tuple[float, ...]
    sd: float
    cost: Cost | None = None

    @property
    def title(self) -> str:
        """What it is called in a table: a head that is shown something else stands below its own row."""
        return self.name if self.cost else f"… {self.name}"

    def __str__(self) -> str:
        beside = f" ± {100 * self.sd:.0f}" if math.isfinite(self.sd) else ""
        return f"{100 * self.accuracy.value:.0f} %{beside}"


@dataclass(frozen=True)
class Gain:
    """How much more one look names rightly than another, of the same items.

    Attributes:
        mean: of the differences, -1 to 1.
        error: standard error of that mean.
    """

    mean: float
    error: float

    @property
    def real(self) -> bool:
        """Whether it is beyond the noise: twice its standard error, and two points at least."""
        return self.mean >= LEAST and self.mean > SURE * self.error


LEAST, SURE = 0.02, 2.0
"""The smallest gain that is worth a dearer head; and how many standard errors it must stand above nothing."""


@dataclass(frozen=True)
class Diagnosis:
    """Whether averaging frames is enough.

    Attributes:
        verdict: in a word.
        head: the spec of the cheapest head that is enough.
        sentence: both in words, with the figures.
        looks: the ways of looking, the cheapest first; empty where nothing needed to be measured.
        chance: share of the items that the most frequent label would name rightly; NaN where nothing was measured.
        items: how many were measured.
        groups: how many groups these are.
        split: how the folds came about, in words.
        problems: what of the data could not be used.
    """

    verdict: Verdict
    head: str
    sentence: str
    looks: tuple[Look, ...] = ()
    chance: float = math.nan
    items: int = 0
    groups: int = 0
    split: str = ""
    problems: tuple[Problem, ...] = ()


def diagnosis_json(found: Diagnosis) -> str:
    """Return a diagnosis as JSON; what is not known is null."""
    return json.dumps({"format": FORMAT, "version": VERSION, **_known(asdict(found))}, indent=1, ensure_ascii=False, allow_nan=False)


def _known(value: Any) -> Any:
    """Return a value with null for NaN, all the way down."""
    if isinstance(value, dict):
        return {key: _known(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_known(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

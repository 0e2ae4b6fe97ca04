"""What an evaluation found out, and how it was made."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.datasets import Item, Problem
from framevote.evaluation.bootstrap import Figure
from framevote.evaluation.classification import Answers, Classification
from framevote.evaluation.timelines import TimelineFigures
from framevote.records import UNKNOWN, Segment


@dataclass(frozen=True)
class Rejection:
    """What becomes of items when the model may call them unknown.

    Attributes:
        openness: whether the model says so by itself, by what training found.
        least: the probability below which answers are called unknown as well; 0 where nobody asked for one.
        kept: share of the items of known classes that get an answer.
        accuracy: share of these answers that are right.
        strangers: how many items show a class that the model has never seen.
        caught: share of the strangers that are called unknown; NaN where there are none.
    """

    openness: bool
    least: float
    kept: Figure
    accuracy: Figure
    strangers: int
    caught: Figure


@dataclass(frozen=True, eq=False)
class ComparedVideo:
    """A video's found timeline beside the true one, and the share of the true seconds that it gets right."""

    path: Path
    found: tuple[Segment, ...]
    truth: tuple[Segment, ...]
    frame_accuracy: float


@dataclass(frozen=True)
class Mistake:
    """A wrong answer, and how sure it was."""

    item: Item
    truth: tuple[str, ...]
    answer: str
    probability: float


@dataclass(frozen=True)
class Making:
    """How an evaluation was made: enough to make it again.

    Attributes:
        model, fingerprint, backbone, head, temperature: what the model is.
        precision, device: what it ran in and on.
        data: where the items came from; `layout`: what that was read as.
        side: the part of the data that was looked at, or `all`.
        frames: how many of each clip, at most.
        smoother, cut: the vote of the timelines.
        seed: of the bootstrap.
        training: what training measured and wrote into the model's card.
        versions: of the packages.
    """

    model: str
    fingerprint: str
    backbone: str
    head: str
    temperature: float
    precision: str
    device: str
    data: str
    layout: str
    side: str
    frames: int
    smoother: str
    cut: str
    seed: int
    training: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good a model is on data whose labels are known.

    Attributes:
        making: how it was made.
        items: those that the model could know, a row each of `answers`.
        answers: the model's probabilities beside the truth.
        classification: the figures.
        unknown: bool (N,), which items are called unknown; the answers tell which label they would have got.
        rejection: what calling some unknown does; None where the model never does and no probability was asked for.
        strangers: how many items show only classes that the model does not know; they count in `rejection` alone.
        timelines: how well timelines agree; None where the data hold no pieces of videos.
        videos: the timelines, the worst first.
        problems: what could not be used, and why.
    """

    making: Making
    items: tuple[Item, ...]
    answers: Answers
    classification: Classification
    unknown: NDArray[np.bool_]
    rejection: Rejection | None = None
    strangers: int = 0
    timelines: TimelineFigures | None = None
    videos: tuple[ComparedVideo, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __repr__(self) -> str:
        top1 = self.classification.figures["top1"].value
        return f"Evaluation({self.making.model!r}, {len(self.items)} items, top-1 {top1:.4f})"

    def mistakes(self, most: int = 24) -> list[Mistake]:
        """Return the wrong answers of which the model was surest, the surest first."""
        answers = self.answers
        wrong = np.flatnonzero(~answers.hits)
        order = wrong[np.argsort(-answers.confidence[wrong], kind="stable")][:most]
        return [self._mistake(int(row)) for row in order]

    def _mistake(self, row: int) -> Mistake:
        answers = self.answers
        truth = tuple(answers.labels[column] for column in np.flatnonzero(answers.targets[row]))
        winner = int(answers.winners[row])
        return Mistake(self.items[row], truth or (UNKNOWN,), answers.labels[winner], float(answers.confidence[row]))


def nouns(items: tuple[Item, ...]) -> str:
    """Return what the items are: photos, clips, or both."""
    kinds = {item.kind for item in items}
    return {1: "photos" if "photo" in kinds else "clips"}.get(len(kinds), "photos and clips")

"""The videos that votes are tried on: each looked at once, its scores kept beside what is true of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from framevote.classifier import Classifier
from framevote.datasets import Dataset, Item, Problem
from framevote.errors import InputError, UsageError
from framevote.evaluation.job import known_items, side_items
from framevote.evaluation.timelines import joined_segments
from framevote.evaluation.videos import pieces_by_video, truth_of
from framevote.parts import DEFAULT_STRATEGY, build
from framevote.records import Progress, Scores, Segment
from framevote.splits import merged_groups
from framevote.strategies import Strategy
from framevote.video import open_video

SLACK = 0.5
"""Seconds by which a piece may end after its video: lists are written by hand, and rounded."""


@dataclass(frozen=True, eq=False)
class Film:
    """A video that was looked at.

    Attributes:
        path: the video.
        scores: of every frame, 4 bytes a label.
        truth: the true segments, in order; those of one label that touch are one.
        ahead: seconds after a row's time at which the model has seen all that the row needs: nothing where it sees single frames.
    """

    path: Path
    scores: Scores
    truth: tuple[Segment, ...]
    ahead: float = 0.0

    def __repr__(self) -> str:
        return f"Film({self.path.name!r}, {len(self.scores)} rows, {len(self.truth)} segments)"

    @property
    def seconds(self) -> float:
        """How long its rows last together."""
        return float(self.scores.durations.sum())


@dataclass(frozen=True, eq=False)
class Films:
    """The videos that could be used, the number of each one's group, and what could not be used."""

    films: tuple[Film, ...]
    groups: NDArray[np.intp]
    problems: tuple[Problem, ...]

    @property
    def row(self) -> float:
        """The seconds that a row lasts, as the middle video has it."""
        return float(np.median([film.seconds / len(film.scores) for film in self.films]))


def look(classifier: Classifier, dataset: Dataset, side: str, progress: Progress | None) -> Films:
    """Look once at every video of which the data label pieces.

    Raises:
        UsageError: no pieces of videos are labelled, or none with a label that the model knows.
        InputError: none of the videos can be used.
    """
    chosen = side_items(dataset, "all" if side == "auto" else side)
    if side == "auto":  # what a model was trained on says nothing of the material that it will see
        chosen = tuple(item for item in chosen if item.side != "train") or chosen
    if not any(pieces_by_video(chosen)):
        raise UsageError(
            f"The data label whole files only (items: {len(chosen)}). A vote is tuned on videos whose pieces are labelled: "
            "a list with the columns path, label, start and end."
        )
    items, strangers, _ = known_items(chosen, classifier)
    found, damaged = _looked(classifier, items, progress)
    if not found:
        told = f" First problem: {damaged[0]}" if damaged else " None of their labelled pieces shows a class of the model."
        raise InputError(f"None of the videos can be used.{told}")
    return Films(tuple(found), _groups(found, items), (*dataset.problems, *_strange(strangers, classifier), *damaged))


def _looked(classifier: Classifier, items: Sequence[Item], progress: Progress | None) -> tuple[list[Film], list[Problem]]:
    found: list[Film] = []
    damaged: list[Problem] = []
    seconds, rows = 0.0, 0
    for path, pieces in pieces_by_video(items):
        try:
            film = _film(classifier, path, pieces)
        except InputError as error:
            damaged.append(Problem.of(path, error))
            continue
        found.append(film)
        seconds, rows = seconds + film.seconds, rows + len(film.scores)
        if progress:
            progress(seconds, rows)
    return found, damaged


def _film(classifier: Classifier, path: Path, pieces: Sequence[Item]) -> Film:
    _check_apart(path, pieces)
    strategy: Strategy = build("strategy", DEFAULT_STRATEGY)
    video = open_video(path, view=classifier.view)
    scores = Scores.join(strategy(video, classifier.stream, build("smoother", "RollingMean(frames=1)")), classifier.labels)
    if not len(scores):
        raise InputError(f"{path} shows no frame. Expected a video that can be played.")
    end = float(scores.times[-1] + scores.durations[-1])
    _check_end(path, pieces, end)
    return Film(path, scores, tuple(joined_segments(truth_of(pieces, end))), _ahead(classifier))


def _ahead(classifier: Classifier) -> float:
    """Return the look-ahead of a model that sees order: the steps that its window lies ahead, and the half of a row's own step."""
    sampling = classifier.sampling
    return (sampling.ahead + 0.5) * sampling.step if sampling else 0.0


def _check_apart(path: Path, pieces: Sequence[Item]) -> None:
    """Refuse pieces that show two labels at once: a timeline shows one at a time."""
    ordered = sorted((item for item in pieces if item.labels), key=lambda item: item.start)
    if twice := next((item for item in ordered if len(item.labels) > 1), None):
        raise InputError(f"{path} shows {' and '.join(twice.labels)} at once from {twice.start:g} s. Expected one label at a time.")
    for one, other in pairwise(ordered):
        if other.start < (np.inf if one.end is None else one.end) and one.labels != other.labels:
            raise InputError(
                f"{path} has pieces that overlap: {_told(one)} and {_told(other)}. Expected one label at a time: mend the times."
            )


def _check_end(path: Path, pieces: Sequence[Item], end: float) -> None:
    for item in pieces:
        if item.start >= end or (item.end is not None and item.end > end + SLACK):
            raise InputError(
                f"{path} has a piece beyond its end: {_told(item)}, and the video lasts {end:.2f} s. "
                "Expected times in seconds of this very video: are they frames, or another video's?"
            )


def _told(item: Item) -> str:
    return f"{', '.join(item.labels)} {item.start:g}–{'end' if item.end is None else f'{item.end:g}'} s"


def _groups(films: Sequence[Film], items: Sequence[Item]) -> NDArray[np.intp]:
    """Return the number of each video's group (F,); groups that meet in the pieces of one video are one."""
    own = {film.path: [row for row, item in enumerate(items) if item.path == film.path] for film in films}
    together = [np.array(list(pairwise(rows)), np.intp).reshape(-1, 2) for rows in own.values()]
    numbers = merged_groups([item.group for item in items], [np.concatenate(together)])
    return np.unique([numbers[rows[0]] for rows in own.values()], return_inverse=True)[1]


def _strange(strangers: Sequence[Item], classifier: Classifier) -> list[Problem]:
    labels = dict.fromkeys(label for item in strangers for label in item.labels)
    why = f"the model {classifier.name} does not know this class: where it is shown the truth has a gap, and no label is right there."
    return [Problem(label, why, note=True) for label in labels]

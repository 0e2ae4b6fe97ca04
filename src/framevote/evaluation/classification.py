"""How good answers are: each figure with its interval, each class by itself, and what is taken for what."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.errors import missing_extra
from framevote.evaluation.bootstrap import ROUNDS, Figure, figures
from framevote.evaluation.statistics import BINS, statistics
from framevote.metrics import calibration_bins
from framevote.records.checking import check, frozen

DECIDED = 0.5
"""With several labels and no thresholds, a label is said where its probability is at least this."""

_MOST_POINTS = 300  # of a curve: more than a plot can show


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model answered, and what is true.

    Attributes:
        probabilities: float32 (N, C), 0 to 1.
        targets: bool (N, C), which labels each item has: exactly one unless it may have several.
        labels: the C class names.
        several: whether an item may have more than one label, or none.
        thresholds: with several labels, the probability from which each is said; none: from 0.5.
    """

    probabilities: NDArray[np.float32]
    targets: NDArray[np.bool_]
    labels: tuple[str, ...]
    several: bool = False
    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "probabilities", frozen(self.probabilities, np.float32))
        object.__setattr__(self, "targets", frozen(self.targets, np.bool_))
        shape, classes = self.probabilities.shape, len(self.labels)
        check(len(shape) == 2 and shape[1] == classes, "Answers", f"probabilities (N, {classes}): a column for each label", shape)
        check(self.targets.shape == shape, "Answers", f"targets {shape}, as the probabilities", self.targets.shape)
        sound = bool(np.all((self.probabilities >= 0) & (self.probabilities <= 1)))  # NaN is not
        check(sound, "Answers", "probabilities from 0 to 1", "others")
        check(len(self.thresholds) in (0, classes), "Answers", f"thresholds for each of {classes} labels, or none", len(self.thresholds))
        single = self.several or bool(np.all(self.targets.sum(axis=1) == 1))
        check(single, "Answers", "one label an item, unless it may have several", "items with more or none")

    def __len__(self) -> int:
        return len(self.probabilities)

    def __repr__(self) -> str:
        return f"Answers({len(self)} items × {len(self.labels)} labels)"

    @property
    def winners(self) -> NDArray[np.intp]:
        """(N,) the column of each item's most probable label."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def hits(self) -> NDArray[np.bool_]:
        """(N,) whether the most probable label is true."""
        return self.targets[np.arange(len(self)), self.winners]

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(N,) the probability of the most probable label."""
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def said(self) -> NDArray[np.bool_]:
        """(N, C) the labels that are said: the winner, or with several all that reach their thresholds."""
        if self.several:
            return np.asarray(self.probabilities >= np.array(self.thresholds or DECIDED, np.float32))
        return np.asarray(np.arange(len(self.labels)) == self.winners[:, None])


@dataclass(frozen=True)
class ClassFigures:
    """How one class fares; the average precision is NaN where no item shows it."""

    label: str
    support: int
    precision: float
    recall: float
    f1: float
    average_precision: float


@dataclass(frozen=True, eq=False)
class Reliability:
    """For each of 15 bins of equal width: how many answers, their mean confidence, and the share that is right (NaN: none)."""

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    correct: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Classification:
    """How good answers are.

    Attributes:
        figures: the headline figures by name: top1, top5, mean_class_accuracy, macro_f1, map, ece, nll, brier.
        classes: each class that an item shows or that is said of one, in the labels' order.
        confusion: int64 (C, C), how often a true class (row) got an answer (column); None with several labels.
        reliability: what the calibration error is made of.
    """

    figures: dict[str, Figure]
    classes: tuple[ClassFigures, ...]
    confusion: NDArray[np.int64] | None
    reliability: Reliability

    def confused(self, most: int = 3) -> list[tuple[int, int, int]]:
        """Return the true class, the answer and the count of the most frequent mistakes, the most frequent first."""
        if self.confusion is None:
            return []
        wrong = self.confusion * ~np.eye(len(self.confusion), dtype=np.bool_)
        truths, answers = np.nonzero(wrong)
        order = np.argsort(-wrong[truths, answers], kind="stable")[:most]
        return [(int(t), int(a), int(wrong[t, a])) for t, a in zip(truths[order], answers[order], strict=True)]


def classify(answers: Answers, groups: Any = None, seed: int = 0, rounds: int = ROUNDS) -> Classification:
    """Return how good answers are.

    Args:
        answers: at least one.
        groups: (N,) the group of each item: the intervals draw whole groups anew; None lets each item be its own.
        seed: of the bootstrap.
        rounds: of the bootstrap.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    check(len(answers) > 0, "classify", "at least one answer", 0)
    metrics = scikit_metrics()
    held = np.arange(len(answers)) if groups is None else np.asarray(groups)
    check(held.shape == (len(answers),), "classify", f"groups ({len(answers)},): one for each item", held.shape)
    confusion = None
    if not answers.several:
        truth = answers.targets.argmax(axis=1)
        confusion = metrics.confusion_matrix(truth, answers.winners, labels=np.arange(len(answers.labels)))
    return Classification(
        figures=figures(statistics(answers.probabilities, answers.targets, answers.said, answers.several), held, seed, rounds),
        classes=tuple(_classes(answers)),
        confusion=confusion,
        reliability=reliability(answers),
    )


def scikit_metrics() -> Any:
    """Return scikit-learn's metrics.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        from sklearn import metrics  # noqa: PLC0415 - heavy
    except ImportError as error:
        raise missing_extra("scikit-learn", "evaluate", "Evaluating a model") from error
    return metrics


def _classes(answers: Answers) -> list[ClassFigures]:
    metrics, said = scikit_metrics(), answers.said
    seen = np.flatnonzero(answers.targets.any(axis=0) | said.any(axis=0))
    told = metrics.precision_recall_fscore_support(answers.targets[:, seen], said[:, seen], average=None, zero_division=0.0)
    rows = []
    for column, precision, recall, f1, support in zip(seen, *told, strict=True):
        average = average_precision(answers, column) if support else float("nan")
        rows.append(ClassFigures(answers.labels[column], int(support), float(precision), float(recall), float(f1), average))
    return rows


def average_precision(answers: Answers, column: int) -> float:
    """Return the area under a label's precision-recall curve, without interpolation; at least one item shows the label."""
    return float(scikit_metrics().average_precision_score(answers.targets[:, column], answers.probabilities[:, column]))


def precision_recall(answers: Answers, column: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return recall and precision, as many as a plot can show, of one label (recall rising) that at least one item shows."""
    truth, scores = answers.targets[:, column], answers.probabilities[:, column]
    precision, recall, _ = scikit_metrics().precision_recall_curve(truth, scores, drop_intermediate=True)
    some = np.unique(np.linspace(0, len(recall) - 1, _MOST_POINTS).astype(int))[::-1]
    return recall[some], precision[some]


def reliability(answers: Answers) -> Reliability:
    """Return how often answers of each confidence are right; with several labels, every decision on a label is an answer."""
    sure = (answers.probabilities if answers.several else answers.confidence).ravel().astype(np.float64)
    right = (answers.targets if answers.several else answers.hits).ravel()
    bins = calibration_bins(sure, BINS)
    counts = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(bins, weights=values, minlength=BINS) / counts for values in (sure, right)]
    return Reliability(counts, *means)

"""How figures are put into words, on the page and in the terminal."""

import math
import unicodedata

from framevote.evaluation.bootstrap import Figure
from framevote.evaluation.results import Evaluation, Rejection, nouns
from framevote.evaluation.timelines import TimelineFigures

# The headline figures in the order in which they are told: name, whether as per cent, and what it means.
TOLD: dict[str, tuple[str, bool, str]] = {
    "top1": ("Top-1 accuracy", True, "the most probable label is right"),
    "top5": ("Top-5 accuracy", True, "a right label is among the five most probable"),
    "mean_class_accuracy": ("Mean class accuracy", True, "each class counts alike, however many items it has"),
    "macro_f1": ("Macro F1", True, "mean over the classes of precision and recall in one"),
    "map": ("Mean average precision", True, "how well each label's probability puts its items first"),
    "ece": ("Calibration error (ECE)", False, "how far probabilities are from what comes true; 0 is perfect"),
    "nll": ("Negative log-likelihood", False, "in nats; smaller is better"),
    "brier": ("Brier score", False, "squared error of the probabilities; smaller is better"),
}


def percent(value: float, digits: int = 1) -> str:
    """Return a share as per cent; a dash where there is none."""
    return f"{value * 100:.{digits}f} %" if math.isfinite(value) else "–"


def number(value: float, digits: int = 3) -> str:
    """Return a number; a dash where there is none."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def interval(figure: Figure, as_percent: bool) -> str:
    """Return `95.1–97.1`; a dash where the interval is not known."""
    if not math.isfinite(figure.low):
        return "–"
    low, high = (f"{100 * end:.1f}" if as_percent else f"{end:.3f}" for end in (figure.low, figure.high))
    return f"{low}–{high}"


def value_of(figure: Figure, as_percent: bool) -> str:
    """Return a figure without its interval."""
    return percent(figure.value) if as_percent else number(figure.value)


def headline(evaluation: Evaluation) -> str:
    """Return the sentence that comes first."""
    told = evaluation.classification.figures
    share = f"{percent(told['top1'].value)} ({interval(told['top1'], True)})"
    count = f"{len(evaluation.items)} {nouns(evaluation.items)}"
    if len(evaluation.items) == 1:
        count = count.removesuffix("s")
    if not evaluation.answers.several:
        verb = "is" if len(evaluation.items) == 1 else "are"
        return f"{share} of {count} {verb} named rightly."
    mean = f"{percent(told['map'].value)} ({interval(told['map'], True)})"
    return f"In {share} of {count} the most probable label is a right one; mean average precision is {mean}."


def summary_rows(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Return all figures in words: what it is, its value, its interval."""
    told = evaluation.classification.figures
    rows = [(name, value_of(told[key], share), interval(told[key], share)) for key, (name, share, _) in TOLD.items() if key in told]
    rejected = rejection_rows(evaluation.rejection) if evaluation.rejection else []
    timed = timeline_rows(evaluation.timelines) if evaluation.timelines else []
    return [*rows, *rejected, *((name, value, "") for name, value in timed)]


def rejection_rows(rejection: Rejection) -> list[tuple[str, str, str]]:
    """Return what calling some items unknown does, in words."""
    rows = [("Known items that get an answer", rejection.kept), ("… of these, rightly named", rejection.accuracy)]
    if rejection.strangers:
        rows.append((f"Strangers that are called unknown (of {rejection.strangers})", rejection.caught))
    return [(name, percent(figure.value), interval(figure, True)) for name, figure in rows]


def timeline_rows(told: TimelineFigures) -> list[tuple[str, str]]:
    """Return the measures of the timelines in words."""
    return [
        ("Frame accuracy (share of the labelled time)", percent(told.frame_accuracy)),
        *((f"Segment F1 at {overlap} % overlap", percent(value)) for overlap, value in told.f1.items()),
        ("Edit score (order of the labels)", percent(told.edit)),
        ("mAP at a temporal overlap of 0.5", percent(told.map_50)),
        ("mAP, mean over 0.5 to 0.95", percent(told.map)),
        ("Label changes a minute", f"{number(told.changes, 1)}; truly {number(told.true_changes, 1)}"),
        ("Label delay, median (95 of 100 within)", f"{number(told.delay.median, 2)} s ({number(told.delay.late, 2)} s)"),
        ("True segments whose label never shows", percent(told.delay.never)),
    ]


def shown(text: str) -> str:
    """Return a label or a file's name with what no page can hold, control signs and broken text, as a replacement sign."""
    return "".join("\ufffd" if unicodedata.category(sign) in ("Cc", "Cs") else sign for sign in text)


def shortened(text: str, most: int) -> str:
    """Return a text of at most `most` signs: its middle gives way."""
    if len(text) <= most:
        return text
    half = (most - 1) // 2
    return f"{text[: most - 1 - half]}…{text[len(text) - half :]}"

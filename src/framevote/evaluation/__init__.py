"""How good a model is, on data whose labels are known: figures with their intervals, and a page that shows them."""

from framevote.evaluation.bootstrap import Figure
from framevote.evaluation.classification import Answers, ClassFigures, Classification, Reliability, classify
from framevote.evaluation.job import SIDES, evaluate
from framevote.evaluation.metrics_file import metrics_json
from framevote.evaluation.report import check_report, write_report
from framevote.evaluation.results import ComparedVideo, Evaluation, Making, Mistake, Rejection
from framevote.evaluation.timelines import Delay, TimelineFigures, compare_timelines

__all__ = [
    "SIDES",
    "Answers",
    "ClassFigures",
    "Classification",
    "ComparedVideo",
    "Delay",
    "Evaluation",
    "Figure",
    "Making",
    "Mistake",
    "Rejection",
    "Reliability",
    "TimelineFigures",
    "check_report",
    "classify",
    "compare_timelines",
    "evaluate",
    "metrics_json",
    "write_report",
]

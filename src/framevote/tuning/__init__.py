"""The tuned vote: which smoother, which window, which cut suits a model and its films, and what that costs in delay."""

from framevote.tuning.curve import check_curve, write_curve
from framevote.tuning.job import tune
from framevote.tuning.results import Fold, HeldOut, Spread, Tried, Tuned
from framevote.tuning.wording import tuned_json

__all__ = ["Fold", "HeldOut", "Spread", "Tried", "Tuned", "check_curve", "tune", "tuned_json", "write_curve"]

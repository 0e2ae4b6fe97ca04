"""The vote: class probabilities of single frames in, steady ones out.

Every smoother is a part that is called: `RollingMean(seconds=4)(scores)`. For long videos `stream` takes blocks of rows and gives
blocks, and holds no more than a window; a causal one also runs live, a row at a time, with `online`.
"""

from framevote.smoothing.base import Run, Smoother
from framevote.smoothing.exponential import Exponential
from framevote.smoothing.mean import RollingMean
from framevote.smoothing.median import RollingMedian
from framevote.smoothing.viterbi import Viterbi

__all__ = ["Exponential", "RollingMean", "RollingMedian", "Run", "Smoother", "Viterbi"]

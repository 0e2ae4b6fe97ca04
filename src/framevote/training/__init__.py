"""Training: photos or clips in, a calibrated model file out, and what it is worth on items that were held out."""

from framevote.training.fine_tuning import FineTuning
from framevote.training.job import DEFAULT_BACKBONE, DEFAULT_HEAD, Choose, Chosen, Trained, train
from framevote.training.learning import Progress, Step
from framevote.training.plan import Watch

__all__ = ["DEFAULT_BACKBONE", "DEFAULT_HEAD", "Choose", "Chosen", "FineTuning", "Progress", "Step", "Trained", "Watch", "train"]

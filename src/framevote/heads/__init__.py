"""Heads: what learns the classes on a backbone's embeddings.

`Average` is a logistic classifier of single frames, whose answers the vote averages over time; `LinearSVM` is the same for long vectors,
as the encoders give. The others see windows of consecutive
frames, and so the order in which things happen.
"""

from framevote.heads.average import Average, check_size, fit_linear, fit_prototypes, minutes
from framevote.heads.base import Fitted, Head
from framevote.heads.moments import Moments
from framevote.heads.motion import R2Plus1D
from framevote.heads.svm import LinearSVM, spanned
from framevote.heads.temporal import GRU, LSTM, MLP, SimpleRNN, TemporalConv, TemporalHead, Transformer

__all__ = [
    "GRU",
    "LSTM",
    "MLP",
    "Average",
    "Fitted",
    "Head",
    "LinearSVM",
    "Moments",
    "R2Plus1D",
    "SimpleRNN",
    "TemporalConv",
    "TemporalHead",
    "Transformer",
    "check_size",
    "fit_linear",
    "fit_prototypes",
    "minutes",
    "spanned",
]

"""Sequences: what sees order, at work. A video is cut into even steps, and a window of them slides along.

Step k of a video lies at [k, k + 1) × step seconds; its embedding is that of the frame shown in its middle, as in training. A row of
scores stands for one step, and its window has the row in its middle, or ends with it (`Sampling.causal`). Before the first step and
behind the last one, windows hold the first and the last.
"""

from framevote.sequences.heads import HeadRuntime, Windowed, open_head
from framevote.sequences.sliding import Slide, Windows
from framevote.sequences.steps import Step, Stepper

__all__ = ["HeadRuntime", "Slide", "Step", "Stepper", "Windowed", "Windows", "open_head"]

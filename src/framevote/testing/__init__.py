"""Contract checks: what every smoother, strategy, writer, head, encoder … promises, whoever wrote it.

Call them in the tests of your own part: `check_smoother(MySmoother(seconds=2))`. They raise AssertionError with the promise that
was broken. The part must be registered (or shipped by an installed package), since its text must build it again.
"""

from framevote.testing.encoders import check_encoder, check_projection
from framevote.testing.features import check_features
from framevote.testing.heads import check_head
from framevote.testing.made import LABELS, made_descriptors, made_frames, made_rows, made_scores, made_timeline, made_video
from framevote.testing.smoothers import check_smoother
from framevote.testing.strategies import check_strategy
from framevote.testing.writers import check_writer

__all__ = [
    "LABELS",
    "check_encoder",
    "check_features",
    "check_head",
    "check_projection",
    "check_smoother",
    "check_strategy",
    "check_writer",
    "made_descriptors",
    "made_frames",
    "made_rows",
    "made_scores",
    "made_timeline",
    "made_video",
]

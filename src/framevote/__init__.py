"""framevote: videos into steady timelines: what is on screen, from when to when, how sure."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from framevote.classifier import Classifier, load_model
    from framevote.comparison import compare
    from framevote.descriptors import DenseSIFT, Grid
    from framevote.descriptors.flow import DISFlow
    from framevote.descriptors.vectors import MotionVectors
    from framevote.encoders import LLC, PCA, VLAD, BagOfWords, FisherVector, SoftAssignment, SparseCoding, SuperVector
    from framevote.errors import Error, InputError, MissingExtra, ModelError, OutputError, PartError, UsageError
    from framevote.heads import LinearSVM
    from framevote.labeling import label
    from framevote.records import Features, Frame, Scores, Segment, Timeline, VideoInfo, View
    from framevote.smoothing import Exponential, RollingMean, RollingMedian, Viterbi
    from framevote.strategies import Budget, CoarseToFine, Every, EveryFrame, Keyframes, MotionUniform, ShotChanges, Uniform
    from framevote.video import open_video, probe
    from framevote.writers import write

# Where each public name lives. Rooms are opened on first use, so that `import framevote` costs next to nothing.
_ROOMS = {
    "classifier": ("Classifier", "load_model"),
    "comparison": ("compare",),
    "descriptors": ("DenseSIFT", "Grid"),
    "descriptors.flow": ("DISFlow",),
    "descriptors.vectors": ("MotionVectors",),
    "encoders": ("BagOfWords", "FisherVector", "LLC", "PCA", "SoftAssignment", "SparseCoding", "SuperVector", "VLAD"),
    "errors": ("Error", "InputError", "MissingExtra", "ModelError", "OutputError", "PartError", "UsageError"),
    "heads": ("LinearSVM",),
    "labeling": ("label",),
    "records": ("Features", "Frame", "Scores", "Segment", "Timeline", "VideoInfo", "View"),
    "smoothing": ("Exponential", "RollingMean", "RollingMedian", "Viterbi"),
    "strategies": ("Budget", "CoarseToFine", "Every", "EveryFrame", "Keyframes", "MotionUniform", "ShotChanges", "Uniform"),
    "video": ("open_video", "probe"),
    "writers": ("write",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [  # noqa: RUF022 - as sorted() has it, so that a test can say so
    "BagOfWords",
    "Budget",
    "Classifier",
    "CoarseToFine",
    "DISFlow",
    "DenseSIFT",
    "Error",
    "Every",
    "EveryFrame",
    "Exponential",
    "Features",
    "FisherVector",
    "Frame",
    "Grid",
    "InputError",
    "Keyframes",
    "LLC",
    "LinearSVM",
    "MissingExtra",
    "ModelError",
    "MotionUniform",
    "MotionVectors",
    "OutputError",
    "PCA",
    "PartError",
    "RollingMean",
    "RollingMedian",
    "Scores",
    "Segment",
    "ShotChanges",
    "SoftAssignment",
    "SparseCoding",
    "SuperVector",
    "Timeline",
    "Uniform",
    "UsageError",
    "VLAD",
    "VideoInfo",
    "View",
    "Viterbi",
    "compare",
    "label",
    "load_model",
    "open_video",
    "probe",
    "write",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version(__name__)
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__

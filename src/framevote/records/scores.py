"""What a network answers: class probabilities and embeddings over time."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.errors import UsageError
from framevote.records.checking import check, frozen

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Scores:
    """Class probabilities over time: one row for each frame that was looked at.

    Attributes:
        values: float32 (T, C), each row the probabilities of the classes.
        times: float64 (T,), seconds, strictly increasing: where each row's stretch begins.
        durations: float64 (T,), seconds that each row stands for: [time, time + duration).
        frames: float64 (T,), how many of the video's frames each row stands for; 1 where every frame was looked at.
        labels: the C class names.
    """

    values: NDArray[np.float32]
    times: NDArray[np.float64]
    durations: NDArray[np.float64]
    frames: NDArray[np.float64]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, dtype in (("values", np.float32), ("times", np.float64), ("durations", np.float64), ("frames", np.float64)):
            object.__setattr__(self, name, frozen(getattr(self, name), dtype))
        rows, columns = self.values.shape if self.values.ndim == 2 else (-1, -1)
        check(columns == len(self.labels), "Scores", f"values (T, {len(self.labels)}): a column for each label", self.values.shape)
        for name in ("times", "durations", "frames"):
            check(getattr(self, name).shape == (rows,), "Scores", f"{name} ({rows},): one for each row", getattr(self, name).shape)
        check(bool(np.all(np.diff(self.times) > 0)), "Scores", "times that increase", "times that repeat or go back")
        check(bool(np.all(self.durations >= 0) and np.all(self.frames > 0)), "Scores", "durations >= 0 and frames > 0", "negative ones")

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, rows: slice) -> "Scores":
        return Scores(self.values[rows], self.times[rows], self.durations[rows], self.frames[rows], self.labels)

    def __repr__(self) -> str:
        return f"Scores({self.values.shape[0]} rows × {self.values.shape[1]} labels)"

    @classmethod
    def join(cls, blocks: Iterable["Scores"], labels: tuple[str, ...] = ()) -> "Scores":
        """Return consecutive blocks as one; `labels` name the columns of an empty result."""
        parts = list(blocks)
        if not parts:
            return cls(np.empty((0, len(labels)), np.float32), np.empty(0), np.empty(0), np.empty(0), labels)
        values, times, durations, frames = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "times", "durations", "frames")
        )
        return cls(values, times, durations, frames, parts[0].labels)

    def only(self, labels: Sequence[str]) -> "Scores":
        """Return the columns of some labels, as they are: what the others have is left out, so rows may sum to less than 1.

        Raises:
            UsageError: a label is not among the columns.
        """
        columns = [_column(label, self.labels) for label in labels]
        return Scores(self.values[:, columns], self.times, self.durations, self.frames, tuple(self.labels[c] for c in columns))

    def replace(self, values: FloatArray) -> "Scores":
        """Return the same rows with other values (T, C)."""
        return Scores(values.astype(np.float32, copy=False), self.times, self.durations, self.frames, self.labels)


@dataclass(frozen=True, eq=False)
class Features:
    """Embeddings over time: float32 values (T, D), times (T,) in seconds."""

    values: NDArray[np.float32]
    times: NDArray[np.float64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen(self.values, np.float32))
        object.__setattr__(self, "times", frozen(self.times, np.float64))
        check(self.values.ndim == 2 and len(self.values) == len(self.times), "Features", "values (T, D) and times (T,)", self.values.shape)

    def __len__(self) -> int:
        return len(self.times)

    def __repr__(self) -> str:
        return f"Features({self.values.shape[0]} rows × {self.values.shape[1]} numbers)"


def _column(label: str, labels: tuple[str, ...]) -> int:
    if label in labels:
        return labels.index(label)
    near = difflib.get_close_matches(label, labels, n=3, cutoff=0.5) or labels[:3]
    raise UsageError(f"The model has no label {label!r}. Expected one of its {len(labels)}; nearest: {', '.join(near)}.")

"""The most likely path of labels: a hidden Markov model that keeps its label unless the frames say otherwise."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from framevote.records import Scores
from framevote.smoothing.base import GRAIN, Run, Smoother, make_plain, positive
from framevote.smoothing.buffers import Queue, Tape

FLOOR = 1e-6
"""The least probability of a label in a row: one row alone can never rule a label out."""

PATIENCE = 4096
"""Rows that may wait for all paths to agree."""


@final
@dataclass(frozen=True, repr=False)
class Viterbi(Smoother):
    """The most likely sequence of labels, where a label is kept for `seconds` with probability `stay`.

    Over t seconds from one row's time to the next the label is kept with probability stay ** (t / seconds), and else drawn anew
    from all labels alike, whatever the sampling: twice t/2 is once t. A row's probabilities (at least FLOOR) are the likelihoods
    of its labels, counted once for every frame that it stands for, so that sparse sampling weighs as much as every frame.
    All labels are alike at the start. Viterbi, "Error bounds for convolutional codes and an asymptotically optimum
    decoding algorithm" (1967); Rabiner, "A tutorial on hidden Markov models" (1989).

    The values that come out: the path's label keeps the probability that was seen (at least FLOOR), every other label is capped
    just below it. So the path's label is the row's best and its score is what was seen; rows may sum to less than 1.

    Costs O(T·C): as all switches are alike, the best way into a label is from itself or from the best label before. Rows are given
    when all paths agree on them. Where none can be told from the others for PATIENCE rows, the best path so far decides the
    oldest half of these, so that memory is bounded.

    Args:
        stay: probability, above 0 and below 1, that a label is kept over `seconds`.
        seconds: the time that `stay` is for, above 0.

    Raises:
        PartError: an argument that does not fit.
    """

    stay: float = 0.9999
    seconds: float = 1.0

    def __post_init__(self) -> None:
        make_plain(self)
        positive(self, "stay", self.stay, "a probability above 0 and below 1", below=1.0)
        positive(self, "seconds", self.seconds, "a length above 0")

    @property
    def causal(self) -> bool:
        """False: later rows decide on earlier ones."""
        return False

    def begin(self, live: bool) -> Run:
        """Start a pass; it is never live."""
        del live
        return _Decoder(self._decay)

    def fineness(self, frame_rate: float) -> float:
        """Return inf: a path changes only from one look to the next, wherever the rows are cut."""
        del frame_rate
        return np.inf

    @property
    def _decay(self) -> float:
        return float(np.log(self.stay)) / self.seconds

    def waits(self, scores: Scores) -> NDArray[np.float64]:
        """Return how long each row waits until the best paths to all labels agree on it: (T,) seconds, to the time of a later row.

        That is the least lag with which the path could be told live. A row on which they never agree waits for the last one.
        """
        if not len(scores):
            return np.empty(0)
        kept, best = np.empty(scores.values.shape, np.bool_), np.empty(len(scores), np.intp)
        _Decoder(self._decay).forward(scores, kept, best)
        return scores.times[_agreed_at(kept, best)] - scores.times


@final
class _Decoder(Run):
    """Keeps the rows that wait and, for each, how the best path came into every label.

    kept[t, c]: whether the best path to label c at row t was at c before; else it was at best[t].
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._waiting = Queue()
        self._kept = Tape(np.bool_)
        self._best = Tape(np.intp)
        self._paths: NDArray[np.float64] | None = None
        self._time = 0.0
        self._seen = 0

    def push(self, rows: Scores) -> Iterator[Scores]:
        self.forward(rows, self._kept.grow(*rows.values.shape), self._best.grow(len(rows)))
        self._waiting.append(rows)
        self._seen += len(rows)
        if self._seen % GRAIN == 0:
            yield from self._settle(self._kept.rows)

    def finish(self) -> Iterator[Scores]:
        if self._paths is not None and len(self._waiting):
            yield self._give(self._kept.rows, len(self._waiting), int(self._paths.argmax()))

    def _steps(self, rows: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the logarithms (k,) of the chance to be at the same label as one row before, and at one certain other."""
        elapsed = np.diff(rows.times, prepend=self._time)
        anew = np.maximum(-np.expm1(self._decay * elapsed) / len(rows.labels), 1e-300)
        return np.log(np.exp(self._decay * elapsed) + anew), np.log(anew)

    def forward(self, rows: Scores, kept: NDArray[np.bool_], best: NDArray[np.intp]) -> None:
        """Go on with the best path to every label (their log-likelihoods, less that of the best one before)."""
        seen = np.log(np.maximum(rows.values, FLOOR, dtype=np.float64))
        if np.any(rows.frames != 1):
            seen *= rows.frames[:, None]
        start = 0
        if self._paths is None:
            self._paths, self._time, kept[0], best[0], start = seen[0], float(rows.times[0]) - 1.0, True, 0, 1
        same, other = self._steps(rows)
        paths = self._paths
        for row in range(start, len(rows)):
            top = paths.argmax()
            stay = paths + (same[row] - paths[top])
            np.greater_equal(stay, other[row], out=kept[row])
            best[row] = top
            np.maximum(stay, other[row], out=stay)
            paths = np.add(stay, seen[row], out=stay)
        self._paths, self._time = paths, float(rows.times[-1])

    def _settle(self, kept: NDArray[np.bool_]) -> Iterator[Scores]:
        """Give the rows on which the paths to all labels agree; where too many wait, those that the best path decides."""
        agreed = self._agreement(kept)
        if agreed:
            yield self._give(kept, *agreed)
        elif len(kept) >= PATIENCE and self._paths is not None:
            count = len(kept) - PATIENCE // 2
            yield self._give(kept, count, self._back(kept, len(kept), int(self._paths.argmax()))[count - 1])

    def _agreement(self, kept: NDArray[np.bool_]) -> tuple[int, int] | None:
        """Return how many rows all paths agree on and the label that they share at the last of them; None where they do not."""
        best = self._best.rows
        alive = np.ones(kept.shape[1], np.bool_)
        count = kept.shape[1]
        for row in range(len(kept) - 1, 0, -1):
            alive &= kept[row]
            left = int(np.count_nonzero(alive))
            if left < count:  # some path switched here, and so came from the best label before
                alive[best[row]] = True
                left = int(np.count_nonzero(alive))
            if left == 1:
                return row, int(alive.argmax())
            count = left
        return None

    def _back(self, kept: NDArray[np.bool_], count: int, label: int) -> NDArray[np.intp]:
        """Return the path (count,) that ends at `label` in the last of the first `count` rows."""
        best = self._best.rows
        path = np.empty(count, np.intp)
        for row in range(count - 1, -1, -1):
            path[row] = label
            if not kept[row, label]:
                label = int(best[row])
        return path

    def _give(self, kept: NDArray[np.bool_], count: int, label: int) -> Scores:
        """Return the first `count` rows with the path that ends at `label`, and forget them."""
        path = self._back(kept, count, label)
        rows = self._waiting.take(count)
        places = np.arange(count)
        shown = np.maximum(rows.values[places, path], np.float32(FLOOR))
        values = np.minimum(rows.values, np.nextafter(shown, np.float32(0))[:, None])
        values[places, path] = shown
        self._kept.drop(count)
        self._best.drop(count)
        return rows.replace(values)


def _agreed_at(kept: NDArray[np.bool_], best: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each row (T,) at which row the paths to all labels first agree on it; the last row where they never do."""
    rows, labels = kept.shape
    agreed = np.full(rows, rows - 1) if labels > 1 else np.arange(rows)
    own, first = np.arange(labels), 0
    origins = own[None]  # (waiting, labels): where the path to each label was in each of the rows that wait
    for row in range(1, rows if labels > 1 else 0):
        origins = np.concatenate([origins[:, np.where(kept[row], own, best[row])], own[None]])
        done = int(np.argmax((origins != origins[:, :1]).any(axis=1)))  # rows wait in order: the paths part, and stay apart
        agreed[first : first + done] = row
        origins, first = origins[done:], first + done
    return agreed

"""Sparse codes of many descriptors at once.

Each descriptor x (D) gets the code z (K) that makes ½ |x − zᵀB|² + α |z|₁ least, for atoms B (K, D) of length 1. Few atoms are used, and
those are among the ones that look most like x. So the problem is solved by greedy coordinate descent on a few likely atoms, in their
own Gram matrix (Li and Osher, "Coordinate descent optimization for l1 minimization with application to compressed sensing; a greedy
algorithm", 2009), all descriptors of a block in step; then all atoms are checked against the optimality conditions, and those that are
missed join in.
"""

import numpy as np
from numpy.typing import NDArray

from framevote.encoders.nearest import largest

Floats = NDArray[np.float32]

LIKELY = 24
"""Atoms that a descriptor's first search is confined to."""

_TOLERANCE = 2e-4  # of a step, where codes are about 0.01 to 1
_SLACK = 1e-3  # by which an atom must break the optimality condition, in units of α, to join in
_MOST_STEPS = 2000
_MOST_ROUNDS = 12
_EVERY = 8  # steps between two looks at who is done


def sparse_codes(values: Floats, atoms: Floats, gram: Floats, alpha: float) -> Floats:
    """Return the codes (N, K) of a block of descriptors.

    Args:
        values: (N, D).
        atoms: (K, D), each of length 1.
        gram: (K, K), their products.
        alpha: the price of a code's absolute values, above 0.
    """
    seen = values @ atoms.T
    codes = np.zeros_like(seen)
    rows = np.flatnonzero(np.abs(seen).max(axis=1, initial=0) > alpha)
    if not len(rows):
        return codes
    places = largest(np.abs(seen[rows]), min(LIKELY, len(atoms)))
    for _ in range(_MOST_ROUNDS):
        own = rows[:, None], places
        codes[own] = _descended(seen[own], gram[places[:, :, None], places[:, None, :]], codes[own], alpha)
        missed = np.abs((values[rows] - codes[rows] @ atoms) @ atoms.T)
        np.put_along_axis(missed, places, 0, axis=1)
        still = missed.max(axis=1) > alpha * (1 + _SLACK)
        if not still.any():
            break
        rows, places = _widened(rows[still], places[still], codes, missed[still])
    return codes


def _widened(rows: NDArray[np.intp], places: NDArray[np.intp], codes: Floats, missed: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows with those atoms that they use, and as many others as there is room for: first those that are missed most."""
    used = np.abs(codes[rows[:, None], places])
    size = min(max(places.shape[1], 2 * int((used > 0).sum(axis=1).max())), missed.shape[1])
    wanted = missed
    np.put_along_axis(wanted, places, np.where(used > 0, np.float32(np.inf), np.float32(0)), axis=1)
    return rows, largest(wanted, size)


def _descended(seen: Floats, gram: Floats, codes: Floats, alpha: float) -> Floats:
    """Return the codes (N, M) over M atoms of each descriptor's own, from (N, M) products with it and (N, M, M) among them."""
    found, rows = codes.copy(), np.arange(len(codes))
    left = seen - np.matmul(gram, codes[:, :, None])[:, :, 0]  # what the residual still has of each atom
    at = np.arange(len(rows))
    for step in range(_MOST_STEPS):
        aim = left + codes
        change = aim - np.clip(aim, -alpha, alpha)
        change -= codes
        best = np.abs(change).argmax(axis=1)
        size = change[at, best]
        codes[at, best] += size
        left -= size[:, None] * gram[at, best]
        if step % _EVERY == _EVERY - 1:
            going = np.abs(size) > _TOLERANCE
            if not going.any():
                break
            if going.mean() < 0.75:
                found[rows] = codes
                codes, left, gram, rows = codes[going], left[going], gram[going], rows[going]
                at = np.arange(len(rows))
    found[rows] = codes
    return found

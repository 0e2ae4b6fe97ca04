"""Sparse codes of many descriptors at once.

Each descriptor x (D) gets the code z (K) that makes ½ |x − zᵀB|² + α |z|₁ least, for atoms B (K, D) of length 1. Few atoms are used, and
those are among the ones that look most like x. So the problem is solved on a few likely atoms, in their own Gram matrix, all descriptors
of a block in step: greedy coordinate descent finds which atoms are used and with which signs (Li and Osher, "Coordinate descent
optimization for l1 minimization with application to compressed sensing; a greedy algorithm", 2009), and what is left then is a linear
system; where a sign was wrong, it is mended as in feature-sign search (Lee et al., "Efficient sparse coding algorithms", NIPS 2006). At
the end all atoms are checked against the optimality conditions, and those that are missed join in.
"""

import numpy as np
from numpy.typing import NDArray

from framevote.encoders.nearest import blocks, largest

Floats = NDArray[np.float32]

LIKELY = 24
"""Atoms that a descriptor's first search is confined to."""

_ROUGH = 1e-3  # of a step, where codes are about 0.01 to 1: the signs are nearly always right then
_MOST_STEPS = 500
_MOST_ROUNDS = 12
_EVERY = 8  # steps between two looks at who is done
_HELD = 2**21  # numbers of Gram matrices at a time: 8 MB
_RIDGE = 1e-6  # for equal atoms, whose system would have no single answer


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
        for part in blocks(len(rows), max(_HELD // places.shape[1] ** 2, 1)):
            own, chosen = (rows[part, None], places[part]), places[part]
            codes[own] = _solved(seen[own], gram[chosen[:, :, None], chosen[:, None, :]], codes[own], alpha)
        missed = np.abs((values[rows] - codes[rows] @ atoms) @ atoms.T)
        np.put_along_axis(missed, places, 0, axis=1)
        still = missed.max(axis=1) - alpha > _slack(alpha)
        if not still.any():
            break
        rows, places = _widened(rows[still], places[still], codes, missed[still])
    return codes


def _slack(alpha: float) -> float:
    """Return by how much an atom must break the optimality condition to join in: a little, and more than single precision errs."""
    return 2e-4 * alpha + 2e-6


def _widened(rows: NDArray[np.intp], places: NDArray[np.intp], codes: Floats, missed: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows with those atoms that they use, and as many others as there is room for: first those that are missed most."""
    used = np.abs(codes[rows[:, None], places])
    size = min(max(places.shape[1], 2 * int((used > 0).sum(axis=1).max())), missed.shape[1])
    wanted = missed
    np.put_along_axis(wanted, places, np.where(used > 0, np.float32(np.inf), np.float32(0)), axis=1)
    return rows, largest(wanted, size)


def _solved(seen: Floats, gram: Floats, codes: Floats, alpha: float) -> Floats:
    """Return the codes (N, M) over M atoms of each descriptor's own, from (N, M) products with it and (N, M, M) among them."""
    found, rows = _descended(seen, gram, codes, alpha), np.arange(len(codes))
    codes, signs = found.copy(), np.sign(found)
    for _ in range(_MOST_STEPS):
        codes, signs, arrived = _moved(codes, _least(seen, gram, signs, alpha), signs)
        left = seen - np.matmul(gram, codes[:, :, None])[:, :, 0]
        missed = np.abs(left) * (signs == 0) - alpha
        worst = missed.max(axis=1)
        found[rows] = codes
        going = ~arrived | (worst > _slack(alpha))
        if not going.any():
            break
        joining = missed > np.where(arrived & going, worst / 2, np.inf)[:, None]
        signs = np.where(joining, np.sign(left), signs)
        if going.mean() < 0.75:
            seen, gram, codes, signs, rows = seen[going], gram[going], codes[going], signs[going], rows[going]
    return found


def _moved(codes: Floats, aim: Floats, signs: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return codes on their way to an aim, up to where the first would turn its sign and is dropped; the signs; and who has arrived."""
    turning = aim * signs < 0
    share = np.where(turning, codes / np.where(turning, codes - aim, 1), 1)
    way = share.min(axis=1, keepdims=True)
    dropped = turning & (share <= way)
    moved = np.where(dropped, 0, codes + way * (aim - codes))
    kept = np.asarray(np.where(dropped, 0, signs), np.float32)
    return np.asarray(moved, np.float32), kept, np.asarray(~turning.any(axis=1))


def _least(seen: Floats, gram: Floats, signs: Floats, alpha: float) -> Floats:
    """Return the least of the problem without its absolute values: α times the sum of codes times these signs, where these are not 0."""
    width = max(int(np.count_nonzero(signs, axis=1).max()), 1)
    places, rows = largest(np.abs(signs), width), np.arange(len(signs))[:, None]
    own = signs[rows, places]
    used = own != 0
    system = gram[rows[:, :, None], places[:, :, None], places[:, None, :]] * (used[:, :, None] & used[:, None, :]).astype(np.float64)
    system[:, np.arange(width), np.arange(width)] = 1 + _RIDGE
    found = np.zeros_like(signs)
    found[rows, places] = np.linalg.solve(system, ((seen[rows, places] - alpha * own) * used)[:, :, None])[:, :, 0]
    return found


def _descended(seen: Floats, gram: Floats, codes: Floats, alpha: float) -> Floats:
    """Return codes from which no step of a single one is long."""
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
            going = np.abs(size) > _ROUGH
            if not going.any():
                break
            if going.mean() < 0.75:
                found[rows] = codes
                codes, left, gram, rows = codes[going], left[going], gram[going], rows[going]
                at = np.arange(len(rows))
    found[rows] = codes
    return found

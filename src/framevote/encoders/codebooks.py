"""Codebooks, learned from a bounded sample of descriptors: k-means, a diagonal Gaussian mixture, a sparse dictionary."""

from typing import NamedTuple

import numpy as np

from framevote.encoders.lasso import sparse_codes
from framevote.encoders.nearest import blocks
from framevote.encoders.pooling import Floats
from framevote.engine import fitted

_BATCH = 4096
_ROUNDS = 100  # of k-means, at most: mini-batches over the sample
_EXPECTATIONS = 30  # steps of the mixture, at most
_LEAST_VARIANCE = 1e-4  # of the mean variance: no component may close in on a single descriptor
_EPOCHS, _BATCHES = 6, 8  # of the dictionary: how often the sample is seen, and at least in how many batches, where it is small
_TINY = 1e-12


class Mixture(NamedTuple):
    """A Gaussian mixture with diagonal covariances: weights (K,), means (K, D) and standard deviations (K, D), float32."""

    weights: Floats
    means: Floats
    deviations: Floats


def k_means(sample: Floats, words: int, seed: int) -> Floats:
    """Return the centres (K, D) of a sample (M, D)."""
    from sklearn.cluster import MiniBatchKMeans  # noqa: PLC0415 - heavy

    model = MiniBatchKMeans(words, batch_size=_BATCH, max_iter=_ROUNDS, n_init=1, random_state=seed, reassignment_ratio=0.0)
    fitted(model, sample)
    return np.asarray(model.cluster_centers_, np.float32)


def mixture(sample: Floats, words: int, seed: int) -> Mixture:
    """Return the Gaussian mixture of a sample (M, D), begun from k-means."""
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415 - heavy

    floor = max(_LEAST_VARIANCE * float(sample.var(axis=0, dtype=np.float64).mean()), _TINY)
    model = GaussianMixture(
        words,
        covariance_type="diag",
        reg_covar=floor,
        max_iter=_EXPECTATIONS,
        means_init=k_means(sample, words, seed),
        init_params="random_from_data",
        random_state=seed,
    )
    fitted(model, sample)
    told = (model.weights_, model.means_, np.sqrt(model.covariances_))
    return Mixture(*(np.asarray(array, np.float32) for array in told))


def dictionary(sample: Floats, words: int, alpha: float, seed: int) -> Floats:
    """Return atoms (K, D) of length 1 of which the rows of a sample (M, D), of length 1, are made with few.

    Online dictionary learning, Mairal et al., ICML 2009: codes of a mini-batch, then one pass of block-coordinate descent over the
    atoms by the sums of all that was seen. scikit-learn's does the same; its codes take ten times as long as ours (`lasso`).
    """
    random = np.random.default_rng(seed)
    atoms = sample[random.permutation(len(sample))[:words]].astype(np.float64)
    atoms /= np.maximum(np.linalg.norm(atoms, axis=1, keepdims=True), _TINY)
    used, seen = np.zeros((words, words)), np.zeros((words, sample.shape[1]))
    size = min(max(len(sample) // _BATCHES, 256), _BATCH)
    for epoch in range(_EPOCHS):
        order = random.permutation(len(sample))
        for block in blocks(len(sample), size):
            own = sample[order[block]]
            held = atoms.astype(np.float32)
            codes = sparse_codes(own, held, held @ held.T, alpha).astype(np.float64)
            fading = 0.5 if epoch == 0 else 0.9  # what early, poor atoms said is soon forgotten
            used = fading * used + codes.T @ codes
            seen = fading * seen + codes.T @ own
            _moved(atoms, used, seen, own, random)
    return atoms.astype(np.float32)


def _moved(
    atoms: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    used: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    seen: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    rows: Floats,
    random: np.random.Generator,
) -> None:
    """Move each atom in turn to where it serves best; one that nobody uses becomes a descriptor that was seen."""
    for number in range(len(atoms)):
        if used[number, number] < 1e-6:
            atoms[number] = rows[random.integers(len(rows))]
        else:
            atoms[number] += (seen[number] - used[number] @ atoms) / used[number, number]
        length = float(np.linalg.norm(atoms[number]))
        atoms[number] /= max(length, _TINY)

"""Sparse codes are the least of their problem: scikit-learn's objective, and the conditions of the optimum."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode

from framevote.encoders import SparseCoding
from framevote.encoders.codebooks import dictionary
from framevote.encoders.lasso import LIKELY, sparse_codes
from framevote.encoders.sparse import of_length_one

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # theirs, on nearly equal atoms


def rows(count, numbers, seed=0, nonnegative=False):
    values = np.random.default_rng(seed).normal(0, 1, (count, numbers))
    return of_length_one((np.abs(values) if nonnegative else values).astype(np.float32))


def nearly_equal(count, numbers, apart=0.02):
    return of_length_one(rows(1, numbers) + np.float32(apart) * rows(count, numbers, seed=5))


ATOMS = {
    "many": rows(300, 32, seed=1),
    "fewer than likely": rows(LIKELY - 9, 32, seed=1),
    "one": rows(1, 32, seed=1),
    "coherent": rows(200, 32, seed=1, nonnegative=True),
    "nearly equal": nearly_equal(60, 32),
    "duplicated": np.repeat(rows(40, 32, seed=1), 3, axis=0),
}


def prices(values, atoms, codes, alpha):
    values, atoms, codes = (np.asarray(array, np.float64) for array in (values, atoms, codes))
    return 0.5 * np.square(values - codes @ atoms).sum(axis=1) + alpha * np.abs(codes).sum(axis=1)


def by_scikit_learn(values, atoms, alpha):
    given = values.astype(np.float64), atoms.astype(np.float64)
    return sparse_encode(*given, algorithm="lasso_cd", alpha=alpha, max_iter=20_000)


@pytest.mark.parametrize("alpha", [0.01, 0.15, 0.6, 0.97])
@pytest.mark.parametrize("kind", ATOMS)
def test_the_price_is_scikit_learns(kind, alpha):
    atoms = ATOMS[kind]
    values = np.concatenate([rows(60, 32), rows(60, 32, nonnegative=True), atoms[:20], np.zeros((1, 32), np.float32)])
    codes = sparse_codes(values, atoms, atoms @ atoms.T, alpha)
    assert codes.dtype == np.float32
    ours, theirs = prices(values, atoms, codes, alpha), prices(values, atoms, by_scikit_learn(values, atoms, alpha), alpha)
    np.testing.assert_array_less(ours, theirs * (1 + 1e-4) + 1e-9)
    assert not codes[-1].any()


@pytest.mark.parametrize("alpha", [0.01, 0.15, 0.6])
@pytest.mark.parametrize("kind", ATOMS)
def test_the_conditions_of_the_optimum_hold(kind, alpha):
    atoms, values = ATOMS[kind], rows(100, 32)
    codes = sparse_codes(values, atoms, atoms @ atoms.T, alpha).astype(np.float64)
    left = (values - codes @ atoms) @ atoms.T.astype(np.float64)
    used = codes != 0
    assert np.abs(left).max() < alpha + 2e-3
    np.testing.assert_allclose(left[used], alpha * np.sign(codes[used]), rtol=0, atol=2e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 40), st.floats(0.005, 0.999), st.integers(0, 1000))
def test_whatever_is_coded_the_price_is_scikit_learns(count, numbers, alpha, seed):
    atoms, values = rows(count, numbers, seed + 1), rows(10, numbers, seed)
    ours = prices(values, atoms, sparse_codes(values, atoms, atoms @ atoms.T, alpha), alpha)
    theirs = prices(values, atoms, by_scikit_learn(values, atoms, alpha), alpha)
    np.testing.assert_array_less(ours, theirs * (1 + 1e-4) + 1e-9)


def test_codes_do_not_hang_on_what_else_is_coded():
    atoms, values = ATOMS["many"], rows(80, 32)
    gram = atoms @ atoms.T
    apart = np.concatenate([sparse_codes(values[row : row + 1], atoms, gram, 0.1) for row in range(80)])
    np.testing.assert_allclose(sparse_codes(values, atoms, gram, 0.1), apart, rtol=0, atol=2e-3)


def test_nothing_is_coded_as_nothing():
    atoms = ATOMS["many"]
    assert sparse_codes(np.zeros((0, 32), np.float32), atoms, atoms @ atoms.T, 0.1).shape == (0, 300)
    assert not sparse_codes(np.zeros((5, 32), np.float32), atoms, atoms @ atoms.T, 0.1).any()


def test_a_descriptors_length_does_not_count_and_absolute_values_are_pooled():
    coder = SparseCoding(words=300, alpha=0.1).coder({"codebook": ATOMS["many"]})
    values = rows(50, 32)
    expected = np.abs(by_scikit_learn(values, ATOMS["many"], 0.1)).max(axis=0)
    for scale in (1, 1e-3, 1e3):
        np.testing.assert_allclose(coder.pooled(values * np.float32(scale), np.array([0, 50]), "max")[0], expected, atol=2e-3)


def test_many_atoms_for_each_descriptor_take_bounded_memory():
    atoms, values = rows(400, 96, seed=1), rows(300, 96)
    gram = atoms @ atoms.T
    tracemalloc.start()
    sparse_codes(values, atoms, gram, 0.05)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


def made_of_few(count, numbers=24, atoms=40, used=3):
    random = np.random.default_rng(3)
    truth, codes = rows(atoms, numbers, seed=9), np.zeros((count, atoms), np.float32)
    for code in codes:
        code[random.choice(atoms, used, replace=False)] = random.normal(0, 1, used)
    return of_length_one(codes @ truth + random.normal(0, 0.02, (count, numbers)).astype(np.float32))


def test_a_dictionary_serves_as_well_as_scikit_learns():
    sample, shown = np.split(made_of_few(5000), [4000])
    model = MiniBatchDictionaryLearning(
        40, alpha=0.1, max_iter=6, batch_size=256, fit_algorithm="cd", random_state=0, transform_algorithm="lasso_cd", positive_code=False
    ).fit(sample.astype(np.float64))
    ours, theirs = (
        prices(shown, atoms, by_scikit_learn(shown, atoms, 0.1), 0.1).mean()
        for atoms in (dictionary(sample, 40, 0.1, 0), model.components_)
    )
    assert ours < 1.05 * theirs


def test_a_dictionary_is_the_same_of_the_same_seed_and_its_atoms_have_length_one():
    sample = made_of_few(800)
    one, two, other = (dictionary(sample, 30, 0.1, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 1e-2
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-5)


def test_descriptors_of_nothing_among_others_make_no_broken_atom():
    sample = made_of_few(200)
    sample[::2] = 0
    found = dictionary(sample, 60, 0.15, 0)
    assert np.isfinite(found).all()

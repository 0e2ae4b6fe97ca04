"""The codes of each encoder are what its formula says: scikit-image, and plain loops in double precision."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from skimage.feature import fisher_vector
from sklearn.mixture import GaussianMixture

from framevote.encoders import LLC, VLAD, BagOfWords, FisherVector, SoftAssignment, SuperVector
from framevote.encoders.codebooks import Mixture

SHAPES = {  # where the descriptors of each cell begin
    "one big set": [0, 9000],
    "many sets of one size": np.arange(0, 9001, 49)[:184],
    "ragged sets": [0, 0, 1, 1, 400, 5000, 5000, 5007, 9000, 9000],
}


def made(rows, numbers, seed=0, offset=0.0):
    random = np.random.default_rng(seed)
    middles = np.random.default_rng(50).normal(0, 1, (6, numbers))
    return (middles[random.integers(6, size=rows)] + random.normal(0, 0.7, (rows, numbers)) + offset).astype(np.float32)


def words(count, numbers, offset=0.0):
    return made(count, numbers, seed=7, offset=offset)


def close(received, expected, within=1e-4):
    assert received.dtype == np.float32
    assert received.shape == np.shape(expected)
    np.testing.assert_allclose(received, expected, rtol=0, atol=within * np.abs(expected).max(initial=0))


def squares(values, codebook):
    values, codebook = np.asarray(values, np.float64), np.asarray(codebook, np.float64)
    return ((values[:, None] - codebook) ** 2).sum(axis=2)


# Fisher vectors


def fitted_mixture(sample, count):
    return GaussianMixture(count, covariance_type="diag", reg_covar=1e-4, random_state=0).fit(sample.astype(np.float64))


def by_scikit_image(values, model):
    """Theirs in our order, word by word: they give the weights' part too, divide by the count, and turn the deviations' sign."""
    count, numbers = model.means_.shape
    if not len(values):
        return np.zeros(count * 2 * numbers)
    given = fisher_vector(values.astype(np.float64), model)[count:] * len(values)
    means, deviations = given.reshape(2, count, numbers)
    return np.concatenate([means, -deviations], axis=1).ravel()


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_fisher_vectors_are_scikit_images(shape, offset):
    values, starts = made(9000, 12, offset=offset), np.asarray(SHAPES[shape])
    model = fitted_mixture(made(2000, 12, seed=1, offset=offset), 5)
    coder = FisherVector(words=5).coder(Mixture(model.weights_, model.means_, np.sqrt(model.covariances_))._asdict())
    expected = np.stack([by_scikit_image(values[start:end], model) for start, end in pairwise(starts)])
    close(coder.pooled(values, starts, "sum"), expected)


def test_posteriors_are_scikit_learns():
    values = made(500, 6)
    model = fitted_mixture(made(2000, 6, seed=1), 5)
    coder = FisherVector(words=5).coder(Mixture(model.weights_, model.means_, np.sqrt(model.covariances_))._asdict())
    close(coder.posteriors(values), model.predict_proba(values.astype(np.float64)))


def test_far_away_from_every_word_a_fisher_vector_is_finite():
    arrays = Mixture(np.array([1.0, 0.0], np.float32), np.zeros((2, 3), np.float32), np.full((2, 3), 1e-3, np.float32))._asdict()
    coder = FisherVector(words=2).coder(arrays)
    assert np.isfinite(coder.pooled(np.full((5, 3), 1e3, np.float32), np.array([0, 5]), "sum")).all()


# Words that descriptors are nearest to


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pooling", ["sum", "max"])
def test_a_bag_of_words_counts_the_nearest(shape, pooling):
    values, codebook, starts = made(9000, 10), words(7, 10), np.asarray(SHAPES[shape])
    values, expected = values[: starts[-1]], np.zeros((len(starts) - 1, 7))
    for cell in range(len(expected)):
        for row in range(starts[cell], starts[cell + 1]):
            expected[cell, squares(values[row : row + 1], codebook)[0].argmin()] += 1
    coder = BagOfWords(words=7).coder({"codebook": codebook})
    close(coder.pooled(values, starts, pooling), np.minimum(expected, 1) if pooling == "max" else expected)


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_vlad_and_super_vectors_sum_differences(shape, offset):
    values, codebook, starts = made(9000, 10, offset=offset), words(7, 10, offset), np.asarray(SHAPES[shape])
    differences, counts = np.zeros((len(starts) - 1, 7, 10)), np.zeros((len(starts) - 1, 7))
    values = values[: starts[-1]]
    owner = squares(values, codebook).argmin(axis=1)
    for cell in range(len(differences)):
        for row in range(starts[cell], starts[cell + 1]):
            differences[cell, owner[row]] += values[row].astype(np.float64) - codebook[owner[row]]
            counts[cell, owner[row]] += 1
    vlad = VLAD(words=7).coder({"codebook": codebook})
    close(vlad.pooled(values, starts, "sum"), differences.reshape(len(counts), -1))
    sizes = np.diff(starts)
    shares = np.sqrt(counts / np.maximum(sizes, 1)[:, None])
    parts = differences / np.maximum(sizes, 1)[:, None, None] / np.where(shares > 0, shares, 1)[:, :, None]
    expected = np.concatenate([0.3 * shares[:, :, None], parts], axis=2).reshape(len(counts), -1)
    coder = SuperVector(words=7, share=0.3).coder({"codebook": codebook})
    close(coder.finish(coder.pooled(values, starts, "average"), sizes.astype(float), "average"), expected)


# Soft assignment


@pytest.mark.parametrize("nearest", [0, 1, 3, 30, 40])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_soft_assignment_is_a_kernel(nearest, offset):
    values, codebook, scale = made(1500, 10, offset=offset), words(40, 10, offset), 0.8
    apart = squares(values, codebook)
    kernel = np.exp(-scale * (apart - apart.min(axis=1, keepdims=True)))
    if nearest:
        kernel[apart > np.sort(apart, axis=1)[:, nearest - 1 : nearest]] = 0
    coder = SoftAssignment(words=40, nearest=nearest).coder({"codebook": codebook, "scale": np.array([scale])})
    codes = coder.codes(values)
    close(codes, kernel / kernel.sum(axis=1, keepdims=True))
    close(coder.pooled(values, np.array([0, 700, 700, 1500]), "max"), [codes[:700].max(axis=0), np.zeros(40), codes[700:].max(axis=0)])


def test_the_width_is_in_units_of_the_distance_to_the_nearest_word():
    sample = made(3000, 10)
    arrays = SoftAssignment(words=12, width=0.5).fit(sample, seed=1).arrays()
    square = squares(sample, arrays["codebook"]).min(axis=1).mean()
    assert arrays["scale"][0] == pytest.approx(1 / (2 * 0.5**2 * square), rel=1e-4)


# Locality-constrained linear coding


def exact_llc(value, codebook, nearest, regular):
    """Solve the least squares with their constraint as one linear system (Karush, Kuhn and Tucker)."""
    value, codebook = value.astype(np.float64), codebook.astype(np.float64)
    places = np.argsort(squares(value[None], codebook)[0], kind="stable")[:nearest]
    gram = (codebook[places] - value) @ (codebook[places] - value).T
    gram += np.eye(nearest) * (regular * np.trace(gram) or 1.0)
    system = np.block([[2 * gram, np.ones((nearest, 1))], [np.ones((1, nearest)), np.zeros((1, 1))]])
    codes = np.zeros(len(codebook))
    codes[places] = np.linalg.solve(system, [0.0] * nearest + [1.0])[:nearest]
    return codes


@pytest.mark.parametrize("nearest", [1, 2, 5, 30, 40])
@pytest.mark.parametrize("regular", [1e-4, 0.1])
def test_llc_solves_its_least_squares(nearest, regular):
    values, codebook = made(200, 10), words(40, 10)
    values[:40] = codebook  # points that are a word
    coder = LLC(words=40, nearest=nearest, regular=regular).coder({"codebook": codebook})
    close(coder.codes(values), np.stack([exact_llc(value, codebook, nearest, regular) for value in values]))


def test_llc_is_what_an_optimiser_finds():
    value, codebook = made(1, 6)[0].astype(np.float64), words(4, 6).astype(np.float64)
    apart = codebook - value
    price = 0.01 * np.trace(apart @ apart.T)
    found = minimize(
        lambda code: np.square(value - code @ codebook).sum() + price * np.square(code).sum(),
        np.full(4, 0.25),
        constraints={"type": "eq", "fun": lambda code: code.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    coder = LLC(words=4, nearest=4, regular=0.01).coder({"codebook": codebook.astype(np.float32)})
    np.testing.assert_allclose(coder.codes(value[None].astype(np.float32))[0], found.x, atol=1e-4)


def test_llc_among_equal_words_still_makes_the_descriptor():
    codebook = words(6, 10)[[0, 0, 1, 1, 2, 2]]
    values = np.concatenate([codebook, made(20, 10)])
    codes = LLC(words=6, nearest=6).coder({"codebook": codebook}).codes(values)
    close(codes.sum(axis=1), np.ones(len(values)))
    close(codes[:6] @ codebook, codebook, within=1e-3)


@pytest.mark.parametrize("encoder", [LLC(words=1, nearest=1), SoftAssignment(words=1, nearest=1), BagOfWords(words=1)])
def test_a_single_word_gets_everything(encoder):
    arrays = {"codebook": words(1, 10), "scale": np.array([1.0])}
    close(encoder.coder(arrays).codes(made(50, 10)), np.ones((50, 1)))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 6), st.floats(1e-3, 1e3), st.integers(0, 99))
def test_llc_and_soft_codes_sum_to_one_at_any_scale(count, numbers, scale, seed):
    codebook, values = words(count, numbers) * np.float32(scale), made(40, numbers, seed) * np.float32(scale)
    nearest = min(5, count)
    for encoder in (LLC(words=count, nearest=nearest), SoftAssignment(words=count, nearest=nearest)):
        codes = encoder.coder({"codebook": codebook, "scale": np.array([1.0])}).codes(values)
        assert np.isfinite(codes).all()
        np.testing.assert_allclose(codes.sum(axis=1), 1, atol=1e-4 * np.abs(codes).max())
        assert (np.count_nonzero(codes, axis=1) <= nearest).all()

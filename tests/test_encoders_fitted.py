"""Codebooks and projections are learned the same twice, kept in bytes, and refused with a sentence where they cannot be."""

import dataclasses
import io
import pickle
import tracemalloc

import numpy as np
import pytest
from sklearn import decomposition
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.mixture import GaussianMixture

from framevote.descriptors import Descriptors
from framevote.encoders import PCA, Encoding, Plain, Sample, budget, fit_encoding, load_encoding
from framevote.encoders.codebooks import k_means, mixture
from framevote.errors import ModelError
from framevote.parts import build, names
from framevote.testing import made_descriptors

ENCODERS = names("encoder")
SMALL = {"SparseCoding": "SparseCoding(words=12)", "LLC": "LLC(words=8, position=1.0)", "FisherVector": "FisherVector(words=3, moment=1.0)"}


def small(name):
    return build("encoder", SMALL.get(name, f"{name}(words=6)"))


def sample(rows=600, numbers=5, seed=0):
    made = made_descriptors(rows, numbers, seed)
    return Sample(made.values, made.places, np.linspace(0, 1, rows, dtype=np.float32))


def fitted(name, projection="PCA(components=4)"):
    return fit_encoding(small(name), build("projection", projection), sample(), seed=1)


def vector(encoding, seed=1):
    return encoding.window([encoding.moment(made_descriptors(80, 5, seed), when) for when in (0.0, 0.5, 1.0)])


# Projections


@pytest.mark.parametrize("whiten", [False, True])
def test_principal_components_are_scikit_learns(whiten):
    given = sample(500, 10).values * np.arange(1, 11, dtype=np.float32) + 30
    model = decomposition.PCA(6, whiten=whiten, svd_solver="full").fit(given.astype(np.float64))
    found, expected = PCA(components=6, whiten=whiten).fit(given)(given), model.transform(given.astype(np.float64))
    expected *= np.sign((expected * found).sum(axis=0))
    np.testing.assert_allclose(found, expected * (np.sqrt(500 / 499) if whiten else 1), atol=1e-4 * np.abs(expected).max())


def test_whitened_every_number_varies_by_one():
    given = sample(2000, 10).values * 10.0 ** np.arange(-2, 3).repeat(2)
    projected = PCA(components=64, whiten=True).fit(given.astype(np.float32))
    found = projected(given.astype(np.float32))
    assert found.shape == (2000, 10)
    assert found[:, :4].var(axis=0) == pytest.approx(1, rel=1e-3)
    assert found.var(axis=0).max() < 1.01
    assert projected.spread <= 1.001


def test_what_never_changes_is_not_blown_up():
    given = sample(500, 4).values
    given = np.concatenate([given, np.full((500, 2), 7, np.float32)], axis=1)
    projected = PCA(whiten=True).fit(given)
    shown = given + np.float32([0, 0, 0, 0, 1e-3, 1e-3])
    assert np.isfinite(projected(shown)).all()
    assert np.abs(projected(shown)).max() < 1e3


# Codebooks


def test_codebooks_are_the_same_of_the_same_seed():
    values = sample().values
    for learn in (k_means, lambda *given: np.concatenate([array.ravel() for array in mixture(*given)])):
        np.testing.assert_array_equal(learn(values, 5, 3), learn(values, 5, 3))
        assert np.abs(learn(values, 5, 3) - learn(values, 5, 4)).max() > 1e-3


def test_k_means_finds_the_middles_of_what_is_apart():
    middles = np.random.default_rng(0).normal(0, 30, (6, 5))
    values = np.repeat(middles, 100, axis=0) + np.random.default_rng(1).normal(0, 0.1, (600, 5))
    found = k_means(values.astype(np.float32), 6, 0)
    assert pairwise_distances_argmin_min(middles, found)[1].max() < 0.1


def test_a_mixture_is_as_likely_as_scikit_learns():
    values = sample(3000, 5).values
    found = mixture(values, 8, 0)
    theirs = GaussianMixture(8, covariance_type="diag", random_state=0, n_init=2).fit(values.astype(np.float64))
    ours = GaussianMixture(8, covariance_type="diag")
    ours.weights_, ours.means_, ours.covariances_ = (np.asarray(array, np.float64) for array in (*found[:2], found.deviations**2))
    ours.weights_ /= ours.weights_.sum()
    ours.precisions_cholesky_ = 1 / np.sqrt(ours.covariances_)
    assert ours.score(values.astype(np.float64)) > theirs.score(values.astype(np.float64)) - 0.1
    assert found.weights.sum() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", ENCODERS)
def test_descriptors_that_are_few_and_equal_give_finite_vectors(name):
    values = sample(30).values[np.arange(300) % 4]  # four different ones, fewer than words
    own = Sample(values, np.full((300, 2), 0.5, np.float32), np.full(300, 0.5, np.float32))
    encoding = fit_encoding(small(name), Plain(), own)
    assert np.isfinite(vector(encoding)).all()


# Bytes


@pytest.mark.parametrize("projection", ["Plain()", "PCA(components=3, whiten=True)"])
@pytest.mark.parametrize("name", ENCODERS)
def test_bytes_give_the_same_vectors(name, projection):
    encoding = fitted(name, projection)
    loaded = load_encoding(encoding.save(), encoding.encoder, "sports.fvm")
    np.testing.assert_array_equal(vector(loaded), vector(encoding))
    assert (repr(loaded), loaded.numbers, loaded.length) == (repr(encoding), 5, len(vector(loaded)))
    assert build("encoder", repr(encoding.encoder)) == encoding.encoder


@pytest.mark.parametrize("name", ENCODERS)
def test_another_encoders_bytes_are_refused(name):
    encoding = fitted(name)
    others = [dataclasses.replace(encoding.encoder, words=9), *(small(other) for other in ENCODERS if other != name)]
    told = r"The codebook in sports\.fvm cannot be read \(\w+: .*\)\. Train the model again\."
    with pytest.raises(ModelError, match=told):
        load_encoding(encoding.save(), others[0], "sports.fvm")
    for other in others[1:]:  # where the arrays happen to fit, a codebook is a codebook
        try:
            loaded = load_encoding(encoding.save(), other, "sports.fvm")
        except ModelError:
            continue
        assert np.isfinite(vector(loaded)).all()


def refused(data, encoder):
    with pytest.raises(ModelError, match=r"The codebook in sports\.fvm cannot be read .* Train the model again\."):
        load_encoding(data, encoder, "sports.fvm")


def changed(data, **arrays):
    with np.load(io.BytesIO(data)) as held:
        told = {**held, **arrays}
    file = io.BytesIO()
    np.savez(file, **{name: array for name, array in told.items() if array is not None})
    return file.getvalue()


@pytest.mark.parametrize("name", ENCODERS)
def test_bytes_that_are_cut_off_are_refused(name):
    encoding = fitted(name)
    data = encoding.save()
    for length in [0, 1, 3, 4, 100, *range(200, len(data), 97), len(data) - 1]:
        refused(data[:length], encoding.encoder)


def test_no_flipped_bit_gives_anything_but_a_sentence_or_the_same_vector():
    encoding = fitted("FisherVector")
    data, expected = encoding.save(), vector(encoding)
    for at in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        try:
            loaded = load_encoding(bytes(damaged), encoding.encoder, "sports.fvm")
        except ModelError:
            continue
        np.testing.assert_array_equal(vector(loaded), expected)


@pytest.mark.parametrize("name", ENCODERS)
def test_arrays_that_do_not_fit_are_refused(name):
    encoding = fitted(name)
    data, encoder = encoding.save(), encoding.encoder
    for key, array in np.load(io.BytesIO(data)).items():
        refused(changed(data, **{key: None}), encoder)
        refused(changed(data, **{key: np.array(["text"])}), encoder)
        refused(changed(data, **{key: np.zeros(0, np.float32)}), encoder) if key != "middle" else None
        refused(changed(data, **{key: np.full_like(array, np.nan, dtype=np.float32)}), encoder)
        refused(changed(data, **{key: np.full_like(array, np.inf, dtype=np.float32)}), encoder)
        if array.ndim == 2:
            refused(changed(data, **{key: array[:-1]}), encoder)
            refused(changed(data, **{key: array.ravel()}), encoder)
    for numbers in (-1, 0, 4, 6, 10**12):
        refused(changed(data, numbers=np.array([numbers])), encoder)


def test_spreads_of_zero_are_refused():
    encoding = fitted("FisherVector")
    refused(changed(encoding.save(), coder_deviations=np.zeros((3, 5), np.float32)), encoding.encoder)


class _Runs:
    def __reduce__(self):
        return (_ran.append, (1,))


_ran: list[int] = []


def test_no_pickle_is_opened():
    encoding = fitted("BagOfWords")
    refused(pickle.dumps(_Runs()), encoding.encoder)
    refused(changed(encoding.save(), coder_codebook=np.array([_Runs()], object)), encoding.encoder)
    assert _ran == []


# Bounds


def test_the_sample_is_bounded():
    assert [budget(build("encoder", spec)) for spec in ("BagOfWords(words=8)", "BagOfWords(words=1024)", "FisherVector(words=65536)")] == [
        20_000,
        102_400,
        250_000,
    ]


@pytest.mark.parametrize("name", ENCODERS)
def test_many_descriptors_take_bounded_memory(name):
    count = 20_000 if name == "SparseCoding" else 1_000_000
    made = Descriptors(np.random.default_rng(0).random((count, 64), np.float32), np.random.default_rng(1).random((count, 2), np.float32))
    own = Sample(made.values[:400], made.places[:400], np.zeros(400, np.float32))
    encoding = fit_encoding(small(name), PCA(components=16), own)
    tracemalloc.start()
    encoding.moment(made)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20


def test_an_encoding_prints_its_shape():
    assert repr(fitted("BagOfWords")) == "Encoding(BagOfWords(words=6), 5 numbers a descriptor → 6)"
    assert isinstance(fitted("BagOfWords"), Encoding)

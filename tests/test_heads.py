"""Heads against scikit-learn's own pipeline, and prototypes against plain geometry."""

import numpy as np
import pytest
import sklearn.linear_model
import sklearn.pipeline
import sklearn.preprocessing

from framevote.calibration import as_targets
from framevote.errors import InputError, PartError
from framevote.heads import Average, average, check_size, fit_linear, fit_prototypes, minutes
from framevote.heads.average import PROTOTYPES
from framevote.parts import build


def made(rows: int, classes: int, numbers: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings in clouds that overlap, of very different scales, and the class of each."""
    random = np.random.default_rng(seed)
    winners = np.arange(rows) % classes
    values = random.normal(0, 1.5, (classes, numbers))[winners] + random.normal(0, 2, (rows, numbers))
    return (values * np.geomspace(0.01, 100, numbers) + random.normal(0, 5, numbers)).astype(np.float32), winners


@pytest.fixture(autouse=True)
def exact(monkeypatch, request):
    """Fit to the last digit, so that it can be compared; what the usual tolerance costs has a test of its own."""
    if "usual" not in request.node.name:
        monkeypatch.setattr(average, "_TOLERANCE", 1e-7)
        monkeypatch.setattr(average, "_ITERATIONS", 5000)


def by_scikit_learn(values, truth, strength, weights=None, shown=None) -> np.ndarray:
    model = sklearn.linear_model.LogisticRegression(C=strength, max_iter=5000, tol=1e-6)
    pipeline = sklearn.pipeline.make_pipeline(sklearn.preprocessing.StandardScaler(), model)
    pipeline.fit(values.astype(np.float64), truth, logisticregression__sample_weight=weights)
    return pipeline.predict_proba((values if shown is None else shown).astype(np.float64))


@pytest.mark.parametrize("strength", [0.01, 1.0])
@pytest.mark.parametrize("classes", [2, 3, 12])
def test_a_head_is_scikit_learns_on_standardised_embeddings(classes, strength):
    values, winners = made(240, classes)
    top = fit_linear(values, as_targets(winners, classes), strength=strength)
    shown, _ = made(100, classes, seed=0)
    np.testing.assert_allclose(top.probabilities(shown), by_scikit_learn(values, winners, strength, shown=shown), atol=1e-3)


def test_the_usual_tolerance_costs_next_to_nothing():
    values, winners = made(240, 12)
    found = fit_linear(values, as_targets(winners, 12), strength=1.0).probabilities(values)
    wanted = by_scikit_learn(values, winners, 1.0)
    assert np.abs(found - wanted).max() < 0.03
    assert np.mean(found.argmax(axis=1) == wanted.argmax(axis=1)) > 0.98


def test_rows_that_weigh_more_count_more():
    values, winners = made(240, 3)
    weights = np.random.default_rng(0).uniform(0.1, 2, 240)
    top = fit_linear(values, as_targets(winners, 3), weights)
    np.testing.assert_allclose(top.probabilities(values), by_scikit_learn(values, winners, 0.1, weights), atol=1e-3)
    assert np.abs(top.probabilities(values) - fit_linear(values, as_targets(winners, 3)).probabilities(values)).max() > 0.01


def test_several_labels_are_a_classifier_each():
    values, _ = made(300, 3)
    truth = (values - values.mean(axis=0))[:, :4] > 0
    truth[:, 3] = np.arange(300) % 3 == 0
    top = fit_linear(values, truth, several=True)
    for column in range(4):
        wanted = by_scikit_learn(values, truth[:, column], 0.1)[:, 1]
        np.testing.assert_allclose(top.probabilities(values)[:, column], wanted, atol=1e-3)


def test_a_class_that_no_row_has_is_never_said():
    values, winners = made(200, 3)
    top = fit_linear(values, as_targets(winners * 2, 5))  # columns 1 and 3 are empty
    found = top.probabilities(values)
    assert found[:, [1, 3]].max() < 1e-6
    np.testing.assert_allclose(found[:, [0, 2, 4]], by_scikit_learn(values, winners, 0.1), atol=1e-3)
    two = fit_linear(values, as_targets((winners > 0) * 2, 3))
    np.testing.assert_allclose(two.probabilities(values)[:, [0, 2]], by_scikit_learn(values, winners > 0, 0.1), atol=1e-3)


def test_where_all_rows_are_of_one_class_that_is_said():
    values, _ = made(20, 2)
    assert fit_linear(values, as_targets(np.ones(20, int), 3)).probabilities(values)[:, 1].min() > 0.999
    always = np.tile([True, False, True], (20, 1))
    np.testing.assert_allclose(fit_linear(values, always, several=True).probabilities(values), always, atol=1e-6)


@pytest.mark.parametrize("constant", [0.0, 1.0, -3e4])
def test_numbers_that_never_change_tell_nothing(constant):
    values, winners = made(200, 3)
    fixed = np.insert(values, 5, np.float32(constant), axis=1)
    top = fit_linear(fixed, as_targets(winners, 3))
    assert (top.kernel[5] == 0).all()
    np.testing.assert_allclose(top.probabilities(fixed), fit_linear(values, as_targets(winners, 3)).probabilities(values), atol=1e-3)


def test_what_does_not_fit_into_memory_is_refused_beforehand():
    check_size(20_000, 10_000)
    with pytest.raises(
        InputError, match=r"30000 pictures of 10000 classes are more .* at most 25000 pictures of so many classes: .*--frames"
    ):
        check_size(30_000, 10_000)
    with pytest.raises(InputError, match="more than can be fitted at once"):
        fit_linear(np.zeros((30_000, 1), np.float32), np.broadcast_to(np.bool_(False), (30_000, 10_000)))
    assert 0 < minutes(100, 1280, 6, 18) < 1 < minutes(100_000, 1280, 100, 18)


@pytest.mark.parametrize("strength", [None, 0.5, 3, 1e-9])
def test_a_head_is_its_text(strength):
    head = Average(strength)
    assert build("head", repr(head)) == head
    assert head.strengths == ((0.01, 0.1, 1.0) if strength is None else (strength,))
    values, winners = made(60, 3)
    top = head(values, as_targets(winners, 3), np.ones(60), False, 0.1)
    np.testing.assert_array_equal(top.kernel, fit_linear(values, as_targets(winners, 3), np.ones(60)).kernel)


@pytest.mark.parametrize("strength", [0, -1, float("nan"), float("inf"), True, "0.1", [0.1]])
def test_a_strength_that_is_none_is_refused(strength):
    with pytest.raises(PartError, match=r"Average takes strength: a number above 0.*Received: strength="):
        Average(strength)


def clouds(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directions about 20 centres of two classes, at any length; the classes; the centres."""
    random = np.random.default_rng(seed)
    centres = np.linalg.qr(random.normal(0, 1, (32, 20)))[0].T
    rows = np.repeat(np.arange(20), 30)
    values = (centres[rows] + random.normal(0, 0.02, (600, 32))) * random.uniform(0.1, 50, (600, 1))
    return values.astype(np.float32), as_targets(rows % 2, 2), centres


def test_prototypes_are_where_the_pictures_are():
    values, targets, centres = clouds()
    found = fit_prototypes(values, targets)
    assert (found.shape, found.dtype) == ((32, 2 * PROTOTYPES), np.float32)
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), 1, atol=1e-5)
    assert (centres @ found).max(axis=1).min() > 0.97  # each centre has one
    np.testing.assert_array_equal(found, fit_prototypes(values, targets))


def test_prototypes_of_few_or_equal_pictures_are_these():
    values = np.array([[3, 0], [6, 0], [0, 2], [0, 0]], np.float32)  # two directions, and a picture of nothing
    found = fit_prototypes(values, np.array([[True, False, False]] * 2 + [[False, True, False]] * 2))
    assert sorted(found.T.tolist()) == [[0, 0], [0, 1], [1, 0]]
    nearly = np.tile(np.float32([1, 1]), (40, 1)) + np.random.default_rng(0).normal(0, 1e-7, (40, 2)).astype(np.float32)
    assert np.abs(fit_prototypes(nearly, np.ones((40, 1), bool)) - 0.5**0.5).max() < 1e-5

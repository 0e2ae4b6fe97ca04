"""Temperature, thresholds and openness on made answers whose truth is drawn from known probabilities."""

import numpy as np
import pytest
import scipy.special
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from framevote.calibration import (
    as_targets,
    fit_openness,
    fit_temperature,
    fit_thresholds,
    is_unknown,
    known_share,
    negative_log_likelihood,
    pooled,
    tempered,
)
from framevote.model_file import Openness


def made(rows: int, classes: int, seed: int = 0, several: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and targets drawn from the probabilities that they stand for."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (rows, classes))
    if several:
        return logits, random.random((rows, classes)) < scipy.special.expit(logits)
    shares = scipy.special.softmax(logits, axis=1)
    winners = (random.random((rows, 1)) < shares.cumsum(axis=1)).argmax(axis=1)
    return logits, as_targets(winners, classes)


def answered(logits: np.ndarray, several: bool) -> np.ndarray:
    return scipy.special.expit(logits) if several else scipy.special.softmax(logits, axis=1)


@given(seed=st.integers(0, 99), classes=st.integers(1, 12), temperature=st.floats(0.05, 20), several=st.booleans())
@settings(deadline=None)
def test_the_temperature_divides_the_logits(seed, classes, temperature, several):
    logits, _ = made(20, classes, seed)
    found = tempered(answered(logits, several), temperature, several)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, answered(logits / temperature, several), atol=2e-6)
    order = np.argsort(logits.ravel() if several else logits[0])
    assert (np.diff((found.ravel() if several else found[0])[order]) >= 0).all()


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("temperature", [1e-300, 1e-3, 1e3, 1e300])
def test_no_temperature_makes_a_probability_that_is_none(temperature, several):
    found = tempered(np.array([[0.3, 0.7], [0.0, 1.0], [0.5, 0.5], [1e-38, 1.0]], np.float32), temperature, several)
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert np.array_equal(found[1], [0, 1])
    assert np.array_equal(found[2], [0.5, 0.5])


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("blown", [0.5, 1.0, 3.0])
def test_the_temperature_of_a_miscalibrated_model_is_found(blown, several):
    logits, targets = made(10_000, 4, several=several)
    said = answered(logits * blown, several)
    found = fit_temperature(said, targets, None, several)
    assert found == pytest.approx(blown, rel=0.06)  # its standard error is a fiftieth
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 60))
    losses = [loss(tempered(said, one, several), targets, several) for one in grid]
    assert loss(tempered(said, found, several), targets, several) <= min(losses) + 1e-6


def loss(values: np.ndarray, targets: np.ndarray, several: bool) -> float:
    """By scikit-learn."""
    values = values.astype(np.float64)
    if several:
        return float(np.mean([sklearn.metrics.log_loss(t, v, labels=[0, 1]) for t, v in zip(targets.T, values.T, strict=True)]))
    values /= values.sum(axis=1, keepdims=True)  # scikit-learn warns of a sum that float32 rounds
    return float(sklearn.metrics.log_loss(targets.argmax(axis=1), values, labels=range(values.shape[1])))


@given(seed=st.integers(0, 99), several=st.booleans())
@settings(deadline=None, max_examples=20)
def test_the_likelihood_is_scikit_learns_and_an_item_of_equal_rows_counts_once(seed, several):
    logits, targets = made(50, 3, seed, several)
    said = answered(logits, several)
    assert negative_log_likelihood(said, targets, several) == pytest.approx(loss(said, targets, several))
    copies = np.random.default_rng(seed).integers(1, 4, 50)
    rows, truth, owners = (np.repeat(values, copies, axis=0) for values in (said, targets, np.arange(50)))
    assert fit_temperature(rows, truth, owners, several) == pytest.approx(fit_temperature(said, targets, None, several), rel=1e-3)


def test_clips_whose_frames_doubt_and_agree_are_as_sure_as_they_are_right():
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 400)
    right = np.where(random.random(400) < 0.95, truth, 1 - truth)  # what a clip's frames lean to, all of them a little
    rows = 0.5 + (np.repeat(right, 8)[:, None] == [0, 1]) * 0.2 - 0.1
    owners, targets = np.repeat(np.arange(400), 8), np.repeat(truth, 8)[:, None] == [0, 1]
    means = pooled(tempered(rows, fit_temperature(rows, targets, owners)), owners)
    assert means.max(axis=1).mean() == pytest.approx((means.argmax(axis=1) == truth).mean(), abs=0.005)


def test_a_probability_of_nothing_costs_much_and_not_without_end():
    said = np.array([[1.0, 0.0], [1.0, 0.0]])
    targets = np.array([[True, False], [False, True]])
    assert negative_log_likelihood(said, targets) == pytest.approx(-np.log(1e-12) / 2)
    assert np.isfinite(negative_log_likelihood(said, targets, several=True))
    assert 0.05 <= fit_temperature(said, targets) <= 20


@given(seed=st.integers(0, 500), rows=st.integers(1, 40), steps=st.sampled_from([3, 10, 1000]))
@settings(deadline=None)
def test_thresholds_have_the_best_f1_that_any_has(seed, rows, steps):
    random = np.random.default_rng(seed)
    said = (random.integers(0, steps, (rows, 2)) / steps).astype(np.float32)  # few steps: ties
    truth = random.random((rows, 2)) < 0.4
    for threshold, column, own in zip(fit_thresholds(said, truth), said.T, truth.T, strict=True):
        if not own.any():
            assert threshold == 0.5
            continue
        best = max(sklearn.metrics.f1_score(own, column >= one) for one in np.unique(column))
        assert sklearn.metrics.f1_score(own, column >= np.float32(threshold)) == pytest.approx(best)


WIDE = Openness(familiar=(0.4, 0.6), doubtful=(0.5, 0.3), sure=(0.9, 0.5), loss=0.05)


@pytest.mark.parametrize(
    ("best", "familiarity", "share"),
    [
        ((0.95, 0.05), 0.9, 0.998),  # sure and familiar
        ((0.7, 0.3), 0.9, 0.75),  # half way from doubtful to sure
        ((0.5, 0.4), 0.9, 0.5),
        ((0.45, 0.4), 0.9, 0.4375),
        ((0.3, 0.4), 0.9, 0.75),  # the second label has its own values
        ((0.95, 0.05), 0.5, 0.75),
        ((0.95, 0.05), 0.4, 0.5),
        ((0.95, 0.05), 0.3, 0.25),
        ((0.95, 0.05), -1.0, 0.002),
        ((0.45, 0.4), 0.3, 0.25),  # the less of the two
    ],
)
def test_how_far_a_picture_is_known(best, familiarity, share):
    assert known_share(WIDE, np.array([best]), np.array([familiarity]))[0] == pytest.approx(share, abs=1e-6)


def test_unknown_is_said_where_it_has_the_largest_share():
    said, similar = np.array([[0.8, 0.2]] * 2), np.array([0.42, 0.45])  # shares of the known: 0.55 and 0.625
    assert is_unknown(WIDE, said, similar).tolist() == [0.45 > 0.55 * 0.8, 0.375 > 0.625 * 0.8] == [True, False]


def pictures(count: int, seed: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Answers of three classes, and familiarity, of pictures that are known."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1, (count, 3))
    logits[np.arange(count), random.integers(0, 3, count)] += random.normal(6, spread, count)
    return scipy.special.softmax(logits, axis=1), random.normal(0.8, 0.05, count)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_openness_gives_up_the_share_of_the_known_that_was_asked_for(share):
    found = fit_openness(*pictures(4000, 0), loss=share)
    assert found.loss == pytest.approx(share, abs=2 / 4000 + 1e-9)
    again = is_unknown(found, *pictures(20_000, 1)).mean()
    assert again == pytest.approx(share, abs=4 * np.sqrt(share / 4000))


def test_openness_catches_what_is_like_nothing_and_what_lies_between():
    found = fit_openness(*pictures(4000, 0))
    said, similar = pictures(1000, 2)
    strange = is_unknown(found, said, similar - 0.4)
    assert strange.mean() > 0.99
    between = is_unknown(found, np.full((1000, 3), [0.4, 0.35, 0.25]), similar)
    assert between.mean() > 0.99
    assert is_unknown(found, said, similar).mean() < 0.09


@pytest.mark.parametrize(("rows", "same"), [(1, False), (3, False), (500, False), (3, True), (500, True)])
def test_openness_of_few_rows_or_of_rows_all_alike_is_one(rows, same):
    said, similar = pictures(rows, 0)
    if same:
        said, similar = np.repeat(said[:1], rows, axis=0), np.repeat(similar[:1], rows)
    found = fit_openness(said, similar)
    assert len(found.doubtful) == 3
    assert found.loss <= 0.05
    assert not is_unknown(found, said, similar).all()

"""Held-out answers: nothing is told of an item by a head that was fitted on it, and figures are scikit-learn's."""

import numpy as np
import pytest
import sklearn.linear_model
import sklearn.metrics
import sklearn.model_selection
import sklearn.pipeline
import sklearn.preprocessing

from framevote.calibration import as_targets, fit_temperature, is_unknown, tempered
from framevote.features import Rows
from framevote.heads import Average, average
from framevote.metrics import expected_calibration_error
from framevote.model_file import Openness
from framevote.training import cross_fitting
from framevote.training.cross_fitting import Material, calibrated, cross_fit, figures, openness_of, thresholds_of


def material(items: int = 150, several: bool = False, frames: int = 1, noise: float = 1.0, seed: int = 0) -> Material:
    """Items of three classes in clouds; of several labels, each by its own direction."""
    random = np.random.default_rng(seed)
    targets = random.random((items, 3)) < 0.4 if several else as_targets(np.arange(items) % 3, 3)
    counts = random.integers(1, frames + 1, items)
    owners = np.repeat(np.arange(items), counts)
    values = targets[owners] @ random.normal(0, 1, (3, 12)) + random.normal(0, noise, (len(owners), 12))
    return Material(Rows(values.astype(np.float32), owners, items), targets, several)


def parted(items: int, count: int = 5) -> list:
    return list(sklearn.model_selection.KFold(count, shuffle=True, random_state=0).split(np.arange(items)))


@pytest.fixture
def exact(monkeypatch):
    monkeypatch.setattr(average, "_TOLERANCE", 1e-7)
    monkeypatch.setattr(average, "_ITERATIONS", 5000)


def test_held_out_answers_are_scikit_learns_cross_validation(exact):
    given, folds = material(), parted(150)
    held = cross_fit(given, Average(0.1), folds)
    model = sklearn.pipeline.make_pipeline(sklearn.preprocessing.StandardScaler(), sklearn.linear_model.LogisticRegression(C=0.1, tol=1e-7))
    truth = given.targets.argmax(axis=1)
    wanted = sklearn.model_selection.cross_val_predict(model, given.rows.values.astype(np.float64), truth, cv=folds, method="predict_proba")
    np.testing.assert_allclose(held.probabilities, wanted[held.rows], atol=1e-3)
    assert sorted(held.rows) == list(range(150))
    assert all(number in folds[fold][1] for number, fold in zip(held.rows, held.folds, strict=True))
    assert held.strength == 0.1
    assert held.temperature == pytest.approx(fit_temperature(held.probabilities, given.targets[held.rows]))


def test_nothing_is_fitted_on_what_it_is_asked_about(monkeypatch):
    """A head that knows by heart what it saw, and says nothing of the rest."""
    given = material(60, frames=3)
    seen: list[set[int]] = []
    fit = Material.fit

    def watched(self, head, items, strength):
        seen.append(set(items.tolist()))
        return fit(self, head, items, strength)

    prototypes: list[set[int]] = []
    monkeypatch.setattr(Material, "fit", watched)
    monkeypatch.setattr(Material, "prototypes", lambda self, items: prototypes.append(set(items.tolist())) or np.zeros((12, 1)))
    folds = parted(60)
    cross_fit(given, Average(), folds)
    assert len(seen) == 15  # three strengths in five folds
    for number, (_, held) in enumerate(folds):
        assert not prototypes[number] & set(held.tolist())
        assert not any(seen[strength * 5 + number] & set(held.tolist()) for strength in range(3))


def test_the_strength_of_a_fold_is_chosen_by_the_others(monkeypatch):
    """Where one fold alone would have another strength, it does not get it; the model does what all together want."""
    given = material(90)
    folds = parted(90, 3)
    truth = np.concatenate([given.targets[held] for _, held in folds])
    fold = np.repeat([0, 1, 2], 30)

    def said(_, __, ___, strength: float) -> np.ndarray:
        good = (fold == 0) if strength == 1.0 else (fold != 0)  # the first fold is answered well at 1.0 only, the others at 0.01 only
        right = np.where(good, 0.9, 0.1)[:, None]
        return np.where(truth, right, (1 - right) / 2) if strength != 0.1 else np.full(truth.shape, 1 / 3)

    monkeypatch.setattr(cross_fitting, "_said", said)
    held = cross_fit(given, Average(), folds, familiar=False)
    assert held.strength == 0.01
    np.testing.assert_allclose(held.probabilities[truth][fold == 0], 0.1)  # the others chose 0.01 for it
    assert np.isnan(held.familiarity).all()


def test_temperatures_of_the_figures_come_from_the_other_folds():
    given, folds = material(90), parted(90, 3)
    held = cross_fit(given, Average(0.1), folds)
    values = calibrated(held, given)
    assert held.temperature < 0.7  # a head that is held back so much is surer than it says
    for number in range(3):
        others = held.folds != number
        temperature = fit_temperature(held.probabilities[others], given.targets[held.rows[others]])
        np.testing.assert_allclose(values[~others], tempered(held.probabilities[~others], temperature), atol=1e-4)
    alone = cross_fit(given, Average(0.1), folds[:1])
    np.testing.assert_allclose(calibrated(alone, given), tempered(alone.probabilities, alone.temperature), atol=1e-4)


def test_a_temperature_that_makes_new_items_no_likelier_is_left_out():
    found = [cross_fit(given, Average(0.1), parted(30, 3)) for given in (material(30, noise=9.0, seed=seed) for seed in range(20))]
    kept = [held.temperature == 1 for held in found]
    assert any(kept)
    assert not all(kept)
    one = found[kept.index(True)]
    np.testing.assert_array_equal(calibrated(one, material(30, noise=9.0, seed=kept.index(True))), one.probabilities)


@pytest.mark.parametrize("frames", [1, 5])
def test_figures_are_scikit_learns_of_the_means_of_items(frames):
    given, folds = material(90, noise=2.5, frames=frames), parted(90)
    held = cross_fit(given, Average(0.1), folds)
    values = calibrated(held, given)
    found = figures(held, values, given)
    owners, fold = given.rows.owners[held.rows], held.folds
    means = np.array([values[owners == item].mean(axis=0) for item in range(90)])
    fold_of = np.array([fold[owners == item][0] for item in range(90)])
    truth, guess = given.targets.argmax(axis=1), means.argmax(axis=1)
    by_fold = [sklearn.metrics.accuracy_score(truth[fold_of == number], guess[fold_of == number]) for number in range(5)]
    assert 0.5 < found["accuracy"] < 1
    assert found["accuracy"] == pytest.approx(np.mean(by_fold))
    assert found["accuracy_sd"] == pytest.approx(np.std(by_fold, ddof=1))
    assert found["mean_class_accuracy"] == pytest.approx(sklearn.metrics.balanced_accuracy_score(truth, guess))
    assert found["nll"] == pytest.approx(sklearn.metrics.log_loss(truth, means / means.sum(axis=1, keepdims=True)), rel=1e-5)
    assert found["ece"] == pytest.approx(expected_calibration_error(means.max(axis=1), truth == guess))
    assert (found["items"], found["folds"], found["temperature"]) == (90, 5, held.temperature)


def test_figures_of_several_labels():
    given, folds = material(200, several=True, noise=2.0), parted(200)
    held = cross_fit(given, Average(0.1), folds, familiar=False)
    values = calibrated(held, given)
    found = figures(held, values, given)
    truth = given.targets[held.rows]
    assert found["mean_average_precision"] == pytest.approx(sklearn.metrics.average_precision_score(truth, values, average="macro"))
    assert "accuracy" not in found
    thresholds = thresholds_of(held, given)
    for column, threshold in enumerate(thresholds):
        said = tempered(held.probabilities, held.temperature, several=True)[:, column]
        best = max(sklearn.metrics.f1_score(truth[:, column], said >= one) for one in np.unique(said))
        assert sklearn.metrics.f1_score(truth[:, column], said >= np.float32(threshold)) == pytest.approx(best)
    assert openness_of(held, given, "abc") is None
    none = Material(given.rows, np.zeros_like(given.targets), several=True)
    assert "mean_average_precision" not in figures(held, values, none)


def test_openness_is_told_where_there_is_enough_to_tell_it_from():
    given, folds = material(300), parted(300)
    held = cross_fit(given, Average(0.1), folds)
    found = openness_of(held, given, ("a", "b", "c"))
    assert isinstance(found, Openness)
    assert 0.02 < found.loss < 0.1  # as other folds find it
    said = tempered(held.probabilities, held.temperature)
    assert is_unknown(found, said, held.familiarity).mean() == pytest.approx(0.05, abs=0.01)
    assert thresholds_of(held, given) == ()
    assert openness_of(held, given, ("a", "unknown", "c")) is None
    small = material(99)
    assert openness_of(cross_fit(small, Average(0.1), parted(99)), small, ("a", "b", "c")) is None

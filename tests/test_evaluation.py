"""The figures of answers: scikit-learn and slow obvious sums as the oracles, intervals on made data."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from framevote.evaluation import Answers, classify
from framevote.evaluation import bootstrap as boot
from framevote.evaluation.classification import precision_recall
from framevote.evaluation.statistics import statistics
from framevote.metrics import calibration_bins, expected_calibration_error


def made(items: int, classes: int, several: bool = False, seed: int = 0, coarse: bool = True) -> Answers:
    """Answers that are right more often than not; with `coarse`, many probabilities tie."""
    random = np.random.default_rng(seed)
    labels = tuple(f"class {number}" for number in range(classes))
    if several:
        targets = random.random((items, classes)) < 0.3
        values = np.clip(targets * 0.4 + random.random((items, classes)) * 0.6, 0, 1)
    else:
        truth = random.integers(0, classes, items)
        targets = np.arange(classes) == truth[:, None]
        logits = random.normal(size=(items, classes)) + 2 * targets
        values = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if coarse:
        values = np.round(values * 16) / 16
    return Answers(values, targets, labels, several)


def value(answers: Answers, name: str) -> float:
    return classify(answers, rounds=2).figures[name].value


@pytest.mark.parametrize("seed", range(4))
def test_one_label_gives_the_figures_of_scikit_learn(seed):
    answers = made(300, 7, seed=seed)
    truth, said, p = answers.targets.argmax(axis=1), answers.winners, answers.probabilities.astype(float)
    told = {name: figure.value for name, figure in classify(answers, rounds=2).figures.items()}
    assert told["top1"] == pytest.approx(sk.accuracy_score(truth, said))
    assert told["mean_class_accuracy"] == pytest.approx(sk.balanced_accuracy_score(truth, said))
    assert told["macro_f1"] == pytest.approx(sk.f1_score(truth, said, average="macro", labels=np.unique(truth)))
    assert told["map"] == pytest.approx(sk.average_precision_score(answers.targets, p, average="macro"), abs=1e-6)
    assert told["brier"] == pytest.approx(((p - answers.targets) ** 2).sum() / 300, abs=1e-6)


def test_what_ties_would_make_ambiguous_is_compared_without_them():
    answers = made(300, 7, coarse=False)
    truth, p = answers.targets.argmax(axis=1), answers.probabilities.astype(float)
    p /= p.sum(axis=1, keepdims=True)
    assert value(answers, "top5") == pytest.approx(sk.top_k_accuracy_score(truth, p, k=5))
    assert value(answers, "nll") == pytest.approx(sk.log_loss(truth, p), abs=1e-5)


def test_several_labels_give_the_figures_of_scikit_learn():
    answers = made(200, 6, several=True)
    p, said = answers.probabilities.astype(float), answers.probabilities >= 0.5
    told = {name: figure.value for name, figure in classify(answers, rounds=2).figures.items()}
    shown = answers.targets.any(axis=1)
    assert told["top1"] == pytest.approx(answers.hits[shown].mean())
    assert told["map"] == pytest.approx(sk.average_precision_score(answers.targets, p, average="macro"), abs=1e-6)
    assert told["macro_f1"] == pytest.approx(sk.f1_score(answers.targets, said, average="macro"))
    assert told["mean_class_accuracy"] == pytest.approx(sk.recall_score(answers.targets, said, average="macro"))
    assert told["brier"] == pytest.approx(((p - answers.targets) ** 2).mean(), abs=1e-6)
    fair = np.clip(p, 1.2e-7, 1 - 1.2e-7)
    costs = [sk.log_loss(answers.targets[:, c], np.stack([1 - fair[:, c], fair[:, c]], axis=1), labels=[0, 1]) for c in range(6)]
    assert told["nll"] == pytest.approx(np.mean(costs), abs=1e-4)
    assert told["ece"] == pytest.approx(expected_calibration_error(p.ravel(), answers.targets.ravel()), abs=1e-6)
    assert classify(answers, rounds=2).confusion is None


def test_several_labels_are_said_from_their_thresholds_on():
    answers = Answers([[0.3, 0.6], [0.2, 0.9], [0.4, 0.1]], [[1, 0], [0, 1], [1, 0]], ("a", "b"), True, (0.3, 0.7))
    assert answers.said.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert value(answers, "macro_f1") == 1.0
    assert value(replace(answers, thresholds=()), "macro_f1") == pytest.approx((0 + 2 / 3) / 2)
    with pytest.raises(ValueError, match="thresholds for each of 2 labels"):
        replace(answers, thresholds=(0.5,))


def test_a_class_that_nothing_shows_is_not_counted():
    answers = Answers([[0.1, 0.2, 0.7], [0.8, 0.1, 0.1]], [[0, 1, 0], [1, 0, 0]], ("a", "b", "never"))
    result = classify(answers, rounds=2)
    assert result.figures["mean_class_accuracy"].value == 0.5
    assert result.figures["macro_f1"].value == 0.5
    assert result.figures["map"].value == 1.0
    assert "top5" not in result.figures
    assert [(row.label, row.support) for row in result.classes] == [("a", 1), ("b", 1), ("never", 0)]
    assert np.isnan(result.classes[2].average_precision)


def test_classes_and_confusion_are_those_of_scikit_learn():
    answers = made(300, 5, seed=3)
    result = classify(answers, rounds=2)
    truth = answers.targets.argmax(axis=1)
    report = sk.classification_report(truth, answers.winners, output_dict=True, zero_division=0)
    for column, row in enumerate(result.classes):
        theirs = report[str(column)]
        assert (row.precision, row.recall, row.f1, row.support) == pytest.approx(
            (theirs["precision"], theirs["recall"], theirs["f1-score"], theirs["support"])
        )
    assert np.array_equal(result.confusion, sk.confusion_matrix(truth, answers.winners))
    first = result.confused(1)[0]
    assert first[0] != first[1]
    assert first[2] == max(result.confusion[t, a] for t in range(5) for a in range(5) if t != a)
    assert result.confused(100)[-1][2] > 0


def test_curves_rise_in_recall_and_end_at_all():
    recall, precision = precision_recall(made(3000, 4, coarse=False), 2)
    assert len(recall) <= 300
    assert (recall[0], recall[-1], precision[0]) == (0.0, 1.0, 1.0)
    assert np.all(np.diff(recall) >= 0)


def slow_error(confidence, correct, bins):
    """The definition, word by word."""
    total = 0.0
    for number in range(bins):
        inside = [
            (c, r) for c, r in zip(confidence, correct, strict=True) if number / bins < c <= (number + 1) / bins or (number == 0 and c == 0)
        ]
        if inside:
            total += len(inside) * abs(sum(r for _, r in inside) / len(inside) - sum(c for c, _ in inside) / len(inside))
    return total / len(confidence)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40), st.sampled_from([1, 4, 16]))
def test_calibration_error_is_its_definition(pairs, bins):
    confidence, correct = zip(*pairs, strict=True)
    error = expected_calibration_error(confidence, correct, bins)
    assert error == pytest.approx(slow_error(confidence, correct, bins), abs=1e-9)
    assert 0 <= error <= 1


def test_calibration_by_hand():
    assert expected_calibration_error([0.8, 0.8, 0.8, 0.8, 0.8], [1, 1, 1, 1, 0]) == pytest.approx(0.0)
    assert expected_calibration_error([1.0, 1.0], [0, 0]) == 1.0
    assert expected_calibration_error([0.9, 0.6], [True, False]) == pytest.approx((0.1 + 0.6) / 2)
    assert expected_calibration_error([], []) == 0.0
    assert calibration_bins([0, 0.2, 0.2001, 1.0], 5).tolist() == [0, 0, 1, 4]


def test_reliability_is_what_the_error_is_made_of():
    answers = made(400, 3)
    result = classify(answers, rounds=2)
    told = result.reliability
    filled = told.counts > 0
    error = (told.counts * np.abs(told.confidence - told.correct))[filled].sum() / told.counts.sum()
    assert told.counts.sum() == 400
    assert error == pytest.approx(result.figures["ece"].value, abs=1e-6)


@pytest.mark.parametrize("several", [False, True])
def test_weights_count_items_as_often_as_they_say(several):
    """A weighting is the same as the data with each item repeated; for every figure, with ties, on both ways to precision."""
    answers = made(700, 2 if not several else 6, several, seed=5)
    weights = np.random.default_rng(1).integers(0, 4, (3, 700)).astype(np.float32)
    told = statistics(answers.probabilities, answers.targets, answers.said, several)(weights)
    for round_, weight in enumerate(weights.astype(int)):
        p, t, said = (np.repeat(values, weight, axis=0) for values in (answers.probabilities, answers.targets, answers.said))
        expected = statistics(p, t, said, several)(np.ones((1, len(p)), np.float32))
        assert {name: values[round_] for name, values in told.items()} == pytest.approx(
            {name: values[0] for name, values in expected.items()}, abs=2e-6
        )
        assert told["map"][round_] == pytest.approx(sk.average_precision_score(t, p, average="macro"), abs=1e-6)


def test_a_class_that_a_draw_leaves_out_is_not_counted_in_it():
    answers = Answers([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], [[1, 0], [0, 1], [0, 1]], ("a", "b"))
    told = statistics(answers.probabilities, answers.targets, answers.said, False)(np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], np.float32))
    assert told["mean_class_accuracy"][:2].tolist() == [1.0, 0.5]
    assert told["macro_f1"][:2] == pytest.approx([1.0, 2 / 3])
    assert told["map"][:2].tolist() == [1.0, 1.0]
    assert all(np.isnan(values[2]) for values in told.values())


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    held, random = 0, np.random.default_rng(7)
    for seed in range(120):
        right = random.random(120) < 0.8
        answers = Answers(np.tile([0.9, 0.1], (120, 1)), np.stack([right, ~right], axis=1), ("a", "b"))
        figure = boot.figures(statistics(answers.probabilities, answers.targets, answers.said, False), np.arange(120), seed, 300)["top1"]
        held += figure.low <= 0.8 <= figure.high
    assert 0.87 <= held / 120 <= 0.995


def test_items_of_one_group_move_together():
    right = np.repeat([True, False, True, True, False, True], 50)  # six takes, each all right or all wrong
    answers = Answers(np.tile([0.9, 0.1], (300, 1)), np.stack([right, ~right], axis=1), ("a", "b"))
    alone = classify(answers).figures["top1"]
    grouped = classify(answers, np.repeat(["a", "b", "c", "d", "e", "f"], 50)).figures["top1"]
    assert alone.value == grouped.value == pytest.approx(2 / 3)
    assert grouped.high - grouped.low > 4 * (alone.high - alone.low)
    only = classify(answers, np.zeros(300)).figures["top1"]
    assert np.isnan(only.low)
    assert np.isnan(only.high)


def test_the_seed_decides_and_blocks_do_not(monkeypatch):
    answers = made(200, 3)
    first = classify(answers, seed=1, rounds=100).figures
    assert classify(answers, seed=1, rounds=100).figures == first
    assert classify(answers, seed=2, rounds=100).figures != first
    monkeypatch.setattr(boot, "_MOST_WEIGHTS", 200 * 7)
    assert {n: (f.low, f.high) for n, f in classify(answers, seed=1, rounds=100).figures.items()} == {
        n: pytest.approx((f.low, f.high)) for n, f in first.items()
    }


def test_ten_thousand_items_take_seconds():
    answers = made(10_000, 10)
    begun = time.process_time()
    classify(answers)
    assert time.process_time() - begun < 20


@pytest.mark.parametrize(
    ("probabilities", "targets", "several", "said"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3)), True, "a column for each label"),
        (np.zeros((2, 2)), np.zeros((3, 2)), True, "as the probabilities"),
        ([[0.5, np.nan]], [[1, 0]], False, "from 0 to 1"),
        ([[0.5, 1.5]], [[1, 0]], False, "from 0 to 1"),
        ([[0.5, 0.5]], [[1, 1]], False, "one label an item"),
        ([[0.5, 0.5]], [[0, 0]], False, "one label an item"),
    ],
)
def test_answers_check_themselves(probabilities, targets, several, said):
    with pytest.raises(ValueError, match=said):
        Answers(probabilities, targets, ("a", "b"), several)


def test_answers_are_frozen_and_print_their_shape():
    answers = made(5, 3)
    assert repr(answers) == "Answers(5 items × 3 labels)"
    with pytest.raises(ValueError, match="read-only"):
        answers.probabilities[0, 0] = 1
    with pytest.raises(ValueError, match="one for each item"):
        classify(answers, [1, 2])

"""What a head promises."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from framevote.engine import load_keras
from framevote.heads import Fitted, Head, fit_prototypes
from framevote.model_file import check_keras_file
from framevote.records import FloatArray
from framevote.testing.made import LABELS, made_rows
from framevote.testing.promises import check_text, expect, rebuilt, same


def check_head(part: Head, numbers: int = 24) -> None:
    """Check a head: it learns the same twice, answers with probabilities, and one that sees order does so from its file too.

    Args:
        part: small and quick to learn; it is fitted three times, on 18 rows of three classes.
        numbers: of an embedding that it takes.
    """
    check_text("head", part)
    expect(len(part.strengths) > 0, f"{part} promises a strength or more to choose from", part.strengths)
    strength = part.strengths[0]
    expect(rebuilt("head", part.at(strength)) == part.at(strength), f"{part} promises that settled it is its text", part.at(strength))
    values, targets = made_rows(part, numbers)
    shown, _ = made_rows(part, numbers, seed=1)
    _check_probabilities(part, part(values, targets, np.ones(18), True, strength).probabilities(shown), several=True)
    one, two = (part(values, targets, np.ones(18), False, strength, seed=3) for _ in range(2))
    answers = one.probabilities(shown)
    _check_probabilities(part, answers, several=False)
    same(two.probabilities(shown), answers, f"{part} promises the same answers of the same rows and seed", within=1e-5)
    same(one.probabilities(shown[:2]), answers[:2], f"{part} promises answers that do not hang on what else is asked", within=1e-5)
    expect(one.probabilities(shown[:0]).shape == (0, len(LABELS)), f"{part} promises no answers of no rows", "some")
    known = _check_familiar(part, one, values, targets)
    if part.temporal:
        _check_windows(part, known, numbers)


def _check_probabilities(part: Head, answers: FloatArray, several: bool) -> None:
    expect(answers.shape == (18, len(LABELS)), f"{part} promises a probability of each label for each row", answers.shape)
    expect(bool(((answers >= 0) & (answers <= 1)).all()), f"{part} promises probabilities from 0 to 1", answers)
    if not several:
        same(answers.sum(axis=1), np.ones(18), f"{part} promises probabilities that sum to 1", within=1e-5)


def _check_familiar(part: Head, fitted: Fitted, values: FloatArray, targets: NDArray[np.bool_]) -> Fitted:
    """Check a head's familiarity, and return it with prototypes."""
    expect(bool(np.isnan(fitted.familiarity(values)).all()), f"{part} promises NaN for a familiarity that nobody measures", "numbers")
    known = fitted.with_prototypes(fit_prototypes(values.mean(axis=1) if part.temporal else values, targets))
    found = known.familiarity(values)
    expect(found.shape == (18,) and bool((np.abs(found) < 1.001).all()), f"{part} promises cosines for its familiarity", found)
    same(known.probabilities(values), fitted.probabilities(values), f"{part} promises that prototypes change no answer", within=1e-5)
    return known


def _check_windows(part: Head, fitted: Fitted, numbers: int) -> None:
    """Check that a head takes windows of any length, and that its file says what it says."""
    keras = load_keras("A head that sees order")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "head.keras"
        fitted.save(path)
        check_keras_file(path, f"{part}")
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    for frames in (2, 9):
        shown, _ = made_rows(part, numbers, frames)
        given = {name: keras.ops.convert_to_numpy(value) for name, value in model(shown, training=False).items()}
        for name, own in (("probabilities", fitted.probabilities(shown)), ("familiarity", fitted.familiarity(shown)[:, None])):
            expect(name in given, f"{part} promises a file with the output {name}", sorted(given))
            same(given[name], own, f"{part} promises a file that gives the same {name} of {frames} frames", within=1e-4)

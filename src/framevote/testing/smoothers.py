"""What a smoother promises."""

import numpy as np

from framevote.errors import Error
from framevote.records import Scores
from framevote.smoothing import Smoother
from framevote.testing.made import LABELS, made_scores
from framevote.testing.promises import check_text, expect, same


def check_smoother(part: Smoother) -> None:
    """Check a smoother: the same rows come out, steady, however they are cut into blocks, live or not."""
    check_text("smoother", part)
    scores = made_scores(rows=700)
    steady = part(scores)
    _check_rows(part, scores, steady)
    for size in (1, 7, 256, 300):
        cut = Scores.join(part.stream(scores[at : at + size] for at in range(0, len(scores), size)), LABELS)
        same(cut.values, steady.values, f"{part} promises the same rows from blocks of {size} as from one")
    for rows in (0, 1, 2):
        _check_rows(part, scores[:rows], part(scores[:rows]))
    _check_constant(part)
    _check_live(part, scores, steady)


def _check_rows(part: Smoother, given: Scores, steady: Scores) -> None:
    for name in ("times", "durations", "frames"):
        same(getattr(steady, name), getattr(given, name), f"{part} promises the {name} that it was given")
    expect(steady.labels == given.labels, f"{part} promises the labels that it was given", steady.labels)
    fine = bool(np.isfinite(steady.values).all() and (steady.values >= 0).all())
    expect(fine, f"{part} promises finite values of at least 0", steady.values)


def _check_constant(part: Smoother) -> None:
    made = made_scores(rows=40)
    row = np.array([0.2, 0.7, 0.1], np.float32)
    steady = part(made.replace(np.tile(row, (len(made), 1))))
    same(steady.values, np.tile(steady.values[0], (len(made), 1)), f"{part} promises that what never changes stays so", within=1e-5)
    expect(int(steady.values[0].argmax()) == 1, f"{part} promises to keep a winner that nobody doubts", steady.values[0])
    same(steady.values[0, 1], row[1], f"{part} promises to keep its score", within=1e-5)


def _check_live(part: Smoother, scores: Scores, steady: Scores) -> None:
    if part.causal:
        step = part.online()
        live = Scores.join([step(scores[row : row + 1]) for row in range(len(scores))])
        _check_rows(part, scores, live)
        same(live.values, steady.values, f"{part} is causal and promises the same live as on the whole video", within=1e-5)
        return
    try:
        part.online()
    except Error:
        return
    raise AssertionError(f"{part} is not causal and promises to refuse to run live. Received: a function")

"""What is remembered of embeddings and scores: as NumPy finds it with all rows in hand, in bounded memory, in any order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framevote.archive.digest import BEST, Digest
from framevote.records import Features, Scores

LABELS = tuple("abcdefgh")


def rows(times: np.ndarray, seed: int = 0, numbers: int = 4, labels: tuple[str, ...] = LABELS) -> tuple[Scores, Features]:
    random = np.random.default_rng(seed)
    durations = np.append(np.diff(times), 0.5)
    scores = Scores(random.dirichlet(np.ones(len(labels)), len(times)), times, durations, np.ones(len(times)), labels)
    return scores, Features(random.normal(size=(len(times), numbers)), times)


def shuffled(digest: Digest, scores: Scores, features: Features, seed: int = 0, size: int = 7) -> Digest:
    """Tell the rows in blocks that come in another order."""
    starts = np.random.default_rng(seed).permutation(np.arange(0, len(scores), size))
    for at in starts.tolist():
        digest(scores[at : at + size], Features(features.values[at : at + size], features.times[at : at + size]))
    return digest


def mean(scores: Scores, features: Features, start: float, end: float) -> np.ndarray:
    """The mean of the rows, each weighted by the seconds that it is shown within the stretch."""
    weights = np.clip(np.minimum(scores.times + scores.durations, end) - np.maximum(scores.times, start), 0, None)
    return np.average(features.values, axis=0, weights=weights)


@given(st.lists(st.floats(0.02, 3), min_size=2, max_size=60), st.integers(0, 99), st.floats(0, 1), st.floats(0, 1))
def test_the_mean_of_any_stretch(steps: list[float], seed: int, one: float, other: float) -> None:
    scores, features = rows(np.cumsum(steps), seed)
    digest = shuffled(Digest(), scores, features, seed)
    first, last = float(scores.times[0]), float(scores.times[-1] + scores.durations[-1])
    start, end = (first + share * (last - first) for share in sorted((one, other)))
    if end - start > 1e-3:
        np.testing.assert_allclose(digest.embedding(start, end), mean(scores, features, start, end), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(digest.embedding(), mean(scores, features, first, last), rtol=1e-3, atol=1e-4)


def test_few_bins_keep_the_whole_and_blur_the_borders() -> None:
    scores, features = rows(np.arange(5000) * 0.1)
    values = features.values + np.repeat(np.eye(4), 1250, axis=0) * 5  # four stretches of 125 s
    digest = shuffled(Digest(bins=64), scores, Features(values, features.times))
    assert digest.rows == 5000
    np.testing.assert_allclose(digest.embedding(), mean(scores, Features(values, features.times), 0, 500), atol=0.02)
    for number in range(4):
        found = digest.embedding(number * 125, (number + 1) * 125)
        assert found is not None
        assert found.argmax() == number
        np.testing.assert_allclose(found, mean(scores, Features(values, features.times), number * 125, (number + 1) * 125), atol=0.5)


def test_memory_does_not_grow_with_the_rows() -> None:
    digest = Digest(bins=32)
    for seed in range(20):
        digest(*rows(1000 * seed + np.arange(100) * 1.0, seed))
    assert digest._sums.shape == (32, 4)
    assert len(digest._places) <= 32
    assert digest._counts.sum() == 2000


def test_a_stretch_that_was_looked_at_closely_weighs_its_seconds() -> None:
    coarse, fine = np.arange(10.0), np.linspace(2, 3, 101)[1:-1]
    digest = Digest()
    for times, value in ((coarse, 0.0), (fine, 1.0)):
        digest(rows(times)[0], Features(np.full((len(times), 1), value), times))
    found = digest.embedding(0, 10)
    assert found is not None
    assert found[0] == pytest.approx(0.99 / 9.5, abs=0.001)  # where a mean of the rows would be 0.9


def test_a_stretch_of_no_length_has_what_is_shown_there() -> None:
    times = np.array([0.0, 1.0, 2.0])
    digest = Digest()
    digest(rows(times)[0], Features(np.array([[1.0], [2.0], [3.0]]), times))
    assert [float(digest.embedding(at, at)[0]) for at in (0.0, 0.9, 1.0, 1.5, 9.0)] == [1, 1, 2, 2, 3]  # type: ignore[index]


def test_a_video_of_one_frame_that_lasts_no_time() -> None:
    digest = Digest()
    digest(Scores(np.ones((1, 1)), [0.0], [0.0], [1.0], ("a",)), Features(np.array([[7.0]]), np.zeros(1)))  # type: ignore[arg-type]
    assert digest.embedding() == pytest.approx([7.0])


def test_nothing_was_looked_at() -> None:
    assert Digest().embedding() is None
    assert Digest(scores=True).frame_scores() is None


@pytest.mark.parametrize("labels", [LABELS, ("a", "b", "c"), ("a",)])
def test_the_best_scores_of_each_row(labels: tuple[str, ...]) -> None:
    scores, features = rows(np.arange(40) * 0.5, labels=labels)
    found = shuffled(Digest(scores=True), scores, features).frame_scores()
    assert found is not None
    best = np.argsort(-scores.values, axis=1)[:, :BEST]
    np.testing.assert_array_equal(found.times, scores.times.astype(np.float32))
    np.testing.assert_array_equal(found.labels, best)
    np.testing.assert_array_equal(found.values, np.take_along_axis(scores.values, best, axis=1).astype(np.float16))
    assert (found.times.dtype, found.labels.dtype, found.values.dtype) == (np.float32, np.int32, np.float16)


def test_a_moment_that_was_scored_twice_stands_once() -> None:
    digest = Digest(scores=True)
    for seed in (1, 2):
        digest(*rows(np.array([0.0, 1.0]), seed))
    found = digest.frame_scores()
    assert found is not None
    assert found.times.tolist() == [0.0, 1.0]
    np.testing.assert_array_equal(found.labels[:, 0], rows(np.array([0.0, 1.0]), 2)[0].values.argmax(axis=1))

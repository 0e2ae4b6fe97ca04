"""Whether a vote is open: made looks whose answer is plain."""

import numpy as np
import pytest

from framevote.smoothing import Exponential, RollingMean, RollingMedian, Smoother, Viterbi
from framevote.strategies.openness import Looks, Verdict, judge

LABELS = ("red", "green", "blue")
SMOOTHERS = [
    Viterbi(),
    RollingMean(frames=1),
    RollingMean(frames=50),
    RollingMean(seconds=3, centred=True),
    RollingMedian(seconds=2),
    Exponential(seconds=1),
]


def looks_of(shown: str, sure: float = 0.96, step: float = 1.0, fresh: str = "") -> Looks:
    """Looks every `step` seconds of 25 frames a second at labels that are named by their first letters; `fresh` marks those with *."""
    number = len(shown)
    values = np.full((number, 3), (1 - sure) / 2, np.float32)
    values[np.arange(number), ["rgb".index(letter) for letter in shown]] = sure
    times = np.arange(number) * step
    marks = np.array([mark == "*" for mark in fresh.ljust(number)])
    return Looks(values, times, times * 25, marks, number * step, number * step * 25, LABELS)


def verdict_of(looks: Looks, smoother: Smoother, confidence: float = 0.9, finest: float = 0.05, seed: int = 0) -> Verdict:
    return judge(looks, smoother, smoother.fineness(25), confidence, np.random.default_rng(seed), finest)


@pytest.mark.parametrize("smoother", SMOOTHERS, ids=repr)
@pytest.mark.parametrize("sure", [0.96, 0.6])
def test_a_steady_scene_is_decided(smoother: Smoother, sure: float) -> None:
    verdict = verdict_of(looks_of("r" * 30, sure), smoother)
    assert not verdict.boundary.any()
    assert not verdict.doubtful.any()


@pytest.mark.parametrize("smoother", SMOOTHERS[2:], ids=repr)
def test_where_looks_flicker_the_vote_is_open(smoother: Smoother) -> None:
    verdict = verdict_of(looks_of("rg" * 15, 0.5), smoother)
    assert verdict.doubtful.mean() > 0.5


def test_a_steady_scene_stays_decided_beside_one_that_flickers() -> None:
    verdict = verdict_of(looks_of("r" * 20 + "gbgbgbgbgb" + "r" * 20, 0.6), RollingMean(seconds=3, centred=True))
    assert verdict.doubtful[22:28].any()
    assert not verdict.doubtful[:15].any()
    assert not verdict.doubtful[35:].any()


@pytest.mark.parametrize("smoother", SMOOTHERS, ids=repr)
def test_full_confidence_opens_all(smoother: Smoother) -> None:
    assert verdict_of(looks_of("r" * 30), smoother, confidence=1.0).doubtful.all()


@pytest.mark.parametrize("smoother", SMOOTHERS, ids=repr)
def test_where_two_scenes_meet_is_a_boundary_even_if_the_vote_lags(smoother: Smoother) -> None:
    verdict = verdict_of(looks_of("rrrrrrrrggggggggg"), smoother)
    assert verdict.boundary[7]
    assert not verdict.boundary[:7].any()
    assert not verdict.doubtful[:7].any()


def test_a_boundary_is_taken_to_be_at_a_keyframe_that_came_out_of_its_turn() -> None:
    shown, mark = "rrrrrggggg", "     *"
    assert verdict_of(looks_of(shown), Viterbi()).boundary.tolist() == [place == 4 for place in range(10)]
    verdict = verdict_of(looks_of(shown, fresh=mark), Viterbi())
    assert not verdict.boundary.any()
    assert not verdict.doubtful.any()
    assert verdict_of(looks_of(shown, 0.6, fresh=mark), Viterbi()).boundary[4]  # only where both are sure


def test_a_single_sure_look_is_a_scene() -> None:
    verdict = verdict_of(looks_of("rrrrgbbbb"), RollingMean(frames=1))
    assert np.flatnonzero(verdict.boundary).tolist() == [3, 4]


def test_what_has_been_seen_is_not_drawn() -> None:
    apart = verdict_of(looks_of("rg" * 30, 0.5, step=0.4), RollingMean(seconds=3, centred=True))
    close = verdict_of(looks_of("rg" * 30, 0.5, step=0.08), RollingMean(seconds=3, centred=True))
    assert apart.doubtful.any()
    assert not close.doubtful.any()


def test_the_less_confident_the_less_is_open() -> None:
    shares = []
    for confidence in (0.5, 0.9, 0.98):
        verdicts = [
            verdict_of(looks_of("rrgrrbrrgr" * 3, 0.55), RollingMean(seconds=4, centred=True), confidence, seed=n) for n in range(8)
        ]
        shares.append(np.mean([verdict.doubtful.mean() for verdict in verdicts]))
    assert shares[0] < shares[1] <= shares[2]


def test_labels_that_never_lead_change_nothing() -> None:
    few = looks_of("rrrrrgggggbbbbb" * 2, 0.9)
    others = np.zeros((len(few), 997), np.float32)
    many = Looks(
        np.hstack([few.values, others]),
        few.times,
        few.places,
        few.fresh,
        few.end,
        few.total,
        (*LABELS, *(str(number) for number in range(997))),
    )
    for smoother in SMOOTHERS:
        one, other = verdict_of(few, smoother), verdict_of(many, smoother)
        assert np.array_equal(one.boundary, other.boundary)
        assert np.array_equal(one.doubtful, other.doubtful)


@pytest.mark.parametrize(("sure", "step", "is_open"), [(0.96, 1.0, False), (0.6, 1.0, True), (0.6, 0.04, False)])
def test_one_look_decides_only_if_it_is_sure_or_shows_all(sure: float, step: float, is_open: bool) -> None:
    verdict = verdict_of(looks_of("r", sure, step), RollingMean(seconds=4))
    assert (verdict.boundary.tolist(), verdict.doubtful.tolist()) == ([False], [is_open])


@pytest.mark.parametrize("longest", [np.inf, 1.0, 0.3, 0.001])
def test_rows_are_told_as_short_as_asked_and_no_shorter_than_a_frame(longest: float) -> None:
    looks = looks_of("rgb")
    rows, firsts = looks.told(longest)
    assert rows.times[firsts].tolist() == looks.times.tolist()
    assert np.allclose(rows.times[:-1] + rows.durations[:-1], rows.times[1:])
    assert rows.durations.sum() == pytest.approx(3)
    assert rows.frames.sum() == pytest.approx(75)
    assert len(rows) == {np.inf: 3, 1.0: 3, 0.3: 12, 0.001: 75}[longest]


def test_looks_are_split_and_joined_again() -> None:
    looks = looks_of("rgbrgb", fresh="  *")
    for place in range(len(looks) + 1):
        before, after = looks.split(place)
        assert (len(before), len(after)) == (place, 6 - place)
        again = after.joined(before)
        assert (again.end, again.total) == (looks.end, looks.total)
        for name in ("values", "times", "places", "fresh"):
            assert np.array_equal(getattr(again, name), getattr(looks, name))
    assert looks.split(2)[0].durations.tolist() == [1, 1]
    assert looks.split(2)[0].frames.tolist() == [25, 25]

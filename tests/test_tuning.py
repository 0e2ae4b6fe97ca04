"""The tuned vote: what is counted, what is chosen, what is held out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_films import LABELS, noisy

from framevote.errors import UsageError
from framevote.evaluation.timelines import compare_timelines, joined_segments, label_delay
from framevote.metrics import changes_per_minute
from framevote.model_file import Vote
from framevote.records import Scores, Segment
from framevote.smoothing import Exponential, RollingMean, RollingMedian, Smoother, Viterbi
from framevote.timelines import CLOCK
from framevote.tuning.choosing import allowed, check_delay, check_reached, choose, held_out
from framevote.tuning.films import Film
from framevote.tuning.results import Tried, front
from framevote.tuning.trying import Trials, try_votes, waits
from framevote.tuning.votes import DEFAULT, Line, lines

FILMS = tuple(noisy(seed) for seed in range(4))
EVERY = np.arange(len(FILMS))
LINES = (
    Line(Viterbi(), (0.0,), (0.0, 0.7)),
    Line(RollingMean(seconds=0.6, centred=True), (0.0, 0.2), (0.0, 0.5)),
    Line(RollingMedian(seconds=0.7), (0.1,), (0.0, 1.0)),
    Line(Exponential(seconds=0.4), (0.0, 0.3), (0.0, 0.35)),
    Line(RollingMean(frames=1), (0.0,), (0.0, 0.5)),
)


@pytest.fixture(scope="module")
def trials():
    return try_votes(FILMS, LINES)


def test_the_figures_are_those_of_the_timelines(trials):
    """The oracle: the whole way of the main job for every vote, compared as `framevote evaluate` compares."""
    f1, changes = trials.f1(EVERY), trials.changes_a_minute(EVERY)
    assert len(trials.votes) == 14
    for row, vote in enumerate(trials.votes):
        smoother, cut = vote.parts()
        told = [cut([smoother(film.scores)]) for film in FILMS]
        pairs = [(segments, film.truth) for (segments, _), film in zip(told, FILMS, strict=True)]
        assert f1[row] == pytest.approx(compare_timelines(pairs).f1[50])
        own = [changes_per_minute(track.winners, film.seconds) * film.seconds for (_, track), film in zip(told, FILMS, strict=True)]
        assert changes[row] == pytest.approx(sum(own) / sum(film.seconds for film in FILMS))


AHEAD = {"RollingMean(seconds=0.6, centred=True)": 0.3, "RollingMedian(seconds=0.7)": 0.0, "Exponential(seconds=0.4)": 0.0}


def test_the_delay_is_that_of_the_timelines_and_what_the_vote_looks_ahead(trials):
    delay = trials.delay(EVERY)
    for row, vote in enumerate(trials.votes):
        if vote.shortest == 0 and vote.smoother in AHEAD:
            smoother, cut = vote.parts()
            pairs = [(joined_segments(cut([smoother(film.scores)])[0]), joined_segments(film.truth)) for film in FILMS]
            assert delay[row] == pytest.approx(label_delay(pairs).median + AHEAD[vote.smoother], abs=1e-5)


def test_a_model_that_looks_ahead_itself_is_later_by_as_much(trials):
    later = try_votes([replace(film, ahead=0.4) for film in FILMS], LINES)
    assert later.delays == pytest.approx(trials.delays + 0.4, nan_ok=True, abs=1e-5)
    assert (later.right == trials.right).all()


def test_fewer_videos_are_figures_of_their_own(trials):
    alone = try_votes(FILMS[1:3], LINES)
    some, every = np.array([1, 2]), np.arange(2)
    assert trials.f1(some) == pytest.approx(alone.f1(every))
    assert trials.delay(some) == pytest.approx(alone.delay(every))
    assert trials.changes_a_minute(some) == pytest.approx(alone.changes_a_minute(every))


class _Later(Smoother):
    """Gives each row three rows late."""

    causal = False

    def begin(self, live: bool):
        held = []

        class Run:
            def push(self, rows):
                held.append(rows)
                return [held.pop(0)] if len(held) > 3 else []

            def finish(self):
                return held

        return Run()


@pytest.mark.parametrize(
    ("smoother", "expected"),
    [
        (Exponential(seconds=1), 0.0),
        (RollingMean(seconds=4), 0.0),
        (RollingMedian(seconds=4, centred=True), 2.0),
        (RollingMean(frames=9, centred=True), 0.45),
    ],
    ids=repr,
)
def test_how_far_a_smoother_looks_ahead(smoother, expected):
    assert waits(smoother, FILMS[0].scores) == pytest.approx(np.full(len(FILMS[0].scores), expected))


def test_a_smoother_of_another_package_is_measured():
    rows = len(FILMS[0].scores)
    assert waits(_Later(), FILMS[0].scores) == pytest.approx(np.minimum(np.arange(rows) + 3, rows - 1) / 10 - np.arange(rows) / 10)


def _scores(shown: str) -> Scores:
    """A row a tenth of a second for each letter, certain of its label."""
    values = np.full((len(shown), 3), 0.01, np.float32)
    values[np.arange(len(shown)), ["rgb".index(letter) for letter in shown]] = 0.98
    return Scores(values, np.arange(len(shown)) / 10, np.full(len(shown), 0.1), np.ones(len(shown)), LABELS)


@pytest.mark.parametrize(
    ("shown", "shortest", "expected"),
    [
        ("rrrrrrrrrrgggggggggg", 0.0, [0.0, 0.0]),
        ("rrrrrrrrrrgggggggggg", 0.5, [0.5, 0.5]),
        ("rrrrrrrrrrrrgggggggg", 0.5, [0.5, 0.7]),  # green begins 0.2 s late
        ("rrrrrrrrrrbbgggggggggg", 0.5, [0.5, 0.7]),  # it swallows the blue before it, which nobody could know live
        ("rrrrrrrrggggggggggg", 0.5, [0.5, 0.5]),  # it begins before its time, and counts from then
        ("rrrrrrrrrrggbbggbbgg", 0.5, [0.5, np.nan]),  # no green lasts: what is left of it is red's
        ("rrrrrrrrrrrrrrrrrrrr", 0.5, [0.5, np.nan]),
    ],
)
def test_when_a_viewer_sees_a_label_that_must_last(shown, shortest, expected):
    truth = (Segment(0.0, 1.0, "red", 1.0), Segment(1.0, 2.0, "green", 1.0))
    told = try_votes([Film(Path("a.mp4"), _scores(shown), truth)], [Line(RollingMean(frames=1), (0.0,), (shortest,))])
    assert told.delays[0] == pytest.approx(expected, nan_ok=True, abs=1e-5)


def test_a_wait_for_the_path_and_a_wait_for_the_shortest_overlap():
    """Rows are told in order: who waits half a second for the label to last has been told its first row by then."""
    truth = (Segment(0.0, 1.0, "red", 1.0), Segment(1.0, 2.0, "green", 1.0))
    film = Film(Path("a.mp4"), _scores("rrrrrrrrrrgggggggggg"), truth)
    path = Viterbi(seconds=1e12)
    wait = path.waits(film.scores)
    both = try_votes([film], [Line(path, (0.0,), (0.0, 0.5))]).delays[:, 1]
    assert wait[10] > 0.2
    assert both[0] == pytest.approx(wait[10], abs=1e-5)
    assert both[1] == pytest.approx(0.5 + wait[14], abs=1e-5)
    assert both[1] < 0.5 + wait[10]


def test_the_default_vote_is_tried_first_and_no_vote_twice():
    tried = [vote for line in lines(0.1) for vote in line.votes()]
    assert tried[0] == DEFAULT
    assert len(set(tried)) == len(tried) > 1000
    assert {vote.smoother.partition("(")[0] for vote in tried} == {"Viterbi", "RollingMean", "RollingMedian", "Exponential"}
    assert all(vote.hysteresis == 0 for vote in tried if vote.smoother.startswith("Viterbi"))
    windows = [line.smoother.seconds for line in lines(2.0) if isinstance(line.smoother, RollingMean) and line.smoother.seconds]
    assert min(windows) == 4  # no window holds less than a row and a half


# what is chosen


def made(f1: list[list[float]], delays: list[float]) -> Trials:
    """Trials in which each vote has an F1 for each film and one delay; a hundred true segments a film."""
    right = np.round(np.array(f1) * 100).astype(int)
    full = np.full_like(right, 100)
    votes = tuple(Vote(f"RollingMean(frames={number + 1})") for number in range(len(f1)))
    films = right.shape[1]
    seconds = np.array([10.0 + film for film in range(films)])
    return Trials(votes, right, full, full, full[0], seconds, np.repeat(np.array([delays], np.float32).T, films, 1), np.arange(films))


def test_the_best_that_is_quick_enough_is_chosen():
    trials = made([[0.5, 0.5], [0.9, 0.9], [0.7, 0.7], [0.7, 0.7], [0.6, 0.6]], [0.5, 2.0, 1.0, 0.8, 0.1])
    both = np.arange(2)
    assert [choose(trials, both, most) for most in (None, 3, 2, 1.9, 0.7, 0.1)] == [1, 1, 1, 3, 4, 4]
    assert choose(trials, both, "default") == 4
    assert allowed(trials, both, "default") == 0.5
    assert choose(trials, both, 0.05) == 4  # none is: the quickest
    check_reached(trials, 0.1 - CLOCK / 2)
    with pytest.raises(
        UsageError, match=r"within 0\.05 s of their begin\. The smallest delay reached is 0\.10 s, by RollingMean\(frames=5\)"
    ):
        check_reached(trials, 0.05)
    with pytest.raises(UsageError, match="No vote ever shows a true label"):
        check_reached(made([[0.0]], [np.nan]), None)


def test_the_others_choose_for_the_videos_that_are_held_out():
    """Each film likes a vote of its own best; the second vote is what all but the last group agree on."""
    trials = made([[0.5] * 4, [0.6, 0.6, 0.6, 0.1], [0.4, 0.4, 0.4, 0.9]], [0, 0, 0])
    folds = held_out(trials, np.array([0, 0, 1, 2]), None)
    assert sorted(fold.videos for fold in folds) == [1, 1, 2]
    assert {fold.default.f1 for fold in folds} == {0.5}
    chosen = {(fold.videos, fold.chosen.vote.smoother, round(fold.chosen.f1, 2)) for fold in folds}
    # Held out are films 0 and 1 (2 and 3 choose), film 2 (0, 1 and 3 do), and film 3 (0, 1 and 2 do).
    assert chosen == {(2, "RollingMean(frames=3)", 0.4), (1, "RollingMean(frames=3)", 0.4), (1, "RollingMean(frames=2)", 0.1)}


@pytest.mark.parametrize(("groups", "folds"), [([0, 0, 0], 0), ([0, 1, 1], 2), ([0, 1, 2], 3), (list(range(12)), 5)])
def test_groups_are_held_out_whole(groups, folds):
    trials = made([[0.5] * len(groups), [0.6] * len(groups)], [0, 0])
    told = held_out(trials, np.array(groups), None)
    assert len(told) == folds
    assert sum(fold.videos for fold in told) == (len(groups) if folds else 0)


def test_the_curve_holds_what_nothing_beats():
    def tried(f1, delay):
        return Tried(DEFAULT, f1, delay, 0.0)

    kept = front([tried(0.5, 1.0), tried(0.4, 1.0), tried(0.5, 0.5), tried(0.9, 3.0), tried(0.3, 0.2), tried(0.6, 4.0)])
    assert [(each.delay, each.f1) for each in kept] == [(0.2, 0.3), (0.5, 0.5), (3.0, 0.9)]


@pytest.mark.parametrize("wrong", [-1, -0.001, float("nan"), float("inf"), 3601, 1e300, True, "1s", "soon"])
def test_what_is_no_delay_is_refused(wrong):
    with pytest.raises(UsageError, match="The longest delay is a number of seconds from 0 to 3600, or default"):
        check_delay(wrong)


@pytest.mark.parametrize("right", [None, "default", 0, 0.5, 3600])
def test_what_is_a_delay_is_taken(right):
    check_delay(right)

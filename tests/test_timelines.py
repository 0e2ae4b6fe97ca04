"""The cut and the tally against the same rules written row by row."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framevote.errors import PartError
from framevote.metrics import changes_per_minute
from framevote.records import UNKNOWN, Guess, Scores, Segment
from framevote.smoothing import RollingMean
from framevote.timelines import GRAIN, Cut, Tally

LABELS = ("cat", "dog", "owl")


def video(*rows, durations=1.0, times=None, labels=LABELS):
    values = np.array(rows, np.float32).reshape(len(rows), len(labels))
    durations = np.broadcast_to(np.asarray(durations, float), len(rows))
    times = np.concatenate([[0.0], np.cumsum(durations)[:-1]]) if times is None else np.array(times, float)
    return Scores(values, times[: len(rows)], durations, np.ones(len(rows)), labels)


def shown(text, score=0.8, **more):
    """A video in which each letter's label has `score`: c, d, o."""
    places = {"c": 0, "d": 1, "o": 2}
    rows = [[score if place == places[letter] else (1 - score) / 2 for place in range(3)] for letter in text]
    return video(*rows, **more)


def told(segments):
    return [(s.start, s.end, s.label) for s in segments]


@st.composite
def videos(draw):
    """Rows of probabilities in twentieths, some at irregular times, with gaps and rows that last no time."""
    count = draw(st.integers(0, 40))
    values = np.array(draw(st.lists(st.integers(0, 20), min_size=3 * count, max_size=3 * count)), float).reshape(count, 3)
    durations = np.array(draw(st.lists(st.integers(0, 8), min_size=count, max_size=count)), float) / 8
    gaps = np.array(draw(st.lists(st.sampled_from([0, 0, 0, 0, 1, 16]), min_size=count, max_size=count)), float) / 8
    gaps[durations == 0] = np.maximum(gaps[durations == 0], 1 / 8)
    return video(*(values / 20), durations=durations, times=np.concatenate([[0.0], np.cumsum(durations + gaps)]))


def rows_by_hand(scores, hysteresis, unknown):
    held, winners = None, []
    for values in scores.values.astype(float).round(6):
        best = int(values.argmax())
        if values[best] < unknown:
            held = None
        elif held is None or values[best] - values[held] > hysteresis:
            held = best
        winners.append(-1 if held is None else held)
    return winners


def segments_by_hand(scores, winners):
    """Lists of [rows, label, start, end]."""
    runs = []
    for label, rows in itertools.groupby(range(len(winners)), key=winners.__getitem__):
        runs.append([list(rows), label])
    out = []
    for (rows, label), following in itertools.zip_longest(runs, runs[1:]):
        last = rows[-1]
        end = scores.times[last] + scores.durations[last]
        if following:
            start = scores.times[following[0][0]]
            end = start if start - end <= max(scores.durations[last], 1e-6) else end
        out.append([rows, label, scores.times[rows[0]], end])
    return out


def joined_by_hand(segments, shortest):
    segments = [list(s) for s in segments]
    while len(segments) > 1:
        lengths = [end - start for _, _, start, end in segments]
        least = min(lengths)
        if least >= shortest:
            break
        at = lengths.index(least)
        before = lengths[at - 1] if at else -1.0
        after = lengths[at + 1] if at + 1 < len(segments) else -1.0
        low, label = (at - 1, segments[at - 1][1]) if before >= after else (at, segments[at + 1][1])
        one, other = segments[low], segments[low + 1]
        segments[low : low + 2] = [[one[0] + other[0], label, one[2], other[3]]]
        for place in (low, low - 1):
            if 0 <= place < len(segments) - 1 and segments[place][1] == segments[place + 1][1]:
                one, other = segments[place], segments[place + 1]
                segments[place : place + 2] = [[one[0] + other[0], one[1], one[2], other[3]]]
    return segments


@given(videos(), st.sampled_from([0.0, 0.07, 0.32]), st.sampled_from([0.0, 0.25, 1.0, 2.5]), st.sampled_from([0.0, 0.47, 0.81]), st.data())
@settings(max_examples=300)
def test_the_cut_is_the_rules_row_by_row(scores, hysteresis, shortest, unknown, data):
    size = data.draw(st.integers(1, 41))
    cut = Cut(hysteresis=hysteresis, shortest=shortest, unknown=unknown)
    segments, track = cut(scores[at : at + size] for at in range(0, len(scores), size))

    winners = rows_by_hand(scores, hysteresis, unknown)
    expected = joined_by_hand(segments_by_hand(scores, winners), shortest)
    assert told(segments) == [(start, end, LABELS[label] if label >= 0 else UNKNOWN) for _, label, start, end in expected]
    for segment, (rows, label, _, _) in zip(segments, expected, strict=True):
        own = [row for row in rows if winners[row] == label]
        seen = np.array([scores.values[row].max() if label < 0 else scores.values[row, label] for row in own], float)
        weights = scores.durations[own] if scores.durations[own].sum() else np.ones(len(own))
        assert segment.score == pytest.approx(np.average(seen, weights=weights), abs=1e-6)
        for row in rows:
            assert track.winners[row] == label
            assert track.scores[row] == pytest.approx(seen[own.index(row)] if row in own else segment.score, abs=1e-6)
    assert track.times.tolist() == scores.times.tolist()


@given(videos(), st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([0.0, 0.5]))
def test_segments_are_a_timeline_that_the_track_agrees_with(scores, shortest, unknown):
    segments, track = Cut(shortest=shortest, unknown=unknown)([scores])
    for one, other in itertools.pairwise(segments):
        assert one.end <= other.start
        assert one.label != other.label or one.end < other.start
        assert one.duration >= shortest - 1e-6
    for row, time in enumerate(scores.times):
        segment = [s for s in segments if s.start <= time][-1]
        assert track.at(time)[0] == segment.label
        assert track.at(time)[1] == track.scores[row]


def test_a_segment_reaches_to_the_next():
    segments, track = Cut()([shown("cccdd", durations=0.5)])
    assert told(segments) == [(0.0, 1.5, "cat"), (1.5, 2.5, "dog")]
    assert segments[0].score == pytest.approx(0.8)
    assert track.winners.tolist() == [0, 0, 0, 1, 1]
    assert track.labels == LABELS


def test_a_challenger_must_exceed_by_the_hysteresis_and_a_tie_changes_nothing():
    scores = video([0.5, 0.4, 0.1], [0.45, 0.5, 0.05], [0.3, 0.6, 0.1], [0.5, 0.5, 0.0], [0.54, 0.46, 0.0])
    assert told(Cut(hysteresis=0.1)([scores])[0]) == [(0, 2, "cat"), (2, 5, "dog")]
    assert told(Cut()([scores])[0]) == [(0, 1, "cat"), (1, 4, "dog"), (4, 5, "cat")]


def test_the_label_shown_has_its_own_score_not_the_challengers():
    segments, track = Cut(hysteresis=0.2)([video([0.6, 0.4, 0.0], [0.4, 0.5, 0.1])])
    assert segments == (Segment(0.0, 2.0, "cat", pytest.approx(0.5)),)
    assert track.scores.tolist() == pytest.approx([0.6, 0.4])


def test_after_unknown_the_best_label_starts_afresh():
    scores = video([0.9, 0.1, 0.0], [0.4, 0.3, 0.3], [0.45, 0.55, 0.0])
    assert told(Cut(hysteresis=0.2, unknown=0.5)([scores])[0]) == [(0, 1, "cat"), (1, 2, UNKNOWN), (2, 3, "dog")]
    assert told(Cut(hysteresis=0.2)([scores])[0]) == [(0, 3, "cat")]


def test_an_unknown_segment_tells_the_best_score():
    segments, track = Cut(unknown=0.5)([video([0.4, 0.3, 0.3], [0.2, 0.45, 0.35])])
    assert segments == (Segment(0.0, 2.0, UNKNOWN, pytest.approx(0.425)),)
    assert track.winners.tolist() == [-1, -1]
    assert track.at(0.5) == (UNKNOWN, pytest.approx(0.4))


@pytest.mark.parametrize(
    ("text", "shortest", "expected"),
    [
        ("cccccdcccc", 2, [(0, 10, "cat")]),
        ("ccccddooo", 3, [(0, 6, "cat"), (6, 9, "owl")]),
        ("cccddoooo", 3, [(0, 3, "cat"), (3, 9, "owl")]),
        ("cccddooo", 3, [(0, 5, "cat"), (5, 8, "owl")]),
        ("dcccc", 2, [(0, 5, "cat")]),
        ("ccccd", 2, [(0, 5, "cat")]),
        ("cdcdcd", 2, [(0, 6, "dog")]),
        ("cd", 5, [(0, 2, "dog")]),
        ("cdd", 5, [(0, 3, "dog")]),
        ("ccccdcdooooo", 2, [(0, 7, "cat"), (7, 12, "owl")]),
        ("ccddcc", 2, [(0, 2, "cat"), (2, 4, "dog"), (4, 6, "cat")]),
    ],
)
def test_what_is_too_short_goes_to_its_longer_neighbour(text, shortest, expected):
    segments, track = Cut(shortest=shortest)([shown(text)])
    assert told(segments) == expected
    assert [LABELS[winner] for winner in track.winners] == [s.label for s in segments for _ in range(round(s.duration))]


def test_rounding_of_the_clock_makes_nothing_too_short():
    scores = shown("c" * 30 + "d" * 25 + "o" * 30, durations=0.04, times=np.arange(85) * 0.04 + 0.1)
    assert [s.label for s in Cut(shortest=1.0)([scores])[0]] == ["cat", "dog", "owl"]


def test_rows_taken_over_show_the_segments_mean():
    scores = video([0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.1, 0.9, 0.0], durations=[3.0, 1.0, 0.5])
    segments, track = Cut(shortest=1.0)([scores])
    assert segments == (Segment(0.0, 4.5, "cat", pytest.approx(0.85)),)
    assert track.scores.tolist() == pytest.approx([0.9, 0.7, 0.85])


def test_a_gap_is_bridged_within_a_label_and_left_open_between_two():
    segments, _ = Cut()([shown("ccddd", times=[0, 5, 6.5, 7.5, 20])])
    assert told(segments) == [(0, 6.5, "cat"), (6.5, 21, "dog")]  # half a second is less than a row: the clock's unrest
    segments, _ = Cut()([shown("ccddd", times=[0, 5, 9, 10, 11])])
    assert told(segments) == [(0, 6, "cat"), (9, 12, "dog")]


def test_one_frame_without_a_duration_is_a_segment():
    segments, track = Cut(shortest=2.0)([shown("d", durations=0.0)])
    assert segments == (Segment(0.0, 0.0, "dog", pytest.approx(0.8)),)
    assert len(track) == 1


def test_nothing_seen_is_no_segment():
    segments, track = Cut(shortest=1.0)([])
    assert (segments, len(track), track.labels) == ((), 0, ())
    assert Cut()([shown("")])[1].labels == LABELS


def test_many_changes_in_one_large_block():
    rows = 40 * GRAIN
    values = np.eye(3, dtype=np.float32)[np.random.default_rng(0).integers(0, 3, rows)]
    scores = Scores(values, np.arange(rows) / 25, np.full(rows, 0.04), np.ones(rows), LABELS)
    segments, track = Cut()([scores])
    assert track.winners.tolist() == values.argmax(axis=1).tolist()
    assert len(segments) == 1 + np.count_nonzero(np.diff(values.argmax(axis=1)))
    assert all(s.duration > 1 for s in Cut(shortest=1.001)([scores])[0])


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ({"hysteresis": -0.1}, "hysteresis=-0.1"),
        ({"hysteresis": 1.5}, "hysteresis=1.5"),
        ({"hysteresis": math.nan}, "hysteresis=nan"),
        ({"hysteresis": True}, "hysteresis=True"),
        ({"shortest": -1}, "shortest=-1"),
        ({"shortest": math.inf}, "shortest=inf"),
        ({"shortest": "2"}, "shortest='2'"),
        ({"unknown": 1.01}, "unknown=1.01"),
        ({"unknown": None}, "unknown=None"),
    ],
)
def test_a_cut_that_does_not_fit_is_refused(arguments, received):
    with pytest.raises(PartError, match=r"Cut takes \w+ as .* Received: ") as error:
        Cut(**arguments)
    assert received in str(error.value)


def test_the_text_of_a_cut():
    assert repr(Cut()) == "Cut()"
    assert repr(Cut(np.float64(0.1), shortest=2)) == "Cut(hysteresis=0.1, shortest=2)"


@given(videos(), st.integers(1, 41))
def test_the_tally_counts_what_flows_by(scores, size):
    tally, blocks = Tally(), [scores[at : at + size] for at in range(0, len(scores), size)]
    assert list(tally.watch(blocks)) == blocks
    winners = scores.values.argmax(axis=1)
    assert tally.rows == len(scores)
    assert tally.changes == sum(one != other for one, other in itertools.pairwise(winners))
    assert tally.seconds == pytest.approx(scores.durations.sum())
    assert tally.changes_per_minute == pytest.approx(changes_per_minute(winners, tally.seconds))
    if len(scores):
        weights = scores.durations if scores.durations.sum() else np.ones(len(scores))
        mean = np.average(scores.values.astype(float), axis=0, weights=weights)
        guesses = tally.overall(top=2)
        assert [guess.score for guess in guesses] == pytest.approx(sorted(mean, reverse=True)[:2])
        assert [mean[LABELS.index(guess.label)] for guess in guesses] == pytest.approx([guess.score for guess in guesses])


def test_the_whole_videos_labels():
    tally = Tally()
    assert tally.overall() == ()
    assert tally.changes_per_minute == 0.0
    for _ in tally.watch([shown("cd", durations=[1.0, 3.0]), shown("", durations=1.0)]):
        pass
    assert tally.overall(top=1) == (Guess("dog", pytest.approx(0.625)),)
    assert len(tally.overall(top=99)) == 3
    assert tally.changes_per_minute == pytest.approx(15.0)


def test_raw_and_steady_changes_in_one_go():
    raw, steady = Tally(), Tally()
    blocks = [shown("cdcccdcccc"), shown("dcccccdddd", times=np.arange(10) + 10.0)]
    segments, _ = Cut()(steady.watch(RollingMean(seconds=4, centred=True).stream(raw.watch(blocks))))
    assert raw.changes == 7
    assert steady.changes == 1
    assert [s.label for s in segments] == ["cat", "dog"]

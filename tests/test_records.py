"""The values check their own shape once, cannot be changed, and print what they are."""

import itertools
from dataclasses import FrozenInstanceError
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_timelines import timeline, tracks

from framevote.errors import UsageError
from framevote.records import Features, Frame, Scores, Segment, Timeline, Track, VideoInfo, View

LABELS = ("tennis", "baseball", "basketball")


def scores(rows: int = 4, **changes: object) -> Scores:
    values = np.linspace(0, 1, rows * 3, dtype=np.float32).reshape(rows, 3)
    fields = {"values": values, "times": np.arange(rows), "durations": np.ones(rows), "frames": np.ones(rows), "labels": LABELS}
    return Scores(**fields | changes)


def info(**changes: object) -> VideoInfo:
    return VideoInfo(**{"path": Path("x.mp4"), "width": 4, "height": 3, "frame_rate": Fraction(25), "duration": 1.0} | changes)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Frame(np.zeros((4, 4, 3)), 0.0), r"Frame expects uint8 RGB \(height, width, 3\)\. Received: float64 \(4, 4, 3\)"),
        (lambda: Frame(np.zeros((4, 4), np.uint8), 0.0), r"Frame expects .*Received: uint8 \(4, 4\)"),
        (lambda: Frame(np.zeros((4, 4, 4), np.uint8), 0.0), r"Frame expects .*Received: uint8 \(4, 4, 4\)"),
        (lambda: View(0, 4), r"View expects a size of at least 1×1\. Received: 0×4"),
        (lambda: View(4, 4, "stretch"), r"View expects fit centre, squash or letterbox\. Received: stretch"),
        (lambda: View(4, 4, crop=0), r"View expects crop above 0 and at most 1\. Received: 0"),
        (lambda: View(4, 4, crop=1.1), r"View expects crop"),
        (lambda: info(rotation=45), r"VideoInfo expects rotation 0, 90, 180 or 270\. Received: 45"),
        (lambda: info(width=0), r"VideoInfo expects a picture of at least 1×1\. Received: 0×3"),
        (lambda: scores(labels=("one",)), r"Scores expects values \(T, 1\).*Received: \(4, 3\)"),
        (lambda: scores(values=np.zeros(4)), r"Scores expects values \(T, 3\).*Received: \(4,\)"),
        (lambda: scores(times=np.arange(3)), r"Scores expects times \(4,\).*Received: \(3,\)"),
        (lambda: scores(frames=np.ones((4, 1))), r"Scores expects frames \(4,\)"),
        (lambda: scores(times=[0, 1, 1, 2]), r"Scores expects times that increase"),
        (lambda: scores(times=[0, 2, 1, 3]), r"Scores expects times that increase"),
        (lambda: scores(times=[0, 1, np.nan, 3]), r"Scores expects times that increase"),
        (lambda: scores(durations=[1, 1, -1, 1]), r"Scores expects durations >= 0 and frames > 0"),
        (lambda: scores(durations=[1, 1, np.nan, 1]), r"Scores expects durations >= 0"),
        (lambda: scores(frames=[1, 1, 0, 1]), r"Scores expects durations >= 0 and frames > 0"),
        (lambda: Features(np.zeros(3), np.zeros(3)), r"Features expects values \(T, D\)"),
        (lambda: Features(np.zeros((3, 2)), np.zeros(2)), r"Features expects values \(T, D\)"),
        (lambda: Segment(2.0, 1.0, "x", 0.5), r"Segment expects start <= end\. Received: \[2\.0, 1\.0\)"),
        (lambda: Track(np.zeros(2), np.zeros(3), np.zeros(2), LABELS), r"Track expects three arrays of one length"),
        (lambda: timeline((Segment(0, 2, "a", 1), Segment(1, 3, "b", 1))), r"Timeline expects segments in order, without overlap"),
        (lambda: timeline((Segment(2, 3, "a", 1), Segment(0, 1, "b", 1))), r"Timeline expects segments in order"),
    ],
)
def test_what_has_the_wrong_shape_is_refused_where_it_is_made(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Frame(np.zeros((90, 160, 3), np.uint8), 1.23456, 7), "Frame(160×90, time=1.235, index=7)"),
        (scores(), "Scores(4 rows × 3 labels)"),
        (scores(rows=0), "Scores(0 rows × 3 labels)"),
        (Features(np.zeros((5, 8)), np.arange(5)), "Features(5 rows × 8 numbers)"),
        (timeline(), "Timeline('match.mp4', 2 segments, 4.00 s)"),
        (timeline().track, "Track(2 rows)"),
    ],
)
def test_what_is_large_prints_its_shape(value, text):
    assert repr(value) == text


@pytest.mark.parametrize("value", [scores(), timeline(), timeline().track, info(), Segment(0, 1, "x", 0.5)])
def test_nothing_can_be_changed(value):
    name = next(iter(vars(value)))
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, None)


@pytest.mark.parametrize("name", ["values", "times", "durations", "frames"])
def test_arrays_can_be_read_only(name):
    with pytest.raises(ValueError, match="read-only"):
        getattr(scores(), name)[0] = 1


def test_arrays_get_the_stated_types_and_are_not_copied_where_they_have_them():
    made = scores(values=np.zeros((4, 3)), times=[0, 1, 2, 3])
    assert (made.values.dtype, made.times.dtype) == (np.float32, np.float64)
    values = np.zeros((4, 3), np.float32)
    assert np.shares_memory(scores(values=values).values, values)


@given(st.lists(st.integers(0, 10), unique=True))
def test_blocks_join_to_what_they_were_cut_from(cuts):
    whole = scores(rows=10)
    edges = [0, *sorted(cuts), 10]
    joined = Scores.join([whole[a:b] for a, b in itertools.pairwise(edges)])
    for name in ("values", "times", "durations", "frames"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    assert joined.labels == LABELS


def test_no_blocks_join_to_no_rows_of_the_labels():
    assert repr(Scores.join([], LABELS)) == "Scores(0 rows × 3 labels)"


def test_blocks_that_go_back_in_time_do_not_join():
    with pytest.raises(ValueError, match="times that increase"):
        Scores.join([scores()[2:], scores()[:2]])


def test_some_labels_keep_their_columns():
    made = scores().only(["basketball", "tennis"])
    assert made.labels == ("basketball", "tennis")
    np.testing.assert_array_equal(made.values, scores().values[:, [2, 0]])


def test_a_label_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"no label 'tenis'\. Expected one of its 3; nearest: tennis"):
        scores().only(["tenis"])


def test_replaced_values_keep_their_rows():
    made = scores().replace(np.zeros((4, 3)))
    assert made.values.sum() == 0
    np.testing.assert_array_equal(made.times, scores().times)
    with pytest.raises(ValueError, match=r"Scores expects times \(3,\)"):
        scores().replace(np.zeros((3, 3)))


@given(tracks().filter(len), st.floats(0, 2000))
def test_a_track_shows_the_last_row_that_has_begun(track, time):
    begun = [row for row in range(len(track)) if track.times[row] <= time]
    row = begun[-1] if begun else 0
    winner = track.winners[row]
    assert track.at(time) == ("unknown" if winner < 0 else track.labels[winner], float(track.scores[row]))


def test_segments_are_half_open():
    made = timeline((Segment(0, 1, "a", 0.5), Segment(1, 2, "b", 0.5), Segment(3, 4, "c", 0.5)))
    assert [found.label if (found := made.at(time)) else None for time in (-1, 0, 0.999, 1, 2, 2.5, 3, 4)] == [
        None, "a", "a", "b", None, None, "c", None,
    ]  # fmt: skip
    assert made.duration == 4
    assert Segment(1.5, 4, "x", 0.5).duration == 2.5


def test_a_timeline_of_nothing_lasts_nothing():
    made = timeline(())
    assert isinstance(made, Timeline)
    assert made.duration == 0
    assert made.at(0) is None

"""Timelines against truth: cases by hand, slow obvious oracles, and what must hold of any."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from framevote.evaluation.detection import mean_average_precision
from framevote.evaluation.timelines import (
    changes_a_minute,
    compare_timelines,
    edit_score,
    joined_segments,
    label_delay,
    segment_f1,
    segment_overlap,
    shown_seconds,
)
from framevote.records import UNKNOWN, Segment

LABELS = "abc"


def line(text: str, score: float = 0.5) -> list[Segment]:
    """Segments of a text, a second a sign: `aab.` is a for two seconds, b for one, then nothing."""
    runs, at = [], 0
    for label, same in itertools.groupby(text):
        length = len(list(same))
        runs.append(Segment(float(at), float(at + length), UNKNOWN if label == "?" else label, score))
        at += length
    return [run for run in runs if run.label != "."]


texts = st.text(alphabet="aabbc.?", min_size=0, max_size=24)
truths = st.text(alphabet="abc.", min_size=1, max_size=24).filter(lambda text: set(text) != {"."})


@given(texts, truths)
def test_frame_accuracy_is_what_a_ticking_clock_counts(found, truth):
    told = compare_timelines([(line(found), line(truth))])
    ticks = [(found.ljust(24, ".")[at], sign) for at, sign in enumerate(truth) if sign != "."]
    assert told.seconds == len(ticks)
    assert told.frame_accuracy == pytest.approx(sum(one == other for one, other in ticks) / len(ticks))


def test_where_several_are_true_any_is_right():
    truth = [Segment(0, 4, "a", 1), Segment(2, 6, "b", 1)]
    assert shown_seconds((line("aaaabb"), truth)) == (6, 6)
    assert shown_seconds((line("bbaabb"), truth)) == (4, 6)


def slow_f1(pairs, overlap):
    """Lea and others' own loops, over seconds."""
    tp = fp = fn = 0
    for found, truth in pairs:
        hits = [False] * len(truth)
        for f in found:
            seconds = set(range(int(f.start), int(f.end)))
            ious = []
            for t in truth:
                others = set(range(int(t.start), int(t.end)))
                ious.append(len(seconds & others) / len(seconds | others) * (f.label == t.label))
            best = max(range(len(ious)), key=lambda at: (ious[at], -at), default=None)
            if best is not None and ious[best] >= overlap and not hits[best]:
                tp, hits[best] = tp + 1, True
            else:
                fp += 1
        fn += hits.count(False)
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0


@given(st.lists(st.tuples(texts, truths), min_size=1, max_size=3))
def test_segment_f1_is_that_of_the_paper(videos):
    pairs = [(joined_segments(line(found)), joined_segments(line(truth))) for found, truth in videos]
    values = [segment_f1(pairs, overlap) for overlap in (0.1, 0.25, 0.5)]
    assert values == pytest.approx([slow_f1(pairs, overlap) for overlap in (0.1, 0.25, 0.5)])
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize(
    ("found", "truth", "f1"),
    [
        ("aaaabbbb", "aaaabbbb", 1.0),
        ("aabbbbbb", "aaaabbbb", 1.0),  # overlaps of 2/4 and 4/6
        ("abbbbbbb", "aaaabbbb", 2 / 4),  # a overlaps by a quarter only
        ("aabaabbb", "aaaaabbb", 2 * 1 / 6),  # a is cut in two, neither of which covers half of it
        ("aaaa", "aaaabbbb", 2 / 3),
        ("aaaabbbb", "aaaa....", 2 / 3),  # what lies in a gap of the truth is wrong
        ("????", "aaaa", 0.0),
        ("", "....", 1.0),
    ],
)
def test_segment_f1_by_hand(found, truth, f1):
    assert segment_f1([(joined_segments(line(found)), line(truth))], 0.5) == pytest.approx(f1)


def plain_distance(one, other):
    """Levenshtein's distance by the whole table."""
    table = np.zeros((len(one) + 1, len(other) + 1), int)
    table[:, 0], table[0, :] = np.arange(len(one) + 1), np.arange(len(other) + 1)
    for i, j in itertools.product(range(1, len(one) + 1), range(1, len(other) + 1)):
        table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (one[i - 1] != other[j - 1]))
    return table[-1, -1]


@given(st.text("abcd", max_size=12), st.text("abcd", max_size=12))
def test_edit_score_is_one_less_the_distance(one, other):
    segments = [[Segment(at, at + 1, label, 0.5) for at, label in enumerate(text)] for text in (one, other)]
    longest = max(len(one), len(other))
    assert edit_score(*segments) == pytest.approx(1 - plain_distance(one, other) / longest if longest else 1.0)


def test_edit_score_by_hand():
    assert edit_score(line("aabbcc"), line("abbbbc")) == 1.0  # the order is right, whenever
    assert edit_score(line("aabbcc"), line("aaaacc")) == pytest.approx(2 / 3)


def slow_map(videos, overlap):
    """ActivityNet's evaluation, word by word."""
    values = []
    for label in sorted({t.label for _, truth in videos for t in truth}):
        locked, positives, tp = set(), sum(t.label == label for _, truth in videos for t in truth), []
        found = [(f, v) for v, (segments, _) in enumerate(videos) for f in segments if f.label == label]
        for f, v in sorted(found, key=lambda pair: -pair[0].score):
            truth = [(segment_overlap(f, t), -at) for at, t in enumerate(videos[v][1]) if t.label == label]
            for iou, at in sorted(truth, reverse=True):
                if iou >= overlap and (v, at) not in locked:
                    locked.add((v, at))
                    tp.append(1)
                    break
            else:
                tp.append(0)
        precision = np.cumsum(tp) / np.arange(1, len(tp) + 1)
        recall = np.cumsum(tp) / positives
        mprec, mrec = np.hstack([[0], precision, [0]]), np.hstack([[0], recall, [1]])
        for at in range(len(mprec) - 1)[::-1]:
            mprec[at] = max(mprec[at], mprec[at + 1])
        idx = np.where(mrec[1:] != mrec[:-1])[0] + 1
        values.append(np.sum((mrec[idx] - mrec[idx - 1]) * mprec[idx]))
    return np.mean(values)


@st.composite
def detections(draw):
    """Videos of segments that may overlap, with scores."""
    spans = st.tuples(st.integers(0, 10), st.integers(1, 6), st.sampled_from(LABELS), st.integers(0, 9))
    videos = []
    for _ in range(draw(st.integers(1, 3))):
        found, truth = (draw(st.lists(spans, min_size=least, max_size=6)) for least in (0, 1))
        videos.append(tuple([Segment(a, a + n, label, s / 10) for a, n, label, s in spans_] for spans_ in (found, truth)))
    return videos


@given(detections(), st.sampled_from([0.1, 0.5, 0.75]))
def test_map_is_that_of_activitynet(videos, overlap):
    assert mean_average_precision(videos, overlap) == pytest.approx(slow_map(videos, overlap))


def test_map_is_scikit_learns_where_precision_only_falls():
    """Without interpolation to do, and with all truth found: right ones first."""
    truth = [Segment(at, at + 1, "a", 1) for at in range(0, 10, 2)]
    found = [Segment(t.start, t.end, "a", 0.9 - 0.01 * at) for at, t in enumerate(truth)]
    wrong = [Segment(at, at + 1, "a", 0.5) for at in range(1, 10, 2)]
    told = mean_average_precision([([*wrong, *found], truth)], 0.5)
    assert told == pytest.approx(average_precision_score([1] * 5 + [0] * 5, [s.score for s in [*found, *wrong]])) == 1.0
    half = mean_average_precision([(found[:2], truth)], 0.5)
    assert half == pytest.approx(2 / 5)
    mixed = [Segment(1, 2, "a", 0.99), *found]  # one wrong in front: every precision is below 1, the best is the last
    assert mean_average_precision([(mixed, truth)], 0.5) == pytest.approx(5 / 6)


def test_map_locks_a_true_segment_and_looks_at_each_video_by_itself():
    truth = [Segment(0, 4, "a", 1)]
    twice = [Segment(0, 4, "a", 0.9), Segment(0, 3, "a", 0.8)]
    assert mean_average_precision([(twice, truth)], 0.5) == 1.0
    elsewhere = [([], truth), ([Segment(0, 4, "a", 0.9)], [Segment(6, 9, "a", 1)])]
    assert mean_average_precision(elsewhere, 0.5) == 0.0
    assert np.isnan(mean_average_precision([(twice, [])], 0.5))


@given(texts, truths)
def test_changes_are_counted_where_a_label_is_true(found, truth):
    rates = changes_a_minute([(joined_segments(line(found)), joined_segments(line(truth)))])
    marked = [at for at, sign in enumerate(truth) if sign != "."]
    shown = [found.replace("?", ".").ljust(24, ".")[at] for at in marked]
    kept = [truth[at] for at in marked]
    for rate, signs in zip(rates, (shown, kept), strict=True):
        assert rate == pytest.approx(60 * sum(a != b for a, b in itertools.pairwise(signs)) / len(signs))


def test_delay_by_hand():
    told = label_delay([(line("aaaaabbb"), line("aaabbbbb")), (line("aaaa"), line("aabb"))])
    assert (told.median, told.never) == (0.0, 0.25)  # 0, 2, 0, never
    assert told.late == pytest.approx(np.percentile([0, 2, 0], 95))
    early = label_delay([(line("bbbb"), line("aabb"))])
    assert (early.median, early.never) == (0.0, 0.5)
    none = label_delay([([], [])])
    assert np.isnan(none.median)
    assert np.isnan(none.never)


def test_touching_segments_of_one_label_are_one():
    joined = joined_segments([Segment(0, 2, "a", 0.5), Segment(2, 6, "a", 0.8), Segment(7, 8, "a", 0.1), Segment(1, 3, "b", 0.2)])
    assert [(s.start, s.end, s.label, round(s.score, 6)) for s in joined] == [(0, 6, "a", 0.7), (1, 3, "b", 0.2), (7, 8, "a", 0.1)]
    assert joined_segments([Segment(1, 1, "a", 0.5), Segment(1, 2, UNKNOWN, 0.5)]) == []


@given(st.lists(truths, min_size=1, max_size=4))
def test_what_is_perfect_scores_one(videos):
    told = compare_timelines([(line(text), line(text, 1.0)) for text in videos])
    assert [told.frame_accuracy, told.edit, told.map_50, told.map, *told.f1.values()] == pytest.approx([1.0] * 7)
    assert told.changes == told.true_changes
    assert (told.delay.median, told.delay.late, told.delay.never) == (0, 0, 0)


@given(st.lists(st.tuples(texts, truths), min_size=2, max_size=4), st.randoms())
def test_the_order_of_videos_does_not_matter(videos, random):
    pairs = [(line(found, 0.1 * place), line(truth)) for place, (found, truth) in enumerate(videos)]
    shuffled = random.sample(pairs, len(pairs))
    one, other = compare_timelines(pairs), compare_timelines(shuffled)
    assert one.f1 == pytest.approx(other.f1)
    for name in ("frame_accuracy", "edit", "changes", "true_changes"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))
    assert (one.map, one.delay.never) == pytest.approx((other.map, other.delay.never))


def test_nothing_to_compare():
    told = compare_timelines([])
    assert told.videos == 0
    assert np.isnan(told.frame_accuracy)
    assert np.isnan(told.map)

"""How steady, how alike: small cases by hand, agreement against a clock that ticks."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framevote.metrics import agreement, changes_per_minute, label_changes
from framevote.records import Segment


@pytest.mark.parametrize(("winners", "changes"), [([], 0), ([3], 0), ([1, 1, 1], 0), ([0, 1, 0, 1], 3), ([2, 2, -1, -1, 2], 2)])
def test_label_changes(winners, changes):
    assert label_changes(winners) == changes
    assert label_changes(np.array(winners, np.int32)) == changes


def test_changes_per_minute():
    assert changes_per_minute([0, 1, 0, 1], 90.0) == pytest.approx(2.0)
    assert changes_per_minute([0, 1], 0.0) == 0.0


@st.composite
def timelines(draw):
    """Segments on whole seconds, with gaps."""
    edges = sorted(draw(st.sets(st.integers(0, 20), max_size=8)))
    labels = draw(st.lists(st.sampled_from(["cat", "dog", None]), min_size=len(edges), max_size=len(edges)))
    spans = zip(itertools.pairwise(edges), labels, strict=False)
    return tuple(Segment(float(start), float(end), label, 0.5) for (start, end), label in spans if label)


def label_at(segments, time):
    return next((s.label for s in segments if s.start <= time < s.end), None)


@given(timelines(), timelines())
def test_agreement_is_what_a_ticking_clock_counts(a, b):
    pairs = [(label_at(a, tick + 0.5), label_at(b, tick + 0.5)) for tick in range(20)]
    covered = [pair for pair in pairs if pair != (None, None)]
    expected = sum(one == other for one, other in covered) / len(covered) if covered else 1.0
    assert agreement(a, b) == pytest.approx(expected)
    assert agreement(b, a) == pytest.approx(expected)
    assert agreement(a, a) == 1.0


def test_agreement_of_timelines_that_last_no_time():
    instant = (Segment(0.0, 0.0, "cat", 0.9),)
    assert agreement((), ()) == 1.0
    assert agreement(instant, ()) == 1.0
    assert agreement((Segment(0.0, 2.0, "dog", 0.9), Segment(2.0, 2.0, "cat", 0.9)), (Segment(0.0, 1.0, "dog", 0.2),)) == 0.5

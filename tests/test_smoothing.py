"""The smoothers against plain sums, SciPy, NumPy's weighted quantile and a textbook Viterbi."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import median_filter, uniform_filter1d

from framevote import parts
from framevote.errors import PartError, UsageError
from framevote.records import Scores
from framevote.smoothing import Exponential, RollingMean, RollingMedian, Viterbi, viterbi
from framevote.smoothing.base import GRAIN
from framevote.smoothing.viterbi import FLOOR, PATIENCE

EIGHTHS = st.integers(0, 24).map(lambda n: n / 8)
SMOOTHERS = [
    RollingMean(frames=3),
    RollingMean(frames=4, centred=True),
    RollingMean(seconds=1.5),
    RollingMean(seconds=0.75, centred=True),
    RollingMedian(frames=4),
    RollingMedian(frames=3, centred=True),
    RollingMedian(seconds=1.5),
    RollingMedian(seconds=0.75, centred=True),
    Exponential(seconds=0.5),
    Viterbi(stay=0.9),
]
CAUSAL = [smoother for smoother in SMOOTHERS if smoother.causal]
named = pytest.mark.parametrize("smoother", SMOOTHERS, ids=repr)


def scores(values, durations=None, frames=None, start=0.0):
    values = np.asarray(values, np.float32)
    durations = np.full(len(values), 0.04) if durations is None else np.asarray(durations, float)
    steps = np.maximum(durations, 1e-3)  # times must increase even where a row lasts no time
    times = start + np.concatenate([[0.0], np.cumsum(steps)[:-1]]) if len(values) else np.empty(0)
    frames = np.ones(len(values)) if frames is None else np.asarray(frames, float)
    return Scores(values, times, durations, frames, tuple(map(str, range(values.shape[1]))))


def random_scores(rows, columns, seed=0, sharp=1.0, **more):
    values = np.random.default_rng(seed).random((rows, columns)) ** sharp
    return scores(values / values.sum(axis=1, keepdims=True), **more)


@st.composite
def videos(draw, rows=(0, 30), columns=(1, 4)):
    """Rows at irregular times: some last no time, some stand for several frames; probabilities with ties and zeros among them."""
    t, c = draw(st.integers(*rows)), draw(st.integers(*columns))
    values = np.array(draw(st.lists(st.integers(0, 8), min_size=t * c, max_size=t * c)), float).reshape(t, c)
    values[values.sum(axis=1) == 0] = 1
    values /= values.sum(axis=1, keepdims=True)
    durations = draw(st.lists(EIGHTHS, min_size=t, max_size=t))
    return scores(values, durations, draw(st.lists(st.integers(1, 3), min_size=t, max_size=t)))


def cut_up(video, places):
    edges = sorted({0, len(video), *(place for place in places if place < len(video))})
    return [video[low:high] for low, high in itertools.pairwise(edges)] + [video[:0]]


def overlaps(measures, length, centred):
    """How much of each row (columns) the window of each row (lines) takes."""
    ends = np.cumsum(measures)
    begins = np.concatenate([[0.0], ends[:-1]])
    high = (begins + ends) / 2 + length / 2 if centred else ends
    low = high - length
    taken = np.minimum(ends[None], high[:, None]) - np.maximum(begins[None], low[:, None])
    return np.maximum(taken, 0.0)


def measures_of(smoother, video):
    return (video.frames, smoother.frames) if smoother.frames else (video.durations, smoother.seconds)


@given(videos(), st.sampled_from(SMOOTHERS[:4]), EIGHTHS.filter(bool))
def test_the_mean_is_the_integral_over_the_window(video, smoother, length):
    if smoother.seconds:
        smoother = RollingMean(seconds=length, centred=smoother.centred)
    measures, length = measures_of(smoother, video)
    weights = overlaps(measures, length, smoother.centred)
    values = video.values.astype(float)
    expected = [(w @ values) / w.sum() if w.sum() else own for w, own in zip(weights, values, strict=True)]
    np.testing.assert_allclose(smoother(video).values, np.array(expected).reshape(values.shape), atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 7, 128, 5000])
def test_on_every_frame_the_mean_is_that_of_the_last_k_predictions(count):
    rng = np.random.default_rng(count)
    video = random_scores(700, 3, seed=count, durations=rng.random(700) * rng.integers(0, 2, 700))
    queue = [video.values[max(0, t - count + 1) : t + 1].astype(float) for t in range(len(video))]
    np.testing.assert_allclose(RollingMean(frames=count)(video).values, [rows.mean(axis=0) for rows in queue], rtol=1e-6)


@pytest.mark.parametrize("count", [1, 5, 51])
def test_the_centred_mean_is_scipys_away_from_the_ends(count):
    video = random_scores(300, 4)
    inner = slice(count, len(video) - count)
    expected = uniform_filter1d(video.values.astype(float), count, axis=0)
    np.testing.assert_allclose(RollingMean(frames=count, centred=True)(video).values[inner], expected[inner], rtol=1e-5)


@given(videos(rows=(1, 20)), st.sampled_from([*SMOOTHERS[:8], Exponential(seconds=0.5)]), st.data())
def test_a_row_cut_in_two_halves_changes_no_other_row(video, smoother, data):
    row = data.draw(st.integers(0, len(video) - 1))
    durations, frames = video.durations.copy(), video.frames.copy()
    durations[row] /= 2
    frames[row] /= 2
    halves = scores(np.insert(video.values, row, video.values[row], axis=0), np.insert(durations, row, durations[row]))
    halves = Scores(halves.values, halves.times, halves.durations, np.insert(frames, row, frames[row]), halves.labels)
    before, after = smoother(video).values, smoother(halves).values
    np.testing.assert_allclose(np.delete(after, [row, row + 1], axis=0), np.delete(before, row, axis=0), atol=1e-6)
    if smoother.causal:
        np.testing.assert_allclose(after[row + 1], before[row], atol=1e-6)


@given(videos(), st.sampled_from(SMOOTHERS[4:8]), EIGHTHS.filter(bool))
def test_the_median_is_numpys_weighted_one(video, smoother, length):
    if smoother.seconds:
        smoother = RollingMedian(seconds=length, centred=smoother.centred)
    measures, length = measures_of(smoother, video)
    weights = overlaps(measures, length, smoother.centred)
    values = video.values.astype(float)
    out = smoother(video).values
    for row, own, answer in zip(weights, values, out, strict=True):
        expected = own
        if row.sum():
            lower = np.quantile(values, 0.5, axis=0, weights=row, method="inverted_cdf")
            upper = -np.quantile(-values, 0.5, axis=0, weights=row, method="inverted_cdf")
            middle = (lower + upper) / 2
            expected = middle / middle.sum() if middle.sum() else own
        np.testing.assert_allclose(answer, expected, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 9, 64, 101])
@pytest.mark.parametrize("live", [False, True], ids=["batch", "live"])
def test_on_every_frame_the_median_is_that_of_the_last_k(count, live):
    video = random_scores(250, 3, seed=count)
    expected = np.array([np.median(video.values[max(0, t - count + 1) : t + 1].astype(float), axis=0) for t in range(len(video))])
    smoother = RollingMedian(frames=count)
    step = smoother.online()
    out = Scores.join(step(video[t : t + 1]) for t in range(len(video))) if live else smoother(video)
    np.testing.assert_allclose(out.values, expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 25, 151])
def test_the_centred_median_is_scipys_away_from_the_ends(count):
    video = random_scores(400, 4)
    inner = slice(count, len(video) - count)
    expected = median_filter(video.values, size=(count, 1))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(RollingMedian(frames=count, centred=True)(video).values[inner], expected[inner], rtol=1e-5)


def test_a_median_of_zeros_leaves_the_row_as_it_is():
    values = np.eye(3, dtype=np.float32)[[0, 1, 2] * 4]  # no label has half of any window of three
    assert RollingMedian(frames=3)(scores(values)).values[2:].tolist() == values[2:].tolist()


def test_the_median_takes_no_notice_of_a_wild_frame():
    values = np.tile([0.9, 0.1], (20, 1))
    values[7] = [0.0, 1.0]
    np.testing.assert_allclose(RollingMedian(frames=5)(scores(values)).values, np.tile([0.9, 0.1], (20, 1)), rtol=1e-6)


@given(videos(), st.sampled_from([0.02, 0.3, 1, 50.0]))
def test_the_exponential_mean_is_the_weighted_sum_written_out(video, seconds):
    ends = np.cumsum(video.durations)
    begins = ends - video.durations
    out = Exponential(seconds=seconds)(video).values
    for t, answer in enumerate(out):
        weights = np.exp((ends[: t + 1] - ends[t]) / seconds) - np.exp((begins[: t + 1] - ends[t]) / seconds)
        values = video.values[: t + 1].astype(float)
        np.testing.assert_allclose(answer, weights @ values / weights.sum() if weights.sum() > 0 else values[-1], atol=1e-6)


def test_the_exponential_mean_begins_at_the_first_row_and_bears_long_gaps():
    video = scores([[0.3, 0.7], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [0.04, 1e6, 0.04, 1e-3])
    out = Exponential(seconds=1.0)(video).values[:, 0]
    faded = math.exp(-0.04)
    np.testing.assert_allclose(out, [0.3, 1.0, faded, faded * math.exp(-1e-3) + 1 - math.exp(-1e-3)], rtol=1e-6)


def transitions(stay, elapsed, classes):
    held = stay**elapsed
    return held * np.eye(classes) + (1 - held) / classes


def likelihood(video, path, stay):
    seen = np.log(np.maximum(video.values.astype(float), FLOOR)) * video.frames[:, None]
    total = seen[0, path[0]]
    for t in range(1, len(path)):
        total += seen[t, path[t]] + math.log(transitions(stay, video.times[t] - video.times[t - 1], seen.shape[1])[path[t - 1], path[t]])
    return total


def textbook(video, stay):
    """Viterbi as the books have it, with a whole matrix of transitions: O(T·C²)."""
    seen = np.log(np.maximum(video.values.astype(float), FLOOR)) * video.frames[:, None]
    best, came = seen[0], []
    for t in range(1, len(video)):
        ways = best[:, None] + np.log(transitions(stay, video.times[t] - video.times[t - 1], seen.shape[1]))
        came.append(ways.argmax(axis=0))
        best = ways.max(axis=0) + seen[t]
    path = [int(best.argmax())]
    for back in reversed(came):
        path.append(int(back[path[-1]]))
    return path[::-1]


@given(videos(rows=(1, 6), columns=(1, 3)), st.sampled_from([0.01, 0.5, 0.99]))
def test_no_path_is_likelier_than_viterbis(video, stay):
    out = Viterbi(stay=stay)(video).values.argmax(axis=1)
    every = itertools.product(range(video.values.shape[1]), repeat=len(video))
    assert likelihood(video, out, stay) == pytest.approx(max(likelihood(video, path, stay) for path in every), abs=1e-9)


@pytest.mark.parametrize("stay", [0.3, 0.9, 0.999])
def test_viterbi_is_the_textbooks_on_long_videos(stay):
    rng = np.random.default_rng(1)
    video = random_scores(3 * GRAIN + 17, 6, sharp=4, durations=rng.exponential(0.5, 3 * GRAIN + 17))
    out = Viterbi(stay=stay)(video).values.argmax(axis=1)
    assert out.tolist() == textbook(video, stay)
    assert len(np.unique(out)) > 1


@given(videos(rows=(1, 40), columns=(2, 4)), st.sampled_from([0.3, 0.99]))
def test_what_viterbi_gives_early_is_on_the_best_path(video, stay):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(viterbi, "GRAIN", 1)  # look after every row which rows are decided
        out = Scores.join(Viterbi(stay=stay).stream(video[t : t + 1] for t in range(len(video)))).values.argmax(axis=1)
    assert likelihood(video, out, stay) == pytest.approx(likelihood(video, textbook(video, stay), stay), abs=1e-9)


def test_viterbi_counts_the_frames_that_a_row_stands_for():
    rows = [[0.9, 0.1]] * 8 + [[0.2, 0.8]] + [[0.9, 0.1]] * 8
    assert Viterbi(stay=0.99)(scores(rows)).values.argmax(axis=1).tolist() == [0] * 17
    long = scores(rows, durations=[0.04] * 8 + [0.8] + [0.04] * 8, frames=[1] * 8 + [20] + [1] * 8)
    assert Viterbi(stay=0.99)(long).values.argmax(axis=1).tolist() == [0] * 8 + [1] + [0] * 8


def test_viterbi_shows_what_was_seen_of_the_paths_label():
    video = scores([[0.9, 0.1]] * 10 + [[0.4, 0.6], [0.9, 0.1], [0.0, 1.0], [0.9, 0.1]])
    out = Viterbi()(video).values
    assert out.argmax(axis=1).tolist() == [0] * 14
    usual = [0, 5, 9, 11, 13]
    assert out[usual].tolist() == video.values[usual].tolist()
    assert out[10, 0] == video.values[10, 0]
    assert 0.399 < out[10, 1] < out[10, 0]
    assert out[12].tolist() == pytest.approx([FLOOR, FLOOR], rel=1e-3)


def test_viterbi_holds_no_more_than_its_patience_where_nothing_decides():
    blocks = [scores(np.full((GRAIN, 2), 0.5), start=n * 0.04 * GRAIN) for n in range(2 * PATIENCE // GRAIN)]
    fed = 0

    def feed():
        nonlocal fed
        for block in blocks:
            fed += len(block)
            yield block

    given_out, most = 0, 0
    for block in Viterbi().stream(feed()):
        most = max(most, fed - given_out)
        given_out += len(block)
    assert given_out == 2 * PATIENCE
    assert most <= PATIENCE


@named
@given(video=videos(rows=(0, 60)), places=st.lists(st.integers(1, 60), max_size=8))
@settings(max_examples=40)
def test_any_cutting_into_blocks_gives_the_same(smoother, video, places):
    whole = smoother(video)
    blocks = list(smoother.stream(cut_up(video, places)))
    joined = Scores.join(blocks, video.labels)
    np.testing.assert_allclose(joined.values, whole.values, atol=1e-6)
    for name in ("times", "durations", "frames"):
        assert getattr(joined, name).tolist() == getattr(video, name).tolist()
    assert whole.labels == video.labels


@named
def test_long_streams_are_the_same_in_blocks_of_any_size(smoother):
    rng = np.random.default_rng(2)
    video = random_scores(5 * GRAIN, 3, durations=rng.exponential(0.05, 5 * GRAIN), frames=rng.integers(1, 3, 5 * GRAIN))
    whole = smoother(video).values
    for size in (1, 37, 64, 3 * GRAIN):
        blocks = smoother.stream(video[at : at + size] for at in range(0, len(video), size))
        np.testing.assert_allclose(Scores.join(blocks).values, whole, atol=1e-6)


@pytest.mark.parametrize("smoother", CAUSAL, ids=repr)
@given(video=videos(rows=(0, 60)), places=st.lists(st.integers(1, 60), max_size=8))
@settings(max_examples=40)
def test_online_equals_batch(smoother, video, places):
    step = smoother.online()
    answers = []
    for block in cut_up(video, places):
        answers.append(step(block))
        assert answers[-1].times.tolist() == block.times.tolist()
    np.testing.assert_allclose(Scores.join(answers).values, smoother(video).values, atol=1e-6)


def test_two_online_runs_know_nothing_of_each_other():
    video = random_scores(10, 2)
    smoother = RollingMean(frames=4)
    one, other = smoother.online(), smoother.online()
    one(video[:7])
    assert other(video).values.tolist() == smoother(video).values.tolist()


@pytest.mark.parametrize("smoother", [smoother for smoother in SMOOTHERS if not smoother.causal], ids=repr)
def test_a_smoother_that_looks_ahead_does_not_run_live(smoother):
    with pytest.raises(UsageError, match=r"later frames.*Expected.*RollingMean"):
        smoother.online()


@named
@given(video=videos(rows=(1, 30)))
@settings(max_examples=40)
def test_rows_stay_probabilities(smoother, video):
    out = smoother(video).values
    assert out.min() >= 0
    assert out.max() <= 1 + 1e-6
    if not isinstance(smoother, Viterbi):
        np.testing.assert_allclose(out.sum(axis=1), 1, atol=1e-5)


@named
def test_constant_in_constant_out(smoother):
    video = scores(np.tile([0.5, 0.25, 0.2, 0.05], (600, 1)), np.random.default_rng(0).random(600))
    np.testing.assert_allclose(smoother(video).values, video.values, rtol=1e-6)


@named
def test_one_row_and_rows_without_any_duration_stay_as_they_are(smoother):
    one = scores([[0.3, 0.7]], [0.0])
    assert smoother(one).values.tolist() == one.values.tolist()
    if getattr(smoother, "frames", None) is None and not isinstance(smoother, Viterbi):
        video = random_scores(9, 3, durations=np.zeros(9))
        assert smoother(video).values.tolist() == video.values.tolist()


@pytest.mark.parametrize("seconds", [1e-3, 1e-9, 1e-11, 1e-13])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("part", [RollingMean, RollingMedian])
def test_a_window_that_is_lost_in_a_row_is_that_row(part, centred, seconds):
    video = random_scores(200, 3, durations=1e4 * (1 + np.random.default_rng(4).random(200)))
    np.testing.assert_allclose(part(seconds=seconds, centred=centred)(video).values, video.values, atol=1e-6)


@named
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_row_that_is_not_finite_is_named(smoother, value):
    video = random_scores(50, 3)
    values = video.values.copy()
    values[20, 1] = value
    with pytest.raises(ValueError, match=r"finite.*Received: -?(nan|inf).*0\.800 s"):
        smoother(video.replace(values))


def test_a_row_that_was_refused_leaves_no_trace():
    video = random_scores(30, 2)
    step = RollingMean(frames=5).online()
    step(video[:10])
    with pytest.raises(ValueError, match="finite"):
        step(video[10:12].replace(np.full((2, 2), np.nan)))
    assert step(video[10:]).values.tolist() == RollingMean(frames=5)(video).values[10:].tolist()


def test_blocks_follow_one_another_with_the_same_labels():
    video = random_scores(10, 2)
    other = Scores(video.values, video.times + 9, video.durations, video.frames, ("x", "y"))
    for second, expected in ((video, r"begin after.*Received: 0\.000 s after 0\.360 s"), (other, "same labels")):
        with pytest.raises(ValueError, match=expected):
            list(RollingMean(frames=2).stream([video, second]))


def test_nothing_in_nothing_out():
    assert list(RollingMean(frames=2).stream([])) == []
    assert RollingMean(frames=2)(scores(np.empty((0, 2)))).labels == ("0", "1")


def test_no_rounding_piles_up_over_a_million_rows():
    rng = np.random.default_rng(3)
    high = rng.random((1_000_000, 1)).astype(np.float32)
    video = scores(np.concatenate([high, np.full((200, 1), 1e-9)]), np.full(1_000_200, 1 / 30))
    out = np.concatenate(
        [block.values for block in RollingMean(seconds=3).stream(video[at : at + 4096] for at in range(0, len(video), 4096))]
    )
    np.testing.assert_allclose(out[-100:], 1e-9, rtol=1e-5)
    np.testing.assert_allclose(out[999_999], high[-90:].astype(float).mean(), rtol=1e-6)


@pytest.mark.parametrize("smoother", [*SMOOTHERS, RollingMean(seconds=40, centred=True), RollingMedian(seconds=20)], ids=repr)
def test_memory_does_not_grow_with_the_video(smoother):
    def peak(blocks):
        video = random_scores(64, 40, sharp=3)
        stream = (Scores(video.values, video.times + n * 64, video.durations, video.frames, video.labels) for n in range(blocks))
        tracemalloc.start()
        try:
            for _ in smoother.stream(stream):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(120) < 1.1 * peak(40) + 50_000


@named
def test_a_smoothers_text_builds_it_again(smoother):
    assert parts.build("smoother", repr(smoother)) == smoother


@pytest.mark.parametrize(
    ("smoother", "text"),
    [
        (RollingMean(seconds=4), "RollingMean(seconds=4)"),
        (RollingMean(frames=np.int64(128)), "RollingMean(frames=128)"),
        (RollingMedian(seconds=np.float32(0.5), centred=np.bool_(True)), "RollingMedian(seconds=0.5, centred=True)"),
        (Exponential(np.float64(2)), "Exponential(seconds=2.0)"),
        (Viterbi(), "Viterbi()"),
        (Viterbi(0.9, 2), "Viterbi(stay=0.9, seconds=2)"),
    ],
)
def test_the_text_is_the_shortest(smoother, text):
    assert repr(smoother) == text


@pytest.mark.parametrize("name", ["RollingMean", "RollingMedian"])
@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        ("", "neither"),
        ("frames=3, seconds=1.0", "frames=3 and seconds=1.0"),
        ("frames=0", "frames=0"),
        ("frames=-3", "frames=-3"),
        ("frames=2.5", "frames=2.5"),
        ("frames=4.0", "frames=4.0"),
        ("frames=True", "frames=True"),
        ("frames='3'", "frames='3'"),
        ("frames=1" + "0" * 400, "frames=10"),
        ("seconds=0", "seconds=0"),
        ("seconds=-1.0", "seconds=-1.0"),
        ("seconds=1e999", "seconds=inf"),
        ("seconds=True", "seconds=True"),
        ("seconds='4'", "seconds='4'"),
        ("seconds=[4]", "seconds="),
        ("frames=3, centred=1", "centred=1"),
        ("frames=3, centred='yes'", "centred='yes'"),
    ],
)
def test_a_window_that_is_none_is_refused(name, arguments, received):
    with pytest.raises(PartError) as error:
        parts.build("smoother", f"{name}({arguments})")
    assert f"{name} takes" in str(error.value)
    assert f"Received: {received}" in str(error.value)


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda: RollingMean(seconds=math.nan), "seconds=nan"),
        (lambda: RollingMedian(frames=np.float64(3)), "frames=3.0"),
        (lambda: Exponential(seconds=0), "seconds=0"),
        (lambda: Exponential(seconds=math.nan), "seconds=nan"),
        (lambda: Exponential(seconds=False), "seconds=False"),
        (lambda: Exponential(seconds="2"), "seconds='2'"),
        (lambda: Exponential(seconds=None), "seconds=None"),
        (lambda: Viterbi(stay=0), "stay=0"),
        (lambda: Viterbi(stay=1), "stay=1"),
        (lambda: Viterbi(stay=1.0), "stay=1.0"),
        (lambda: Viterbi(stay=-0.5), "stay=-0.5"),
        (lambda: Viterbi(stay=math.nan), "stay=nan"),
        (lambda: Viterbi(stay="0.9"), "stay='0.9'"),
        (lambda: Viterbi(stay=True), "stay=True"),
        (lambda: Viterbi(seconds=0), "seconds=0"),
        (lambda: Viterbi(seconds=math.inf), "seconds=inf"),
    ],
)
def test_an_argument_that_does_not_fit_is_refused(make, received):
    with pytest.raises(PartError, match=r"takes .* as .*") as error:
        make()
    assert f"Received: {received}" in str(error.value)


def test_a_field_that_is_missing_is_asked_for():
    with pytest.raises(PartError, match="Exponential takes seconds"):
        parts.build("smoother", "Exponential()")


@pytest.mark.parametrize(("rows", "labels", "stay"), [(1, 3, 0.9), (5, 1, 0.9), (40, 2, 0.99), (60, 4, 0.5), (60, 3, 0.9999)])
def test_a_row_waits_until_no_future_changes_its_label(rows, labels, stay):
    """The oracle: what is given of every prefix, with any label at its end made certain; where all agree, nothing waits."""
    random = np.random.default_rng(rows + labels)
    values = random.dirichlet(np.ones(labels) * 0.7, rows).astype(np.float32)
    times = np.cumsum(random.uniform(0.02, 0.3, rows))
    steady = Viterbi(stay=stay)
    waits = steady.waits(Scores(values, times, np.full(rows, 0.1), np.ones(rows), tuple("abcd"[:labels])))
    for row in range(rows):
        ends = [end for end in range(row, rows) if len(_paths_at(steady, values, times, end, row)) == 1]
        assert waits[row] == pytest.approx(times[ends[0] if ends else rows - 1] - times[row])


def _paths_at(steady, values, times, end, row):
    """The labels at a row of the best paths to each label at `end`."""
    shown = set()
    rate = np.log(steady.stay) / steady.seconds
    scores = np.log(np.maximum(values[0].astype(float), 1e-6))
    back = [np.arange(len(scores))]
    for at in range(1, end + 1):
        kept = np.exp(rate * (times[at] - times[at - 1]))
        moves = np.log(np.eye(len(scores)) * kept + (1 - kept) / len(scores))
        reached = scores[:, None] + moves
        back.append(reached.argmax(axis=0))
        scores = reached.max(axis=0) + np.log(np.maximum(values[at].astype(float), 1e-6))
    for label in range(len(scores)):
        place = label
        for at in range(end, row, -1):
            place = int(back[at][place])
        shown.add(place)
    return shown

"""Steps and sliding windows against plain NumPy over the whole video at once, and a made model that slides along frames."""

import gc
import time
import tracemalloc
from collections.abc import Iterable

import made_models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framevote.classifier import load_model
from framevote.errors import UsageError
from framevote.records import Frame, Sampling, Scores
from framevote.sequences import Slide, Step, Stepper

SIZE = made_models.SIZE
STEPS = (0.04, 0.1, 1 / 6, 0.25, 1.0, 7.0)
PICTURE = np.zeros((1, 1, 3), np.uint8)


def frames_of(durations: list[float], origin: float = 0.0, counts: list[int] | None = None, images=None) -> list[Frame]:
    times = np.concatenate([[origin], origin + np.cumsum(durations)])
    return [
        Frame(PICTURE if images is None else images[number], float(times[number]), number, length, (counts or [1] * len(durations))[number])
        for number, length in enumerate(durations)
    ]


def stepped(frames: list[Frame], step: float) -> tuple[list[Step], list[Frame]]:
    """Return all steps and the frames that were picked; a step comes behind the frame that it shows."""
    stepper, steps, picked = Stepper(step), [], []
    settled = [each for frame in frames for each in stepper.push(frame)]
    for each in [*settled, *stepper.finish()]:
        if isinstance(each, Step):
            assert each.pick < len(picked)
            steps.append(each)
        else:
            picked.append(each)
    return steps, picked


def reference(frames: list[Frame], step: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return starts, durations, frames and the shown frame of each step, from the whole video at once."""
    origin, end = frames[0].time, frames[-1].time + frames[-1].duration
    edges = np.array([frame.time for frame in frames] + [end])
    count = np.concatenate([[0], np.cumsum([frame.frames for frame in frames])])
    numbers = np.arange(int(np.ceil((end - origin) / step)) + 1)
    starts = origin + numbers * step
    starts = starts[end - starts > 1e-6]
    ends = np.minimum(starts + step, end)
    shown = np.searchsorted(edges[:-1], origin + (numbers[: len(starts)] + 0.5) * step, side="right") - 1
    return starts, ends - starts, np.interp(ends, edges, count) - np.interp(starts, edges, count), shown


def agree(frames: list[Frame], step: float) -> None:
    steps, picked = stepped(frames, step)
    starts, durations, counts, shown = reference(frames, step)
    np.testing.assert_allclose([each.time for each in steps], starts, atol=1e-9)
    np.testing.assert_allclose([each.duration for each in steps], durations, atol=1e-6)
    np.testing.assert_allclose([each.frames for each in steps], counts, atol=1e-4)
    np.testing.assert_array_equal([picked[each.pick].index for each in steps], shown)
    # They tile the video, whatever the reference says.
    ends = [each.time + each.duration for each in steps]
    np.testing.assert_allclose(ends[:-1], [each.time for each in steps[1:]], atol=1e-9)
    np.testing.assert_allclose(ends[-1], frames[-1].time + frames[-1].duration, atol=2e-6)
    np.testing.assert_allclose(sum(each.frames for each in steps), sum(frame.frames for frame in frames), atol=1e-4)


@pytest.mark.parametrize(
    ("durations", "step", "rows"),
    [
        ([0.04] * 50, 0.04, 50),  # as many frames as steps
        ([0.04] * 50, 1 / 6, 12),  # more frames than steps
        ([0.5] * 4, 0.1, 20),  # fewer: a frame is shown in several
        ([1 / 30] * 90, 1 / 30, 90),
        ([0.04], 1.0, 1),  # one frame, shorter than a step
        ([3.0], 1.0, 3),  # one frame, longer
        ([0.04] * 10, 1.0, 1),  # a video that is shorter than a step
        ([0.01, 2.0, 0.01, 0.3], 0.25, 10),
    ],
)
def test_steps_of_known_videos(durations, step, rows):
    steps, _ = stepped(frames_of(durations), step)
    assert len(steps) == rows
    agree(frames_of(durations), step)
    agree(frames_of(durations, origin=0.5, counts=[3] * len(durations)), step)


@given(
    st.lists(st.integers(1, 2500), min_size=1, max_size=40),
    st.sampled_from(STEPS),
    st.sampled_from([0.0, 0.48, 10_000.0]),
    st.integers(1, 5),
)
def test_steps_tile_any_video(milliseconds, step, origin, count):
    agree(frames_of([length / 1000 for length in milliseconds], origin, [count] * len(milliseconds)), step)


def test_a_last_frame_whose_length_nobody_knows_lasts_a_step():
    frames = [Frame(PICTURE, 0.0, 0, 0.5), Frame(PICTURE, 0.5, 1, 0.0)]
    steps, _ = stepped(frames, 0.5)
    assert [(each.time, each.duration, each.frames) for each in steps] == [(0.0, 0.5, 1.0), (0.5, 0.5, 1.0)]
    assert stepped([], 0.5) == ([], [])


def test_a_frame_is_picked_once_for_the_steps_in_which_it_is_shown():
    _, picked = stepped(frames_of([1.0, 0.02, 0.02, 1.0]), 0.1)
    assert [frame.index for frame in picked] == [0, 3]
    _, picked = stepped(frames_of([0.04] * 100), 0.2)
    assert [frame.index for frame in picked] == list(range(2, 100, 5))


def by_list(values: np.ndarray, sampling: Sampling) -> np.ndarray:
    """Return every window, built row by row from the whole list."""
    windows = []
    for row in range(len(values)):
        first = row - sampling.frames + 1 if sampling.causal else row - sampling.frames // 2
        windows.append([values[min(max(place, 0), len(values) - 1)] for place in range(first, first + sampling.frames)])
    return np.array(windows)


@given(
    rows=st.integers(1, 120),
    frames=st.integers(2, 50),
    causal=st.booleans(),
    least=st.sampled_from([1, 5, 32]),
    together=st.integers(1, 40),
)
def test_windows_slide_as_a_list_says(rows, frames, causal, least, together):
    sampling, values = Sampling(frames, 1.0, causal), np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
    slide, steps, windows, most = Slide(sampling), [], [], 0
    waiting = iter(values)  # each frame lasts a step, so that all are picked

    def give(frames: Iterable[Frame]) -> None:
        for _ in frames:
            slide.embedded(next(waiting)[None])

    for row in range(rows):
        give(slide.push(Frame(PICTURE, row * sampling.step, row, sampling.step)))
        if row % together == 0:
            for some, these in slide.windows(least=least):
                assert least <= len(some) <= 32
                steps += some
                windows += list(these)
        most = max(most, len(slide._windows._held))
    give(slide.finish())
    for some, these in slide.windows(ended=True):
        steps += some
        windows += list(these)
    np.testing.assert_allclose([step.time for step in steps], np.arange(rows) * sampling.step)
    np.testing.assert_array_equal(windows, by_list(values, sampling))
    assert most <= frames + least + together  # what is held does not grow with the video


@pytest.mark.parametrize(("frames", "ahead"), [(2, 0), (3, 1), (16, 7), (17, 8)])
def test_the_row_lies_in_the_middle_or_at_the_end_of_its_window(frames, ahead):
    assert Sampling(frames, 2.0).ahead == ahead
    assert Sampling(frames, 2.0, causal=True).ahead == 0
    assert (Sampling(frames, 2.0).step, Sampling(frames, 2.0).rate) == (2.0 / frames, frames / 2.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"frames": 1}, "2 to 4096 frames"),
        ({"frames": 5000}, "2 to 4096 frames"),
        ({"frames": 4.0}, "2 to 4096 frames"),
        ({"frames": True}, "2 to 4096 frames"),
        ({"seconds": 0}, "more than 0 seconds"),
        ({"seconds": float("nan")}, "more than 0 seconds"),
        ({"seconds": float("inf")}, "more than 0 seconds"),
        ({"seconds": 1e-300}, "at most 1000 frames a second"),
        ({"causal": 1}, "causal true or false"),
    ],
)
def test_a_sampling_that_is_none_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        Sampling(**{"frames": 16, "seconds": 2.0, **given})


def test_a_frame_that_is_shown_for_hours_is_soon_done():
    began = time.process_time()
    slide, rows = Slide(Sampling(16, 16 / 6)), 0
    for _ in [*slide.push(Frame(PICTURE, 0.0)), *slide.push(Frame(PICTURE, 7200.0, 1, 1.0)), *slide.finish()]:
        slide.embedded(np.ones((1, 2000), np.float32))
    tracemalloc.start()
    for some, windows in slide.windows(ended=True):
        assert windows.shape == (len(some), 16, 2000)
        rows += len(some)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 7201 * 6
    assert peak < 60e6
    assert time.process_time() - began < 20


# A made model: its head says how the colour has changed from the first frame of a window to the last.


def opened(folder, **sampling):
    told = Sampling(**{"frames": 4, "seconds": 0.4, **sampling})
    return load_model(made_models.model_file(folder / "order.fvm", sampling=told), precision="f32")


def shown(durations: list[float], seed: int = 0) -> list[Frame]:
    return frames_of(durations, images=made_models.pictures(len(durations), seed))


def expected(frames: list[Frame], sampling: Sampling) -> np.ndarray:
    *_, places = reference(frames, sampling.step)
    _, colours = made_models.expected(np.stack([frame.image for frame in frames])[places])
    return made_models.expected_of_windows(by_list(colours, sampling))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "durations", [[0.04] * 500, [0.04, 0.2, 0.02, 0.5] * 30, [0.04] * 3, [0.04], [0.1] * 3, [2.0, 0.04]], ids=lambda d: f"{len(d)}x{d[0]}"
)
def test_scores_of_a_video_are_those_of_all_its_windows(tmp_path, durations, causal):
    model = opened(tmp_path, causal=causal)
    frames = shown(durations)
    blocks = list(model.stream(iter(frames)))
    scores = Scores.join(blocks, model.labels)
    starts, lengths, counts, _ = reference(frames, model.sampling.step)
    np.testing.assert_allclose(scores.times, starts, atol=1e-9)
    np.testing.assert_allclose(scores.durations, lengths, atol=1e-6)
    np.testing.assert_allclose(scores.frames, counts, atol=1e-4)
    np.testing.assert_allclose(scores.values, expected(frames, model.sampling), atol=1e-5)
    assert max(len(block) for block in blocks) <= 32


def test_no_frames_give_no_rows(tmp_path):
    model = opened(tmp_path)
    assert len(model.scores([])) == 0
    assert list(model.clips([])) == []


def test_only_what_is_shown_goes_through_the_network(tmp_path, monkeypatch):
    model = opened(tmp_path)
    seen, infer = [], model._engine._runtime.infer
    monkeypatch.setattr(model._engine._runtime, "infer", lambda images: infer(image for image in images if not seen.append(1)))
    assert len(model.scores(shown([0.01] * 1000))) == 100
    assert len(seen) == 100


@pytest.mark.parametrize("durations", [[0.04] * 60, [0.04, 0.2, 0.02, 0.5] * 12, [0.3] * 20, [0.04]])
def test_live_rows_are_those_of_the_whole_video_but_for_the_last(tmp_path, durations):
    model = opened(tmp_path, causal=True)
    frames = shown(durations)
    step, whole = model.online(), model.scores(frames)
    parts = [step(frame) for frame in frames]
    live = Scores.join(parts, model.labels)
    # The last frame's end is not known live.
    ends, settled = whole.times + whole.durations, len(live)
    assert np.sum(ends < frames[-1].time - 1e-9) <= settled <= np.sum(ends <= frames[-1].time + 1e-9)
    for name in ("times", "durations", "frames", "values"):
        np.testing.assert_allclose(getattr(live, name), getattr(whole, name)[:settled], atol=1e-5, err_msg=name)
    assert [row for row, part in enumerate(parts) if len(part) and (part.times + part.durations > frames[row].time + 1e-9).any()] == []


def test_live_memory_does_not_grow(tmp_path):
    model = opened(tmp_path, causal=True)
    step, picture = model.online(), made_models.pictures(1)[0]

    def run(numbers: range) -> int:
        for number in numbers:
            step(Frame(picture, number * 0.1, number, 0.1))
        gc.collect()
        ours = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/framevote/*.py")])
        return sum(trace.size for trace in ours.traces)

    tracemalloc.start()
    early = run(range(100))
    late = run(range(100, 2100))
    tracemalloc.stop()
    assert late - early < 60_000  # embeddings alone would take 2000 times 130 bytes


def test_a_model_that_sees_ahead_does_not_run_live(tmp_path):
    with pytest.raises(UsageError, match=r"The model colours sees 0\.1 s ahead and cannot run live\. Train it with causal=True"):
        opened(tmp_path).online()


def test_a_model_of_single_frames_runs_live(tmp_path):
    model = load_model(made_models.model_file(tmp_path / "plain.fvm"), precision="f32")
    frames = shown([0.04] * 5)
    step = model.online()
    live = Scores.join([step(frame) for frame in frames], model.labels)
    np.testing.assert_allclose(live.values, model.scores(frames).values, atol=1e-6)


@pytest.mark.parametrize("clips", [1, 3, 40])
def test_clips_are_a_row_each(tmp_path, clips):
    model = opened(tmp_path, frames=5)
    frames = shown([1.0] * (5 * clips))
    scores = Scores.join(model.clips(frames[at : at + 5] for at in range(0, len(frames), 5)), model.labels)
    _, colours = made_models.expected(np.stack([frame.image for frame in frames]))
    np.testing.assert_allclose(scores.values, made_models.expected_of_windows(colours.reshape(clips, 5, 3)), atol=1e-5)
    assert scores.times.tolist() == [5.0 * number for number in range(clips)]

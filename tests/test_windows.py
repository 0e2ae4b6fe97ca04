"""Windows of clips: made videos of known rates and lengths, and embeddings whose order is known."""

from pathlib import Path

import made_models
import numpy as np
import pytest
from made_items import film, photo
from media import make_video

from framevote.datasets import Dataset, Item, Problem
from framevote.datasets.clips import MOST_PIECES, clips_of, length_of, pieces_of, spread
from framevote.errors import InputError, UsageError
from framevote.evaluation import evaluate
from framevote.features import Embedded, Rows
from framevote.labeling import label
from framevote.records import Sampling, View
from framevote.training.windows import LONGEST, Windows, joined, windows_of

VIEW = View(8, 8, "squash")


def dataset(*items: Item) -> Dataset:
    return Dataset(tuple(items), ("red", "green"), layout="made")


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[Item]:
    """One second, two and nine, ten frames a second."""
    folder = tmp_path_factory.mktemp("clips")
    return [Item(film(folder / f"{seconds}.mp4", ("red", seconds / 2), ("green", seconds / 2)), ("red",), "video") for seconds in (1, 2, 9)]


def test_a_window_is_as_long_as_the_middle_clip(clips):
    found = windows_of(dataset(*clips), 16, None, causal=False)
    assert found.sampling == Sampling(16, 2.0, False)
    assert found.owners.tolist() == [0, 1, *[2] * MOST_PIECES]  # of 9 seconds eight windows of 2: they overlap by half
    assert found.pieces[:2] == tuple(clips[:2])
    assert [piece.start for piece in found.pieces[2:]] == pytest.approx(np.arange(8))
    assert [piece.end for piece in found.pieces[2:]] == pytest.approx(np.arange(2, 10))


def test_a_window_is_no_longer_than_most_actions(clips):
    assert windows_of(dataset(clips[2]), 16, None, causal=True).sampling == Sampling(16, LONGEST, True)


def test_frames_are_no_more_than_the_videos_have(clips):
    assert windows_of(dataset(*clips), 100, 2.0, causal=False).sampling.frames == 20
    assert windows_of(dataset(*clips), 16, 0.5, causal=False).sampling == Sampling(5, 0.5)


def test_long_clips_are_seen_in_pieces_spread_over_them():
    pieces = pieces_of(Item(Path("a.mp4"), (), "video", start=10.0), 1.0, 100.0)
    assert len(pieces) == MOST_PIECES
    assert (pieces[0].start, pieces[-1].end) == (10.0, 110.0)
    assert np.diff([piece.start for piece in pieces]) == pytest.approx(99 / 7)
    assert {(piece.path, piece.kind, piece.group) for piece in pieces} == {(Path("a.mp4"), "video", "a.mp4")}


@pytest.mark.parametrize(("length", "count"), [(0.0, 1), (0.5, 1), (1.49, 1), (1.5, 2), (2.0, 3), (3.4, 5), (8.0, 8), (1000.0, 8)])
def test_how_many_pieces_there_are(length, count):
    assert len(pieces_of(Item(Path("a.mp4"), (), "video"), 1.0, length)) == count


@pytest.mark.parametrize(("held", "frames", "places"), [(4, 4, [0, 1, 2, 3]), (2, 4, [0, 0, 1, 1]), (1, 3, [0, 0, 0]), (3, 2, [0, 2])])
def test_few_frames_are_shown_for_longer(held, frames, places):
    assert spread(held, frames).tolist() == places


def test_photos_have_no_order(tmp_path, clips):
    with pytest.raises(InputError, match=r"A head that sees order learns from clips\. Received: 1 photos, such as .*a\.png\. Train with"):
        windows_of(dataset(*clips, photo(tmp_path, "red", name="a.png")), 16, None, causal=False)
    with pytest.raises(InputError, match=r"a\.png is a photo\. Expected a video: the model looks at how 4 frames follow one another"):
        list(clips_of(photo(tmp_path, "red", name="a.png"), 1.0, 4, VIEW))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.05, r"A window of 0\.05 s shows 0 frames at 10 a second\. Expected at least 2: give a longer --window"),
        (4.1, r"A window of 4\.1 s is longer than these clips: they last 2 s \(median\).* Expected 4 s at most"),
        (0, r"A window is some seconds long, more than 0\. Received: 0"),
        (-1.0, "Received: -1.0"),
        (float("nan"), "Received: nan"),
        (float("inf"), "Received: inf"),
    ],
)
def test_a_window_of_no_length_is_refused(clips, seconds, told):
    with pytest.raises(UsageError, match=told):
        windows_of(dataset(*clips), 16, seconds, causal=False)


def test_what_cannot_be_opened_is_left_to_the_embedding(tmp_path, clips):
    (tmp_path / "text.mp4").write_text("no video")
    broken = Item(tmp_path / "text.mp4", ("red",), "video")
    found = windows_of(dataset(clips[0], broken), 16, None, causal=False)
    assert (found.pieces, found.owners.tolist()) == ((clips[0], broken), [0, 1])
    assert found.sampling.seconds == 1.0
    with pytest.raises(InputError, match=r"No clip says how long it is\. Give the length of a window in seconds"):
        windows_of(dataset(broken), 16, None, causal=False)
    assert windows_of(dataset(broken), 16, 2.0, causal=False).sampling == Sampling(16, 2.0)  # as of 25 frames a second


def test_a_file_that_does_not_say_how_long_it_is_is_taken_whole(tmp_path, clips):
    make_video(tmp_path / "raw.h264", "-c:v", "libx264", seconds=3)
    unknown = Item(tmp_path / "raw.h264", ("red",), "video")
    assert length_of(unknown) == 0
    assert windows_of(dataset(unknown, clips[0]), 8, 1.0, causal=False).pieces == (unknown, clips[0])


def test_lengths_are_those_of_the_pieces(clips):
    path = clips[2].path
    assert length_of(clips[2]) == pytest.approx(9)
    assert length_of(Item(path, (), "video", start=3.0)) == pytest.approx(6)
    assert length_of(Item(path, (), "video", start=3.0, end=4.5)) == 1.5
    assert length_of(Item(path, (), "video", start=30.0)) == 0


def test_pieces_become_windows_of_their_items():
    """Item 0 has two pieces, item 1 one of a single frame, item 2 one that could not be read, item 3 one of fewer frames."""
    items = [Item(Path(f"{name}.mp4"), (), "video") for name in ("a", "a", "b", "c", "d")]
    windows = Windows(Sampling(4, 1.0), tuple(items), np.array([0, 0, 1, 2, 3]))
    values = np.arange(4 + 4 + 1 + 2, dtype=np.float32)[:, None]
    problem = Problem("c.mp4", "is no video")
    seen = Embedded(Rows(values, np.repeat([0, 1, 2, 3], [4, 4, 1, 2]), 4), (0, 1, 2, 4), (problem,), 4)
    found = joined(windows, seen)
    assert found.kept == (0, 3)
    assert found.rows.values[..., 0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [9, 9, 10, 10]]
    assert found.rows.owners.tolist() == [0, 0, 1]
    assert [str(each) for each in found.problems] == [
        "c.mp4 is no video" if str(problem).startswith("c.mp4 is") else str(problem),
        "b.mp4: shows a single frame. Expected at least two: the head looks at how 4 follow one another.",
    ]


def test_where_nothing_can_be_read_nothing_is_kept():
    windows = Windows(Sampling(4, 1.0), (Item(Path("a.mp4"), (), "video"),), np.array([0]))
    found = joined(windows, Embedded(Rows(np.empty((0, 3), np.float32), np.array([], np.intp), 0), (), (Problem("a.mp4", "gone"),), 0))
    assert (found.kept, found.rows.values.shape, len(found.problems)) == ((), (0, 4, 3), 1)


# Evaluating and labelling with a made model: it says which colour has grown from a window's first frame to its last.


@pytest.fixture
def model(tmp_path):
    return made_models.model_file(tmp_path / "order.fvm", sampling=Sampling(4, 1.0))


def test_clips_are_answered_by_their_order(tmp_path, model):
    folder = tmp_path / "data"
    folder.mkdir()
    single, still = folder / "single.mp4", photo(folder, "red", name="still.png")
    make_video(single, "-frames:v", "1")
    items = [
        Item(film(folder / "a.mp4", ("red", 0.5), ("green", 0.5)), ("green",), "video"),
        Item(film(folder / "b.mp4", ("green", 0.5), ("red", 0.5)), ("red",), "video"),
        Item(film(folder / "short.mp4", ("blue", 0.1), ("green", 0.1)), ("green",), "video"),  # two frames, four are looked at
        Item(film(folder / "long.mp4", ("red", 1.5), ("blue", 1.5)), ("blue",), "video"),  # three windows, two of which stand still
        Item(single, ("red",), "video"),
        still,
    ]
    told = evaluate(model, Dataset(tuple(items), made_models.LABELS, layout="made"))
    assert told.items == tuple(items[:4])
    assert told.answers.hits.tolist() == [True] * 4
    assert len(told.problems) == 2
    assert "single.mp4: shows 1 frame where the model looks at 4" in str(told.problems[0])
    assert "still.png is a photo. Expected a video" in str(told.problems[1])


def test_a_strategy_that_looks_too_seldom_is_refused(tmp_path, model):
    video = film(tmp_path / "a.mp4", ("red", 2), ("green", 2))
    with pytest.raises(
        UsageError,
        match=r"The model colours sees the order of 4 frames a second\. Received: the strategy Every\(seconds=0\.5\), which looks every "
        r"0\.5 s\. Expected one that looks every 0\.25 s or more often, such as EveryFrame\(\)\.",
    ):
        label(video, model, strategy="Every(seconds=0.5)")
    fine = label(video, model, strategy="Every(seconds=0.25)", smoother="RollingMean(frames=1)")
    assert len(fine.track) == len(label(video, model, smoother="RollingMean(frames=1)").track) == 16
    plain = made_models.model_file(tmp_path / "plain.fvm")
    assert len(label(video, plain, strategy="Every(seconds=2)", smoother="RollingMean(frames=1)").track) == 2


def test_a_timeline_says_when_the_colour_changed(tmp_path, model):
    video = film(tmp_path / "a.mp4", ("red", 2), ("green", 2), ("red", 2))
    timeline = label(video, model, smoother="RollingMean(frames=1)", precision="f32")
    # A row's window reaches from two steps before it to one behind it, so it sees a colour a quarter of a second ahead.
    found = [(segment.label, segment.start, segment.end) for segment in timeline.segments]
    assert found == [("red", 0, 1.75), ("green", 1.75, 3.75), ("red", 3.75, 6)]

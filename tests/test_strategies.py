"""Which frames are looked at, on made films whose truth is known; `CoarseToFine` has its own file."""

import math
import tracemalloc
from pathlib import Path

import made_models
import numpy as np
import pytest
from made_scenes import CUTS, FIXED, LABELS, RATE, SCENES, X264, Looked, Scene, Scorer, film, scenes_film
from media import ffmpeg, make_video

from framevote.errors import PartError, UsageError
from framevote.labeling import label
from framevote.parts import build
from framevote.records import Sampling, View
from framevote.smoothing import RollingMean, Viterbi
from framevote.strategies import Budget, CoarseToFine, Keyframes, MotionUniform, ShotChanges, Strategy, Uniform
from framevote.video import open_video

OTHERS = ("Keyframes()", "Uniform()", "ShotChanges()", "MotionUniform()", "CoarseToFine()", "Budget(seconds=30)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strategies")


# Budget


def _by_time(moment: float) -> list[float]:
    shown = int(np.searchsorted(CUTS, moment + 1e-6, side="right"))
    return [0.88 if name == SCENES[shown][0] else 0.04 for name in LABELS]


@pytest.mark.parametrize("name", ["fixed2.mp4", "fixed60.mp4"])
def test_a_budget_is_kept_and_more_of_it_finds_more(name: str, folder: Path) -> None:
    path = film(folder, name, *X264, "-g", str(int(name[5:-4]) * RATE), *FIXED)
    moments = np.arange(56 * RATE) / RATE
    truth = [SCENES[int(np.searchsorted(CUTS, moment + 1e-6, side="right"))][0] for moment in moments]
    shares = []
    for seconds in (1e-6, 0.25, 3.0):
        looked = Looked(Budget(seconds), path, Viterbi(), Scorer(_by_time, pause=0.005))
        shares.append(np.mean(np.array(looked.labels(Viterbi(), moments)) == truth))
        assert looked.seconds < 1.2 * seconds + 1.0  # what is begun is ended; a busy machine decodes slowly
        assert looked.rows.times[0] == 0
        assert looked.rows.durations.sum() == pytest.approx(56, abs=1e-3)
        assert looked.rows.frames.sum() == pytest.approx(56 * RATE, abs=1e-3)
    assert shares == sorted(shares)
    assert shares[-1] > 0.98


def test_enough_of_a_budget_is_coarse_to_fine(folder: Path) -> None:
    path = film(folder, "free.mp4")
    rich, coarse = Looked(Budget(seconds=100), path), Looked(CoarseToFine(), path)
    assert np.array_equal(rich.rows.times, coarse.rows.times)
    assert np.array_equal(rich.rows.values, coarse.rows.values)


# Shots and change


def test_shots_begin_at_cuts(folder: Path) -> None:
    looked = Looked(ShotChanges(), film(folder, "free.mp4"))
    assert looked.rows.times == pytest.approx([0, *CUTS], abs=1e-3)
    assert [LABELS[winner] for winner in looked.rows.values.argmax(axis=1)] == [name for name, _ in SCENES]
    assert looked.video.decoded == 56 * RATE


def test_long_shots_are_looked_at_anew(folder: Path) -> None:
    looked = Looked(ShotChanges(longest=2), film(folder, "free.mp4"))
    assert max(looked.rows.durations) <= 2 + 1e-3
    assert set(np.round(CUTS, 3)) <= set(np.round(looked.rows.times, 3))


def test_a_flash_is_no_shot_and_motion_is_none(folder: Path) -> None:
    flash = scenes_film(folder / "flash.mp4", [("red", 3), ("grey", 0.08), ("red", 3), ("blue", 3)])
    looked = Looked(ShotChanges(), flash)
    assert {LABELS[winner] for winner in looked.rows.values.argmax(axis=1)} == {"red", "blue"}
    assert min(looked.rows.durations) >= 0.25
    moving = make_video(folder / "moving.mp4", *X264, size="160x96", seconds=4)
    assert Looked(ShotChanges(), moving).rows.times.tolist() == [0]


def test_where_more_changes_more_is_looked_at(folder: Path) -> None:
    busy: list[Scene] = [("green", 0.12), ("red", 0.12)]
    path = scenes_film(folder / "busy.mp4", [("red", 4.0), *busy * 8, ("red", 4.0)])
    rows = Looked(MotionUniform(frames=16), path).rows
    inside = (rows.times > 3.9) & (rows.times < 6)
    assert len(rows) == 16
    assert inside.sum() >= 14  # two of ten seconds
    even = Looked(Uniform(frames=16), path).rows
    assert ((even.times > 3.9) & (even.times < 6)).sum() <= 4


def test_where_nothing_changes_shares_are_even(folder: Path) -> None:
    path = scenes_film(folder / "still.mp4", [("red", 4)])
    assert Looked(MotionUniform(frames=8), path).rows.times == pytest.approx(np.arange(8) / 2, abs=0.05)


# Uniform and Keyframes


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_uniform_looks_at_the_middles_of_equal_shares(frames: int, folder: Path) -> None:
    scorer = Scorer(lambda moment: [0.25] * 4)
    rows = Looked(Uniform(frames), film(folder, "free.mp4"), scorer=scorer).rows
    assert rows.times == pytest.approx(np.arange(frames) * 56 / frames)
    assert rows.durations == pytest.approx([56 / frames] * frames)
    assert rows.frames == pytest.approx([56 * RATE / frames] * frames, rel=0.05)
    middles = (np.arange(frames) + 0.5) * 56 / frames
    shown = [SCENES[int(np.searchsorted(CUTS, middle, side="right"))][0] for middle in middles]
    assert Looked(Uniform(frames), film(folder, "free.mp4")).labels(RollingMean(frames=1), rows.times) == shown


@pytest.mark.parametrize("strategy", ["Uniform(frames=50)", "MotionUniform(frames=50)", *OTHERS])
def test_a_single_frame_is_a_whole_video(strategy: str, folder: Path) -> None:
    path = folder / "one.mp4"
    if not path.exists():
        make_video(path, *X264, "-frames:v", "1", size="64x48")
    rows = Looked(build("strategy", strategy), path).rows
    assert (len(rows), rows.times[0], rows.frames[0]) == (1, 0, pytest.approx(1))
    assert rows.durations[0] == pytest.approx(0.04)


@pytest.mark.parametrize("strategy", [Uniform(frames=50), MotionUniform(frames=50)])
def test_there_are_no_more_shares_than_frames(strategy: Strategy, folder: Path) -> None:
    path = folder / "ten.mp4"
    if not path.exists():
        make_video(path, *X264, "-frames:v", "10", size="64x48")
    rows = Looked(strategy, path).rows
    assert len(rows) == 10
    assert rows.frames == pytest.approx([1] * 10, abs=0.5)


def test_a_container_without_a_list_is_read_whole_and_that_is_said(folder: Path) -> None:
    path = make_video(
        folder / "v.webm", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25", size="64x48", seconds=3
    )
    looked = Looked(Keyframes(), path)
    assert looked.video.notes == ("its container lists no keyframes, so the whole file is read to find them",)
    assert looked.rows.times == pytest.approx([0, 1, 2], abs=1e-3)
    assert looked.video.decoded == 3


# In the main job


@pytest.fixture(scope="module")
def colours(folder: Path) -> Path:
    return made_models.model_file(folder / "colours.fvm")


@pytest.mark.parametrize("strategy", ["EveryFrame()", "Every(seconds=0.5)", *OTHERS])
def test_the_effort_adds_up(strategy: str, folder: Path, colours: Path) -> None:
    path = scenes_film(folder / "film.webm", [("red", 3), ("green", 3)], "-c:v", "libvpx", "-deadline", "realtime", "-g", "25")
    timeline = label(path, colours, strategy=strategy, smoother="RollingMean(seconds=1, centred=True)")
    assert [segment.label for segment in timeline.segments] == ["red", "green"]
    effort = timeline.effort
    assert effort is not None
    assert effort.frames == pytest.approx(150, abs=1e-3)
    assert effort.scored == timeline.frames
    assert effort.share == pytest.approx(timeline.frames / 150)
    assert effort.seconds > 0
    assert effort.faster >= 1
    whole_file = any("whole file is read" in note for note in effort.notes)
    assert whole_file == strategy.startswith(("Keyframes", "CoarseToFine", "Budget"))
    if strategy == "EveryFrame()":
        assert (effort.decoded, effort.scored, effort.saved, effort.doubtful) == (150, 150, 0, ())
    else:
        assert effort.scored < 50
        assert effort.saved > 0


@pytest.mark.parametrize("strategy", OTHERS)
@pytest.mark.parametrize("sees", ["order", "motion"])
def test_what_sees_order_or_motion_refuses_to_look_seldom(strategy: str, sees: str, folder: Path) -> None:
    changes = {"sampling": Sampling(4, 1.0)} if sees == "order" else {"view": View(made_models.SIZE, made_models.SIZE, motion="flow")}
    path = folder / f"{sees}.fvm"
    model = path if path.exists() else made_models.model_file(path, **changes)
    with pytest.raises(UsageError, match=r"Received: the strategy .*\. Expected one that looks .*EveryFrame\(\)"):
        label(film(folder, "free.mp4"), model, strategy=strategy)


# Arguments


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("Keyframes(step=-1)", "step as seconds, 0 or more"),
        ("Keyframes(step=True)", "step as seconds"),
        ("Keyframes(step='a')", "step as seconds"),
        ("Keyframes(step=1e999)", "step as seconds"),
        ("Uniform(frames=0)", "frames as a whole number of at least 1"),
        ("Uniform(frames=2.5)", "frames as a whole number"),
        ("Uniform(frames=True)", "frames as a whole number"),
        ("Uniform(frames=99999999999)", "frames as a whole number"),
        ("MotionUniform(frames=-3)", "frames as a whole number"),
        ("MotionUniform(frames='16')", "frames as a whole number"),
        ("ShotChanges(longest=0.1)", "longest as seconds, 0.5 or more"),
        ("ShotChanges(longest=None)", "longest as seconds"),
        ("CoarseToFine(confidence=0.4)", "confidence as a share from 0.5 to 1"),
        ("CoarseToFine(confidence=1.1)", "confidence as a share"),
        ("CoarseToFine(confidence=True)", "confidence as a share"),
        ("CoarseToFine(finest=-0.1)", "finest as seconds"),
        ("CoarseToFine(finest=61)", "finest as seconds"),
        ("Budget(seconds=0)", "seconds as seconds above 0"),
        ("Budget(seconds=1e999)", "seconds as seconds above 0"),
        ("Budget(seconds='10')", "seconds as seconds above 0"),
    ],
)
def test_wrong_arguments_are_told(spec: str, sentence: str) -> None:
    with pytest.raises(PartError, match=f"takes {sentence}.*Received: "):
        build("strategy", spec)


def test_nan_is_no_number() -> None:
    for make in (lambda: Keyframes(step=math.nan), lambda: CoarseToFine(confidence=math.nan), lambda: Budget(seconds=math.nan)):
        with pytest.raises(PartError, match=r"Received: .*nan"):
            make()


# Long videos


@pytest.fixture(scope="module")
def loops(folder: Path) -> tuple[Path, Path]:
    """Two minutes and forty of the same film, over and over."""
    once = scenes_film(folder / "once.mp4", [("red", 27), ("green", 33)], *X264, "-g", "16", *FIXED, rate=2)
    paths = folder / "minutes.mp4", folder / "many.mp4"
    for path, times in zip(paths, (1, 39), strict=True):
        ffmpeg("-stream_loop", str(times), "-i", once, "-c", "copy", path)
    return paths


@pytest.mark.parametrize(
    "strategy", ["EveryFrame()", "Every(seconds=4)", *OTHERS[:-2], "CoarseToFine(confidence=0.6)", "Budget(seconds=1)"]
)
def test_memory_does_not_grow_with_the_video(strategy: str, loops: tuple[Path, Path]) -> None:
    short, long = (_peak(build("strategy", strategy), path) for path in loops)
    # What is kept of each keyframe and, where change is measured, of each frame: tens of bytes.
    assert long < 1.5 * short + 4e6


def _peak(strategy: Strategy, path: Path) -> int:
    """Return the most bytes that Python held at once while rows were drawn and dropped."""
    video, smoother, seen = open_video(path, View(32, 24, "squash")), Viterbi(), 0.0
    tracemalloc.start()
    try:
        for block in strategy(video, Scorer(), smoother):
            seen += block.frames.sum()
        assert seen == pytest.approx(video.info.frames, rel=1e-3)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

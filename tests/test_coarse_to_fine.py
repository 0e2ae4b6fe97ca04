"""Looking closer only where the vote is open, on made films whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
from made_scenes import CUTS, FIXED, RATE, SCENES, X264, Looked, Scorer, film, scenes_film
from media import make_video

from framevote.smoothing import Exponential, RollingMean, Smoother, Viterbi
from framevote.strategies import Budget, CoarseToFine, EveryFrame, Uniform
from framevote.video import index_of, open_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strategies")


# CoarseToFine in the limit

CLOCKS = {
    "even.mp4": (*X264, "-g", "25", "-bf", "2"),
    "even.mkv": (*X264, "-g", "25", "-bf", "2"),
    "uneven.mp4": (*X264, "-g", "25", "-bf", "2", "-vf", "setpts='N/25/TB+0.013*mod(N,4)/TB'", "-fps_mode", "vfr"),
    "uneven.mkv": (*X264, "-g", "25", "-bf", "2", "-vf", "setpts='N/25/TB+0.013*mod(N,4)/TB'", "-fps_mode", "vfr"),
    "open.mp4": (*X264, "-g", "25", "-bf", "2", "-x264-params", "open-gop=1"),
    "open.ts": (*X264, "-g", "25", "-bf", "2", "-x264-params", "open-gop=1"),
    "edited.mp4": (*X264, "-g", "25", "-bf", "2", "-ss", "0.5"),
    "old.avi": ("-c:v", "mpeg4", "-bf", "2"),
    "endless.mp4": (*X264, "-g", "5000", "-sc_threshold", "0"),
    "web.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "50"),
}


@pytest.mark.parametrize("smoother", [RollingMean(frames=1), Viterbi()], ids=repr)
@pytest.mark.parametrize("name", CLOCKS)
def test_in_the_limit_it_is_every_frame(name: str, smoother: Smoother, folder: Path) -> None:
    path = folder / name
    if not path.exists():
        make_video(path, *CLOCKS[name], size="64x48", seconds=22 if name == "endless.mp4" else 4)
    every, finest = Looked(EveryFrame(), path, smoother), Looked(CoarseToFine(confidence=1, finest=0), path, smoother)
    for field in ("values", "times", "durations", "frames"):
        assert getattr(finest.rows, field) == pytest.approx(getattr(every.rows, field), abs=1e-6)
    assert len(finest.scorer.times) == len(set(finest.scorer.times)) == len(every.rows)
    assert finest.doubtful == ()


# CoarseToFine on clear scenes

VOTES = [
    Viterbi(),
    RollingMean(frames=1),
    RollingMean(frames=16),
    RollingMean(frames=64),
    RollingMean(seconds=2),
    RollingMean(seconds=2, centred=True),
    Exponential(seconds=0.5),
]


@pytest.mark.parametrize("smoother", VOTES, ids=repr)
@pytest.mark.parametrize("name", ["free.mp4", "free.mkv"])
def test_boundaries_are_where_every_frame_shows_them(name: str, smoother: Smoother, folder: Path) -> None:
    every = Looked(EveryFrame(), film(folder, name), smoother)
    coarse = Looked(CoarseToFine(), film(folder, name), smoother)
    times, labels = every.boundaries(smoother)
    found, told = coarse.boundaries(smoother)
    assert len(times) == len(CUTS)
    assert told == labels
    assert found == pytest.approx(times, abs=0.1)
    assert len(coarse.scorer.times) < 0.2 * len(every.rows)
    assert coarse.doubtful == ()


@pytest.mark.parametrize("smoother", [Viterbi(), RollingMean(seconds=2, centred=True)], ids=repr)
def test_few_frames_are_looked_at_and_few_are_decoded(smoother: Smoother, folder: Path) -> None:
    coarse = Looked(CoarseToFine(), film(folder, "free.mp4"), smoother)
    total, keys = sum(coarse.rows.frames), len(index_of(coarse.video))
    assert total == 56 * RATE
    assert len(coarse.scorer.times) < 2 * keys < 0.06 * total
    assert coarse.video.decoded < 0.3 * total
    assert set(coarse.scorer.times) >= {0.0, 56 - 1 / RATE}  # both ends


@pytest.mark.parametrize("distance", [2, 5, 60])
def test_cuts_between_keyframes_are_found_by_bisection(distance: int, folder: Path) -> None:
    path = film(folder, f"fixed{distance}.mp4", *X264, "-g", str(distance * RATE), *FIXED)
    coarse = Looked(CoarseToFine(), path)
    times, labels = coarse.boundaries(Viterbi())
    assert labels == [name for name, _ in SCENES[1:]]
    assert times == pytest.approx(CUTS, abs=0.081)  # stills lie up to two frames apart
    assert len(coarse.scorer.times) < 0.1 * 56 * RATE


def test_one_keyframe_and_a_cut_behind_it(folder: Path) -> None:
    path = scenes_film(folder / "two.mp4", [("red", 4), ("green", 4)], *X264, "-g", "5000", *FIXED)
    times, labels = Looked(CoarseToFine(), path).boundaries(Viterbi())
    assert (times, labels) == ([pytest.approx(4, abs=0.081)], ["green"])


def test_a_scene_between_two_that_differ_is_found(folder: Path) -> None:
    # No keyframe shows the green: it is found on the way from the red to the blue.
    path = scenes_film(folder / "hidden.mp4", [("red", 2.4), ("green", 1.0), ("blue", 2.6)], *X264, "-g", "100", *FIXED)
    assert index_of(open_video(path)).times == pytest.approx([0, 4], abs=1e-3)
    times, labels = Looked(CoarseToFine(), path).boundaries(RollingMean(frames=1))
    assert labels == ["green", "blue"]
    assert times == pytest.approx([2.4, 3.4], abs=0.081)


def test_where_the_scores_flicker_it_looks_closer(folder: Path) -> None:
    drawn = np.random.default_rng(0).random(60 * RATE)

    def values(moment: float) -> list[float]:
        lead = 0.4 + 0.25 * drawn[round(moment * RATE)] if 20 <= moment < 30 else 0.9
        return [lead, 0.95 - lead, 0.03, 0.02]

    path = film(folder, "fixed2.mp4", *X264, "-g", str(2 * RATE), *FIXED)
    smoother = RollingMean(seconds=1, centred=True)
    every, coarse = (Looked(strategy, path, smoother, Scorer(values)) for strategy in (EveryFrame(), CoarseToFine()))
    looks = np.array(coarse.scorer.times)
    inside = (looks >= 19) & (looks < 31)
    assert inside.sum() / 12 > 5 * (~inside).sum() / 44  # looks a second
    times = every.rows.times
    same = np.mean(np.array(every.labels(smoother, times)) == coarse.labels(smoother, times))
    assert same > 0.95


def test_a_clock_that_is_set_back_has_every_frame_looked_at(folder: Path) -> None:
    part = make_video(folder / "part.ts", *X264, "-bf", "0", size="64x48", seconds=2)
    path = folder / "joined.ts"
    path.write_bytes(part.read_bytes() * 2)
    for strategy in (CoarseToFine(), Budget(seconds=1)):
        looked = Looked(strategy, path)
        assert len(looked.rows) == 100
        assert looked.video.notes == ("its packets do not say in order when they are shown, so every frame is looked at",)


def test_a_long_group_of_pictures_is_decoded_once(folder: Path) -> None:
    path = scenes_film(folder / "group.mp4", [("red", 70), ("green", 50)], *X264, "-g", "5000", *FIXED, rate=10)
    assert len(index_of(open_video(path))) == 1
    for strategy in (CoarseToFine(), CoarseToFine(confidence=1, finest=0), Budget(seconds=60), Uniform(frames=40)):
        looked = Looked(strategy, path)
        assert looked.video.decoded <= 1210
        assert sum(looked.rows.frames) == pytest.approx(1200)
    assert Looked(CoarseToFine(), path).boundaries(Viterbi()) == ([pytest.approx(70, abs=0.11)], ["green"])

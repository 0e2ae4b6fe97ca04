"""The main job: a video in, a timeline out."""

from pathlib import Path

import numpy as np
import pytest
from media import ffmpeg, make_video

import framevote
from framevote.classifier import Classifier
from framevote.errors import InputError, UsageError
from framevote.labeling import find_videos, label
from framevote.records import Scores
from framevote.smoothing import RollingMean
from framevote.strategies import EveryFrame
from framevote.timelines import Tally
from framevote.video import open_video

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of FFmpeg's, three seconds each: the cut is at 3.0."""
    folder = tmp_path_factory.mktemp("film")
    parts = [make_video(folder / f"{source}.ts", *X264, source=source, seconds=3) for source in ("smptebars", "testsrc2")]
    path = folder / "film.mp4"
    ffmpeg("-i", f"concat:{parts[0]}|{parts[1]}", *X264, path)
    return path


def test_the_cut_is_found_where_it_is(film: Path, imagenet: Classifier) -> None:
    timeline = label(film, imagenet, smoother="RollingMean(seconds=1, centred=True)")
    before, after = timeline.at(1.5), timeline.at(4.5)
    assert before is not None
    assert after is not None
    assert before.label != after.label
    assert before.end == pytest.approx(3.0, abs=0.5)  # half the window: the surer label pulls the boundary its way
    assert (timeline.segments[0].start, timeline.segments[-1].end) == (0, pytest.approx(6.0, abs=0.05))
    assert timeline.frames == len(timeline.track) == 150
    assert timeline.skipped == 0
    assert timeline.flicker.steady <= timeline.flicker.raw


def test_it_is_the_arrows_of_the_design_one_after_the_other(film: Path, imagenet: Classifier) -> None:
    smoother = framevote.RollingMean(frames=16)
    timeline = label(film, imagenet, smoother=smoother)
    scores = imagenet.scores(open_video(film, imagenet.view))
    steady = smoother(scores)
    assert [imagenet.labels[w] for w in steady.values.argmax(axis=1)] == [timeline.track.at(t)[0] for t in steady.times]
    tally = Tally()
    list(tally.watch([scores]))
    assert timeline.flicker.raw == pytest.approx(tally.changes_per_minute)
    mean = np.average(scores.values, axis=0, weights=scores.durations)
    assert timeline.overall[0].label == imagenet.labels[int(mean.argmax())]
    assert timeline.overall[0].score == pytest.approx(float(mean.max()), abs=1e-4)


def test_the_recipe_makes_it_again(film: Path, imagenet: Classifier) -> None:
    first = label(film, imagenet, smoother="RollingMean(frames=9)", strategy="Every(seconds=0.2)", hysteresis=0.01, shortest=0.3)
    recipe = first.recipe
    assert (recipe.smoother, recipe.strategy) == ("RollingMean(frames=9)", "Every(seconds=0.2)")
    assert recipe.cut == "Cut(hysteresis=0.01, shortest=0.3)"
    assert recipe.fingerprint == imagenet.fingerprint
    assert recipe.versions["framevote"] == framevote.__version__
    again = label(film, imagenet, smoother=recipe.smoother, strategy=recipe.strategy, hysteresis=0.01, shortest=0.3)
    assert again.segments == first.segments


def test_every_sees_less_and_says_the_same(film: Path, imagenet: Classifier) -> None:
    all_frames, few = (label(film, imagenet, strategy=strategy) for strategy in ("EveryFrame()", "Every(seconds=0.2)"))
    assert few.frames == 30
    assert few.duration == pytest.approx(all_frames.duration)
    assert [segment.label for segment in few.segments] == [segment.label for segment in all_frames.segments]
    assert few.segments[0].end == pytest.approx(all_frames.segments[0].end, abs=0.2)


def test_only_chooses_among_some_labels(film: Path, imagenet: Classifier) -> None:
    chosen = ("spotlight", "maze")
    timeline = label(film, imagenet, only=chosen)
    assert {segment.label for segment in timeline.segments} <= set(chosen)
    assert timeline.recipe.only == chosen
    with pytest.raises(UsageError, match=r"no label 'spotlite'.*spotlight"):
        label(film, imagenet, only=("spotlite",))


def test_unknown_is_what_is_below_the_threshold(film: Path, imagenet: Classifier) -> None:
    timeline = label(film, imagenet, unknown=1.0)
    assert [segment.label for segment in timeline.segments] == ["unknown"]


def test_progress_is_told_to_the_end(film: Path, imagenet: Classifier) -> None:
    told: list[tuple[float, int]] = []
    label(film, imagenet, progress=lambda seconds, frames: told.append((seconds, frames)))
    assert told == sorted(told)
    assert told[-1] == (pytest.approx(6.0, abs=0.05), 150)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"smoother": "Rollingmean(seconds=1)"}, "Did you mean RollingMean"),
        ({"smoother": "RollingMean(frames=0)"}, "frames"),
        ({"smoother": "RollingMean(window=3)"}, "takes"),
        ({"smoother": "os.getcwd()"}, "A part is written"),
        ({"strategy": "Every(seconds=0)"}, "above 0"),
        ({"strategy": "Every(seconds=True)"}, "above 0"),
        ({"strategy": "Never()"}, "no strategy named"),
        ({"unknown": 2}, "unknown"),
        ({"hysteresis": -1}, "hysteresis"),
        ({"shortest": float("nan")}, "shortest"),
        ({"smoother": 3}, "Expected a smoother"),
        ({"smoother": EveryFrame()}, "Expected a smoother"),
        ({"smoother": RollingMean}, "Expected a smoother"),
        ({"strategy": RollingMean(frames=3)}, "Expected a strategy"),
        ({"only": "teapot"}, "only takes a list of labels, such as ['teapot']"),
    ],
)
def test_wrong_arguments_are_told_before_the_model_is_loaded(arguments: dict[str, object], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        label(tmp_path / "missing.mp4", "no such model", **arguments)  # type: ignore[arg-type]
    assert sentence in str(raised.value)


def test_folders_are_searched_to_the_bottom(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.MKV", "deep/er/c.webm", "notes.txt", ".hidden.json", "._b.mp4", ".framevote-0.partial.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [str(name) for _, name in find_videos([tmp_path])]
    assert found == ["a.MKV", "b.mp4", "deep/er/c.webm"]
    assert list(find_videos([tmp_path / "notes.txt"])) == [(tmp_path / "notes.txt", Path("notes.txt"))]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="folder without videos"):
        list(find_videos([tmp_path / "empty"]))


def test_scores_flow_in_blocks(film: Path, imagenet: Classifier) -> None:
    blocks = list(imagenet.stream(open_video(film, imagenet.view)))
    assert sum(map(len, blocks)) == 150
    assert max(map(len, blocks)) <= 64
    assert all(isinstance(block, Scores) for block in blocks)


def test_every_odd_file_is_labelled_by_the_right_clock(shared: Path, imagenet: Classifier, subtests: pytest.Subtests) -> None:
    for path in sorted((shared / "odd").rglob("*")):
        if not path.is_file() or path.name in ("result.webm", "sine_mono_s32.wav", "nasa_13013.mp4.audio.mp3"):
            continue
        if path.stat().st_size > 600_000:  # the long ones are decoded in full by another test
            continue
        with subtests.test(path.name):
            timeline = label(path, imagenet, strategy="Every(seconds=0.5)")
            pictures = list(open_video(path).pictures())
            assert timeline.segments[0].start == 0
            assert timeline.duration == pytest.approx(pictures[-1].time + pictures[-1].duration)

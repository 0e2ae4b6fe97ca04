"""The job: a file in, its entry out, told what is the file's fault and what is everyone's."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_models import expected, model_file

from framevote import load_model
from framevote.archive import describing
from framevote.archive.describing import content_of, describe, describe_unless
from framevote.archive.entries import Settings, Source
from framevote.archive.settling import check_model, settle
from framevote.archive.store import Seen
from framevote.errors import InputError, ModelError, UsageError
from framevote.labeling import label
from framevote.model_file import Vote, write_vote
from framevote.testing.made import made_video
from framevote.video import open_video


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_file(tmp_path_factory.mktemp("model") / "colours.fvm")


@pytest.fixture(scope="module")
def settings(model: Path) -> Settings:
    return settle(model, smoother="RollingMean(frames=1)", precision="f32", scores=True)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return made_video(tmp_path / "film.mkv", [40] * 90)


def source(path: Path) -> Source:
    told = path.stat()
    return Source(str(path), told.st_size, told.st_mtime)


def test_an_entry_holds_what_labelling_finds(film: Path, model: Path, settings: Settings) -> None:
    entry = describe(source(film), settings, threads=1)
    timeline = label(film, load_model(model, precision="f32"), smoother="RollingMean(frames=1)")
    frames = list(open_video(film, load_model(model).view))
    probabilities, embeddings = expected(np.stack([frame.image for frame in frames]))
    assert (entry.state, entry.error, entry.looked, entry.decoded) == ("done", "", 90, 90)
    assert (entry.label, entry.score) == (timeline.overall[0].label, pytest.approx(timeline.overall[0].score))
    assert [(p.start, p.end, p.label) for p in entry.pieces] == [(s.start, s.end, s.label) for s in timeline.segments]
    assert [p.label for p in entry.pieces] == ["red", "green", "blue"]
    np.testing.assert_allclose(entry.embedding, embeddings.mean(axis=0), rtol=1e-3)
    for number, piece in enumerate(entry.pieces):
        np.testing.assert_allclose(piece.embedding, embeddings[number * 30 : number * 30 + 30].mean(axis=0), rtol=1e-3)
    assert entry.frame_scores is not None
    assert entry.labels == ("red", "green", "blue")
    np.testing.assert_array_equal(entry.frame_scores.labels[:, 0], probabilities.argmax(axis=1))
    np.testing.assert_allclose(entry.frame_scores.values[:, 0], probabilities.max(axis=1), atol=1e-3)
    assert entry.content == hashlib.sha256(film.read_bytes()).hexdigest()
    assert (entry.probe["width"], entry.probe["duration"]) == (48, pytest.approx(3.6))
    assert "path" not in entry.probe
    assert entry.seconds > 0
    assert entry.finished > 1e9


def test_an_entry_tells_what_was_decoded_and_what_was_looked_at(film: Path, settings: Settings) -> None:
    entry = describe(source(film), replace(settings, strategy="Every(seconds=1)"), threads=1)
    assert (entry.looked, entry.decoded) == (4, 90)


def test_scores_are_kept_on_request_only(film: Path, settings: Settings) -> None:
    assert describe(source(film), replace(settings, scores=False)).frame_scores is None


def test_known_content_is_not_labelled(film: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describing, "label", lambda *_, **__: pytest.fail("it was labelled"))
    asked: list[str] = []
    told = describe_unless(source(film), settings, lambda content: asked.append(content) or True)  # type: ignore[func-returns-value]
    assert told == Seen(source(film), content_of(film))
    assert asked == [content_of(film)]
    monkeypatch.setattr(describing, "content_of", lambda _: pytest.fail("it was read again"))
    assert describe_unless(source(film), settings, lambda _: True, content="told") == Seen(source(film), "told")


@pytest.mark.parametrize(
    ("write", "sentence", "is_read"),
    [
        (lambda path: path.write_bytes(b""), "is empty", True),
        (lambda path: path.write_bytes(b"no video at all" * 99), "is no video that can be read", True),
        (lambda path: path.unlink(), "was deleted since it was listed", False),
        (lambda path: path.write_bytes(path.read_bytes() + b"more"), "changed since it was listed", False),
    ],
)
def test_what_is_wrong_with_a_file_is_its_entry(film: Path, settings: Settings, write, sentence: str, is_read: bool) -> None:
    listed = source(film)
    write(film)
    if is_read:
        listed = source(film)
    entry = describe(listed, settings)
    assert entry.state == "failed"
    assert sentence in entry.error
    assert str(film) in entry.error
    assert entry.content == (content_of(film) if is_read else "")
    assert entry.key.startswith("path-") == (not is_read)


def test_a_file_that_changes_while_it_is_read(film: Path, settings: Settings) -> None:
    def known(_content: str) -> bool:
        film.write_bytes(film.read_bytes() + b"more")
        return False

    entry = describe_unless(source(film), settings, known)
    assert not isinstance(entry, Seen)
    assert (entry.state, entry.content) == ("failed", "")
    assert "changed since it was listed" in entry.error


def test_a_fault_of_ours_is_one_files(film: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describing, "label", lambda *_, **__: 1 / 0)
    entry = describe(source(film), settings)
    assert entry.state == "failed"
    assert entry.error.startswith(f"{film} cannot be labelled (ZeroDivisionError: division by zero)")
    assert entry.probe["width"] == 48


def test_what_is_everyones_is_raised(film: Path, settings: Settings, model: Path) -> None:
    with pytest.raises(UsageError, match="no label 'teapot'"):
        describe(source(film), replace(settings, only=("teapot",)))
    with pytest.raises(ModelError, match=f"has changed since the work began: it was {'0' * 12}, now it is"):
        describe(source(film), replace(settings, model_fingerprint="0" * 12))
    with pytest.raises(ModelError, match="cannot be read"):
        describe(source(film), replace(settings, model=str(model.with_name("gone.fvm"))))


def test_a_model_is_loaded_once(film: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    describe(source(film), settings, threads=1)
    monkeypatch.setattr(describing, "load_model", lambda *_, **__: pytest.fail("it was loaded again"))
    describe(source(film), settings, threads=1)


def test_settings_tell_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = model_file(tmp_path / "tuned.fvm")
    monkeypatch.chdir(tmp_path)
    plain = settle("tuned.fvm", "Every(2)")
    assert plain.model == str(path)
    assert plain.model_fingerprint == load_model(path).fingerprint
    assert (plain.strategy, plain.hysteresis, plain.shortest) == ("Every(seconds=2)", 0, 0)
    assert plain == settle(path, "Every(seconds=2)", smoother="Viterbi()")
    assert plain.fingerprint == settle("tuned.fvm", strategy="Every(2)").fingerprint
    write_vote(path, Vote("RollingMean(seconds=2)", hysteresis=0.25))
    tuned = settle(path, "Every(2)")
    assert tuned.model_fingerprint == plain.model_fingerprint
    assert (tuned.hysteresis, tuned.fingerprint == plain.fingerprint) == (0.25, False)
    assert tuned.smoother is not None
    assert tuned.smoother.startswith("RollingMean(")
    check_model(tuned)
    with pytest.raises(ModelError, match="has changed"):
        check_model(replace(tuned, model_fingerprint="0" * 12))


@pytest.mark.parametrize(
    "wrong", [{"strategy": "Never()"}, {"smoother": "Never()"}, {"hysteresis": 2}, {"only": "teapot"}, {"model": "teapot"}]
)
def test_wrong_settings(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        settle(**{"model": "gone.fvm", **wrong})  # type: ignore[arg-type]


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        content_of(tmp_path)

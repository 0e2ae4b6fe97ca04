"""Every registered encoder, projection and kind of local features keeps its contract, and the checks notice one that does not."""

from dataclasses import dataclass

import numpy as np
import pytest

from framevote import encoders, parts
from framevote.descriptors import Descriptors, LocalFeatures
from framevote.encoders import BagOfWords, Plain
from framevote.encoders.projection import Projected, Projection
from framevote.parts import build, names, register
from framevote.records import View
from framevote.testing import check_encoder, check_features, check_projection, made_frames

ENCODERS = {
    "BagOfWords": ["BagOfWords(words=8)", "BagOfWords(words=8, pooling='max', normalisation='none', position=1.0)", "BagOfWords(words=1)"],
    "SoftAssignment": ["SoftAssignment(words=8)", "SoftAssignment(words=8, nearest=0, pooling='average', pyramid='1x1+2x2')"],
    "SparseCoding": ["SparseCoding(words=12)", "SparseCoding(words=30, alpha=0.05, pooling='sum', pyramid='1x1x1+1x1x2')"],
    "LLC": ["LLC(words=8)", "LLC(words=8, nearest=1, pyramid='2x2+3x3')", "LLC(words=8, nearest=8, pooling='average')"],
    "FisherVector": ["FisherVector(words=4)", "FisherVector(words=4, pooling='average', position=1.0, moment=0.5, normalisation='intra')"],
    "VLAD": ["VLAD(words=4)", "VLAD(words=4, normalisation='power+intra+l2', pyramid='1x3')"],
    "SuperVector": ["SuperVector(words=4)", "SuperVector(words=4, share=0, pyramid='1x1+2x2')"],
}
PROJECTIONS = {"Plain": ["Plain()"], "PCA": ["PCA()", "PCA(components=4)", "PCA(components=3, whiten=True)"]}
SMALL_FEATURES = ["DenseSIFT(size=64, step=8, cells='4')", "DenseSIFT(size=40, step=5, cells='4+8', root=False, fit='centre')"]


def test_every_part_is_checked():
    assert names("encoder") == sorted(ENCODERS)
    assert names("projection") == sorted(PROJECTIONS)


@pytest.mark.parametrize("spec", [spec for specs in ENCODERS.values() for spec in specs])
def test_encoder(spec):
    check_encoder(build("encoder", spec))


@pytest.mark.parametrize("spec", [spec for specs in PROJECTIONS.values() for spec in specs])
def test_projection(spec):
    check_projection(build("projection", spec))


@pytest.mark.parametrize("name", names("features"))
def test_features(name):
    part = build("features", name)
    if not callable(part):  # it needs a network, and becomes callable with it
        pytest.skip(f"{name} runs on a network")
    check_features(part)


@pytest.mark.parametrize("spec", SMALL_FEATURES)
def test_small_features(spec):
    pytest.importorskip("cv2")
    check_features(build("features", spec))


def test_made_frames_bring_the_motion_that_they_show():
    frames = made_frames(View(48, 36, motion="flow"))
    assert [float(frame.motion.max()) for frame in frames] == [0, 2, 2, 2, 2, 2]
    assert (frames[2].image[5:, 6:] == frames[1].image[4:-1, 4:-2]).all()
    assert made_frames(View(48, 36))[1].motion is None


# The checks themselves: each of these breaks one promise.


class _Squares(LocalFeatures):
    """One descriptor of each frame: its mean colour."""

    numbers = 3
    view = View(24, 24)
    shift, times, late = 0.0, 1, False

    def __call__(self, frames):
        frames = list(frames) if self.late else frames
        for frame in frames:
            values = frame.image.mean(axis=(0, 1))[None] / 255
            for _ in range(self.times):
                yield Descriptors(values, np.full((1, 2), 0.5) + self.shift)


class Fine(_Squares):
    pass


class Late(_Squares):
    late = True


class Twice(_Squares):
    times = 2


class Outside(_Squares):
    shift = 1.0


class Huge(_Squares):
    def __call__(self, frames):
        return (Descriptors(found.values * 1e6, found.places) for found in super().__call__(frames))


class More(_Squares):
    numbers = 4


class Remembers(_Squares):
    def __call__(self, frames):
        for frame in frames:
            _calls.append(frame)
            yield Descriptors(np.full((1, 3), len(_calls)), np.full((1, 2), 0.5))


_calls: list[object] = []


def known(kind, broken, monkeypatch):
    monkeypatch.setattr(parts, "_registered", {})
    return register(kind)(dataclass(frozen=True, repr=False)(type(broken.__name__, (broken,), {})))()


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (Late, "promises to pull frames as it needs them"),
        (Twice, "promises the descriptors of each frame"),
        (Outside, "promises places from 0 to 1"),
        (Huge, "promises descriptors that half precision can remember"),
        (More, "promises descriptors of 4 numbers"),
        (Remembers, "promises the same descriptors of the same frames"),
    ],
)
def test_features_that_break_a_promise_are_noticed(broken, promise, monkeypatch):
    check_features(known("features", Fine, monkeypatch))
    with pytest.raises(AssertionError, match=promise):
        check_features(known("features", broken, monkeypatch))


class Centred(Projection):
    """Takes off the mean of what it is shown, not of the sample."""

    def fit(self, sample):
        fitted = Plain().fit(sample)
        return type("Fitted", (), {"spread": fitted.spread, "__call__": lambda self, values: values - values.mean(axis=0)})()


class Grows(Projection):
    def fit(self, sample):
        numbers = sample.shape[1]
        return Projected(np.zeros(numbers, np.float32), np.ones((numbers, numbers + 1), np.float32), 1.0)


@pytest.mark.parametrize(
    ("broken", "promise"), [(Centred, "do not hang on what else is projected"), (Grows, "promises from 1 to 16 numbers")]
)
def test_a_projection_that_breaks_a_promise_is_noticed(broken, promise, monkeypatch):
    with pytest.raises(AssertionError, match=promise):
        check_projection(known("projection", broken, monkeypatch))


class _Changed:
    """A fitted bag of words, changed in one method."""

    def __init__(self, coder, pooled):
        self._coder, self.pooled = coder, lambda *given: pooled(coder, *given)
        self.pooled_each = lambda values, starts, poolings: [self.pooled(values, starts, pooling) for pooling in poolings]

    def __getattr__(self, name):
        return getattr(self._coder, name)


BROKEN = {
    "does not hang on the order": lambda coder, values, starts, pooling: coder.pooled(values[: len(values) // 2], starts // 2, pooling),
    "promises zeros of moments without": lambda coder, values, *given: coder.pooled(values, *given) + (len(values) == 0),
    "promises finite numbers": lambda coder, *given: coder.pooled(*given) * np.float32(np.nan),
    "when the same descriptors come in moments": lambda coder, *given: np.sqrt(coder.pooled(*given)),
}


@pytest.mark.parametrize("promise", BROKEN)
def test_an_encoder_that_breaks_a_promise_is_noticed(promise, monkeypatch):
    fitted = BagOfWords._fit
    monkeypatch.setattr(BagOfWords, "_fit", lambda self, sample, seed: _Changed(fitted(self, sample, seed), BROKEN[promise]))
    with pytest.raises(AssertionError, match=promise):
        check_encoder(BagOfWords(words=8))


def test_an_encoder_that_forgets_its_seed_is_noticed(monkeypatch):
    fitted, seeds = BagOfWords._fit, iter(range(9))
    monkeypatch.setattr(BagOfWords, "_fit", lambda self, sample, seed: fitted(self, sample, next(seeds)))
    with pytest.raises(AssertionError, match="the same vector of the same sample and seed"):
        check_encoder(BagOfWords(words=8))


def test_what_the_room_names_is_there():
    assert [name for name in encoders.__all__ if not hasattr(encoders, name)] == []

"""Every registered head keeps the contract, and the check notices one that does not; arguments that do not fit are told."""

import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from framevote import heads
from framevote.errors import ModelError, PartError
from framevote.heads import TemporalHead
from framevote.heads.temporal import time_pooled
from framevote.parts import build, names
from framevote.testing import check_head, made_rows

QUICK = {
    "Average": ["Average()", "Average(strength=0.5)"],
    "LinearSVM": ["LinearSVM()", "LinearSVM(strength=2)"],
    "Moments": ["Moments()", "Moments(strength=0.1, causal=True)"],
    "MLP": ["MLP(units=8, epochs=1)"],
    "SimpleRNN": ["SimpleRNN(units=8, causal=True, epochs=1)"],
    "LSTM": ["LSTM(units=8, two_way=True, look='embedding', epochs=1)"],
    "GRU": ["GRU(units=8, epochs=1)"],
    "TemporalConv": ["TemporalConv(units=4, kernel=4, layers=3, look='embedding+change', epochs=2)"],
    "Transformer": ["Transformer(units=8, heads=2, layers=1, epochs=1)"],
    "R2Plus1D": ["R2Plus1D(units=1, epochs=1)"],
}


def test_every_head_is_checked():
    assert names("head") == sorted(QUICK)


@pytest.mark.parametrize("spec", [spec for specs in QUICK.values() for spec in specs])
def test_head(spec):
    check_head(build("head", spec), numbers=64 * 64 if spec.startswith("R2Plus1D") else 24)


@pytest.mark.parametrize("name", sorted(QUICK.keys() - {"Average", "LinearSVM", "Moments"}))
def test_a_head_is_its_text(name):
    assert repr(build("head", name)) == f"{name}()" or repr(build("head", name)).startswith(name)
    assert build("head", f"{name}(units=16, causal=True)").causal


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("Moments(strength=0)", r"Moments takes strength: a number above 0, or None to choose it\. Received: strength=0"),
        ("Moments(regions=1.5)", "whole number from 0 to 64"),
        ("LSTM(units=0)", r"LSTM takes units: a whole number from 1 to 4096\. Received: units=0"),
        ("LSTM(units=8.0)", "whole number from 1 to 4096"),
        ("LSTM(units=True)", "whole number from 1 to 4096"),
        ("GRU(look='colour')", r"GRU takes look: one or more of embedding, change, centred, joined by \+\. Received: look='colour'"),
        ("GRU(look='change+change')", "Received: look='change[+]change'"),
        ("GRU(look='')", "one or more of embedding"),
        ("GRU(look=None)", "one or more of embedding"),
        ("MLP(regions=65)", "MLP takes regions: a whole number from 0 to 64"),
        ("MLP(regions=-1)", "from 0 to 64"),
        ("MLP(epochs=0)", "MLP takes epochs: a whole number from 1"),
        ("MLP(dropout=1)", r"MLP takes dropout: a number from 0 to 0\.95\. Received: dropout=1"),
        ("MLP(dropout=-0.1)", "dropout: a number from 0"),
        ("MLP(dropout=False)", "dropout: a number from 0"),
        ("MLP(rate=0)", r"MLP takes rate: a number above 0, up to 1\. Received: rate=0"),
        ("MLP(rate='fast')", "rate: a number above 0"),
        ("MLP(causal=1)", r"MLP takes causal: True or False\. Received: causal=1"),
        ("SimpleRNN(two_way=2)", "SimpleRNN takes two_way: True or False"),
        ("TemporalConv(kernel=0)", "TemporalConv takes kernel: a whole number from 1 to 64"),
        ("TemporalConv(layers=65)", "TemporalConv takes layers: a whole number from 1 to 64"),
        ("Transformer(heads=0)", "Transformer takes heads: a whole number from 1 to 64"),
        ("Transformer(units=10, heads=4)", r"units that its heads can share out\. Received: units=10, heads=4"),
        ("R2Plus1D(regions=3)", r"pixels themselves, which have no regions: regions is 0\. Received: regions=3"),
        ("R2Plus1D(units=-4)", "R2Plus1D takes units: a whole number"),
    ],
)
def test_an_argument_that_does_not_fit_is_told(spec, told):
    with pytest.raises(PartError, match=told):
        build("head", spec)


@pytest.mark.parametrize("numbers", [1280, 64 * 64 + 1, 32 * 32])
def test_motion_is_seen_in_small_pictures_only(numbers):
    with pytest.raises(PartError, match=rf"R2Plus1D sees pictures of 64×64 pixels, as Pixels\(\) gives them\. Received: {numbers} numbers"):
        build("head", "R2Plus1D").network(numbers, 2, False)


def test_numbers_that_are_none_are_told():
    part = build("head", "MLP(units=4, epochs=1)")
    values, targets = made_rows(part, 8)
    values[3, 2, 1] = np.nan
    with pytest.raises(ModelError, match=r"MLP\(units=4, epochs=1\) did not learn: its weights are no numbers\. Give a smaller rate"):
        part(values, targets, np.ones(len(values)), False, 1.0)


def test_another_seed_is_another_head():
    part = build("head", "MLP(units=4, epochs=1)")
    values, targets = made_rows(part, 8)
    one, two = (part(values, targets, np.ones(len(values)), False, 1.0, seed=seed).probabilities(values) for seed in (0, 1))
    assert np.abs(one - two).max() > 1e-3


# The check itself: each of these breaks one promise.


@dataclass(frozen=True, repr=False)
class _Plain(TemporalHead):
    units: int = 4
    epochs: int = 1

    def describe(self, seen):
        return time_pooled(seen)


class _Changes:
    """A fitted head, changed in one place."""

    def __init__(self, fitted, **changed):
        self._fitted, self._changed = fitted, changed

    def __getattr__(self, name):
        return self._changed.get(name) or getattr(self._fitted, name)


@dataclass(frozen=True, repr=False)
class ForgetsSeed(_Plain):
    def __call__(self, *rows, seed=0):
        return super().__call__(*rows, seed=len(_calls) if not _calls.append(1) else 0)


_calls: list[int] = []


@dataclass(frozen=True, repr=False)
class Sums(_Plain):
    def __call__(self, *rows, seed=0):
        fitted = super().__call__(*rows, seed=seed)
        return _Changes(fitted, probabilities=lambda values: fitted.probabilities(values) / 2)


@dataclass(frozen=True, repr=False)
class Hangs(_Plain):
    def __call__(self, *rows, seed=0):
        fitted = super().__call__(*rows, seed=seed)
        return _Changes(fitted, probabilities=lambda values: fitted.probabilities(values * np.arange(6)[:, None] ** (len(values) == 2)))


@dataclass(frozen=True, repr=False)
class SavesAnother(_Plain):
    def __call__(self, *rows, seed=0):
        fitted = super().__call__(*rows, seed=seed)
        other = super().__call__(*rows, seed=seed + 1)
        return _Changes(fitted, with_prototypes=lambda held: _Changes(fitted.with_prototypes(held), save=other.with_prototypes(held).save))


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (ForgetsSeed, "promises the same answers of the same rows and seed"),
        (Sums, "promises probabilities that sum to 1"),
        (Hangs, "promises answers that do not hang on what else is asked"),
        (SavesAnother, "promises a file that gives the same probabilities"),
    ],
)
def test_a_broken_promise_is_noticed(broken, promise, monkeypatch):
    monkeypatch.setattr("framevote.testing.promises.build", lambda kind, text: broken())
    with pytest.raises(AssertionError, match=promise):
        check_head(broken())


def test_a_head_that_is_not_registered_is_noticed():
    with pytest.raises(AssertionError, match="promises that its text builds it again"):
        check_head(_Plain())


def test_what_the_room_names_is_there():
    assert [name for name in heads.__all__ if not hasattr(heads, name)] == []


TORCH = """
import numpy as np
from framevote.parts import build
values, targets = np.random.default_rng(0).normal(size=(12, 4, 6)).astype(np.float32), np.eye(2, dtype=bool)[np.arange(12) % 2]
fitted = build("head", "LSTM(units=2, epochs=1)")(values, targets, np.ones(12, np.float32), False, 1.0)
print(fitted.probabilities(values).shape)
"""


def test_a_head_learns_on_torch_too():
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    said = subprocess.run([sys.executable, "-c", TORCH], env=environment, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout.split("\n")[-2]) == (0, "(12, 2)"), said.stderr[-1000:]

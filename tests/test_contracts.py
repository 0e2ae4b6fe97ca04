"""Every registered part keeps the contract of its kind, and the checks notice one that does not."""

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from framevote import parts
from framevote.parts import Part, build, names, register
from framevote.records import Scores
from framevote.smoothing import Run, Smoother
from framevote.strategies import Looking, Strategy
from framevote.testing import check_smoother, check_strategy, check_writer

SMOOTHERS = {
    "RollingMean": ["RollingMean(frames=128)", "RollingMean(seconds=2)", "RollingMean(seconds=2, centred=True)", "RollingMean(frames=1)"],
    "RollingMedian": ["RollingMedian(frames=5)", "RollingMedian(seconds=1)"],
    "Exponential": ["Exponential(seconds=1)"],
    "Viterbi": ["Viterbi()", "Viterbi(stay=0.5)"],
}
STRATEGIES = {
    "EveryFrame": ["EveryFrame()"],
    "Every": ["Every(seconds=0.5)", "Every(seconds=0.04)", "Every(seconds=100)"],
    "Keyframes": ["Keyframes()", "Keyframes(step=1)", "Keyframes(step=100)"],
    "Uniform": ["Uniform()", "Uniform(frames=1)", "Uniform(frames=1000)"],
    "ShotChanges": ["ShotChanges()", "ShotChanges(longest=0.5)"],
    "MotionUniform": ["MotionUniform()", "MotionUniform(frames=1)", "MotionUniform(frames=1000)"],
    "CoarseToFine": [
        "CoarseToFine()",
        "CoarseToFine(confidence=0.5)",
        "CoarseToFine(confidence=0.99, finest=1)",
        "CoarseToFine(confidence=1, finest=0)",
    ],
    "Budget": ["Budget(seconds=60)"],
}
WRITERS = ["AnnotatedVideo", "ContactSheet", "Csv", "Json", "SubRip", "WebVtt"]


def test_every_part_is_checked():
    assert names("smoother") == sorted(SMOOTHERS)
    assert names("strategy") == sorted(STRATEGIES)
    assert names("writer") == WRITERS


@pytest.mark.parametrize("spec", [spec for specs in SMOOTHERS.values() for spec in specs])
def test_smoother(spec):
    check_smoother(build("smoother", spec))


@pytest.mark.parametrize("spec", [spec for specs in STRATEGIES.values() for spec in specs])
def test_strategy(spec):
    check_strategy(build("strategy", spec))


@pytest.mark.parametrize("name", WRITERS)
def test_writer(name):
    check_writer(build("writer", name))


# The checks themselves: each of these breaks one promise.


class Each(Run):
    """Lets every row through a function."""

    def __init__(self, change) -> None:
        self.change = change

    def push(self, rows):
        return self.change(rows)

    def finish(self):
        return []


@dataclass(frozen=True, repr=False)
class Broken(Smoother, abc.ABC):
    causal: ClassVar[bool] = True

    def begin(self, live: bool) -> Run:
        return Each(self.change)

    @abc.abstractmethod
    def change(self, rows: Scores) -> list[Scores]: ...


class Loses(Broken):
    def change(self, rows):
        return [rows[1:]]


class Negative(Broken):
    def change(self, rows):
        return [rows.replace(rows.values - 0.5)]


class ByBlock(Broken):
    def change(self, rows):
        return [rows.replace(rows.values * 0 + rows.values.mean(axis=0))]


class Halves(Broken):
    def change(self, rows):
        return [rows.replace(rows.values / 2)]


class NotLive(Broken):
    def begin(self, live):
        return Each(lambda rows: [rows.replace(rows.values * 0 + 1 / 3 if live else rows.values)])


NotLive.change = Halves.change
NotLive.__abstractmethods__ = frozenset()


class FirstOnly(Strategy):
    def __call__(self, video, score, smoother) -> Iterator[Scores]:
        return (block[:1] for block in score(video))


class Short(Strategy):
    def __call__(self, video, score, smoother) -> Iterator[Scores]:
        yield next(iter(score(video)))


class Doubts(Strategy):
    def __call__(self, video, score, smoother) -> Looking:
        yield from score(video)
        return ((0.5, 1.0), (0.8, 1.2))


class Litters(Part):
    suffixes = (".litter",)

    def __call__(self, timeline, path: Path) -> None:
        path.write_text("x" * 10)
        path.with_name("more").touch()


class Appends(Part):
    suffixes = (".csv",)

    def __call__(self, timeline, path: Path) -> None:
        path.write_text("x" * 10)


@pytest.mark.parametrize(
    ("check", "kind", "broken", "promise"),
    [
        (check_smoother, "smoother", Loses, "promises the times"),
        (check_smoother, "smoother", Negative, "promises finite values of at least 0"),
        (check_smoother, "smoother", ByBlock, "promises the same rows from blocks of"),
        (check_smoother, "smoother", Halves, "promises to keep its score"),
        (check_smoother, "smoother", NotLive, "is causal and promises the same live"),
        (check_strategy, "strategy", FirstOnly, "promises rows that each last until the next"),
        (check_strategy, "strategy", Short, "promises rows up to the end"),
        (check_strategy, "strategy", Doubts, "promises to return undecided stretches"),
        (check_writer, "writer", Litters, "promises one file"),
        (check_writer, "writer", Appends, r"promises to be the one writer of \.csv"),
    ],
)
def test_a_broken_promise_is_noticed(monkeypatch, check, kind, broken, promise):
    monkeypatch.setattr(parts, "_registered", {})
    part = dataclass(frozen=True, repr=False)(broken)
    register(kind)(part)
    with pytest.raises(AssertionError, match=promise):
        check(part())


def test_a_part_that_no_text_builds_is_noticed():
    class Unregistered(Halves):
        pass

    with pytest.raises(AssertionError, match=r"its text builds it again\. Received: There is no smoother named 'Unregistered'"):
        check_smoother(Unregistered())

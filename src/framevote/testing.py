"""Contract checks: what every smoother, strategy, writer and head promises, whoever wrote it.

Call them in the tests of your own part: `check_smoother(MySmoother(seconds=2))`. They raise AssertionError with the promise that
was broken. The part must be registered (or shipped by an installed package), since its text must build it again.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from framevote.engine import load_keras
from framevote.errors import Error
from framevote.heads import Fitted, Head, fit_prototypes
from framevote.model_file import check_keras_file
from framevote.parts import build
from framevote.records import Flicker, FloatArray, Frame, Guess, Recipe, Scores, Segment, Timeline, Track
from framevote.smoothing import RollingMean, Smoother
from framevote.strategies import Strategy
from framevote.video import open_video, probe
from framevote.writers import Writer, write, writer_for

LABELS = ("red", "green", "blue")


def check_smoother(part: Smoother) -> None:
    """Check a smoother: the same rows come out, steady, however they are cut into blocks, live or not."""
    _check_text("smoother", part)
    scores = made_scores(rows=700)
    steady = part(scores)
    _check_rows(part, scores, steady)
    for size in (1, 7, 256, 300):
        cut = Scores.join(part.stream(scores[at : at + size] for at in range(0, len(scores), size)), LABELS)
        _same(cut.values, steady.values, f"{part} promises the same rows from blocks of {size} as from one")
    for rows in (0, 1, 2):
        _check_rows(part, scores[:rows], part(scores[:rows]))
    _check_constant(part)
    _check_live(part, scores, steady)


def check_strategy(part: Strategy) -> None:
    """Check a strategy: its rows follow one another and stand for the whole video, on even and uneven clocks."""
    _check_text("strategy", part)
    for ticks in ([40] * 60, [40, 80, 20, 200, 40] * 12, [40]):
        with TemporaryDirectory() as folder:
            video = open_video(made_video(Path(folder) / "made.mkv", ticks))
            looked, again = (Scores.join(part(video, _scored, RollingMean(frames=1)), LABELS) for _ in range(2))
        _expect(len(looked) > 0, f"{part} promises at least one row", looked)
        _expect(looked.times[0] == 0, f"{part} promises a first row at the first frame", looked.times[0])
        ends = looked.times + looked.durations
        _same(ends[:-1], looked.times[1:], f"{part} promises rows that each last until the next")
        _same(ends[-1:], np.array([sum(ticks) / 1000]), f"{part} promises rows up to the end of the video", within=0.002)
        _same(looked.frames.sum(), np.array(len(ticks)), f"{part} promises rows that together stand for every frame")
        _same(again.values, looked.values, f"{part} promises the same rows for the same video")


def check_writer(part: Writer) -> None:
    """Check a writer: for each of its suffixes one whole file, its source untouched, and nothing else left behind."""
    _check_text("writer", part)
    _expect(bool(part.suffixes), f"{part} promises at least one suffix", part.suffixes)
    for suffix in part.suffixes:
        _expect(suffix.startswith(".") and suffix == suffix.lower(), f"{part} promises suffixes such as '.json'", suffix)
        _expect(type(writer_for(f"x{suffix}")) is type(part), f"{part} promises to be the one writer of {suffix}", writer_for(f"x{suffix}"))
        with TemporaryDirectory() as name:
            _check_written(part, Path(name), suffix)


def check_head(part: Head, numbers: int = 24) -> None:
    """Check a head: it learns the same twice, answers with probabilities, and one that sees order does so from its file too.

    Args:
        part: small and quick to learn; it is fitted three times, on 18 rows of three classes.
        numbers: of an embedding that it takes.
    """
    _check_text("head", part)
    _expect(len(part.strengths) > 0, f"{part} promises a strength or more to choose from", part.strengths)
    strength = part.strengths[0]
    _expect(build("head", repr(part.at(strength))) == part.at(strength), f"{part} promises that settled it is its text", part.at(strength))
    values, targets = made_rows(part, numbers)
    shown, _ = made_rows(part, numbers, seed=1)
    _check_probabilities(part, part(values, targets, np.ones(18), True, strength).probabilities(shown), several=True)
    one, two = (part(values, targets, np.ones(18), False, strength, seed=3) for _ in range(2))
    answers = one.probabilities(shown)
    _check_probabilities(part, answers, several=False)
    _same(two.probabilities(shown), answers, f"{part} promises the same answers of the same rows and seed", within=1e-5)
    _same(one.probabilities(shown[:2]), answers[:2], f"{part} promises answers that do not hang on what else is asked", within=1e-5)
    _expect(one.probabilities(shown[:0]).shape == (0, len(LABELS)), f"{part} promises no answers of no rows", "some")
    known = _check_familiar(part, one, values, targets)
    if part.temporal:
        _check_windows(part, known, numbers)


def made_rows(part: Head, numbers: int, frames: int = 6, seed: int = 0) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return 18 embeddings (18, D), or windows of them (18, T, D) for a head that sees order, and which of three classes each shows."""
    random = np.random.default_rng(seed)
    shape = (18, frames, numbers) if part.temporal else (18, numbers)
    return random.normal(1, 1, shape).astype(np.float32), np.eye(len(LABELS), dtype=bool)[np.arange(18) % len(LABELS)]


def made_scores(rows: int, columns: int = len(LABELS), seed: int = 0) -> Scores:
    """Return probabilities at uneven times: noise around a label that changes every fifty rows."""
    random = np.random.default_rng(seed)
    values = random.dirichlet(np.ones(columns), rows)
    values[np.arange(rows), np.arange(rows) // 50 % columns] += 1
    durations = random.choice([0.02, 0.04, 0.2], rows)
    times = np.array([0.0, *accumulate(durations[:-1])])[:rows]
    return Scores(values / values.sum(axis=1, keepdims=True), times, durations, np.ones(rows), LABELS[:columns])


def made_video(path: Path, ticks: Iterable[int]) -> Path:
    """Write a silent video of 48×32 pixels whose frames last so many milliseconds each: a third red, a third green, a third blue."""
    lengths = list(ticks)
    times = [0, *accumulate(lengths)][: len(lengths)]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = 48, 32, "yuv420p", Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, (time, length) in enumerate(zip(times, lengths, strict=True)):
            image = np.zeros((32, 48, 3), np.uint8)
            image[..., number * 3 // len(lengths)] = 200
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base, frame.duration = time, Fraction(1, 1000), length
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def made_timeline(path: Path) -> Timeline:
    """Return a timeline of a video, with labels that are hard on file formats."""
    info = probe(path)
    labels = ("red", 'comma, "quote" & <tag>', "two\nlines --> ünï 日本", "unknown")
    cuts = np.linspace(0, info.duration, len(labels) + 1)
    segments = tuple(Segment(start, end, label, 0.75) for (start, end), label in zip(pairwise(cuts.tolist()), labels, strict=True))
    track = Track(cuts[:-1], np.array([0, 1, 2, -1], np.int32), np.full(len(labels), 0.75, np.float32), labels[:-1])
    recipe = Recipe("made", "RollingMean(frames=1)", "EveryFrame()", "Cut()")
    return Timeline(info, segments, (Guess("red", 0.5),), Flicker(60.0, 3.0), recipe, track, frames=len(labels))


def _check_text(kind: str, part: Any) -> None:
    try:
        again = build(kind, repr(part))
    except Error as error:
        raise AssertionError(f"{part} promises that its text builds it again. Received: {error}") from error
    _expect(again == part and hash(again) == hash(part), f"{part} promises to equal what its text builds", again)


def _check_rows(part: Smoother, given: Scores, steady: Scores) -> None:
    for name in ("times", "durations", "frames"):
        _same(getattr(steady, name), getattr(given, name), f"{part} promises the {name} that it was given")
    _expect(steady.labels == given.labels, f"{part} promises the labels that it was given", steady.labels)
    fine = bool(np.isfinite(steady.values).all() and (steady.values >= 0).all())
    _expect(fine, f"{part} promises finite values of at least 0", steady.values)


def _check_constant(part: Smoother) -> None:
    made = made_scores(rows=40)
    row = np.array([0.2, 0.7, 0.1], np.float32)
    steady = part(made.replace(np.tile(row, (len(made), 1))))
    _same(steady.values, np.tile(steady.values[0], (len(made), 1)), f"{part} promises that what never changes stays so", within=1e-5)
    _expect(int(steady.values[0].argmax()) == 1, f"{part} promises to keep a winner that nobody doubts", steady.values[0])
    _same(steady.values[0, 1], row[1], f"{part} promises to keep its score", within=1e-5)


def _check_live(part: Smoother, scores: Scores, steady: Scores) -> None:
    if part.causal:
        step = part.online()
        live = Scores.join([step(scores[row : row + 1]) for row in range(len(scores))])
        _check_rows(part, scores, live)
        _same(live.values, steady.values, f"{part} is causal and promises the same live as on the whole video", within=1e-5)
        return
    try:
        part.online()
    except Error:
        return
    raise AssertionError(f"{part} is not causal and promises to refuse to run live. Received: a function")


def _check_probabilities(part: Head, answers: FloatArray, several: bool) -> None:
    _expect(answers.shape == (18, len(LABELS)), f"{part} promises a probability of each label for each row", answers.shape)
    _expect(bool(((answers >= 0) & (answers <= 1)).all()), f"{part} promises probabilities from 0 to 1", answers)
    if not several:
        _same(answers.sum(axis=1), np.ones(18), f"{part} promises probabilities that sum to 1", within=1e-5)


def _check_familiar(part: Head, fitted: Fitted, values: FloatArray, targets: NDArray[np.bool_]) -> Fitted:
    """Check a head's familiarity, and return it with prototypes."""
    _expect(bool(np.isnan(fitted.familiarity(values)).all()), f"{part} promises NaN for a familiarity that nobody measures", "numbers")
    known = fitted.with_prototypes(fit_prototypes(values.mean(axis=1) if part.temporal else values, targets))
    found = known.familiarity(values)
    _expect(found.shape == (18,) and bool((np.abs(found) < 1.001).all()), f"{part} promises cosines for its familiarity", found)
    _same(known.probabilities(values), fitted.probabilities(values), f"{part} promises that prototypes change no answer", within=1e-5)
    return known


def _check_windows(part: Head, fitted: Fitted, numbers: int) -> None:
    """Check that a head takes windows of any length, and that its file says what it says."""
    keras = load_keras("A head that sees order")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "head.keras"
        fitted.save(path)
        check_keras_file(path, f"{part}")
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    for frames in (2, 9):
        shown, _ = made_rows(part, numbers, frames)
        given = {name: keras.ops.convert_to_numpy(value) for name, value in model(shown, training=False).items()}
        for name, own in (("probabilities", fitted.probabilities(shown)), ("familiarity", fitted.familiarity(shown)[:, None])):
            _expect(name in given, f"{part} promises a file with the output {name}", sorted(given))
            _same(given[name], own, f"{part} promises a file that gives the same {name} of {frames} frames", within=1e-4)


def _scored(frames: Iterable[Frame]) -> Iterator[Scores]:
    """Stand for a model: each frame's share of red, green and blue, in blocks of four rows."""
    rows: list[Frame] = []
    for frame in frames:
        rows.append(frame)
        if len(rows) == 4:
            yield _shares(rows)
            rows = []
    if rows:
        yield _shares(rows)


def _shares(frames: list[Frame]) -> Scores:
    means = np.array([frame.image.mean(axis=(0, 1)) + 1 for frame in frames])
    fields = ([getattr(frame, name) for frame in frames] for name in ("time", "duration", "frames"))
    times, durations, counts = (np.array(field, np.float64) for field in fields)
    return Scores((means / means.sum(axis=1, keepdims=True)).astype(np.float32), times, durations, counts, LABELS)


def _check_written(part: Writer, folder: Path, suffix: str) -> None:
    source = made_video(folder / "source.mkv", [40] * 20)
    before, timeline, path = source.read_bytes(), made_timeline(source), folder / f"out{suffix}"
    path.write_bytes(b"old")
    part(timeline, path)
    _expect(path.stat().st_size > 3, f"{part} promises a file in place of the old one", path.read_bytes())
    write(timeline, path, overwrite=True)
    _expect(source.read_bytes() == before, f"{part} promises to leave the video alone", "another file")
    left = sorted(file.name for file in folder.iterdir())
    _expect(left == sorted((path.name, source.name)), f"{part} promises one file", left)


def _same(received: NDArray[Any], expected: NDArray[Any], promise: str, within: float = 1e-6) -> None:
    same = np.shape(received) == np.shape(expected) and bool(np.allclose(received, expected, rtol=0, atol=within))
    _expect(same, promise, f"{received} where {expected} was expected")


def _expect(holds: bool, promise: str, received: object) -> None:
    if not holds:
        raise AssertionError(f"{promise}. Received: {received}")

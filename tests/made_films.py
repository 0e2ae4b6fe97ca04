"""Films of flat colours that flicker, their truth as a list, and scores that are drawn rather than looked at."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from made_items import film

from framevote.records import Scores, Segment
from framevote.tuning.films import Film

LABELS = ("red", "green", "blue")

Scene = tuple[str, float]


def flickering(scenes: Sequence[Scene], wrong: float = 0.8) -> list[Scene]:
    """Scenes that show another colour for a moment in their middle."""
    other = dict(zip(LABELS, (*LABELS[1:], LABELS[0]), strict=True))
    parts = [((name, (seconds - wrong) / 2), (other[name], wrong), (name, (seconds - wrong) / 2)) for name, seconds in scenes]
    return [(name, round(seconds, 1)) for part in parts for name, seconds in part]


def listed(folder: Path, films: dict[str, Sequence[Scene]], groups: dict[str, str] | None = None, name: str = "films.csv") -> Path:
    """Write the films with flicker, ten frames a second, and what is true of them as a list."""
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "start", "end", "group"])
        for path, scenes in films.items():
            film(folder / path, *flickering(scenes))
            ends = np.cumsum([seconds for _, seconds in scenes])
            for (label, seconds), end in zip(scenes, ends, strict=True):
                rows.writerow([path, label, round(end - seconds, 3), round(end, 3), (groups or {}).get(path, path)])
    return folder / name


def noisy(seed: int, scenes: int = 8, rate: float = 10.0) -> Film:
    """A film whose scores lean to the true label, row by row, and often do not."""
    random = np.random.default_rng(seed)
    lengths = random.uniform(0.4, 4, scenes)
    labels = [LABELS[number % 3] for number in np.cumsum(random.integers(1, 3, scenes))]
    ends = np.round(np.cumsum(lengths) * rate) / rate
    truth = tuple(Segment(start, end, name, 1.0) for start, end, name in zip([0.0, *ends], ends, labels, strict=False))
    times = np.arange(round(ends[-1] * rate)) / rate
    true = np.array([LABELS.index(next(s.label for s in truth if s.start <= time + 1e-9 < s.end)) for time in times])
    logits = random.normal(0, 1.5, (len(times), 3))
    logits[np.arange(len(times)), true] += 1.5
    values = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores = Scores(values, times, np.full(len(times), 1 / rate), np.ones(len(times)), LABELS)
    return Film(Path(f"{seed}.mp4"), scores, truth)

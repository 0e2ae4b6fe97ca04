"""Entries of an archive that no video was decoded for; what each holds follows from its number."""

from dataclasses import replace

import numpy as np

from framevote.archive.entries import Entry, FrameScores, Piece, Settings, Source

SETTINGS = Settings("imagenet", "abcdefabcdef")
LABELS = ("cat", "dog", "hare")


def source(number: int) -> Source:
    return Source(f"/videos/{number:04}.mp4", 1000 + number, 1.7e9 + number / 8)


def content(number: int) -> str:
    return f"{number:032x}"


def entry(number: int, settings: Settings = SETTINGS, pieces: int = 3, length: int = 8, **changes) -> Entry:
    """A video that is done: segments of one second, labels in turn, and embeddings of which each value is the video's number."""
    embedding = np.full(length, number, np.float32) if length else None
    made = Entry(
        source=source(number),
        content=content(number),
        settings=settings,
        state="done",
        probe={"width": 640, "height": 360, "duration": float(pieces), "frame_rate": "30000/1001", "codec": "h264", "rotation": 0},
        label=LABELS[number % 3],
        score=0.5,
        embedding=embedding,
        pieces=tuple(Piece(float(n), n + 1.0, LABELS[(number + n) % 3], 0.5 + n / 8, embedding) for n in range(pieces)),
        labels=LABELS,
        looked=10,
        decoded=20,
        seconds=0.25,
        finished=1.8e9 + number,
    )
    return replace(made, **changes)


def failure(number: int, settings: Settings = SETTINGS, error: str = "It is no video.", **changes) -> Entry:
    return replace(Entry(source(number), content(number), settings, "failed", error, finished=1.8e9), **changes)


def frame_scores() -> FrameScores:
    """Two frames, two labels each, of which `dog` is in none."""
    return FrameScores(np.float32([0, 0.5]), np.int32([[2, 0], [0, 2]]), np.float16([[0.75, 0.125], [0.5, 0.25]]))

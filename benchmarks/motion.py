"""Motion features from the codec's own vectors against those from optical flow, and what decoding alone costs: on one core."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import media
from benchmarks.measuring import Spread, Worker, alternated, middle, told, used
from benchmarks.table import Row, Setting

_GOAL = 10.0
_FLOWS = {
    "flow of small pictures": "DISFlow()",
    "flow at the pictures' own size": "DISFlow(size=480, spacing=24, cell=12)",
}
_CLIPS = 12  # of the signs: a third of a minute


def motion(setting: Setting) -> Iterator[Row]:
    """Yield two rows: frames a second a core, from the file to the descriptors, against flow as it comes and at the videos' own size."""
    paths = _paths(4 if setting.quick else _CLIPS)
    with Worker() as vectors, Worker() as flow, Worker() as alone:
        for words, features in _FLOWS.items():
            works = (
                partial(vectors.time, "describe_motion", paths=paths, features="MotionVectors()"),
                partial(flow.time, "describe_motion", paths=paths, features=features),
                partial(alone.time, "describe_motion", paths=paths, features=""),
            )
            alternated(1, *works)
            rounds = alternated(setting.rounds, *works)
            ratio = Spread.of([ours.rate / theirs.rate for ours, theirs, _ in rounds])
            rates = [middle(list(column)).rate for column in zip(*rounds, strict=True)]
            beside = f"vectors {rates[0]:.0f}, flow {rates[1]:.0f}, decoding alone {rates[2]:.0f} frames/s on one core; {_words(paths)}"
            title = f"`MotionVectors()` against `{features}`, from the file on, {words}"
            yield Row(title, f"≥ {_GOAL:g} ×", ratio.text(), ratio.median >= _GOAL, beside, {"ratio": ratio.median})


def _paths(count: int) -> list[str]:
    """Return clips of signs, or where these are absent a made video."""
    clips = sorted((media.SHARED / "signs").rglob("*.mp4"))
    return [str(path) for path in clips[:: max(len(clips) // count, 1)][:count]] or [str(media.video(270))]


def _words(paths: list[str]) -> str:
    """Return what was looked at, in words."""
    return f"{len(paths)} clips of signs, 480×270" if len(paths) > 1 else "270p"


def describe_motion(paths: list[str], features: str) -> dict[str, Any]:
    """Describe videos on one core; without features decode them only."""
    from framevote.descriptors import LocalFeatures, open_extractor  # noqa: PLC0415 - with the workers alone
    from framevote.parts import build  # noqa: PLC0415
    from framevote.video import open_video  # noqa: PLC0415

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    def job() -> int:
        if not features:
            return sum(1 for path in paths for _ in open_video(path).pictures())
        part = build("features", features)
        assert isinstance(part, LocalFeatures)
        extractor = open_extractor(part)
        return sum(1 for path in paths for _ in extractor(open_video(Path(path), extractor.view)))

    return {"usage": told(used(job))}

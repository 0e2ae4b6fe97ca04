"""Timelines read back from the files that `framevote.write` made."""

import itertools
import json
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from framevote.errors import InputError
from framevote.records import Effort, Flicker, Guess, Recipe, Segment, Timeline, Track, VideoInfo
from framevote.writers.text import FORMAT, VERSION


def read_json(path: str | Path) -> Timeline:
    """Return the timeline of a `.json` file; all that any writer needs is in it, save the video itself.

    Raises:
        InputError: the file cannot be read or holds no timeline.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}. Expected a timeline written by framevote.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON ({error}). Expected a timeline written by framevote.") from error
    try:
        return from_dict(content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def from_dict(content: Any) -> Timeline:
    """Return the timeline that `to_dict` made plain.

    Raises:
        InputError: the content is no timeline, or of a later version than this framevote knows.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f'This is no timeline: expected an object with "format": "{FORMAT}". Label the video again.')
    if content.get("version") != VERSION:
        raise InputError(f"This timeline has version {content.get('version')!r}; expected {VERSION}. Install the framevote that wrote it.")
    try:
        return _timeline(content)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise InputError(f"This timeline is damaged ({type(error).__name__}: {error}). Label the video again.") from error


def _timeline(content: dict[str, Any]) -> Timeline:
    return Timeline(
        video=_video(content["video"]),
        segments=tuple(Segment(float(s["start"]), float(s["end"]), str(s["label"]), float(s["score"])) for s in content["segments"]),
        overall=tuple(Guess(str(guess["label"]), float(guess["score"])) for guess in content["overall"]),
        flicker=Flicker(float(content["flicker"]["raw"]), float(content["flicker"]["steady"])),
        recipe=Recipe(**_known(Recipe, content["recipe"])),
        track=_track(content["track"]),
        frames=int(content["frames"]),
        skipped=int(content["skipped"]),
        effort=_effort(content.get("effort")),
    )


def _effort(content: dict[str, Any] | None) -> Effort | None:
    if content is None:
        return None
    held = _known(Effort, content)
    return Effort(**held | {"doubtful": tuple((float(start), float(end)) for start, end in held.get("doubtful", ()))})


def _video(content: dict[str, Any]) -> VideoInfo:
    held = _known(VideoInfo, content)
    exact = {field.name: Fraction(held[field.name]) for field in fields(VideoInfo) if field.type is Fraction and field.name in held}
    return VideoInfo(**held | exact | {"path": Path(held["path"])})


def _track(content: dict[str, Any]) -> Track:
    scores, labels = content["scores"], tuple(content["labels"])
    winners = _expanded(content["winners"], len(scores))
    steps = _expanded(content["steps_us"], max(len(scores) - 1, 0))
    ticks = list(itertools.accumulate(steps, initial=int(content["first_us"])))[: len(scores)]
    if not all(-1 <= winner < len(labels) for winner in winners):
        raise ValueError(f"a winner that is none of the {len(labels)} labels")
    return Track(np.array(ticks, np.float64) / 1e6, np.array(winners, np.int32), np.array(scores, np.float32), labels)


def _expanded(runs: list[list[int]], length: int) -> list[int]:
    """Return the values of [value, count] pairs; they are counted before they are laid out, since a file may say anything."""
    held = sum(count for _, count in runs)
    if held != length or any(count < 1 for _, count in runs):
        raise ValueError(f"runs of {held} rows in a track of {length}")
    return [int(value) for value, count in runs for _ in range(count)]


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _known(kind: type, content: dict[str, Any]) -> dict[str, Any]:
    # A later framevote may add fields; those that this one knows are enough.
    held = (field for field in fields(kind) if field.name in content)
    return {field.name: tuple(content[field.name]) if field.default == () else content[field.name] for field in held}

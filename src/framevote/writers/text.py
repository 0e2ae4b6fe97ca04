"""Timelines as text: JSON with everything in it, CSV, and the subtitles WebVTT and SubRip."""

import csv
import itertools
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from framevote.parts import Part
from framevote.records import Effort, Segment, Timeline, Track, VideoInfo

FORMAT = "framevote.timeline"
VERSION = 1

# A time may be the float just below its microsecond; within a ten-thousandth of one it is taken to be that microsecond.
_NEARLY = 1e-4


@final
@dataclass(frozen=True, repr=False)
class Json(Part):
    """Everything, to be read back: segments, how they were made, and the track of every frame looked at."""

    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    def __call__(self, timeline: Timeline, path: Path) -> None:
        """Write `to_json(timeline)`."""
        path.write_text(to_json(timeline), encoding="utf-8")


@final
@dataclass(frozen=True, repr=False)
class Csv(Part):
    """A table of the segments: start, end, label, score (RFC 4180, with plain line ends)."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv",)

    def __call__(self, timeline: Timeline, path: Path) -> None:
        """Write a head line and a line for each segment, with the numbers of the JSON."""
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            # Every text is quoted: left to itself, Python's writer lets a lone carriage return through.
            table = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
            table.writerow(("start", "end", "label", "score"))
            table.writerows((seconds(s.start), seconds(s.end), s.label, _score(s.score)) for s in timeline.segments)


@final
@dataclass(frozen=True, repr=False)
class WebVtt(Part):
    """Subtitles for the web's `<track>` and most players (W3C WebVTT)."""

    suffixes: ClassVar[tuple[str, ...]] = (".vtt",)

    def __call__(self, timeline: Timeline, path: Path) -> None:
        """Write a cue for each segment, on the player's clock."""
        cues = (f"{_clock(start, '.')} --> {_clock(end, '.')}\n{_vtt_text(text)}\n" for start, end, text in _cues(timeline))
        path.write_text("\n".join(("WEBVTT\n", *cues)), encoding="utf-8", errors="backslashreplace")


@final
@dataclass(frozen=True, repr=False)
class SubRip(Part):
    """Subtitles that every player reads (SubRip)."""

    suffixes: ClassVar[tuple[str, ...]] = (".srt",)

    def __call__(self, timeline: Timeline, path: Path) -> None:
        """Write a numbered cue for each segment, on the player's clock."""
        cues = (
            f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{_srt_text(text)}\n"
            for number, (start, end, text) in enumerate(_cues(timeline), start=1)
        )
        path.write_text("\n".join(cues), encoding="utf-8", errors="backslashreplace")


def to_json(timeline: Timeline) -> str:
    """Return the timeline as JSON text, a segment a line; docs/timeline-json.md says what each field means."""
    entries = (f"  {json.dumps(key)}: {_laid_out(value)}" for key, value in to_dict(timeline).items())
    return json_text("{\n" + ",\n".join(entries) + "\n}\n")


def json_line(value: Any) -> str:
    """Return plain values as JSON on one line."""
    return json_text(_one_line(value))


def json_text(text: str) -> str:
    """Return JSON that can be written as UTF-8: the lone surrogates of a file name that is none become JSON's escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def to_dict(timeline: Timeline) -> dict[str, Any]:
    """Return the timeline as plain values: times in seconds cut down to whole microseconds, scores with four decimals."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "video": video_dict(timeline.video),
        "segments": [
            {"start": seconds(s.start), "end": seconds(s.end), "label": s.label, "score": _score(s.score)} for s in timeline.segments
        ],
        "overall": [{"label": guess.label, "score": _score(guess.score)} for guess in timeline.overall],
        "flicker": {"raw": round(timeline.flicker.raw, 3), "steady": round(timeline.flicker.steady, 3)},
        "frames": timeline.frames,
        "skipped": timeline.skipped,
        "effort": _effort(timeline.effort),
        "recipe": asdict(timeline.recipe),
        "track": _track(timeline.track),
    }


def microseconds(time: float) -> int:
    """Return seconds as whole microseconds, cut down: a frame's own time is then never before that of its row."""
    return math.floor(time * 1e6 + _NEARLY)


def seconds(time: float) -> float:
    """Return seconds cut down to whole microseconds."""
    return microseconds(time) / 1e6


def video_dict(info: VideoInfo) -> dict[str, Any]:
    """Return a VideoInfo as plain values: paths and fractions as text, seconds to the microsecond."""
    plain = {name: str(value) if isinstance(value, Fraction | Path) else value for name, value in asdict(info).items()}
    return plain | {name: seconds(getattr(info, name)) for name in ("duration", "start", "delay")}


def _effort(effort: Effort | None) -> dict[str, Any] | None:
    """Return what it took, with times in seconds to the millisecond."""
    if effort is None:
        return None
    return asdict(effort) | {
        "frames": round(effort.frames, 3),
        "seconds": round(effort.seconds, 3),
        "saved": round(effort.saved, 3),
        "doubtful": [[seconds(start), seconds(end)] for start, end in effort.doubtful],
    }


def _track(track: Track) -> dict[str, Any]:
    """Return the track with runs as [value, count] pairs, and only those labels that win somewhere."""
    shown = sorted({int(winner) for winner in track.winners if winner >= 0})
    place = {winner: number for number, winner in enumerate(shown)} | {-1: -1}
    ticks = [microseconds(time) for time in track.times]
    return {
        "labels": [track.labels[winner] for winner in shown],
        "first_us": ticks[0] if ticks else 0,
        "steps_us": _runs(later - earlier for earlier, later in itertools.pairwise(ticks)),
        "winners": _runs(place[int(winner)] for winner in track.winners),
        "scores": [_score(score) for score in track.scores],
    }


def _runs(values: Iterable[int]) -> list[list[int]]:
    return [[value, sum(1 for _ in run)] for value, run in itertools.groupby(values)]


def _score(score: float | np.floating[Any]) -> float:
    return round(float(score), 4)


def _laid_out(value: Any) -> str:
    """Return JSON on one line, or a line for each entry where they are records."""
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"    {_one_line(entry)}" for entry in value) + "\n  ]"
    return _one_line(value)


def _one_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _cues(timeline: Timeline) -> Iterator[tuple[int, int, str]]:
    """Yield start and end in milliseconds, and the text, of each segment.

    Subtitle players count from the container's start, so the picture's delay after it is added. No cue is empty: the shortest
    lasts one millisecond.
    """
    for segment in timeline.segments:
        start, end = (max(round((time + timeline.video.delay) * 1000), 0) for time in (segment.start, segment.end))
        yield start, max(end, start + 1), _cue_text(segment)


def _cue_text(segment: Segment) -> str:
    # A line break, or an empty line above all, would end the cue; a zero byte the file, and WebVTT has U+FFFD for it.
    return " ".join(f"{segment.label} {round(segment.score * 100)} %".split()).replace("\0", "\ufffd")


def _clock(milliseconds: int, point: str) -> str:
    total, rest = divmod(milliseconds, 1000)
    return f"{total // 3600:02}:{total // 60 % 60:02}:{total % 60:02}{point}{rest:03}"


def _vtt_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _srt_text(text: str) -> str:
    # SubRip has no escapes, and players take <i> and {\an8} for commands: letters that look like these stand in.
    return text.translate(str.maketrans("<>{}", "‹›()"))

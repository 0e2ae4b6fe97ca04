"""Kinetics and ActivityNet: videos named by their YouTube ids, with the seconds in which something is seen."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framevote.datasets.items import Problem, Side
from framevote.datasets.media import files_in, kind_of, walk
from framevote.datasets.sources import SIDE_WORDS, Each, Entry, Reading, side_of
from framevote.datasets.tables import columns_of, json_of, read_table
from framevote.errors import InputError

_KINETICS = ("label", "youtube_id", "time_start", "time_end")
_ACTIVITYNET = re.compile(r"activity_?net.*\.json", re.IGNORECASE)

# A clip cut out of its video is named by where it was: ID_000012_000022.
_CUT = re.compile(r"(.+)_(\d{6})_(\d{6})")
_PREFIX = re.compile(r"(v|video)_(.+)")

_HEAD = 4096


@dataclass(frozen=True)
class Claim:
    """What a line says: in this video, from start to end, this label."""

    where: str
    video: str
    label: str
    start: float
    end: float | None
    side: Side


@dataclass(frozen=True)
class Videos:
    """The videos below a folder: whole ones by their id, and those that were cut out by id, start and end."""

    whole: Mapping[str, list[Path]] = field(default_factory=dict)
    cut: Mapping[tuple[str, int, int], list[Path]] = field(default_factory=dict)

    def entry(self, claim: Claim) -> Entry | Problem:
        """Return the cut-out file that the claim speaks of, or the piece of the whole video."""
        group = claim.video
        if claim.end is not None and (cut := self.cut.get((claim.video, int(claim.start), int(claim.end)))):
            return Entry(_nearest(cut, claim), (claim.label,), group=group, side=claim.side, where=claim.where)
        if whole := self.whole.get(claim.video):
            return Entry(_nearest(whole, claim), (claim.label,), claim.start, claim.end, group, claim.side, claim.where)
        return Problem(claim.where, f"the video {claim.video} is not on disk")


def is_kinetics(path: Path) -> bool:
    """Return whether there is a table with the column youtube_id, or Kinetics' JSON."""
    return bool(_kinetics_lists(path))


def read_kinetics(path: Path) -> Reading:
    """Read Kinetics' tables: label,youtube_id,time_start,time_end,split; videos anywhere below the folder.

    A file ID_000012_000022.mp4 is an item as it is; of a whole video ID.mp4 the item is the piece.
    """
    return _reading(path, [claim for list_ in _kinetics_lists(path) for claim in _claims(list_)], "one")


def is_activitynet(path: Path) -> bool:
    """Return whether a file is JSON, or a folder holds ActivityNet's."""
    return path.suffix.lower() == ".json" if path.is_file() else bool(_activitynet_lists(path))


def read_activitynet(path: Path) -> Reading:
    """Read ActivityNet's ground truth: each annotated segment is an item, a piece of its video."""
    lists = [path] if path.is_file() else _activitynet_lists(path)
    return _reading(path, [claim for list_ in lists for claim in _database_claims(list_)], "any")


def _kinetics_lists(path: Path) -> list[Path]:
    """Return the tables; of a table and a JSON of one name, the table."""
    if path.is_file():
        return [path] if _is_kinetics_list(path) else []
    lists = {list_.stem: list_ for list_ in files_in(path, ".json", ".csv")[::-1] if _is_kinetics_list(list_)}
    return [lists[stem] for stem in sorted(lists)]


def _is_kinetics_list(path: Path) -> bool:
    if path.suffix.lower() == ".json":
        with path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(_HEAD)
        return all(word in head for word in ('"annotations"', '"subset"')) and not any(word in head for word in ('"database"', '"results"'))
    return path.suffix.lower() == ".csv" and "youtube_id" in columns_of(path)


def _activitynet_lists(path: Path) -> list[Path]:
    return [one for one in files_in(path, ".json") if _ACTIVITYNET.fullmatch(one.name)]


def _claims(list_: Path) -> Iterator[Claim | Problem]:
    if list_.suffix.lower() == ".json":
        yield from _database_claims(list_)
        return
    table = read_table(list_)
    if missing := [name for name in _KINETICS if name not in table.columns]:
        came = ", ".join(table.columns)
        raise InputError(
            f"{list_} has no column {' and no column '.join(missing)}. Expected {','.join(_KINETICS)},split. Received: {came}."
        )
    yield from table.problems
    for row in table.rows:
        video, label, start, end = (str(row.cells[name]).strip() for name in ("youtube_id", "label", "time_start", "time_end"))
        yield _claim(row.where, video, label, [start, end], str(row.cells.get("split", "")), list_)


def _database_claims(list_: Path) -> Iterator[Claim | Problem]:
    """Yield what a JSON of ActivityNet's or Kinetics' kind says, segment by segment."""
    for video, told in _database(list_).items():
        where = f"{list_.name}, {video}"
        annotations = told.get("annotations") if isinstance(told, dict) else None
        annotations = [annotations] if isinstance(annotations, dict) else annotations
        if not isinstance(annotations, list) or not all(isinstance(one, dict) for one in annotations):
            yield Problem(where, "it has no list of annotations")
            continue
        if not annotations:
            yield Problem(where, f"nothing is annotated in it (subset {told.get('subset', 'none')})")
        for one in annotations:
            yield _claim(where, video, one.get("label"), one.get("segment", [0, None]), str(told.get("subset", "")), list_)


def _database(list_: Path) -> dict[str, Any]:
    held = json_of(list_)
    if isinstance(held, dict) and "results" in held and "database" not in held:
        raise InputError(
            f"{list_} holds results (predictions with scores), not ground truth. Expected a JSON with a database of annotations."
        )
    database = held.get("database", held) if isinstance(held, dict) else None
    if not isinstance(database, dict) or not any(isinstance(one, dict) and "annotations" in one for one in database.values()):
        keys = f"the keys {', '.join(map(str, list(held)[:5]))}" if isinstance(held, dict) and held else type(held).__name__
        raise InputError(f'{list_} is no ground truth of ActivityNet\'s kind. Expected {{"database": {{ID: …}}}}. Received: {keys}.')
    return database


def _claim(where: str, video: str, label: object, segment: Any, subset: str, list_: Path) -> Claim | Problem:
    side = side_of(subset) if subset.strip() else ""
    if side is None:
        raise InputError(f"{list_.parent / where}: the split is {subset!r}. Expected one of {SIDE_WORDS}, or nothing.")
    if not isinstance(label, str) or not label.strip() or not video:
        return Problem(where, "the label is empty" if video else "the youtube_id is empty")
    try:
        start, end = (None if time is None else float(time) for time in segment)
    except (TypeError, ValueError):
        return Problem(where, f"the segment is {segment!r}; expected two numbers, seconds")
    if start is None or not 0 <= start < (float("inf") if end is None else end) or end == float("inf"):
        return Problem(where, f"the segment is {segment!r}; expected a start from 0 on and a later end, seconds")
    return Claim(where, video, label, start, end, side)


def _reading(path: Path, claims: list[Claim | Problem], each: Each) -> Reading:
    root = path if path.is_dir() else path.parent
    root = root.parent if root.name.lower().startswith("annotation") else root
    problems = [one for one in claims if isinstance(one, Problem)]
    videos, strange = _videos(root)
    found = [videos.entry(claim) for claim in claims if isinstance(claim, Claim)]
    entries = tuple(one for one in found if isinstance(one, Entry))
    missing = {one.reason: one for one in reversed(found) if isinstance(one, Problem)}  # a video with many pieces is missing once
    return Reading(path, root, entries, each, problems=(*problems, *reversed(missing.values()), *strange))


def _videos(root: Path) -> tuple[Videos, list[Problem]]:
    whole: dict[str, list[Path]] = {}
    cut: dict[tuple[str, int, int], list[Path]] = {}
    strange = []
    for found in walk(root):
        if isinstance(found, Problem):
            strange.append(found)
        elif kind_of(found.name) == "video":
            if match := _CUT.fullmatch(found.stem):
                cut.setdefault((match[1], int(match[2]), int(match[3])), []).append(found)
            whole.setdefault(found.stem, []).append(found)
            if match := _PREFIX.fullmatch(found.stem):
                whole.setdefault(match[2], []).append(found)
    return Videos(whole, cut), strange


def _nearest(paths: list[Path], claim: Claim) -> Path:
    """Return, of files of one name, that in the folder of the claim's label or side."""
    fitting = (path for path in paths if claim.label in path.parts or claim.side in map(side_of, path.parts[:-1]))
    return next(fitting, paths[0])

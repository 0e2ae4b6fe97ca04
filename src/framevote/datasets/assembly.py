"""From what a layout found to a data set: files that are there, labels that can be told apart, groups, sides."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from framevote.datasets.items import Dataset, Item, Problem
from framevote.datasets.media import kind_of
from framevote.datasets.sources import Entry, Reading
from framevote.errors import InputError, UsageError

# UCF101 cuts a source video into clips: v_ApplyEyeMakeup_g08_c01 is the first of source 8.
_UCF_SOURCE = re.compile(r"^v_.+_(g\d+)_c\d+$")


def assemble(reading: Reading, layout: str, group_by: str | None = None) -> Dataset:
    """Return the data set of what was read.

    Raises:
        InputError: the data cannot be learned from.
        UsageError: `group_by` is no regular expression, or does not match every item.
    """
    usable, problems = _usable(reading)
    items = _sided(_merged(_one_group_a_file(_grouped(usable, reading, group_by), reading), reading))
    labels = _ordered({label for item in items for label in item.labels}, reading.order)
    _check_labels(labels, reading)
    several = reading.each == "several" or any(len(item.labels) != 1 for item in items)
    lost = tuple(_lost(reading, labels))
    return Dataset(tuple(map(_item, items)), labels, several, layout, (*reading.problems, *problems, *lost))


def look_alike(names: Iterable[str]) -> list[list[str]]:
    """Return the names that differ only in case, in their Unicode normal form or in surrounding blanks, those alike together."""
    alike: dict[str, list[str]] = {}
    for name in names:
        plain = unicodedata.normalize("NFC", name.strip()).casefold()
        alike.setdefault(unicodedata.normalize("NFC", plain), []).append(name)
    return [sorted(group) for group in alike.values() if len(group) > 1]


def _usable(reading: Reading) -> tuple[list[Entry], list[Problem]]:
    """Return the entries that can be used, and why the others cannot; a file is looked for once."""
    usable, problems = [], []
    reasons: dict[Path, str] = {}
    for entry in reading.entries:
        known = entry.path in reasons
        if not known:
            reasons[entry.path] = _missing(entry.path) if reading.listed else ""
        if reason := reasons[entry.path] or _timed_photo(entry):
            if not known or not reasons[entry.path]:
                problems.append(Problem(entry.where or str(entry.path), reason))
        else:
            usable.append(entry)
    if not usable:
        _refuse_all([*reading.problems, *problems], reading)
    return usable, problems


def _missing(path: Path) -> str:
    if kind_of(path.name) is None:
        return f"{path.name} is neither photo nor video by its suffix"
    try:
        there = path.is_file()
    except OSError as error:  # a name that is too long, or a folder that is closed
        return f"{path} cannot be looked at: {error.strerror}"
    return "" if there else f"{path if str(path).isprintable() else repr(str(path))} is not on disk"


def _timed_photo(entry: Entry) -> str:
    timed = (entry.start > 0 or entry.end is not None) and kind_of(entry.path.name) == "photo"
    return f"{entry.path.name} is a photo, and has no start and end" if timed else ""


def _refuse_all(problems: Sequence[Problem], reading: Reading) -> None:
    if not problems:
        raise InputError(f"{reading.source} names no photo or video. Expected at least two classes with files of their own.")
    raise InputError(
        f"{reading.source} names nothing that can be used: {len(problems)} problems, the first: {problems[0]}. "
        f"Expected files that are there, with paths from {reading.root}."
    )


def _grouped(entries: Iterable[Entry], reading: Reading, group_by: str | None) -> list[Entry]:
    if group_by is None:
        return [entry if entry.group else replace(entry, group=_source_video(entry.path)) for entry in entries]
    column = group_by.strip().casefold()
    if column in reading.columns:
        found = [(entry, entry.cells.get(column, "")) for entry in entries]
    else:
        pattern = _compiled(group_by, reading)
        found = [(entry, _matched(pattern, relative(entry.path, reading.root))) for entry in entries]
    _check_all_grouped(found, group_by, reading)
    return [replace(entry, group=group) for entry, group in found]


def relative(path: Path, root: Path) -> str:
    """Return a path as seen from a folder, with slashes; as it is where it lies elsewhere."""
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _source_video(path: Path) -> str:
    part = _UCF_SOURCE.match(path.stem)
    return part[1] if part else str(path)


def _compiled(group_by: str, reading: Reading) -> re.Pattern[str]:
    try:
        return re.compile(group_by)
    except re.error as error:
        columns = f", or one of the columns {', '.join(reading.columns)}" if reading.columns else ""
        raise UsageError(
            f"Items are grouped by a regular expression, such as 'user(\\d+)'{columns}. Received: {group_by!r} ({error})."
        ) from None


def _matched(pattern: re.Pattern[str], path: str) -> str:
    found = pattern.search(path)
    return (found[1 if pattern.groups else 0] or "") if found else ""


def _check_all_grouped(found: Sequence[tuple[Entry, str]], group_by: str, reading: Reading) -> None:
    without = [entry for entry, group in found if not group]
    if without:
        columns = f", or one of the columns {', '.join(reading.columns)}" if reading.columns else ""
        raise UsageError(
            f"Grouping by {group_by!r} finds no group for {len(without)} of {len(found)} items; the first is "
            f"{relative(without[0].path, reading.root)}. Expected a regular expression that is found in every path{columns}."
        )


def _one_group_a_file(entries: Sequence[Entry], reading: Reading) -> Sequence[Entry]:
    """Pieces of one video look alike, whoever grouped them: in two groups they would stand on both sides of a split."""
    groups: dict[Path, str] = {}
    for entry in entries:
        if (known := groups.setdefault(entry.path, entry.group)) != entry.group:
            raise InputError(f"{reading.source} puts {entry.path} into two groups, {known} and {entry.group}. Expected one group a video.")
    return entries


def _merged(entries: Iterable[Entry], reading: Reading) -> list[Entry]:
    """Rows that name the same piece again add their labels to it."""
    merged: dict[tuple[Path, float, float | None], Entry] = {}
    for entry in entries:
        key = (entry.path, entry.start, entry.end)
        before = merged.get(key)
        if before is None:
            merged[key] = entry
            continue
        labels = tuple(dict.fromkeys((*before.labels, *entry.labels)))
        _check_same(before, entry, labels, reading)
        merged[key] = replace(before, labels=labels)
    return list(merged.values())


def _check_same(before: Entry, again: Entry, labels: tuple[str, ...], reading: Reading) -> None:
    if before.side != again.side:
        sides = f"{before.side or 'none'} and {again.side or 'none'}"
        raise InputError(
            f"{reading.source} puts {again.path} on two sides, {sides}. Expected one side for an item; remove one of the lines."
        )
    if reading.each == "one" and len(labels) > 1:
        raise InputError(f"{reading.source} gives {again.path} two labels, {' and '.join(labels)}. Expected one; remove one of the lines.")


def _sided(entries: list[Entry]) -> list[Entry]:
    if not any(entry.side for entry in entries):
        return entries
    return [entry if entry.side else replace(entry, side="train") for entry in entries]


def _ordered(labels: Iterable[str], order: Sequence[str]) -> tuple[str, ...]:
    place: Mapping[str, int] = {label: number for number, label in enumerate(order)}
    return tuple(sorted(labels, key=lambda label: (place.get(label, len(place)), label)))


def _check_labels(labels: Sequence[str], reading: Reading) -> None:
    for label in labels:
        if not label.isprintable() and any(unicodedata.category(letter) == "Cs" for letter in label):
            raise InputError(f"{reading.source}: the label {label!r} is no Unicode text. Expected names in UTF-8; rename it.")
    if alike := look_alike(labels):
        names = " and ".join(map(repr, alike[0]))
        raise InputError(
            f"{reading.source} has labels that differ only in case, accents' encoding or surrounding blanks: {names}. "
            "Expected names that people can tell apart; rename or merge them."
        )
    if not labels:  # a single one is enough to judge a model by; training asks for two
        raise InputError(f"{reading.source} has no class at all. Expected items that show something.")


def _lost(reading: Reading, labels: Sequence[str]) -> Iterator[Problem]:
    """Classes of which nothing is left."""
    counts = Counter(label for entry in reading.entries for label in entry.labels)
    for label in sorted(counts.keys() - set(labels)):
        yield Problem(str(reading.source), f"the class {label} is left out: none of its {counts[label]} items can be used")


def _item(entry: Entry) -> Item:
    kind = kind_of(entry.path.name) or "video"
    return Item(entry.path, entry.labels, kind, entry.start, entry.end, entry.group, entry.side)

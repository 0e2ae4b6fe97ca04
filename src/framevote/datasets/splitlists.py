"""Lists of the sides, as UCF101 and HMDB51 have them, and MMAction2's lists of videos."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from framevote.datasets.items import Problem, Side
from framevote.datasets.media import files_in, kind_of, subfolders
from framevote.datasets.sources import Each, Entry, Reading, side_of
from framevote.datasets.tables import lines_of
from framevote.errors import InputError

_UCF = re.compile(r"(train|test)list(\d+)\.txt", re.IGNORECASE)
_HMDB = re.compile(r"(.+)_test_split(\d+)\.txt", re.IGNORECASE)
_MM_NAME = re.compile(r".*(train|val|test).*list.*\.txt|.*list.*(train|val|test).*\.txt", re.IGNORECASE)
_MM_LINE = re.compile(r"(\S.*?)((?:\s+\d+)+)")
_MM_CLASSES = re.compile(r"(label_?map|class_?map|classes|class_?names|labels|classind).*\.txt", re.IGNORECASE)

# What folders of lists are called: ucfTrainTestlist, testTrainMulti_7030_splits, annotations.
_LISTS = re.compile("list|split|annotation", re.IGNORECASE)

_HMDB_SIDES: dict[str, Side | None] = {"0": None, "1": "train", "2": "test"}

# So many of the listed files are looked for to find the folder that they count from.
_SAMPLE = 20


def is_ucf101(path: Path) -> bool:
    """Return whether there are lists such as trainlist01.txt, in the folder or in one of lists below."""
    return bool(_lists(path, _UCF))


def read_ucf101(path: Path) -> Reading:
    """Read a split of UCF101 (the first, or the one whose list was given): a class is the folder that a line begins with."""
    lists = _lists(path, _UCF)
    found = [_ucf_entry(where, line, _ucf_side(list_)) for list_ in lists for where, line in lines_of(list_)]
    order = [line.split(maxsplit=1)[1] for _, line in _lines_if(lists[0].parent / "classInd.txt") if " " in line]
    return _listed(path, lists[0].parent, found, order)


def is_hmdb51(path: Path) -> bool:
    """Return whether there are lists such as brush_hair_test_split1.txt, in the folder or in one of lists below."""
    return bool(_lists(path, _HMDB))


def read_hmdb51(path: Path) -> Reading:
    """Read a split of HMDB51 (the first, or that of the list that was given): 1 is train, 2 is test, 0 is not used."""
    lists = _lists(path, _HMDB)
    found = [entry for list_ in lists for where, line in lines_of(list_) if (entry := _hmdb_entry(where, line, list_))]
    return _listed(path, lists[0].parent, found)


def is_mmaction2(path: Path) -> bool:
    """Return whether a text file, or a folder's train and val lists, hold lines such as `clip.mp4 3`."""
    lists = [path] if path.suffix.lower() == ".txt" else _mm_lists(path)
    return any(_first_line(list_, _MM_LINE.fullmatch) for list_ in lists)


def read_mmaction2(path: Path) -> Reading:
    """Read MMAction2's video lists; the numbers are named by a list of classes beside them, such as label_map.txt."""
    lists = [path] if path.is_file() else _mm_lists(path)
    names = _mm_classes(lists)
    sides = {list_: _mm_side(list_) if path.is_dir() else "" for list_ in lists}
    found = [_mm_entry(where, line, sides[list_], names, list_) for list_ in lists for where, line in lines_of(list_)]
    several = any(isinstance(one, Entry) and len(one.labels) > 1 for one in found)
    numbers = {label for one in found if isinstance(one, Entry) for label in one.labels}
    return _listed(path, lists[0].parent, found, names or sorted(numbers, key=int), "any" if several else "one")


def _lists(path: Path, pattern: re.Pattern[str]) -> list[Path]:
    """Return the lists of one split: that of the file that was given, or the first in the folder or in one of lists below."""
    if path.is_file():
        given = pattern.fullmatch(path.name)
        return [one for one in files_in(path.parent, ".txt") if given and _split(one, pattern) == int(given[2])]
    for folder in (path, *(path / name for name in subfolders(path) if _LISTS.search(name))):
        numbered = [(number, one) for one in files_in(folder, ".txt") if (number := _split(one, pattern))]
        if numbered:
            return [one for number, one in numbered if number == min(numbered)[0]]
    return []


def _split(path: Path, pattern: re.Pattern[str]) -> int:
    match = pattern.fullmatch(path.name)
    return int(match[2]) if match else 0


def _ucf_side(list_: Path) -> Side:
    return "train" if list_.name.lower().startswith("train") else "test"


def _ucf_entry(where: str, line: str, side: Side) -> Entry | Problem:
    video = re.sub(r"\s+\d+$", "", line)
    folder, slash, _ = video.partition("/")
    if not slash:
        return Problem(where, f"{line!r} names no class; expected a line such as Archery/v_Archery_g01_c01.avi")
    return Entry(Path(video), (folder,), side=side, where=where)


def _hmdb_entry(where: str, line: str, list_: Path) -> Entry | Problem | None:
    video, _, mark = line.rpartition(" ")
    if not video or mark not in _HMDB_SIDES:
        return Problem(where, f"{line!r} is no line such as clip.avi 1, with 0, 1 or 2")
    match, side = _HMDB.fullmatch(list_.name), _HMDB_SIDES[mark]
    label = match[1] if match else ""
    return Entry(Path(label) / video.strip(), (label,), side=side, where=where) if side else None


def _mm_lists(path: Path) -> list[Path]:
    return [one for one in files_in(path, ".txt") if _MM_NAME.fullmatch(one.name)]


def _mm_side(list_: Path) -> Side:
    word = re.search(r"train|val|test", list_.name, re.IGNORECASE)
    return (side_of(word[0]) or "") if word else ""


def _mm_classes(lists: Sequence[Path]) -> list[str]:
    beside = [one for one in files_in(lists[0].parent, ".txt") if _MM_CLASSES.fullmatch(one.name) and one not in lists]
    return [re.sub(r"^\d+\s+(?=\S)", "", line) for _, line in _lines_if(beside[0])] if beside else []


def _mm_entry(where: str, line: str, side: Side, names: Sequence[str], list_: Path) -> Entry | Problem:
    match = _MM_LINE.fullmatch(line)
    if not match:
        return Problem(where, f"{line!r} is no line such as clip.mp4 3")
    video, numbers = match[1], match[2].split()
    if kind_of(video) is None and len(numbers) > 1:
        raise InputError(
            f"{list_} lists folders of raw frames (line {line!r}), whose times are lost. Expected videos: lines such as clip.mp4 3."
        )
    if beyond := [number for number in numbers if names and int(number) >= len(names)]:
        return Problem(where, f"the class {beyond[0]} is none of the {len(names)} that the list of classes names")
    return Entry(Path(video), tuple(dict.fromkeys(names[int(n)] if names else str(int(n)) for n in numbers)), side=side, where=where)


def _listed(source: Path, folder: Path, found: Iterable[Entry | Problem], order: Sequence[str] = (), each: Each = "one") -> Reading:
    """Return a reading whose relative paths count from the folder, at or near the list's, where the files lie."""
    found = list(found)
    entries = [one for one in found if isinstance(one, Entry)]
    if not entries:
        raise InputError(f"{source} lists no video. Expected a line for each, such as Archery/v_Archery_g01_c01.avi 1.")
    root = _root(folder, [entry.path for entry in entries])
    return Reading(
        source,
        root,
        tuple(Entry(root / one.path, one.labels, side=one.side, where=one.where) for one in entries),
        each=each,
        order=tuple(order),
        listed=True,
        problems=tuple(one for one in found if isinstance(one, Problem)),
    )


def _root(folder: Path, paths: Sequence[Path]) -> Path:
    """Return the nearest folder in which listed files are found: the list's own, one below it, the one above, one beside it."""
    sample = paths[:: max(len(paths) // _SAMPLE, 1)]
    above = folder.absolute().parent
    rings = ([folder], [folder / name for name in subfolders(folder)], [above], [above / name for name in subfolders(above)])
    for ring in rings:
        there = {candidate: sum((candidate / path).is_file() for path in sample) for candidate in ring}
        if any(there.values()):
            return max(there, key=lambda candidate: there[candidate])
    return folder


def _lines_if(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_file():
        yield from lines_of(path)


def _first_line(path: Path, fits: Callable[[str], object]) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            first = next((line.strip() for line in islice(file, 100) if line.strip()), "")
    except OSError:
        return False
    return bool(fits(first))

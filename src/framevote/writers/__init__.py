"""Writers: a timeline into a file, chosen by the file's suffix.

A writer is a part that is called `writer(timeline, path)` and whose class names its `suffixes`. Anyone's joins by the same
doors as the built-in ones: `@register("writer")`, or an entry point in the group `framevote.writer`.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol

from framevote.errors import OutputError, UsageError
from framevote.files import whole_file
from framevote.parts import maker, names
from framevote.records import Progress, Timeline

# These need nothing but Python and are asked first, so that writing a subtitle loads no decoder.
_LIGHT = ("Csv", "Json", "SubRip", "WebVtt")


class Writer(Protocol):
    """Anything that writes a timeline to a path that is free to be written."""

    suffixes: ClassVar[tuple[str, ...]]

    def __call__(self, timeline: Timeline, path: Path) -> None:
        """Write the file; raise an Error where it cannot be."""
        ...


def write(timeline: Timeline, path: str | Path, *, overwrite: bool = False, progress: Progress | None = None, **options: Any) -> Path:
    """Write a timeline to a file whose suffix says what it becomes; whole or not at all.

    Args:
        timeline: what to write.
        path: `.json`, `.csv`, `.vtt`, `.srt`, `.png` (contact sheet), `.mp4`, `.mkv`, `.webm` (annotated video), and what
            installed packages add.
        overwrite: whether a file of that name may be replaced; the video itself never is.
        progress: told the seconds and frames done, by a writer that takes its time (its call takes `progress` then).
        options: what the writer of that suffix takes, such as `limit=24` for a contact sheet.

    Returns:
        The path.

    Raises:
        UsageError: nothing writes that suffix, or its writer does not take these options.
        OutputError: the file cannot be written.
    """
    target = Path(path)
    writer = writer_for(target, **options)
    _spare_source(timeline, target)
    with whole_file(target, overwrite) as temporary:
        writer(timeline, temporary, **_wanted(writer, progress))
    return target


def writer_for(path: str | Path, **options: Any) -> Writer:
    """Return the writer of a path's suffix, built with the options.

    Raises:
        UsageError: nothing writes that suffix, or its writer does not take these options.
    """
    suffix = Path(path).suffix.lower()
    known: list[str] = []
    for name in sorted(names("writer"), key=lambda name: name not in _LIGHT):
        make = maker("writer", name)
        if suffix in make.suffixes:  # type: ignore[attr-defined]
            return _built(make, name, options)
        known += make.suffixes  # type: ignore[attr-defined]
    received = f"nothing writes {suffix} files" if suffix else "its name has no suffix"
    raise UsageError(f"{path}: {received}. Expected one of {', '.join(known)}.")


def _built(make: Callable[..., Any], name: str, options: dict[str, Any]) -> Writer:
    signature = inspect.signature(make)
    try:
        signature.bind(**options)
    except TypeError as error:
        takes = ", ".join(signature.parameters) or "no options"
        raise UsageError(f"The writer {name} takes {takes}. Received: {', '.join(options)} ({error}).") from None
    built: Writer = make(**options)
    return built


def _wanted(writer: Writer, progress: Progress | None) -> dict[str, Any]:
    return {"progress": progress} if progress and "progress" in inspect.signature(writer).parameters else {}


def _spare_source(timeline: Timeline, target: Path) -> None:
    source = timeline.video.path
    if target.exists() and source.exists() and target.samefile(source):
        raise OutputError(f"{target} is the video that was labelled, and is never replaced. Choose another name.")

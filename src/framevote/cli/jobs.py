"""Which video becomes which files, all settled before any work is done."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from framevote.errors import Error, OutputError, UsageError
from framevote.files import check_free, check_open, make_folder
from framevote.labeling import find_videos
from framevote.writers import writer_for

DEFAULT_FORMAT = "json"


@dataclass(frozen=True)
class Outputs:
    """Where results go: files that are named outright, folders, or beside each video, in the formats given."""

    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    formats: tuple[str, ...]
    beside: bool

    @classmethod
    def of(cls, named: Sequence[str], formats: str | None, printed: bool) -> "Outputs":
        """Read --output and --format; `printed` results are written to no file unless one is asked for.

        Raises:
            UsageError: a name is empty, nothing writes a format or suffix, or formats are given that no output takes.
        """
        refuse_empty(named, "--output")
        folders = tuple(Path(name) for name in named if _is_folder(name))
        files = tuple(Path(name) for name in named if not _is_folder(name))
        if files and not folders and formats is not None:
            raise UsageError(f"--format is for folders, and {files[0]} is a file. Leave --format out, or add a folder: -o results/")
        kinds = _kinds(DEFAULT_FORMAT if formats is None else formats)
        for target in (*files, *(Path(f"timeline.{kind}") for kind in kinds)):
            writer_for(target)
        return cls(files, folders, kinds, beside=not named and not (printed and formats is None))

    def of_video(self, video: Path, stem: str, own: str) -> Iterator[Path]:
        """Yield what a video gives; `stem` is what it is called in a folder, `own` beside itself."""
        yield from self.files
        for kind in self.formats:
            yield from (folder / f"{stem}.{kind}" for folder in self.folders)
            if self.beside:
                yield video.parent / f"{own}.{kind}"


@dataclass(frozen=True)
class Job:
    """A video and the files that it shall give."""

    video: Path
    targets: tuple[Path, ...]


def find_jobs(inputs: Sequence[str], outputs: Outputs, fail: Callable[[Error], None]) -> list[Job]:
    """Return the jobs in order; an input that holds no video is told to `fail`.

    Raises:
        UsageError: an input's name is empty, or two results would be one file.
    """
    refuse_empty(inputs, "the name of a video")
    found = list(_found(inputs, fail))
    if outputs.files and len(found) > 1:
        first = outputs.files[0]
        raise UsageError(f"{len(found)} videos cannot all become {first}. Name a folder: -o results/ --format {first.suffix[1:]}")
    stems = _stems([name for _, name in found])
    owns = _stems([video for video, _ in found])
    jobs = [
        Job(video, tuple(outputs.of_video(video, stem, Path(own).name))) for (video, _), stem, own in zip(found, stems, owns, strict=True)
    ]
    _refuse_twins([target for job in jobs for target in job.targets])
    return jobs


def check_targets(job: Job, outputs: Outputs, videos: frozenset[str], overwrite: bool) -> None:
    """Look whether a job's files can be written at all, before the work is done; folders of results are made.

    Raises:
        OutputError: one cannot, or is one of the `videos`, given as real paths.
    """
    for target in job.targets:
        if os.path.realpath(target) in videos:
            raise OutputError(f"{target} is a video that shall be labelled, and is never replaced. Choose another name.")
        if any(folder in target.parents for folder in outputs.folders):
            make_folder(target.parent)
        check_free(target, overwrite)
        check_open(target)


def refuse_empty(names: Iterable[str], what: str) -> None:
    """Raise UsageError where a name is empty: as a path it would stand for the whole current folder."""
    if "" in names:
        raise UsageError(f"Received an empty text as {what}. Expected a name; the folder where you are is called .")


def _kinds(formats: str) -> tuple[str, ...]:
    kinds = tuple(dict.fromkeys(name.strip().lower().lstrip(".") for name in formats.split(",") if name.strip()))
    if not kinds:
        raise UsageError(f"--format names what to write, such as json,mp4. Received: {formats!r}")
    return kinds


def _is_folder(name: str) -> bool:
    return name.endswith(os.sep) or Path(name).is_dir() or not Path(name).suffix


def _found(inputs: Iterable[str], fail: Callable[[Error], None]) -> Iterator[tuple[Path, Path]]:
    for given in inputs:
        try:
            yield from find_videos([given])
        except Error as error:
            fail(error)


def _stems(names: Sequence[Path]) -> list[str]:
    """Return what the outputs of each video are called: the name without its suffix, where that is nobody else's."""
    plain = [str(name.with_suffix("")) for name in names]
    count = Counter(plain)
    full = [str(name) if count[stem] > 1 else stem for name, stem in zip(names, plain, strict=True)]
    seen: Counter[str] = Counter()
    stems = []
    for stem in full:
        seen[stem] += 1
        stems.append(f"{stem}-{seen[stem]}" if seen[stem] > 1 else stem)
    return stems


def _refuse_twins(targets: Iterable[Path]) -> None:
    seen: dict[str, Path] = {}
    for target in targets:
        real = os.path.realpath(target)
        if real in seen:
            raise UsageError(f"{seen[real]} and {target} are one file, and two results would go there. Name different ones.")
        seen[real] = target

"""The job: one file in, its entry out. It is the same in this process, in a worker of this machine, and on a cluster."""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from framevote.archive.digest import Digest
from framevote.archive.entries import Entry, Piece, Settings, Source
from framevote.archive.listing import fetched
from framevote.archive.store import Seen
from framevote.classifier import Classifier, load_model
from framevote.errors import InputError, MissingExtra, ModelError, UsageError
from framevote.labeling import label
from framevote.parts import build
from framevote.records import Timeline, VideoInfo
from framevote.runtime import Precision
from framevote.video import probe
from framevote.writers.text import video_dict

_EVERYONES = (UsageError, ModelError, MissingExtra)
"""Errors that would meet every other file as well."""

_BLOCK = 1 << 20


def describe(source: Source, settings: Settings, threads: int | None = None) -> Entry:
    """Label a file in this process; what is wrong with the file becomes a failed entry.

    Args:
        source: the file, as it was listed.
        settings: how to look at it.
        threads: how many decode and compute; None is one for each core.

    Raises:
        UsageError: the settings are wrong, whatever the file.
        ModelError: the model cannot be had, or is no longer the one that the settings name.
        MissingExtra: an optional package is absent.
    """
    entry = describe_unless(source, settings, lambda _content: False, threads)
    assert isinstance(entry, Entry)
    return entry


def describe_unless(
    source: Source, settings: Settings, known: Callable[[str], bool], threads: int | None = None, content: str = ""
) -> Entry | Seen:
    """Label a file as `describe` does, unless its content is known already: then only say where it lies.

    Args:
        source: the file, as it was listed.
        settings: how to look at it.
        known: is told the content before the work begins, and says whether it is done already.
        threads: how many decode and compute; None is one for each core.
        content: what the file's content was found to be before; it is not read for that again.
    """
    classifier = prepare(settings, threads)
    began = time.process_time()
    try:
        with fetched(source) as path:
            content = content or content_of(path)
            if known(content):
                return Seen(source, content)
            entry = _looked_at(source, content, path, classifier, settings, threads)
    except _EVERYONES:
        raise
    except InputError as error:  # it cannot be had, or did not stay as it was listed: what was read of it names nothing
        entry = Entry(source, "", settings, "failed", str(error))
    return replace(entry, seconds=time.process_time() - began, finished=time.time())


def content_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits.

    Of the standard library's it is the quickest where the processor has instructions for it, as most have: 1.7 GB/s, so that 900
    seconds of 360p video a second (0.1 GB) cost a thirtieth of two cores. (BLAKE2b 0.9, MD5 0.7 GB/s.)

    Raises:
        InputError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}. Expected a video file that may be read.") from error
    return digest.hexdigest()


def prepare(settings: Settings, threads: int | None = None) -> Classifier:
    """Return the settings' model, loaded once in a process.

    Raises:
        UsageError, ModelError, MissingExtra: as `describe`.
    """
    return _loaded(settings.model, settings.model_fingerprint, settings.precision, settings.known_only, threads)


@lru_cache(maxsize=1)
def _loaded(model: str, fingerprint: str, precision: Precision, known_only: bool, threads: int | None) -> Classifier:
    classifier = load_model(model, precision=precision, known_only=known_only, threads=threads)
    if classifier.fingerprint != fingerprint:
        raise ModelError(
            f"The model {model} has changed since the work began: it was {fingerprint}, now it is {classifier.fingerprint}. Put the "
            "former file back to go on, or add the videos again to have them looked at by the new one."
        )
    return classifier


@lru_cache(maxsize=4)
def _part(kind: str, spec: str | None) -> Any:
    """Return a part, made once in a process: finding it by its name asks every installed package, 5 ms each time."""
    return None if spec is None else build(kind, spec)


def _looked_at(source: Source, content: str, path: Path, classifier: Classifier, settings: Settings, threads: int | None) -> Entry:
    digest = Digest(settings.scores)
    try:
        timeline = label(
            path,
            classifier,
            smoother=_part("smoother", settings.smoother),
            strategy=_part("strategy", settings.strategy),
            hysteresis=settings.hysteresis,
            shortest=settings.shortest,
            unknown=settings.unknown,
            only=settings.only,
            threads=threads,
            watch=digest,
        )
    except _EVERYONES:
        raise
    except InputError as error:
        return _failed(source, content, path, settings, str(error))
    except Exception as error:  # a fault of ours, or of a library's, is this file's alone as long as others come through
        told = f"{path} cannot be labelled ({type(error).__name__}: {error}). The fault is framevote's; please report it."
        return _failed(source, content, path, settings, told)
    return _done(source, content, settings, timeline, digest)


def _done(source: Source, content: str, settings: Settings, timeline: Timeline, digest: Digest) -> Entry:
    best = timeline.overall[0]
    return Entry(
        source=source,
        content=content,
        settings=settings,
        state="done",
        probe=_probed(timeline.video),
        label=best.label,
        score=best.score,
        embedding=digest.embedding(),
        pieces=tuple(Piece(s.start, s.end, s.label, s.score, digest.embedding(s.start, s.end)) for s in timeline.segments),
        labels=digest.labels,
        frame_scores=digest.frame_scores(),
        looked=digest.rows,
        decoded=timeline.effort.decoded if timeline.effort else digest.rows,
    )


def _failed(source: Source, content: str, path: Path, settings: Settings, sentence: str) -> Entry:
    """Return the entry of a file that cannot be labelled; the sentence names it as it was listed, not its temporary copy."""
    told: dict[str, Any] = {}
    with suppress(Exception):  # what its container says, where that much can be read
        told = _probed(probe(path))
    return Entry(source, content, settings, "failed", sentence.replace(str(path), source.path), probe=told)


def _probed(info: VideoInfo) -> dict[str, Any]:
    return {name: value for name, value in video_dict(info).items() if name not in ("path", "size")}

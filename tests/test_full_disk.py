"""A disk that fills up while a writer writes: a sentence, and nothing left behind."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made_timelines import timeline

from framevote.errors import OutputError
from framevote.records import Segment, Track
from framevote.testing import made_video
from framevote.writers import write


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk of 4 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("suffix", [".json", ".csv", ".vtt", ".srt", ".png", ".mp4", ".mkv", ".webm"])
def test_no_writer_leaves_a_broken_file(disk, tmp_path, suffix):
    source = made_video(tmp_path / "source.mkv", [40] * 100)
    segments = tuple(Segment(n / 500, (n + 1) / 500, f"label {n}", 0.5) for n in range(2000))
    track = Track(np.arange(2000) / 500, np.zeros(2000), np.full(2000, 0.5), ("a",))
    options = {"crf": 0} if suffix in (".mp4", ".mkv", ".webm") else {}
    with pytest.raises(OutputError, match=rf"out\{suffix} cannot be written: the disk is full"):
        write(timeline(segments, path=source, track=track), disk / f"out{suffix}", **options)
    assert list(disk.iterdir()) == []

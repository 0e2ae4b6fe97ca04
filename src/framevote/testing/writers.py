"""What a writer promises."""

from pathlib import Path
from tempfile import TemporaryDirectory

from framevote.testing.made import made_timeline, made_video
from framevote.testing.promises import check_text, expect
from framevote.writers import Writer, write, writer_for


def check_writer(part: Writer) -> None:
    """Check a writer: for each of its suffixes one whole file, its source untouched, and nothing else left behind."""
    check_text("writer", part)
    expect(bool(part.suffixes), f"{part} promises at least one suffix", part.suffixes)
    for suffix in part.suffixes:
        expect(suffix.startswith(".") and suffix == suffix.lower(), f"{part} promises suffixes such as '.json'", suffix)
        expect(type(writer_for(f"x{suffix}")) is type(part), f"{part} promises to be the one writer of {suffix}", writer_for(f"x{suffix}"))
        with TemporaryDirectory() as name:
            _check_written(part, Path(name), suffix)


def _check_written(part: Writer, folder: Path, suffix: str) -> None:
    source = made_video(folder / "source.mkv", [40] * 20)
    before, timeline, path = source.read_bytes(), made_timeline(source), folder / f"out{suffix}"
    path.write_bytes(b"old")
    part(timeline, path)
    expect(path.stat().st_size > 3, f"{part} promises a file in place of the old one", path.read_bytes())
    write(timeline, path, overwrite=True)
    expect(source.read_bytes() == before, f"{part} promises to leave the video alone", "another file")
    left = sorted(file.name for file in folder.iterdir())
    expect(left == sorted((path.name, source.name)), f"{part} promises one file", left)

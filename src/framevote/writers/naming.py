"""What a file says of itself: title, chapters, and each track's language, title and dispositions, from one to another."""

from av.container import InputContainer, OutputContainer
from av.stream import Stream

# What belongs to the old file, not to its content: kept, these would be untrue of the new one, or add a track of time codes.
_TECHNICAL = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "timecode"}
_OF_TRACKS = {"language": "language", "title": "title", "name": "title"}  # an MP4's `name` is a title too


def name_file(source: InputContainer, out: OutputContainer) -> None:
    """Give an output that has not begun the source's tags (title, artist, date …) and chapters."""
    out.metadata.update({name: value for name, value in source.metadata.items() if name.lower() not in _TECHNICAL})
    # Matroska refuses the whole file for one chapter that ends before it begins.
    chapters = [chapter for chapter in source.chapters() if 0 <= chapter["start"] <= chapter["end"]]
    if chapters:
        out.set_chapters(chapters)


def name_track(source: Stream, target: Stream) -> None:
    """Give a track of an output that has not begun the source track's language, title and dispositions (default, forced …)."""
    target.metadata.update({_OF_TRACKS[name]: value for name, value in source.metadata.items() if name in _OF_TRACKS})
    target.disposition = source.disposition

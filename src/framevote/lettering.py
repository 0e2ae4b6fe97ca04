"""Letters for pictures, from a font that comes as a package, so that a picture looks the same on every machine."""

import unicodedata
from functools import lru_cache
from importlib.resources import files
from io import BytesIO

from PIL import ImageFont

Font = ImageFont.FreeTypeFont

# Source Sans Pro (Adobe, SIL Open Font License): Latin, Greek and Cyrillic, where the font inside Pillow lacks even "ä".
_FACE = files("font_source_sans_pro") / "files" / "SourceSansPro-Semibold.ttf"
_ELLIPSIS = "…"
_ABSENT = "\uffff"  # a code point that no font has a glyph for


@lru_cache(maxsize=16)
def font(size: int) -> Font:
    """Return the font at `size` pixels.

    Raises:
        ImportError: this Pillow was built without FreeType.
    """
    # The basic layout draws every text; Pillow's other one stops at some that are damaged.
    return ImageFont.truetype(BytesIO(_FACE.read_bytes()), size, layout_engine=ImageFont.Layout.BASIC)


def shortened(text: str, face: Font, width: float) -> str:
    """Return the text as one drawable line, cut with an ellipsis where it is wider than `width` pixels; empty where nothing fits."""
    line = drawable(text)
    if face.getlength(line) <= width:
        return line
    low, high = 0, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if face.getlength(line[:middle].rstrip() + _ELLIPSIS) <= width else (low, middle - 1)
    return line[:low].rstrip() + _ELLIPSIS if low else ""


def drawable(text: str) -> str:
    """Return the text on one line, with the plain form of a letter, or else `?`, for what the font does not hold."""
    drawn = "".join(_drawn(letter) for letter in unicodedata.normalize("NFC", " ".join(text.split())))
    return " ".join(drawn.split())  # what is never seen may have stood between two spaces


@lru_cache(maxsize=4096)
def _drawn(letter: str) -> str:
    if unicodedata.category(letter) in ("Cc", "Cf"):  # joiners, marks of direction: never seen
        return ""
    if _held(letter):
        return letter
    plain = "-" if unicodedata.category(letter) == "Pd" else unicodedata.normalize("NFKD", letter)
    return plain if plain != letter and all(_held(part) for part in plain) else "?"


def _held(letter: str) -> bool:
    if unicodedata.category(letter) == "Cs":  # half of a pair: what is left of a file name that is no UTF-8
        return False
    mask, absent = (font(24).getmask(each) for each in (letter, _ABSENT))
    return mask.size != absent.size or bytes(mask) != bytes(absent)

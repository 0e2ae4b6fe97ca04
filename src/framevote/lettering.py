"""Letters for pictures: the font that comes with Pillow, so that a picture looks the same on every machine."""

from functools import lru_cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont

_ELLIPSIS = "…"


@lru_cache(maxsize=16)
def font(size: int) -> Font:
    """Return the font at `size` pixels.

    Raises:
        RuntimeError: this Pillow was built without FreeType.
    """
    face = ImageFont.load_default(size)
    if not isinstance(face, ImageFont.FreeTypeFont):
        raise RuntimeError(
            "Pillow was built without FreeType and has no font to draw with. Install it with: pip install --force-reinstall pillow"
        )
    return face


def shortened(text: str, face: Font, width: float) -> str:
    """Return the text, cut with an ellipsis where it is wider than `width` pixels; empty where nothing fits."""
    line = " ".join(text.split())
    if face.getlength(line) <= width:
        return line
    low, high = 0, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if face.getlength(line[:middle].rstrip() + _ELLIPSIS) <= width else (low, middle - 1)
    return line[:low].rstrip() + _ELLIPSIS if low else ""

"""Thumbnails for the page: a photo, or the middle of a clip, as a data URI."""

import base64
import io

import numpy as np
from PIL import Image

from framevote.datasets import Item, frames_of
from framevote.errors import InputError

_MOST = 200  # pixels of the longer side
_QUALITY = 80


def thumbnail(item: Item) -> str | None:
    """Return an item's picture as a small JPEG in a data URI; None where it cannot be read any more."""
    try:
        frame = next(frames_of(item, None, 1), None)
    except InputError:
        return None
    if frame is None:
        return None
    picture = Image.fromarray(np.ascontiguousarray(frame.image))
    picture.thumbnail((_MOST, _MOST))
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode('ascii')}"

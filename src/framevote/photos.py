"""Photos as a network sees them: upright, RGB, and scaled by the same filters as the frames of a video."""

import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from PIL import Image, ImageOps, UnidentifiedImageError

from framevote.errors import InputError
from framevote.records import Frame, VideoInfo, View
from framevote.records import Image as Pixels
from framevote.video import Scaler

_SUFFIXES = "avif bmp jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp"
PHOTO_SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())

# A JPEG is decoded at a half, a quarter or an eighth of its size where that still leaves this many times the view's pixels.
_SPARE = 2


def read_photo(path: str | Path, view: View | None = None) -> Frame:
    """Return a photo as a frame, at the view's size where there is one.

    It is turned as its EXIF data say, what is transparent shows white, and 16 bits become 8.

    Raises:
        InputError: the file is missing, no photo, cut short, or larger than Pillow opens (179 million pixels).
    """
    try:
        pixels = _pixels(Path(path), view)
    except UnidentifiedImageError as error:
        raise InputError(
            f"{path} is no photo that can be read. Expected a JPEG, PNG, WebP, TIFF, BMP or another that Pillow opens."
        ) from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is too large a photo ({error}). Expected at most 179 million pixels; make it smaller.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read as a photo: {error.strerror or error}. Expected a whole, undamaged file.") from error
    except Exception as error:  # a damaged file may make a decoder raise nearly anything
        raise InputError(f"{path} cannot be read as a photo: {error}. Expected a whole, undamaged file.") from error
    return Frame(pixels if view is None else _scaled(Path(path), pixels, view), 0.0)


def _pixels(path: Path, view: View | None) -> Pixels:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # large, and yet small enough to be opened; odd marginal data, and yet a whole picture
        with Image.open(path) as photo:
            if view is not None:
                photo.draft(None, (view.width * _SPARE, view.height * _SPARE))
            return np.asarray(_rgb(ImageOps.exif_transpose(photo)))


def _rgb(photo: Image.Image) -> Image.Image:
    if photo.mode.startswith("I") or photo.mode == "F":
        return Image.fromarray(_eight_bits(photo)).convert("RGB")
    if photo.has_transparency_data:
        white = Image.new("RGBA", photo.size, "white")
        return Image.alpha_composite(white, photo.convert("RGBA")).convert("RGB")
    return photo.convert("RGB")


def _eight_bits(photo: Image.Image) -> Pixels:
    """Return grey of more than 8 bits as uint8 (height, width): 65535 is white, as viewers show it.

    Pillow's modes of 32 bits and of decimals do not say what white is; there the brightest pixel tells: 1, 255 or 65535.
    """
    grey = np.nan_to_num(np.asarray(photo, np.float64))
    smaller = {"F": (1, 255), "I": (255,)}.get(photo.mode, ())
    white = next((white for white in smaller if grey.max(initial=0) <= white), 65535)
    return np.clip(np.rint(grey * (255 / white)), 0, 255).astype(np.uint8)


def _scaled(path: Path, pixels: Pixels, view: View) -> Pixels:
    height, width, _ = pixels.shape
    info = VideoInfo(path, width, height, Fraction(0), 0.0)
    return Scaler(info, view)(VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"))

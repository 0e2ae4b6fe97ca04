"""Clips whose class is how something moves, and nothing else: textured pictures that pan to the right, or down; in H.264 or MJPEG."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from media import ffmpeg
from PIL import Image, ImageChops

SIZE, RATE = (160, 120), 10
WAYS = {"right": (4, 0), "down": (0, 4)}
CODECS = {"h264": (".mp4", "libx264", "-bf", "0", "-g", "100"), "mjpeg": (".avi", "mjpeg", "-q:v", "3")}


def texture(seed: int) -> Image.Image:
    """A large picture of smooth noise, no two alike."""
    noise = np.random.default_rng(seed).integers(0, 256, (40, 50), dtype=np.uint8)
    return Image.fromarray(noise).resize((800, 640), Image.Resampling.BICUBIC).convert("RGB")


def _shown(whole: Image.Image, x: int, y: int) -> Image.Image:
    """What is seen from (x, y) on; at its edges the picture begins anew."""
    turned = ImageChops.offset(whole, -x, -y)
    return turned.crop((0, 0, *SIZE))


def panning(path: Path, *ways: str, seconds: float = 1.2, seed: int = 0, codec: str = "h264") -> Path:
    """A video in which the picture's content moves so, for so many seconds each."""
    suffix, *encoding = CODECS[codec]
    path = path.with_suffix(suffix)
    whole, x, y, number = texture(seed), 0, 0, 0
    with TemporaryDirectory() as folder:  # elsewhere: in a data set's folder they would be photos
        for way in ways:
            for _ in range(round(seconds * RATE)):
                _shown(whole, x, y).save(Path(folder) / f"{number}.png")
                x, y, number = x - WAYS[way][0], y - WAYS[way][1], number + 1
        ffmpeg("-framerate", str(RATE), "-i", Path(folder) / "%d.png", "-c:v", encoding[0], *encoding[1:], "-pix_fmt", "yuvj420p", path)
    return path


def class_folders(folder: Path, each: int = 6, codec: str = "h264") -> Path:
    """Clips of the two ways, in folders of their names."""
    for number in range(each):
        for place, way in enumerate(WAYS):
            (folder / way).mkdir(parents=True, exist_ok=True)
            panning(folder / way / f"{number}", way, seed=2 * number + place, codec=codec)
    return folder

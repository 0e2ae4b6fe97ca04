"""Photos and clips of flat colours, whose answers the made network of `made_models` gives away."""

from pathlib import Path

from media import ffmpeg
from PIL import Image

from framevote.datasets import Item

COLOURS = {"red": (160, 40, 40), "green": (40, 160, 40), "blue": (40, 40, 160), "grey": (90, 90, 90)}


def photo(folder: Path, shown: str, told: str = "", name: str = "", **more) -> Item:
    """A photo of one colour that is told to be another."""
    path = folder / (name or f"{len(list(folder.iterdir()))}-{shown}.png")
    Image.new("RGB", (32, 24), COLOURS[shown]).save(path)
    return Item(path, (told or shown,), **more)


def film(path: Path, *scenes: tuple[str, float]) -> Path:
    """A video of colours, each for so many seconds, ten frames a second, exact."""
    sources = [f"color=0x{bytes(COLOURS[name]).hex()}:size=64x48:rate=10:duration={seconds}" for name, seconds in scenes]
    inputs = [argument for source in sources for argument in ("-f", "lavfi", "-i", source)]
    chain = "".join(f"[{number}]" for number in range(len(sources))) + f"concat=n={len(sources)}:v=1:a=0"
    ffmpeg(*inputs, "-filter_complex", chain, "-c:v", "libx264", "-qp", "0", path)
    return path

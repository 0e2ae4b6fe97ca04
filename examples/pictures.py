"""Makes the pictures of the README and of docs/encodings.md, and the README's sample and list of parts: `python examples/pictures.py`.

The film is drawn by code (see drawings.py), so that the pictures hold nothing of anyone else's; the labels are what the built-in
model says of it, in f32. The pictures are kept in few colours, so that the repository stays small.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console

import framevote
from drawings import PAINTERS
from framevote.cli.terminal import show
from material import Still, make_film

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SHOWN_AT = 17.0  # seconds: the annotated frame that the README shows
ENCODED = {SHOWN_AT: ("words", "codes", "pyramid", "fisher"), 21.0: ("motion",)}  # what docs/encodings.md shows, and of when
README = ROOT / "README.md"


def main() -> None:
    """Make the pictures, and put the texts into the README."""
    parts = subprocess.run([sys.executable, "-m", "framevote", "parts"], capture_output=True, text=True, check=True)
    _put("framevote parts", parts.stdout.partition("backbone:")[0])  # `framevote models` lists these
    IMAGES.mkdir(parents=True, exist_ok=True)
    scenes = [Still(painter.__name__.replace("_", " "), 4.0, painter) for painter in PAINTERS]
    with tempfile.TemporaryDirectory() as folder:
        film = make_film(Path(folder, "drawn.mp4"), scenes)
        timeline = framevote.label(film.path, framevote.load_model(precision="f32"))
        sheet = framevote.write(timeline, Path(folder, "sheet.png"))
        annotated = framevote.write(timeline, Path(folder, "annotated.mp4"), preset="medium", crf=12)
        frame = next(framevote.open_video(annotated).at([SHOWN_AT]))
        _keep(Image.fromarray(frame.image), IMAGES / "annotated.png")
        _keep(Image.open(sheet), IMAGES / "sheet.png")
        for at, names in ENCODED.items():
            recipe = [sys.executable, str(ROOT / "recipes" / "representation.py"), str(film.path), "--at", str(at), "-o", folder]
            subprocess.run(recipe, check=True)
            for name in names:
                _keep(Image.open(Path(folder, f"{name}.png")), IMAGES / f"encoding_{name}.png")
    _put("framevote label", f"$ framevote label drawn.mp4\n{_shown(timeline)}\n")


def _keep(picture: Image.Image, path: Path) -> None:
    """Write a picture in 256 colours."""
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _shown(timeline: framevote.Timeline) -> str:
    """Return what `framevote label` prints where there is no colour."""
    told = io.StringIO()
    show(timeline, Console(file=told, width=80, color_system=None))
    return "\n".join(line.rstrip() for line in told.getvalue().splitlines())


def _put(name: str, text: str) -> None:
    """Put a text between the README's marks of that name."""
    begin, end = f"<!-- {name} -->\n```text\n", "```\n<!-- end -->"
    head, found, rest = README.read_text(encoding="utf-8").partition(begin)
    if not found:
        raise ValueError(f"README.md has no mark {begin!r}.")
    README.write_text(f"{head}{begin}{text}{end}{rest.partition(end)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()

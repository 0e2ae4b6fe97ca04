"""Makes the README's pictures and its sample of the command's output: `python examples/pictures.py`.

The film is drawn by code (see drawings.py), so that the pictures hold nothing of anyone else's; the labels are what the built-in
model says of it, in f32. The pictures are kept in few colours, so that the repository stays small.
"""

import io
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
_BEGIN, _END = "<!-- made by examples/pictures.py -->\n```text\n", "```\n<!-- end -->"


def main() -> None:
    """Make the pictures, and put the output into the README."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    scenes = [Still(painter.__name__.replace("_", " "), 4.0, painter) for painter in PAINTERS]
    with tempfile.TemporaryDirectory() as folder:
        film = make_film(Path(folder, "drawn.mp4"), scenes)
        timeline = framevote.label(film.path, framevote.load_model(precision="f32"))
        sheet = framevote.write(timeline, Path(folder, "sheet.png"))
        annotated = framevote.write(timeline, Path(folder, "annotated.mp4"), preset="slow", crf=12)
        frame = next(framevote.open_video(annotated).at([SHOWN_AT]))
        _keep(Image.fromarray(frame.image), IMAGES / "annotated.png")
        _keep(Image.open(sheet), IMAGES / "sheet.png")
    _tell(timeline, ROOT / "README.md")


def _keep(picture: Image.Image, path: Path) -> None:
    """Write a picture in 256 colours."""
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _tell(timeline: framevote.Timeline, readme: Path) -> None:
    """Put what `framevote label` prints between the README's two marks."""
    told = io.StringIO()
    show(timeline, Console(file=told, width=80, color_system=None))
    text = "\n".join(line.rstrip() for line in told.getvalue().splitlines())
    head, _, rest = readme.read_text().partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    readme.write_text(f"{head}{_BEGIN}$ framevote label drawn.mp4\n{text}\n{_END}{tail}")


if __name__ == "__main__":
    main()

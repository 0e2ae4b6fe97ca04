"""What an encoding sees in your own picture: the grid, the words, the codes, the pyramid, a Fisher vector, and motion.

    python recipes/representation.py photo.jpg -o seen/
    python recipes/representation.py match.mp4 --at 12.5 -o seen/

Codebooks are learned from the one frame that is shown, so that each of its words can be pointed at; a model learns its own from all of
its data. docs/encodings.md explains each picture in its order. Needs the extra `encoders`.
"""

import argparse
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import framevote
from framevote.colours import PALETTE, Colour, text_colour
from framevote.datasets.media import kind_of
from framevote.descriptors import Descriptors
from framevote.encoders import Coder, Encoder, Sample, fit_encoding, normalised, pyramid_of
from framevote.files import make_folder
from framevote.photos import read_photo
from framevote.video import has_vectors

WORDS = 16
FEATURES = framevote.DenseSIFT(size=256, step=8, cells="4")
CELL = int(FEATURES.cells)  # pixels; a descriptor is 4 × 4 of them
LEVELS = ("1x1", "2x2", "4x4")
AROUND = 0.5  # seconds before and after the moment in which the liveliest frame is sought
LEAST = 0.005  # shares of the picture's side a frame: a shorter motion gets no arrow
NEAR = 0.06  # Fisher vector: what counts as near 0, a share of the largest value

BLUE, RED, YELLOW, INK = "#2f78b7", "#b3402a", "#ffe14d", "#1c1c1d"
_SIGNS = 15  # of a caption, to an inch
_STYLE: Any = {"font.size": 8, "axes.titlesize": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 160}

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """A frame and what is found in it.

    Attributes:
        image: uint8 RGB (side, side, 3), as the features see it.
        ratio: height over width, as a player shows it.
        descriptors: dense SIFT.
        words: (N,), the nearest of 16 words of each descriptor.
        coder: the codebook that they are of.
    """

    image: NDArray[np.uint8]
    ratio: float
    descriptors: Descriptors
    words: NDArray[np.intp]
    coder: Coder


@dataclass(frozen=True, eq=False)
class Moved:
    """What moved up to a frame.

    Attributes:
        image: uint8 RGB (side, side, 3), with bars.
        ratio: height over width, without the bars.
        field: (height, width, 2), the motion in cells of the grid.
        tracks: that end at the frame.
        told: where the motion is from.
    """

    image: NDArray[np.uint8]
    ratio: float
    field: Floats
    tracks: Descriptors
    told: str


def main() -> None:
    """Draw all pictures and print what they show."""
    told = _arguments()
    try:
        drawn = pictures(told.file, told.at, told.output)
    except framevote.Error as error:
        raise SystemExit(f"representation.py: {error}") from None
    for path, caption in drawn:
        print(f"{path}: {caption}")


def pictures(path: Path, at: float | None, folder: Path) -> list[tuple[Path, str]]:
    """Draw what an encoding sees in a photo, or in a video at a time, and return each picture with its caption."""
    make_folder(folder)
    photo = kind_of(path.name) == "photo"
    at = 0.0 if photo else _moment(path, at)
    seen = looked_at(path, None if photo else at)
    drawn = [_kept(folder / f"{name}.png", draw, seen) for name, draw in PICTURES.items()]
    return drawn if photo else [*drawn, _kept(folder / "motion.png", draw_motion, moved(path, at))]


def _moment(path: Path, at: float | None) -> float:
    """Return the seconds that are looked at: the middle of the video where none are told."""
    duration = framevote.probe(path).duration
    if at is not None and not (at >= 0 and (not duration or at < duration)):
        raise framevote.UsageError(f"--at lies within the video's {duration:.2f} s, from 0 on. Received: {at!r}")
    return duration / 2 if at is None else at


def looked_at(path: Path, at: float | None) -> Seen:
    """Return what is found in a photo, or in the frame that a video shows at a time."""
    if at is None:
        height, width = read_photo(path).image.shape[:2]
        frame, ratio = read_photo(path, FEATURES.view), height / width
    else:
        frame, ratio = next(framevote.open_video(path, FEATURES.view).at([at])), _ratio(framevote.probe(path))
    (descriptors,) = FEATURES([frame])
    coder = framevote.BagOfWords(words=WORDS).fit(descriptors.values)
    return Seen(frame.image, ratio, descriptors, codes_of(coder, descriptors.values).argmax(axis=1), coder)


def _ratio(info: framevote.VideoInfo) -> float:
    return info.height / (info.width * float(info.pixel_aspect))


def codes_of(coder: Coder, values: Floats) -> Floats:
    """Return the code (N, K) of each descriptor: each is a cell of its own."""
    return coder.pooled(values, np.arange(len(values) + 1), "sum")


def moved(path: Path, at: float) -> Moved:
    """Return the liveliest moment around a time: the frame at which most tracks end."""
    vectors = has_vectors(framevote.probe(path))
    features = framevote.MotionVectors() if vectors else framevote.DISFlow()
    video = framevote.open_video(path, features.view)
    frames = list(video.between(max(at - AROUND, 0.0), at + AROUND))
    tracks = list(features(frames))
    place = max(range(len(tracks)), key=lambda number: len(tracks[number]))
    field = frames[place].motion
    assert field is not None  # the view asks for it
    shown = next(framevote.open_video(path, framevote.View(512, 512, "letterbox")).at([frames[place].time]))
    told = "The codec's motion vectors" if vectors else "Optical flow"
    return Moved(shown.image, _ratio(video.info), field, tracks[place], told)


def draw_grid(figure: Figure, seen: Seen) -> str:
    """Draw where descriptors lie, and the cells of one."""
    axes = figure.subplots()
    _show(axes, seen.image, seen.ratio)
    xs, ys = seen.descriptors.places.T
    axes.scatter(xs, ys, s=6, color=YELLOW, edgecolors=INK, linewidths=0.5)
    x, y = seen.descriptors.places[len(seen.descriptors) // 2]
    side = CELL / FEATURES.size
    for number in range(-2, 3):
        axes.plot([x + number * side] * 2, [y - 2 * side, y + 2 * side], color=RED, linewidth=1)
        axes.plot([x - 2 * side, x + 2 * side], [y + number * side] * 2, color=RED, linewidth=1)
    return f"{len(seen.descriptors)} places, and in red the 4 × 4 cells that the middle one is described by"


def draw_words(figure: Figure, seen: Seen) -> str:
    """Draw which word each descriptor belongs to, beside the frame."""
    left, right = figure.subplots(1, 2)
    _show(left, seen.image, seen.ratio)
    xs, ys = (np.unique(along) for along in seen.descriptors.places.T)
    colours = np.array(PALETTE, np.uint8)[seen.words].reshape(len(ys), len(xs), 3)
    _show(right, colours, seen.ratio)
    return f"Which of {WORDS} words each place belongs to: what looks alike has one colour, wherever it is"


def draw_patches(figure: Figure, seen: Seen, words: int = 8, each: int = 12) -> str:
    """Draw the most frequent words as patches of the frame, the most typical first."""
    frequent = np.argsort(-np.bincount(seen.words, minlength=WORDS), kind="stable")[:words]
    apart = np.linalg.norm(seen.descriptors.values - seen.coder.arrays()["codebook"][seen.words], axis=1)
    axes = figure.subplots()
    for row, word in enumerate(frequent):
        own = np.flatnonzero(seen.words == word)
        axes.add_patch(mpl.patches.Rectangle((0, row), 0.9, 0.9, color=_web(word)))
        share = f"{100 * len(own) / len(seen.words):.0f} %"
        axes.text(0.45, row + 0.45, share, ha="center", va="center", color=_hex(text_colour(PALETTE[word])))
        for column, place in enumerate(own[np.argsort(apart[own], kind="stable")][:each], start=1):
            axes.imshow(_patch(seen, place), extent=(column, column + 0.9, row + 0.9, row))
    axes.set(xlim=(0, each + 1), ylim=(words, 0))
    axes.axis("off")
    return f"The {words} most frequent words: their share of the frame, and the patches nearest to them (contrast is divided out)"


def _patch(seen: Seen, place: int) -> NDArray[np.uint8]:
    """Return what a descriptor looks at."""
    half = 2 * CELL
    x, y = (seen.descriptors.places[place] * FEATURES.size).astype(int)
    return seen.image[max(y - half, 0) : y + half, max(x - half, 0) : x + half]


def draw_codes(figure: Figure, seen: Seen) -> str:
    """Draw what three encoders make of the frame, pooled in two ways."""
    encoders: Sequence[Encoder] = (
        framevote.BagOfWords(words=WORDS),
        framevote.LLC(words=WORDS),
        framevote.SparseCoding(words=WORDS),
    )
    for row, encoder in zip(figure.subplots(len(encoders), 2), encoders, strict=True):
        codes = codes_of(encoder.fit(seen.descriptors.values), seen.descriptors.values)
        name, shared = type(encoder).__name__, not isinstance(encoder, framevote.SparseCoding)
        colours = [_web(word) for word in range(WORDS)] if shared else [BLUE] * WORDS
        for axes, pooling, heights in zip(row, ("sum", "max"), (codes.sum(axis=0), codes.max(axis=0)), strict=True):
            axes.bar(range(WORDS), heights, color=colours)
            axes.set_title(f"{name}, {pooling}", loc="left")
            axes.set_xticks([])
    return "The same frame as three encoders tell it: counts, local codes and sparse codes, summed or their maxima"


def draw_pyramid(figure: Figure, seen: Seen) -> str:
    """Draw the cells of a pyramid, each with its own bag of words."""
    for axes, level in zip(figure.subplots(1, len(LEVELS)), LEVELS, strict=True):
        _show(axes, np.asarray(seen.image // 2 + 127, np.uint8), seen.ratio)
        pyramid = pyramid_of(level)
        cells = pyramid.of(seen.descriptors.places)
        counts = np.stack([np.bincount(seen.words[cells == cell], minlength=WORDS) for cell in range(pyramid.cells)])
        for cell, own in enumerate(counts / max(int(counts.max()), 1)):
            left, top = (cell % pyramid.columns) / pyramid.columns, (cell // pyramid.columns) / pyramid.rows
            width, height = 1 / pyramid.columns, 1 / pyramid.rows
            axes.add_patch(mpl.patches.Rectangle((left, top), width, height, fill=False, edgecolor=INK, linewidth=0.8))
            bars = left + width * (0.06 + 0.88 * (np.arange(WORDS) + 0.5) / WORDS)
            axes.bar(bars, -0.85 * height * own, 0.8 * width / WORDS, top + height, color=[_web(word) for word in range(WORDS)])
        axes.set_title(level, loc="left")
    return f"The cells of the pyramid {'+'.join(LEVELS)}, each with the counts of its own words"


def draw_fisher(figure: Figure, seen: Seen) -> str:
    """Draw how the numbers of a Fisher vector lie before and after the power normalisation."""
    descriptors = seen.descriptors
    sample = Sample(descriptors.values, descriptors.places, np.full(len(descriptors), 0.5, np.float32))
    encoding = fit_encoding(framevote.FisherVector(words=WORDS), framevote.PCA(), sample)
    (cells,) = encoding.cells([descriptors], ("sum",))
    for axes, steps, colour in zip(figure.subplots(1, 2, sharey=True), ("l2", "power+l2"), (RED, BLUE), strict=True):
        values = normalised(cells, steps, encoding.coder.block).ravel()
        most = float(np.abs(values).max()) or 1.0
        axes.hist(values / most, bins=np.linspace(-1, 1, 62), color=colour)
        near = float((np.abs(values) < NEAR * most).mean())
        axes.set_title(f"{steps}: {100 * near:.0f} % lie near 0", loc="left")
        axes.set_xlabel("value, the largest being 1")
        axes.set_yscale("log")
    return f"The {encoding.length} numbers of a Fisher vector of {WORDS} words, before and after the power normalisation"


def draw_motion(figure: Figure, seen: Moved) -> str:
    """Draw the motion as arrows, and which way the tracks moved."""
    axes = figure.add_axes((0.01, 0.13, 0.6, 0.85))
    across, down = min(1 / seen.ratio, 1.0), min(seen.ratio, 1.0)
    axes.imshow(seen.image, extent=(0, 1, 1, 0))
    axes.set(xlim=(0.5 - across / 2, 0.5 + across / 2), ylim=(0.5 + down / 2, 0.5 - down / 2))
    axes.axis("off")
    height, width = seen.field.shape[:2]
    skip = max(width // 32, 1)
    rows, columns = np.mgrid[skip // 2 : height : skip, skip // 2 : width : skip]
    arrows = seen.field[rows, columns] / width
    lengths = np.linalg.norm(arrows, axis=2)
    moving = lengths >= LEAST
    gain = 2.5 * skip / width / float(np.percentile(lengths[moving], 90)) if moving.any() else 1.0
    x, y = (columns[moving] + 0.5) / width, (rows[moving] + 0.5) / height
    for colour, thick in ((INK, 0.005), (YELLOW, 0.003)):  # a dark edge, so that they are seen on any picture
        axes.quiver(x, y, *(gain * arrows[moving]).T, angles="xy", scale_units="xy", scale=1, pivot="mid", color=colour, width=thick)
    _draw_hof(figure, seen.tracks)
    return f"{seen.told}, {gain:.3g} times as long as they are, and the directions (HOF) of {len(seen.tracks)} tracks that end here"


def _draw_hof(figure: Figure, tracks: Descriptors) -> None:
    """Draw the mean share of each direction, as on a compass that lies on the picture."""
    directions = 9  # eight, and stillness
    cells = tracks.values.shape[1] // 25
    hof = np.square(tracks.values[:, : cells * directions]).reshape(-1, cells, directions).sum(axis=1)
    shares = hof.mean(axis=0) if len(hof) else np.zeros(directions)
    axes: Any = figure.add_axes((0.68, 0.2, 0.28, 0.62), projection="polar")
    axes.set_theta_direction(-1)  # the picture's y points down
    axes.bar(np.arange(8) * np.pi / 4, shares[:8], 0.7, color=BLUE)
    axes.set_xticks(np.arange(8) * np.pi / 4, ["→", "↘", "↓", "↙", "←", "↖", "↑", "↗"])
    axes.set_yticks([])
    axes.set_title(f"{len(tracks)} tracks; {100 * shares[8]:.0f} % still around them", fontsize=8)


PICTURES: dict[str, Callable[[Figure, Seen], str]] = {
    "grid": draw_grid,
    "words": draw_words,
    "patches": draw_patches,
    "codes": draw_codes,
    "pyramid": draw_pyramid,
    "fisher": draw_fisher,
}
"""All but the motion, by the name of the file."""

_INCHES = {"grid": 5.6, "words": 6.4, "patches": 5.6, "codes": 6.4, "pyramid": 7.2, "fisher": 6.4, "motion": 6.4}
_COLUMNS = {"grid": 1, "words": 2, "pyramid": 3, "motion": 1.7}


def _kept(path: Path, draw: Callable[[Figure, Any], str], seen: Seen | Moved) -> tuple[Path, str]:
    """Draw a picture with its caption below it, write it, and return both."""
    pictures = _COLUMNS.get(path.stem)
    width = min(_INCHES[path.stem], 6 * pictures / seen.ratio) if pictures else _INCHES[path.stem]
    height = width / pictures * seen.ratio + 0.5 if pictures else 0.6 * width
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout=None if path.stem == "motion" else "constrained")
        caption = draw(figure, seen)
        figure.supxlabel(textwrap.fill(caption, int(_SIGNS * width)), fontsize=8, color=INK)
        figure.savefig(path)
    return path, caption


def _show(axes: Axes, image: NDArray[np.uint8], ratio: float) -> None:
    """Show a picture in units of its width and height, in the shape that a player gives it."""
    axes.imshow(image, extent=(0, 1, 1, 0), aspect=ratio, interpolation="nearest" if len(image) < 64 else "antialiased")
    axes.set(xlim=(0, 1), ylim=(1, 0))
    axes.axis("off")


def _web(word: int) -> str:
    return _hex(PALETTE[word])


def _hex(colour: Colour) -> str:
    return "#" + bytes(colour).hex()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="a photo or a video")
    parser.add_argument("-o", "--output", type=Path, default=Path("seen"), help="the folder of the pictures")
    parser.add_argument("--at", type=float, help="seconds into the video; its middle where it is left out")
    return parser.parse_args()


if __name__ == "__main__":
    main()

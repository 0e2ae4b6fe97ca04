r"""The tuned vote: what `framevote tune` gains over the default vote on films that are joined from real clips.

    python recipes/tuned_vote.py ../shared/data/weizmann --group-by '_(\d+)\.' --rate 6
    python recipes/tuned_vote.py ../shared/data/sports --parts 18 --learn 3 --films 1

The groups (people; of photos, parts that share no look-alikes) are divided: a model is trained on some, films are joined from the
clips of the others, or from their photos as a shaky hand would film them. So the model has seen nothing of the films, and the vote
is measured on groups that did not choose it either: the folds of `framevote.tuning.tune` keep each group's films together. Which
groups train is drawn anew for every round. The tables stand in recipes/README.md.
"""

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import mean, stdev

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from rich.console import Console
from rich.table import Table

from framevote.backbones import find_backbone
from framevote.classifier import Classifier, backbone_file, load_model
from framevote.datasets import Dataset, Item, read_dataset
from framevote.features import embed_items
from framevote.records import View
from framevote.runtime import open_runtime
from framevote.splits import merged_groups, near_duplicates
from framevote.training import DEFAULT_BACKBONE, train
from framevote.tuning import HeldOut, Spread, Tuned, tune
from framevote.video import open_video, probe

SCENES = 12
SHORT = 0.2  # share of the scenes that are shorter than 1.5 s


@dataclass(frozen=True)
class Scene:
    """A clip that is shown for so many seconds, forwards and backwards by turns."""

    item: Item
    seconds: float


@dataclass(frozen=True)
class Round:
    """One division of the groups: tuned within the delay that the default vote has, and tuned without a bound."""

    bounded: Tuned
    free: Tuned
    accuracy: float
    seconds: float


def main() -> None:
    """Measure, and print the table."""
    told = _arguments()
    data = read_dataset(told.data, group_by=told.group_by)
    data = in_parts(data, told.parts) if told.parts else data
    rounds = [one_round(data, told, seed) for seed in range(told.rounds)]
    Console(width=140).print(table(rounds))


def in_parts(data: Dataset, parts: int) -> Dataset:
    """Return photos dealt out into parts, which are their groups from now on; those that look the same go to one part."""
    file = backbone_file(find_backbone(DEFAULT_BACKBONE))
    seen = embed_items(data.items, Classifier(file, open_runtime(file)))
    data = data.take(seen.kept)
    alike = merged_groups([item.group for item in data.items], near_duplicates(seen.rows))
    part = np.random.default_rng(0).permutation(alike.max() + 1) % parts
    return replace(data, items=tuple(replace(item, group=f"part {part[number]}") for item, number in zip(data.items, alike, strict=True)))


def one_round(data: Dataset, told: argparse.Namespace, seed: int) -> Round:
    """Train on some groups, join films of the others, and tune on them."""
    random = np.random.default_rng(seed)
    groups = random.permutation(sorted({item.group for item in data.items})).tolist()
    learned, shown = set(groups[: told.learn]), groups[told.learn :]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [row for row, item in enumerate(data.items) if item.group in learned]
        trained = train(data.take(rows), folder / "model.fvm", seed=seed)
        films = write_films(data, shown, folder, told, random)
        model, began = load_model(trained.path), time.monotonic()
        free = tune(model, films, store=False)
        seconds = time.monotonic() - began
        bounded = tune(model, films, store=False, max_delay="default")
    done = Round(bounded, free, trained.card.metrics["accuracy"], seconds)
    report(seed, done)
    return done


def write_films(data: Dataset, groups: Sequence[str], folder: Path, told: argparse.Namespace, random: np.random.Generator) -> Path:
    """Write some films of each group, and their truth as a list, whose path is returned."""
    with (folder / "films.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "start", "end", "group"])
        for place, group in enumerate(groups):
            own = [item for item in data.items if item.group == group]
            for number in range(told.films):
                path = folder / f"{place}-{number}.mkv"
                scenes = [Scene(item, length(random)) for item in order(own, random)]
                write_film(path, scenes, told.rate, random)
                edges = np.cumsum([0, *(frames(scene, told.rate) for scene in scenes)]) / told.rate
                rows.writerows(
                    (path.name, scene.item.labels[0], start, end, group)
                    for scene, (start, end) in zip(scenes, pairwise(edges), strict=True)
                )
    return folder / "films.csv"


def order(items: Sequence[Item], random: np.random.Generator) -> Sequence[Item]:
    """Return clips in a random order, as many as a film has scenes, no two of one label side by side."""
    while True:
        chosen = [items[place] for place in random.integers(0, len(items), SCENES)]
        if all(one.labels != other.labels for one, other in pairwise(chosen)):
            return chosen


def length(random: np.random.Generator) -> float:
    """Return the seconds of a scene: mostly 1.5 to 6, some shorter."""
    return float(random.uniform(0.6, 1.5) if random.random() < SHORT else random.uniform(1.5, 6.0))


def write_film(path: Path, scenes: Sequence[Scene], rate: int, random: np.random.Generator) -> None:
    """Write the scenes one after another, in the shape of the first one's clip."""
    view = shape(scenes[0].item)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", Fraction(rate), {"crf": "12", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = view.width, view.height, "yuv420p"
        for number, picture in enumerate(pictures(scenes, rate, view, random)):
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def pictures(scenes: Sequence[Scene], rate: int, view: View, random: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures of the film."""
    for scene in scenes:
        show = filmed if scene.item.kind == "photo" else played
        yield from show(scene.item.path, frames(scene, rate), view, random)


def shape(item: Item) -> View:
    """Return what a film of such items looks like: clips as they are, photos in a square."""
    if item.kind == "photo":
        return View(224, 224)
    info = probe(item.path)
    return View(info.width // 2 * 2, info.height // 2 * 2, "squash")


def played(path: Path, count: int, view: View, _: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Yield `count` frames of a clip; where it is shorter, it is shown forwards and backwards by turns."""
    seen = [frame.image for frame in open_video(path, view=view)]
    there_and_back = [*range(len(seen)), *range(len(seen) - 2, 0, -1)]
    for number in range(count):
        yield seen[there_and_back[number % len(there_and_back)]]


def filmed(path: Path, count: int, view: View, random: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Yield `count` frames of a photo as a shaky hand would film it: it pans and zooms, light and sharpness come and go."""
    photo = Image.open(path).convert("RGB")
    place, light, blur = random.normal(0, 0.5, 3), 0.0, 0
    for _ in range(count):
        place, light = 0.96 * place + random.normal(0, 0.14, 3), 0.93 * light + random.normal(0, 0.1)
        blur = blur - 1 if blur else int(random.integers(4, 12)) * int(random.random() < 0.03)
        side = (0.65 + 0.25 * np.tanh(place[2])) * min(photo.size)
        left, top = ((length - side) * (0.5 + 0.5 * np.tanh(at)) for length, at in zip(photo.size, place, strict=False))
        seen = photo.resize((view.width, view.height), box=(left, top, left + side, top + side))
        seen = seen.filter(ImageFilter.BoxBlur(min(blur, 5))) if blur else seen
        yield np.clip(np.asarray(seen) * np.exp(light) + random.normal(0, 6, (view.height, view.width, 1)), 0, 255).astype(np.uint8)


def frames(scene: Scene, rate: int) -> int:
    """Return how many frames a scene has."""
    return max(round(scene.seconds * rate), 1)


def report(seed: int, done: Round) -> None:
    """Tell what one round found, while the next one is at work."""
    for name, found in (("within the default's delay", done.bounded), ("with any delay", done.free)):
        told = found.held_out
        if told is None:
            raise SystemExit("Nothing could be held out. Expected two groups in the films at least.")
        print(
            f"round {seed}, {name}: default {100 * told.default_f1.mean:.1f}, tuned {100 * told.f1.mean:.1f} "
            f"({100 * told.gain.mean:+.1f} ± {100 * (told.gain.sd or 0):.1f} over {len(found.folds)} folds); "
            f"stored: {', '.join(map(repr, found.chosen.vote.parts()))}",
            file=sys.stderr,
        )


def table(rounds: Sequence[Round]) -> Table:
    """Return the figures: of each round the mean over its folds, all on held-out groups."""
    first = rounds[0].bounded
    title = f"{first.videos} films of {first.groups} groups in each of {len(rounds)} rounds, {first.seconds / 60:.0f} minutes"
    made = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("figure", "default vote", "tuned, within the default's delay", "tuned, any delay"):
        made.add_column(name)
    made.add_row("F1@50, per cent", *columns(rounds, "default_f1", "f1", 100, 1))
    made.add_row("gain over the default", "", *(of(rounds, partial(figure, side=side, name="gain", scale=100), 1) for side in SIDES))
    made.add_row("delay, seconds", *columns(rounds, "default_delay", "delay", 1, 2))
    made.add_row("label changes a minute", *columns(rounds, "default_changes", "changes", 1, 1))
    made.add_row("accuracy of the model on clips, per cent", of(rounds, lambda r: 100 * r.accuracy, 1))
    made.add_row(f"seconds to look and to try {len(first.tried)} votes", of(rounds, lambda r: r.seconds, 0))
    return made


SIDES = ("bounded", "free")


def held(done: Round, side: str) -> HeldOut:
    """Return the held-out figures of one side of a round."""
    found: HeldOut = getattr(done, side).held_out
    return found


def columns(rounds: Sequence[Round], default: str, tuned: str, scale: float, digits: int) -> Iterator[str]:
    """Yield a figure of the default vote, and of the tuned one within the default's delay and with any."""
    yield of(rounds, partial(figure, side="bounded", name=default, scale=scale), digits)
    yield from (of(rounds, partial(figure, side=side, name=tuned, scale=scale), digits) for side in SIDES)


def figure(done: Round, side: str, name: str, scale: float) -> float:
    """Return the mean over the folds of a figure of one round."""
    spread: Spread = getattr(held(done, side), name)
    return scale * spread.mean


def of(rounds: Sequence[Round], told: Callable[[Round], float], digits: int) -> str:
    """Return mean ± standard deviation over the rounds."""
    values = [told(each) for each in rounds]
    return f"{mean(values):.{digits}f}" + (f" ± {stdev(values):.{digits}f}" if len(values) > 1 else "")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="class folders of clips, or of photos")
    parser.add_argument("--group-by", help="what names a clip's group, as `framevote train` takes it")
    parser.add_argument("--parts", type=int, default=0, help="of photos: into how many groups they are dealt out")
    parser.add_argument("--rate", type=int, default=25, help="frames a second of the films; for clips, theirs")
    parser.add_argument("--learn", type=int, default=4, help="how many groups the model learns from; films are made of the others")
    parser.add_argument("--films", type=int, default=3, help="how many films of each group")
    parser.add_argument("--rounds", type=int, default=3, help="how many divisions of the groups")
    return parser.parse_args()


if __name__ == "__main__":
    main()

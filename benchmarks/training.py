"""How fast the last layers learn, and the head on kept embeddings, against plain Keras `fit` with the same layers frozen.

What was tried on the way (2 cores of a Zen 4 with AVX512-BF16, Lite0, its last 30 layers, batches of 32; pictures/s):

- one training step of the whole network in TensorFlow f32, no decoding and no augmentation: 76; in mixed bf16: 40; through XLA: 3;
- the frozen part alone in OpenVINO: 254 in bf16, 125 in f32, by 4 pictures a request (by 32: 212 and 106);
- Keras's layers for flip, turn, zoom, brightness and contrast: 5.4 ms of a core for a picture in TensorFlow (in JAX about 40, in
  PyTorch about 500); one affine step in Pillow with Keras's brightness and contrast: 1.9 ms on each.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import OUT, Spread, Usage, Worker, alternated, middle, told
from benchmarks.media import NO_SHARED, SHARED
from benchmarks.plain_fit import BATCH, plain_fit
from benchmarks.table import Row, Setting

_EACH, _QUICK = 64, 16
_EPOCHS = 2
_LAYERS = (30, 60)
_GOAL, _HEAD_GOAL = 1.0, 20.0


def training(setting: Setting) -> Iterator[Row]:
    """Yield a row for each number of layers that learn, and one for the head alone."""
    if not (SHARED / "sports").is_dir():
        yield Row("fine-tuning Lite0", "", NO_SHARED)
        return
    folder = _photos(_QUICK if setting.quick else _EACH)
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(Worker()) for _ in range(2))
        for layers in _LAYERS:
            yield _tuning(folder, layers, setting, ours, theirs)
        yield _head(folder, setting, ours, theirs)


def _tuning(folder: Path, layers: int, setting: Setting, ours: Worker, theirs: Worker) -> Row:
    answers: list[dict[str, Any]] = []

    def framevote() -> Usage:
        answers.append(ours.ask("fine_tune", folder=folder, layers=layers, epochs=_EPOCHS))
        return Usage(**answers[-1]["usage"])

    def plain(augmented: bool = True) -> Usage:
        return theirs.time("keras_fit", folder=folder, layers=layers, epochs=_EPOCHS, augmented=augmented)

    def bare() -> Usage:
        return plain(augmented=False)

    alternated(1, framevote, plain, bare)
    rounds = alternated(setting.rounds, framevote, plain, bare)
    ratio = Spread.of([mine.rate / other.rate for mine, other, _ in rounds])
    mine, other, unchanged = (middle([usages[side] for usages in rounds]) for side in range(3))
    once = Spread.of([answer["once"] for answer in answers[1:]])
    beside = (
        f"framevote {mine.rate:.0f}, plain {other.rate:.0f} pictures/s, plain without any augmentation {unchanged.rate:.0f}; "
        f"decoding, converting and tracing, once, not counted: {once.text(1, 's')} framevote (plain decodes in every epoch)"
    )
    numbers = {"ratio": ratio.median, "framevote": mine.rate, "plain": other.rate, "plain without augmentation": unchanged.rate}
    return Row(
        f"fine-tuning Lite0's last {layers} layers, against plain `fit`",
        f"≥ {_GOAL:.0f} ×",
        ratio.text(),
        ratio.median >= _GOAL,
        beside,
        numbers,
    )


def _head(folder: Path, setting: Setting, ours: Worker, theirs: Worker) -> Row:
    def framevote() -> Usage:
        return ours.time("fit_head", folder=folder)

    def plain() -> Usage:
        return theirs.time("keras_fit", folder=folder, layers=0, epochs=1, augmented=False)

    alternated(1, framevote, plain)
    rounds = alternated(setting.rounds, framevote, plain)
    ratio = Spread.of([mine.rate / other.rate for mine, other in rounds])
    mine, other = (middle([usages[side] for usages in rounds]) for side in range(2))
    beside = (
        f"framevote {mine.rate:.0f} pictures/s, its whole fit counted as one epoch; plain {other.rate:.0f}, one epoch of the head on the "
        "frozen network, nothing augmented; embedding, once, not counted: see the network's speed under `stages`"
    )
    numbers = {"ratio": ratio.median, "framevote": mine.rate, "plain": other.rate}
    return Row(
        "the head on kept embeddings, against plain `fit`",
        f"≥ {_HEAD_GOAL:.0f} ×",
        ratio.text(0),
        ratio.median >= _HEAD_GOAL,
        beside,
        numbers,
    )


def fine_tune(folder: str, layers: int, epochs: int) -> dict[str, Any]:
    """Fine-tune from the beginning; the epochs after the first are counted, validation on one photo of each class included."""
    from framevote.training.fine_tuning import FineTuning  # noqa: PLC0415 - heavy
    from framevote.training.fine_tuning import fine_tune as tune  # noqa: PLC0415 - heavy

    backbone, view = _backbone()
    items, labels = _items(Path(folder))
    shown = [next(item for item in items if item.labels == (label,)) for label in labels]
    taught = [item for item in items if item not in shown]
    settings = FineTuning(layers, epochs=epochs + 1, patience=epochs + 1, rate=1e-5, batch=BATCH)
    kernel, bias = np.random.default_rng(0).normal(0, 0.01, (1280, len(labels))), np.zeros(len(labels))
    run = OUT / "fine-tuning"
    shutil.rmtree(run, ignore_errors=True)
    begun = time.perf_counter()
    tune(backbone, kernel, bias, taught, shown, labels, False, settings, view, run)
    whole = time.perf_counter() - begun
    seconds = [float(line.rsplit(",", 1)[1]) for line in (run / "log.csv").read_text().splitlines()[3:]]
    return {"usage": told(Usage(sum(seconds), 0.0, len(taught) * epochs)), "once": whole - sum(seconds) * (epochs + 1) / epochs}


def keras_fit(folder: str, layers: int, epochs: int, augmented: bool) -> dict[str, Any]:
    """Fit plainly."""
    wall, pictures = plain_fit(Path(folder), layers, epochs, augmented)
    return {"usage": told(Usage(wall, 0.0, pictures))}


def fit_head(folder: str) -> dict[str, Any]:
    """Fit the head on embeddings that are in memory."""
    from framevote.heads import fit_linear  # noqa: PLC0415 - heavy

    values, targets = _embedded(Path(folder))
    begun = time.perf_counter()
    fit_linear(values, targets)
    return {"usage": told(Usage(time.perf_counter() - begun, 0.0, len(values)))}


def _photos(each: int) -> Path:
    """Return a folder of links to the first photos of each class."""
    folder = OUT / f"sports-{each}"
    for label in sorted((SHARED / "sports").iterdir()):
        (folder / label.name).mkdir(parents=True, exist_ok=True)
        for photo in sorted(label.iterdir())[:each]:
            link = folder / label.name / photo.name
            if not link.exists():
                link.symlink_to(photo)
    return folder


@cache
def _items(folder: Path) -> tuple[list[Any], tuple[str, ...]]:
    from framevote.datasets.items import Item  # noqa: PLC0415 - with the workers alone

    labels = tuple(sorted(path.name for path in folder.iterdir()))
    return [Item(photo, (label,)) for label in labels for photo in sorted((folder / label).iterdir())], labels


@cache
def _backbone() -> tuple[Any, Any]:
    from framevote.backbones import efficientnet_lite0 as part  # noqa: PLC0415 - heavy
    from framevote.backbones.lite0 import efficientnet_lite0  # noqa: PLC0415 - heavy

    return efficientnet_lite0(include_top=False, pooling="avg"), part().view


@cache
def _embedded(folder: Path) -> tuple[Any, Any]:
    from framevote.photos import read_photo  # noqa: PLC0415 - heavy

    backbone, view = _backbone()
    items, labels = _items(folder)
    pictures = np.stack([read_photo(item.path, view).image for item in items])
    targets = np.array([[label in item.labels for label in labels] for item in items])
    return backbone.predict(pictures, batch_size=BATCH, verbose=0), targets

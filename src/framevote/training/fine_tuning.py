"""Fine-tuning: the last layers of a backbone learn together with the head that was fitted on its frozen embeddings.

The head first and the layers afterwards ("linear probing, then fine-tuning", Kumar et al., "Fine-Tuning can Distort Pretrained
Features and Underperform Out-of-Distribution", ICLR 2022): a head that knows nothing yet would tear the features.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from framevote.datasets.items import Item, Problem
from framevote.engine import load_keras
from framevote.errors import UsageError
from framevote.records import View
from framevote.training.augmenting import Augmentation, roomy
from framevote.training.feeding import BUDGET, Batch, Look, Reading, Samples, Shelf, read_samples, shuffled, targets_of
from framevote.training.learning import Course, Progress, learn
from framevote.training.logs import RunFolder
from framevote.training.trunk import copied, freeze, on_gpu, open_trunk, waist

if TYPE_CHECKING:
    import keras

Head = tuple[NDArray[np.float32], NDArray[np.float32]]

_DECAY = 1e-4
_WARM = 1.0  # epochs in which the rate climbs


@dataclass(frozen=True)
class FineTuning:
    """How to fine-tune.

    The defaults, on the 2395 sports photos with Lite0, a fifth held out (stratified, seed 0) and 15 % of the rest to stop by: layers=60
    finds 0.979 of the fifth (layers=30, rate=1e-3: 0.979 as well) where the head on the frozen network finds 0.954.

    Attributes:
        layers: how many of the last layers learn; batch normalisation keeps its means and scales all the same.
        epochs: at most.
        rate: the learning rate at its highest, after one epoch of warm-up; from there it falls to nothing as a cosine.
        batch: samples of a step.
        patience: how many epochs without a smaller validation loss end it.
        smoothing: how much of a target's certainty goes to the other labels (Szegedy et al., 2016).
        class_weights: let every class count the same, however many items it has; of items with one label only.
        augment: show the pictures a little differently each time.
        mixed: compute in bf16: all of it, nothing, or what gains by it ("auto"): the frozen part on processors that have bf16,
            everything on a GPU. (On a processor TensorFlow trains at 40 pictures/s in mixed bf16 where it does 76 in f32.)
        seed: of the order and the augmentation.
    """

    layers: int
    epochs: int = 8
    rate: float = 3e-4
    batch: int = 32
    patience: int = 3
    smoothing: float = 0.1
    class_weights: bool = True
    augment: bool = True
    mixed: Literal["auto"] | bool = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("layers", "epochs", "batch", "patience"):
            _check(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _check(0 < self.rate < float("inf"), "rate", "a number above 0, such as 0.0003", self.rate)
        _check(0 <= self.smoothing < 1, "smoothing", "a number from 0 up to, but not, 1", self.smoothing)
        _check(self.mixed in ("auto", True, False), "mixed", "'auto', True or False", self.mixed)
        _check(0 <= self.seed < 2**32, "seed", "a whole number from 0 to 2³² − 1", self.seed)


def fine_tune(
    backbone: "keras.Model",
    kernel: ArrayLike,
    bias: ArrayLike,
    train: Sequence[Item],
    validation: Sequence[Item],
    labels: Sequence[str],
    several: bool,
    settings: FineTuning,
    view: View,
    folder: str | Path,
    frames: int = 16,
    progress: Progress | None = None,
    problems: list[Problem] | None = None,
    budget: int = BUDGET,
) -> "keras.Model":
    """Return a model of two outputs, `probabilities` (N, C) and `embedding` (N, D), with the weights of the best epoch.

    The best epoch has the smallest validation loss; the state before learning counts as one. In `folder` the run is written down
    (see `framevote.training.logs`): killed and started again with the same arguments, it goes on after the last whole epoch; ended and
    started again, it gives the same model without training. The head is taken as following from items and backbone and is not compared.

    The same seed gives the same result twice on one machine with one backend (of Lite0 on TensorFlow to the last bit, without its slow
    deterministic mode). Keras's global seed is set for that, and stays set.

    Args:
        backbone: a flat functional model, uint8 pictures (N, h, w, 3) to embeddings (N, D); it is left as it is.
        kernel: (D, C), of the logistic head on the frozen embeddings.
        bias: (C,), of the same.
        train: items to learn from.
        validation: items to stop by; nothing of what they show may be seen in `train`.
        labels: C names.
        several: each label for itself (sigmoid), instead of one of all (softmax).
        settings: how to learn.
        view: the backbone's.
        folder: where the run is kept.
        frames: how many a video gives at most; together they count as much as a photo.
        progress: called after each batch.
        problems: takes up the items that cannot be read; they are left out.
        budget: bytes of decoded pictures to hold in memory; what is more is kept in a file in `folder` while the run lasts.

    Raises:
        UsageError: the arguments do not fit each other.
        InputError: no item of a side can be read.
        ModelError: the loss became no number.
        OutputError: the folder holds another run, or cannot be written.
    """
    head = (np.asarray(kernel, np.float32), np.asarray(bias, np.float32))
    _check_fit(backbone, head, train, validation, labels)
    run = RunFolder(Path(folder), _identity(backbone, train, validation, labels, several, settings, view, frames))
    shelf, found = Shelf(run.path, budget), [] if problems is None else problems

    def read(items: Sequence[Item], side: str, view: View, look: Look | None) -> Samples:
        return _smoothed(read_samples(items, Reading(tuple(labels), view, frames, look), shelf, side, found), several, settings)

    try:
        return _tuned(backbone, head, train, validation, read, several, settings, view, run, progress)
    finally:
        shelf.close()


def _tuned(
    backbone: "keras.Model",
    head: Head,
    train: Sequence[Item],
    validation: Sequence[Item],
    read: Callable[[Sequence[Item], str, View, Look | None], Samples],
    several: bool,
    settings: FineTuning,
    view: View,
    run: RunFolder,
    progress: Progress | None,
) -> "keras.Model":
    keras = load_keras()

    keras.utils.set_random_seed(settings.seed)
    working = copied(backbone, "mixed_bfloat16" if settings.mixed is True or (settings.mixed == "auto" and on_gpu()) else None)
    cut = waist(working, settings.layers)
    look = open_trunk(working, cut, f32=settings.mixed is False)
    freeze(working, settings.layers)
    model = keras.Model(cut, _logits(working.output, head))
    validated = read(validation, "validate", view, look)
    taught = read(train, "train", *((roomy(view), None) if settings.augment else (view, look)))
    if settings.class_weights and not several:
        taught = _even(taught)
    batches = -(-len(taught) // settings.batch)
    _compile(model, several, settings, batches)
    feed = _feed(taught, settings, Augmentation(view, settings.seed) if settings.augment else None, look)
    learn(Course(model, feed, batches, validated, settings.batch, settings.epochs, settings.patience, settings.rate), run, progress)
    return _finished(backbone, working, model, several)


def _feed(samples: Samples, settings: FineTuning, augment: Augmentation | None, look: Look | None) -> Callable[[int], Iterator[Batch]]:
    """Return what yields the batches of an epoch, as the tail takes them."""

    def feed(epoch: int) -> Iterator[Batch]:
        for place, rows in enumerate(shuffled(len(samples), settings.batch, settings.seed, epoch)):
            values = samples.values[rows]
            if augment:
                values = augment(values, epoch, place)
                values = look(values) if look else values
            yield Batch(values, samples.targets[rows], samples.weights[rows])

    return feed


def _smoothed(samples: Samples, several: bool, settings: FineTuning) -> Samples:
    """Return samples whose targets leave something to the other labels; of both sides, so that their losses have one scale."""
    kinds = 2 if several else samples.targets.shape[1]
    return replace(samples, targets=samples.targets * np.float32(1 - settings.smoothing) + np.float32(settings.smoothing / kinds))


def _even(samples: Samples) -> Samples:
    """Return samples weighted such that every class counts the same."""
    label = samples.targets.argmax(1)
    share = np.bincount(label, samples.weights, samples.targets.shape[1])  # how many photos a class is worth
    each = samples.weights.sum() / (np.count_nonzero(share) * share[label])
    return replace(samples, weights=(samples.weights * each).astype(np.float32))


def _logits(embedding: Any, head: Head) -> Any:
    keras = load_keras()

    layer = keras.layers.Dense(len(head[1]), dtype="float32", name="logits")
    logits = layer(embedding)
    layer.set_weights(list(head))
    return logits


def _compile(model: "keras.Model", several: bool, settings: FineTuning, batches: int) -> None:
    keras = load_keras()

    warm = min(round(_WARM * batches), settings.epochs * batches // 4)
    rates = keras.optimizers.schedules.CosineDecay(
        settings.rate if not warm else 0.0,
        max(settings.epochs * batches - warm, 1),
        warmup_target=settings.rate if warm else None,
        warmup_steps=warm,
    )
    kind = keras.losses.BinaryCrossentropy if several else keras.losses.CategoricalCrossentropy
    agreement = keras.metrics.MeanMetricWrapper(_agrees_in_each if several else _agrees, name="accuracy")
    # XLA on a processor trains Lite0's tail at a twentieth of the speed: its depthwise convolutions are slow.
    compiled = "auto" if on_gpu() or keras.backend.backend() != "tensorflow" else False
    optimizer = keras.optimizers.AdamW(rates, weight_decay=_DECAY)
    model.compile(optimizer, kind(from_logits=True), weighted_metrics=[agreement], jit_compile=compiled)


def _agrees(target: Any, logits: Any) -> Any:
    keras = load_keras()

    return keras.ops.cast(keras.ops.equal(keras.ops.argmax(target, -1), keras.ops.argmax(logits, -1)), "float32")


def _agrees_in_each(target: Any, logits: Any) -> Any:
    keras = load_keras()

    return keras.ops.mean(keras.ops.cast(keras.ops.equal(target > 0.5, logits > 0), "float32"), -1)


def _finished(backbone: "keras.Model", working: "keras.Model", model: "keras.Model", several: bool) -> "keras.Model":
    """Return the learned layers and head as a model in f32 from pictures to both outputs."""
    keras = load_keras()

    learned = copied(backbone)
    learned.set_weights(working.get_weights())
    kernel, bias = model.get_layer("logits").get_weights()
    probabilities = keras.layers.Activation("sigmoid" if several else "softmax", dtype="float32", name="probabilities")(
        _logits(learned.output, (kernel, bias))
    )
    return keras.Model(learned.inputs[0], {"probabilities": probabilities, "embedding": learned.output}, name=backbone.name)


def _identity(
    backbone: "keras.Model",
    train: Sequence[Item],
    validation: Sequence[Item],
    labels: Sequence[str],
    several: bool,
    settings: FineTuning,
    view: View,
    frames: int,
) -> dict[str, Any]:
    """Return what makes a run the same run."""
    keras = load_keras()

    weights = hashlib.sha256()
    for array in backbone.get_weights():
        weights.update(np.ascontiguousarray(array).tobytes())
    return {
        "settings": asdict(settings),
        "view": asdict(view),
        "frames": frames,
        "labels": [*labels],
        "several": several,
        "training items": _digest(train),
        "validation items": _digest(validation),
        "backbone": f"{backbone.name} {weights.hexdigest()[:16]}",
        "Keras backend": keras.backend.backend(),
    }


def _digest(items: Sequence[Item]) -> str:
    """Return a text that is another where items, their labels, or their files are."""
    told = hashlib.sha256()
    for item in items:
        size = item.path.stat().st_size if item.path.is_file() else -1
        told.update(repr((str(item.path), item.labels, item.kind, item.start, item.end, size)).encode())
    return f"{len(items)} items {told.hexdigest()[:16]}"


def _check_fit(
    backbone: "keras.Model",
    head: Head,
    train: Sequence[Item],
    validation: Sequence[Item],
    labels: Sequence[str],
) -> None:
    expected = ((backbone.output_shape[-1], len(labels)), (len(labels),))
    if (shapes := (head[0].shape, head[1].shape)) != expected:
        raise UsageError(f"A head for {len(labels)} labels has a kernel and a bias of {expected[0]} and {expected[1]}. Received: {shapes}")
    for name, items in (("train", train), ("validation", validation)):
        if not items:
            raise UsageError(f"Fine-tuning needs items to learn from and items to stop by. Received: none to {name}.")
    missing = [label for label, count in zip(labels, targets_of(train, labels).sum(0), strict=True) if not count]
    if missing:
        raise UsageError(f"Every label needs an item to learn from. Received: none of {', '.join(map(repr, missing[:3]))}.")
    if twice := set(train) & set(validation):
        path = min(item.path for item in twice)
        raise UsageError(f"No item may be on both sides. Received: {path} to learn from and to stop by. Split the items first.")


def _check(holds: bool, name: str, expected: str, received: object) -> None:
    if not holds:
        raise UsageError(f"FineTuning expects {name} to be {expected}. Received: {name}={received!r}")

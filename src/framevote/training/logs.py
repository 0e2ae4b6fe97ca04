"""The folder of a run: what it was begun with, how far it came, and its curves.

    settings.json    what the run is: settings, view, labels, and digests of the items and the backbone
    checkpoint.npz   all that it takes to go on after the last whole epoch
    log.csv          a line for each epoch, each once, also where the run was killed and went on
    tensorboard/     the same for TensorBoard
    curves.png       the same drawn, when the run has ended

Files are written whole or not at all, but for TensorBoard's, which grow.
"""

import csv
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from framevote.errors import OutputError, missing_extra
from framevote.files import make_folder, whole_file

Arrays = dict[str, NDArray[Any]]

_SETTINGS, _CHECKPOINT, _LOG, _BOARD, _CURVES = "settings.json", "checkpoint.npz", "log.csv", "tensorboard", "curves.png"
_SIDES = ("train", "validation")


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to; the epoch 0 is the state before learning, and has no loss of its own.

    Attributes:
        epoch: from 1 on.
        loss, accuracy: of the augmented training samples, with class weights and smoothed labels, while they were learned from.
        validation_loss, validation_accuracy: afterwards, of the validation samples as they are, with smoothed labels too.
        rate: the learning rate at its end.
        seconds: on the wall, validation included.
    """

    epoch: int
    loss: float | None
    accuracy: float | None
    validation_loss: float
    validation_accuracy: float
    rate: float
    seconds: float


def kept(history: Sequence[Epoch]) -> Epoch:
    """Return the epoch whose weights are kept: the first of the smallest validation loss."""
    return min(history, key=lambda epoch: epoch.validation_loss)


class RunFolder:
    """The folder of one run; it refuses to go on with another's."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        """Make the folder, or take it where it holds the same run.

        Raises:
            OutputError: it holds another run, or cannot be written.
        """
        self.path = folder
        make_folder(folder)
        path = folder / _SETTINGS
        if (other := _differing(path, identity)) and (folder / _CHECKPOINT).exists():
            raise OutputError(
                f"{folder} holds a run with other {other}, which cannot be gone on with. Choose another folder, or remove this one first: "
                f"rm -r {folder}"
            )
        self._write(path, (json.dumps(dict(identity), indent=2, ensure_ascii=False) + "\n").encode())
        if other:
            self.discard()

    def discard(self) -> None:
        """Forget how far the run came: the folder is free for another."""
        for name in (_CHECKPOINT, _LOG, _CURVES):
            with suppress(OSError):
                (self.path / name).unlink(missing_ok=True)

    def read(self) -> tuple[list[Epoch], Arrays]:
        """Return the epochs done and the arrays kept with the last; nothing of both at the beginning.

        Raises:
            OutputError: the checkpoint is damaged.
        """
        path = self.path / _CHECKPOINT
        if not path.exists():
            return [], {}
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            return [Epoch(**told) for told in json.loads(str(arrays.pop("history")))], arrays
        except Exception as error:  # a damaged zip raises nearly anything
            raise OutputError(
                f"{path} is damaged, and the run cannot go on. Remove its folder and begin anew: rm -r {self.path}"
            ) from error

    def write(self, history: Sequence[Epoch], arrays: Arrays) -> None:
        """Keep what an epoch came to, and then log it.

        Raises:
            OutputError: the disk is full, or the folder closed; the checkpoint before stays.
        """
        with whole_file(self.path / _CHECKPOINT, overwrite=True) as path, path.open("wb") as file:
            np.savez(file, history=np.array(json.dumps([asdict(epoch) for epoch in history])), **arrays)  # type: ignore[arg-type]
        with whole_file(self.path / _LOG, overwrite=True) as path, path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, [field.name for field in fields(Epoch)])
            rows.writeheader()
            rows.writerows(asdict(epoch) for epoch in history)

    def draw(self, history: Sequence[Epoch]) -> None:
        """Draw the curves of loss and accuracy."""
        with whole_file(self.path / _CURVES, overwrite=True) as path:
            _draw(history, path)

    def _write(self, path: Path, content: bytes) -> None:
        with whole_file(path, overwrite=True) as temporary:
            temporary.write_bytes(content)


class Board:
    """The event files that TensorBoard reads: `train` and `validation`, with the tags that Keras gives them."""

    def __init__(self, folder: Path, history: Sequence[Epoch]) -> None:
        """Begin anew, with the epochs done so far: a run that went on shows each once."""
        try:
            from tensorboardX.event_file_writer import EventsWriter  # type: ignore[import-untyped] # noqa: PLC0415 - heavy
        except ImportError as error:
            raise missing_extra("tensorboardX", "train", "Fine-tuning's log for TensorBoard") from error
        self._folder = folder / _BOARD
        self._writers = {}
        try:
            for side in _SIDES:
                make_folder(self._folder / side)
                for old in (self._folder / side).glob("events.out.tfevents.*"):
                    old.unlink()
                self._writers[side] = EventsWriter(str(self._folder / side / "events"))
        except OSError as error:
            raise self._closed(error) from error
        for epoch in history:
            self.add(epoch)

    def add(self, epoch: Epoch) -> None:
        """Log an epoch.

        Raises:
            OutputError: the disk is full.
        """
        values: dict[str, dict[str, float | None]] = {
            "train": {"epoch_loss": epoch.loss, "epoch_accuracy": epoch.accuracy, "epoch_learning_rate": epoch.rate},
            "validation": {"epoch_loss": epoch.validation_loss, "epoch_accuracy": epoch.validation_accuracy},
        }
        try:
            for side, tags in values.items():
                self._scalars(side, {tag: value for tag, value in tags.items() if value is not None}, epoch.epoch)
        except OSError as error:
            raise self._closed(error) from error

    def _scalars(self, side: str, tags: Mapping[str, float], step: int) -> None:
        from tensorboardX.proto.event_pb2 import Event  # type: ignore[import-untyped] # noqa: PLC0415 - heavy
        from tensorboardX.summary import scalar  # type: ignore[import-untyped] # noqa: PLC0415 - heavy

        for tag, value in tags.items():
            self._writers[side].write_event(Event(wall_time=time.time(), step=step, summary=scalar(tag, value)))
        self._writers[side].flush()

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            with suppress(OSError):
                writer.close()

    def _closed(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self._folder} cannot be written: {error.strerror}. Expected room for the run's log; free some, or write elsewhere."
        )


def _differing(path: Path, identity: Mapping[str, Any]) -> str:
    """Return in words what an earlier run's settings say otherwise; nothing where they are the same."""
    if not path.exists():
        return "settings"
    try:
        found = json.loads(path.read_text("utf-8"))
        return " and ".join(name for name in {**identity, **found} if json.loads(json.dumps(identity.get(name))) != found.get(name))
    except (OSError, ValueError, TypeError):
        return "settings"


def _draw(history: Sequence[Epoch], path: Path) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy

    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for side, marker in (("", "o"), ("validation_", "s")):
            points = [(epoch.epoch, value) for epoch in history if (value := getattr(epoch, side + name)) is not None]
            axes.plot(
                *zip(*points, strict=True) if points else ((), ()), marker=marker, markersize=4, label="validation" if side else "training"
            )
        axes.axvline(kept(history).epoch, color="0.5", linestyle="--", label=f"kept: epoch {kept(history).epoch}")
        axes.set(xlabel="epoch", title=name)
        axes.locator_params(axis="x", integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path)

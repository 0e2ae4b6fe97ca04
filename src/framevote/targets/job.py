"""The job: a model file in, the files of another program's runtime out."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from framevote.backbones import efficientnet_lite0
from framevote.classifier import IMAGENET, backbone_file
from framevote.errors import ModelError, UsageError
from framevote.model_file import GRAPH, HEAD_GRAPH, HEAD_KERAS, HEAD_WEIGHTS, KERAS, SUFFIX, WEIGHTS, ModelFile, read_model_file
from framevote.targets.describing import description
from framevote.targets.networks import WRITTEN, Network, Order, Written, load_answer
from framevote.targets.placing import check_place, main_path, network_path, place
from framevote.targets.table import Target, find_target
from framevote.tensorflow_process import run_tensorflow

_AFTER = 4  # frames by which the second of two lengths is longer


@dataclass(frozen=True)
class Exported:
    """What an export has written.

    Attributes:
        target: for what.
        paths: the files, or folders; the last holds the labels.
        runtime: what it was run in, with its version.
        difference: the largest from Keras, over max(1, the largest number of that output).
    """

    target: str
    paths: tuple[Path, ...]
    runtime: str
    difference: float


@dataclass(frozen=True, repr=False)
class Export:
    """An export that may begin: all that can be refused beforehand has been looked at.

    Attributes:
        file: what is exported.
        target: to what.
        main: what the model's network will be called.
        overwrite: whether files that exist are replaced.
    """

    file: ModelFile
    target: Target
    main: Path
    overwrite: bool

    def __call__(self) -> Exported:
        """Write, run and compare, then give the files their names; raises ModelError and OutputError as `export_to` tells."""
        names = [network.name for network in _networks(self.file)]
        failed = f"The model {self.file.path.name} could not be exported to {self.target.name}"
        with tempfile.TemporaryDirectory(prefix="framevote-") as place_of_work:
            folder = Path(place_of_work)
            _unpacked(self.file, self.target, folder).save(folder)
            run_tensorflow("framevote.targets.process", [str(folder)], folder, failed)
            written = load_answer(folder)
            _check_labels(self.file, written)
            beside = description(self.file, self.target, written, {name: network_path(self.main, name) for name in names})
            paths = place(self.target, folder / WRITTEN, self.main, names, beside, self.overwrite)
        return Exported(self.target.name, paths, self.target.version(), max(each.difference for each in written))


def export_to(
    model: str | Path,
    target: str,
    output: str | Path | None = None,
    *,
    overwrite: bool = False,
    notify: Callable[[str], None] | None = None,
) -> Exported:
    """Write the networks of a model for another program's runtime, with the labels beside them.

    The probabilities that come out are framevote's: the temperature is inside. What is written is run in its own runtime and compared
    with Keras on two batch sizes, and where the number of frames is free on two of these; only then it has its name.

    Args:
        model: a model file, or "imagenet".
        target: `onnx`, `openvino`, `litert`, `saved_model` or `keras`.
        output: a file with the target's suffix, or a folder; None is beside the model file (of "imagenet": in the working folder).
        overwrite: whether files that exist are replaced.
        notify: is told in a sentence when something takes long.

    Raises:
        UsageError: there is no such model or target, or the output's suffix is another's.
        MissingExtra: the target's packages are absent.
        ModelError: the model cannot be read, cannot be written for the target, or gives other answers there.
        OutputError: the output exists, or cannot be written.
    """
    return prepared(model, target, output, overwrite, notify)()


def prepared(
    model: str | Path,
    target: str,
    output: str | Path | None = None,
    overwrite: bool = False,
    notify: Callable[[str], None] | None = None,
) -> Export:
    """Return the export that `export_to` does, having refused what can be refused before any work; raises the same."""
    wanted = find_target(target)
    _check_model(model)
    main = main_path(wanted, Path(model).with_suffix(""), output)
    wanted.check_installed()
    file = _found(model, notify)
    if file.encoding:
        kinds = " and ".join(text.partition("(")[0] for text in (file.card.features, file.card.encoder))
        raise ModelError(
            f"{file.path.name} is a model of encoded features ({kinds}), which are computed outside of networks. Expected a model "
            "that is a network alone; label with framevote itself."
        )
    check_place(wanted, main, [network.name for network in _networks(file)], overwrite)
    return Export(file, wanted, main, overwrite)


def _check_model(model: str | Path) -> None:
    if model != IMAGENET and Path(model).suffix.lower() != SUFFIX:
        raise UsageError(f"There is no model {str(model)!r}. Expected {IMAGENET}, or a model file, whose name ends with {SUFFIX}.")


def _found(model: str | Path, notify: Callable[[str], None] | None) -> ModelFile:
    return backbone_file(efficientnet_lite0(), notify) if model == IMAGENET else read_model_file(model)


def _networks(file: ModelFile) -> tuple[Network, ...]:
    """Return the networks that a model file holds; the temperature belongs to the last, which gives the probabilities."""
    if not file.head:
        return (Network("model", KERAS, "picture", GRAPH, file.card.temperature),)
    return (Network("model", KERAS, "picture", GRAPH), Network("head", HEAD_KERAS, "window", HEAD_GRAPH, file.card.temperature))


def _unpacked(file: ModelFile, target: Target, folder: Path) -> Order:
    """Unpack the networks into a folder and return what is to be done with them."""
    (folder / GRAPH).parent.mkdir()
    (folder / GRAPH).write_bytes(file.graph)
    (folder / WEIGHTS).write_bytes(file.weights)
    file.extract_keras(folder)
    if file.head:
        for member, content in zip((HEAD_GRAPH, HEAD_WEIGHTS), file.head, strict=True):
            (folder / member).write_bytes(content)
        file.extract_keras(folder, HEAD_KERAS)
    sampling = file.card.sampling
    frames = sampling.frames if sampling else Order.lengths[0]
    return Order(target.name, _networks(file), (frames, frames + _AFTER))


def _check_labels(file: ModelFile, written: list[Written]) -> None:
    """Refuse a file whose networks give no probability for each label."""
    given = [port.shape[-1] for network in written for port in network.outputs if port.name == "probabilities"]
    expected = [len(file.card.labels)] if file.card.labels else []
    if given != expected:
        raise ModelError(f"{file.path.name} has {len(file.card.labels)} labels, and its networks give {given or 'no'} probabilities.")

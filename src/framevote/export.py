"""From a Keras model to a model file: `.keras` → SavedModel → OpenVINO, in a TensorFlow process of its own.

TensorFlow is the way to OpenVINO whatever backend trained the model, and a process of its own keeps it out of the caller's.
Before a file is called finished, OpenVINO's answers are compared with Keras's on two batch sizes, a head's on two lengths too. A
backbone that stays as it is under a head of windows was compared when its own file was written.
"""

import argparse
import importlib.util
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from framevote.assembly import Top, crowned, embedding_model
from framevote.backbones import Backbone, classifying, find_backbone
from framevote.engine import load_keras, load_openvino, openvino_core
from framevote.errors import ModelError, missing_extra
from framevote.model_file import (
    GRAPH,
    HEAD_GRAPH,
    HEAD_KERAS,
    KERAS,
    OUTPUTS,
    WEIGHTS,
    Card,
    ModelFile,
    check_keras_file,
    write_model_file,
)
from framevote.tensorflow_process import run_tensorflow, telling

TOLERANCE = 1e-4
_SUFFIX = ".keras"
_TOP = "top.npz"
_PACKAGES = ("framevote", "keras", "tensorflow-cpu", "tensorflow", "openvino")


class HeadOfWindows(Protocol):
    """What stands on windows of embeddings, and can write down its network (`framevote.heads`)."""

    def save(self, path: Path) -> None:
        """Write its `.keras` file."""


def export_model(source: Path | Backbone | ModelFile, card: Card, path: Path, top: Top | HeadOfWindows | None = None) -> None:
    """Write a model file.

    Args:
        source: a `.keras` file whose model takes uint8 (N, height, width, 3) and gives `probabilities` and `embedding`, or a
            backbone with its ImageNet top, or a model file of either. Under a `top`, or where the card names no labels, only their
            embedding is taken.
        card: what the model is; the versions are filled in here.
        path: the `.fvm` file to write.
        top: what is put on the source's embedding; where the card says how it samples time, a network of its own behind it.

    Raises:
        MissingExtra: Keras or TensorFlow is absent.
        ModelError: the model cannot be exported, or OpenVINO's answers are not Keras's.
        OutputError: the file cannot be written.
    """
    if isinstance(source, Path) and not (source.suffix == _SUFFIX and zipfile.is_zipfile(source)):
        raise ModelError(f"{source} is no Keras model. Expected a {_SUFFIX} file, as model.save writes it.")
    for module, package in (("keras", "keras"), ("tensorflow", "tensorflow-cpu")):
        if importlib.util.find_spec(module) is None:
            raise missing_extra(package, "train", "Exporting a model")
    with tempfile.TemporaryDirectory(prefix="framevote-") as folder:
        if top:
            top.save(Path(folder) / (HEAD_KERAS if card.sampling else _TOP))
        below = _unpacked(source, Path(folder), stays=card.sampling is not None) if isinstance(source, ModelFile) else source
        _run_tensorflow(below, Path(folder), bare=not card.labels or card.sampling is not None)
        _check_card(card, Path(folder))
        write_model_file(path, replace(card, versions=package_versions()), Path(folder))


def _unpacked(file: ModelFile, folder: Path, stays: bool) -> Path:
    """Return the Keras model of a model file; where it stays as it is and is bare already, with its graph beside it."""
    if not stays or file.card.labels:
        (folder / "below").mkdir()
        return file.extract_keras(folder / "below")
    (folder / GRAPH).parent.mkdir(parents=True)
    (folder / GRAPH).write_bytes(file.graph)
    (folder / WEIGHTS).write_bytes(file.weights)
    return file.extract_keras(folder)


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that make model files, of those that are installed."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _check_card(card: Card, folder: Path) -> None:
    """Raise where the graphs do not take the card's view, or do not give a probability for each of its labels."""
    takes, given = _shapes(folder / GRAPH)
    expected = f"[?,{card.view.height},{card.view.width},3]"
    if card.sampling:
        wide = given["embedding"].strip("[]").split(",")[1]
        fits, (windows, given) = takes == expected, _shapes(folder / HEAD_GRAPH)
        takes, expected = f"{takes} and {windows}", f"{expected} and [?,?,{wide}]"
        if not fits:
            raise ModelError(f"The card says pictures {expected}. Received a network with {takes}.")
    if card.openness and "familiarity" not in given:
        raise ModelError("The card says when a picture is unknown. Received a network without a familiarity; give it prototypes.")
    gives, labels = given.get("probabilities", "none"), f"[?,{len(card.labels)}]" if card.labels else "none"
    if (takes, gives) != (expected, labels):
        raise ModelError(f"The card says pictures {expected} and labels {labels}. Received a network with {takes} and {gives}.")


def _shapes(graph: Path) -> tuple[str, dict[str, str]]:
    """Return the shape of a graph's input, and those of its outputs by name."""
    model = openvino_core().read_model(graph)
    given = {name: port.partial_shape.to_string() for port in model.outputs for name in port.get_names()}
    return model.input().partial_shape.to_string(), given


def _run_tensorflow(source: Path | Backbone, folder: Path, bare: bool) -> None:
    """Run this module as a process with TensorFlow; it fills the folder, or writes into it why not."""
    arguments = [*(["--bare"] if bare else []), "--", str(source), str(folder)]
    run_tensorflow("framevote.export", arguments, folder, f"The model {source} could not be exported to OpenVINO")


def main(arguments: list[str] | None = None) -> None:
    """Export a `.keras` file or a backbone into a folder (in the TensorFlow process)."""
    parser = argparse.ArgumentParser(prog="python -m framevote.export", description=main.__doc__)
    parser.add_argument("source", help="a .keras file, or a backbone's text")
    parser.add_argument("folder", type=Path, help=f"where model.keras and openvino/ are written; {_TOP} in it is put on the source")
    parser.add_argument("--bare", action="store_true", help="the embedding only")
    told = parser.parse_args(arguments)
    with telling(told.folder):
        _export(told.source, told.folder, told.bare)


def _export(source: str, folder: Path, bare: bool) -> None:
    if not (folder / GRAPH).exists():
        _built(source, folder, bare)
        model = _converted(folder / KERAS, folder / GRAPH, OUTPUTS[1 if bare else 0 : 2])
        for batch in (1, 3):
            compare(model, folder / GRAPH, _pictures(batch, model.input_shape[1:]))
    if (folder / HEAD_KERAS).exists():
        head = _converted(folder / HEAD_KERAS, folder / HEAD_GRAPH, OUTPUTS[:1])
        for batch, frames in ((1, 16), (3, 9)):
            windows = np.random.default_rng(batch).normal(size=(batch, frames, head.input_shape[2])).astype(np.float32)
            compare(head, folder / HEAD_GRAPH, windows)


def _converted(source: Path, graph: Path, outputs: Sequence[str]) -> Any:
    """Write a `.keras` file as OpenVINO's graph, and return its Keras model."""
    keras = load_keras()

    openvino = load_openvino()

    check_keras_file(source, source.name)
    model = keras.models.load_model(source, compile=False, safe_mode=True)  # what is exported is what the file holds
    with tempfile.TemporaryDirectory(prefix="framevote-") as saved:
        model.export(saved, format="tf_saved_model", verbose=False)
        converted = openvino.convert_model(saved)
    _check_outputs(converted, outputs)
    converted.set_rt_info("saved_model", ["conversion_parameters", "input_model"])  # for a folder's name on this machine
    openvino.save_model(converted, graph, compress_to_fp16=False)  # in f16, answers would differ by 1e-2
    return model


def _pictures(batch: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.random.default_rng(batch).integers(0, 256, (batch, *shape), dtype=np.uint8)


def _built(source: str, folder: Path, bare: bool) -> None:
    """Write the Keras model that is to be exported into the folder."""
    keras = load_keras()

    top = Top.load(folder / _TOP) if (folder / _TOP).exists() else None
    if source.endswith(_SUFFIX):
        check_keras_file(Path(source), Path(source).name)
        if not top and not bare:
            shutil.copyfile(source, folder / KERAS)
            return
        model = keras.models.load_model(source, compile=False, safe_mode=True)
    elif bare or top:
        model = find_backbone(source)()
    else:
        model = classifying(find_backbone(source))
    whole = crowned(model, top) if top else embedding_model(model) if bare else model
    whole.save(folder / KERAS)


def _check_outputs(converted: Any, outputs: Sequence[str]) -> None:
    named = {name for output in converted.outputs for name in output.get_names()}
    if missing := [name for name in outputs if name not in named]:
        told, given = " and ".join(OUTPUTS[:2]), ", ".join(sorted(named))
        raise ModelError(f"A model for framevote has the outputs {told}. Received: {given}; {missing[0]} is missing.")


def compare(model: Any, graph: Path, values: NDArray[Any]) -> None:
    """Raise ModelError where OpenVINO's answers on made pictures, or windows, are further than 1e-4 from Keras's."""
    expected = model.predict(values, verbose=0)
    if odd := [name for name, given in expected.items() if not np.isfinite(given).all()]:
        raise ModelError(f"The network gives answers that are no numbers ({odd[0]}): its weights are damaged, or are no weights of it.")
    compiled = openvino_core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    received = compiled(values)
    for name in expected:
        # An embedding has no fixed scale: what counts is the distance against its largest number.
        scale = max(1.0, float(np.abs(expected[name]).max()))
        if not (distance := float(np.abs(expected[name] - received[name]).max()) / scale) <= TOLERANCE:
            raise ModelError(
                f"OpenVINO and Keras differ by {distance:.2g} in {name} with {len(values)} pictures or windows; "
                f"expected at most {TOLERANCE}."
            )


if __name__ == "__main__":
    main()

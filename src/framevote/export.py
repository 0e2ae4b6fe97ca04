"""From a Keras model to a model file: `.keras` → SavedModel → OpenVINO, in a TensorFlow process of its own.

TensorFlow is the way to OpenVINO whatever backend trained the model, and a process of its own keeps it out of the caller's.
Before a file is called finished, OpenVINO's answers are compared with Keras's on two batch sizes.
"""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from framevote.assembly import Top, crowned, embedding_model
from framevote.backbones import Backbone, classifying, find_backbone
from framevote.engine import load_keras, load_openvino
from framevote.errors import Error, ModelError, missing_extra
from framevote.model_file import GRAPH, KERAS, OUTPUTS, Card, check_keras_file, write_model_file

TOLERANCE = 1e-4
_MOST_SECONDS = 1800
_SUFFIX = ".keras"
_REASON = "reason.txt"
_SENTENCE = "sentence.txt"  # instead of a reason, where framevote itself refused
_TOP = "top.npz"
_ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}
_PACKAGES = ("framevote", "keras", "tensorflow-cpu", "tensorflow", "openvino")


def export_model(source: Path | Backbone, card: Card, path: Path, top: Top | None = None) -> None:
    """Write a model file.

    Args:
        source: a `.keras` file whose model takes uint8 (N, height, width, 3) and gives `probabilities` and `embedding`, or a
            backbone with its ImageNet top. Under a `top`, or where the card names no labels, only their embedding is taken.
        card: what the model is; the versions are filled in here.
        path: the `.fvm` file to write.
        top: what is put on the source's embedding.

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
            top.save(Path(folder) / _TOP)
        _run_tensorflow(source, Path(folder), bare=not card.labels)
        _check_card(card, Path(folder) / GRAPH)
        write_model_file(path, replace(card, versions=_versions()), Path(folder))


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _check_card(card: Card, graph: Path) -> None:
    """Raise where the graph does not take the card's view, or does not give a probability for each of its labels."""
    openvino = load_openvino()

    model = openvino.Core().read_model(graph)
    given = {name: port.partial_shape.to_string() for port in model.outputs for name in port.get_names()}
    takes, gives = model.input().partial_shape.to_string(), given.get("probabilities", "none")
    if card.openness and "familiarity" not in given:
        raise ModelError("The card says when a picture is unknown. Received a network without a familiarity; give it prototypes.")
    expected = (f"[?,{card.view.height},{card.view.width},3]", f"[?,{len(card.labels)}]" if card.labels else "none")
    if (takes, gives) != expected:
        raise ModelError(f"The card says pictures {expected[0]} and labels {expected[1]}. Received a network with {takes} and {gives}.")


def _run_tensorflow(source: Path | Backbone, folder: Path, bare: bool) -> None:
    """Run this module as a process with TensorFlow; it fills the folder, or writes into it why not."""
    # -P: what lies in the working directory must not be imported.
    command = [sys.executable, "-P", "-m", "framevote.export", *(["--bare"] if bare else []), "--", str(source), str(folder)]
    environment = {**os.environ, **_ENVIRONMENT}
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_MOST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(f"Exporting {source} took more than {_MOST_SECONDS} seconds and was stopped.") from None
    if done.returncode:
        raise _failure(source, folder, done)


def _failure(source: Path | Backbone, folder: Path, done: subprocess.CompletedProcess[bytes]) -> ModelError:
    """Return one sentence on a process that failed; the end of what it said hangs on it as a note, for --debug."""
    reason = f"the process ended with {done.returncode}"
    if done.returncode < 0:
        reason = f"the process was ended by signal {-done.returncode}; memory may have run out"
    elif (told := folder / _REASON).exists():
        reason = told.read_text("utf-8")
    sentence = f"The model {source} could not be exported to OpenVINO: {reason}"
    if (told := folder / _SENTENCE).exists():
        sentence = told.read_text("utf-8")
    error = ModelError(sentence)
    lines = done.stderr.decode("utf-8", "replace").splitlines()[-40:]
    error.add_note("The end of the exporting process's output:\n" + "\n".join(lines))
    return error


def main(arguments: list[str] | None = None) -> None:
    """Export a `.keras` file or a backbone into a folder (in the TensorFlow process)."""
    parser = argparse.ArgumentParser(prog="python -m framevote.export", description=main.__doc__)
    parser.add_argument("source", help="a .keras file, or a backbone's text")
    parser.add_argument("folder", type=Path, help=f"where model.keras and openvino/ are written; {_TOP} in it is put on the source")
    parser.add_argument("--bare", action="store_true", help="the embedding only")
    told = parser.parse_args(arguments)
    try:
        _export(told.source, told.folder, told.bare)
    except Exception as error:
        if isinstance(error, Error):
            (told.folder / _SENTENCE).write_text(str(error), "utf-8")
        else:
            reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            (told.folder / _REASON).write_text(reason, "utf-8")
        raise


def _export(source: str, folder: Path, bare: bool) -> None:
    keras = load_keras()

    openvino = load_openvino()

    _built(source, folder, bare)
    model = keras.models.load_model(folder / KERAS, compile=False, safe_mode=True)  # what is exported is what the file holds
    with tempfile.TemporaryDirectory(prefix="framevote-") as saved:
        model.export(saved, format="tf_saved_model", verbose=False)
        converted = openvino.convert_model(saved)
    _check_outputs(converted, bare)
    converted.set_rt_info("saved_model", ["conversion_parameters", "input_model"])  # for a folder's name on this machine
    openvino.save_model(converted, folder / GRAPH, compress_to_fp16=False)  # in f16, answers would differ by 1e-2
    for batch in (1, 3):
        compare(model, folder / GRAPH, batch)


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


def _check_outputs(converted: Any, bare: bool) -> None:
    named = {name for output in converted.outputs for name in output.get_names()}
    if missing := [name for name in OUTPUTS[1 if bare else 0 : 2] if name not in named]:
        told, given = " and ".join(OUTPUTS[:2]), ", ".join(sorted(named))
        raise ModelError(f"A model for framevote has the outputs {told}. Received: {given}; {missing[0]} is missing.")


def compare(model: Any, graph: Path, batch: int) -> None:
    """Raise ModelError where OpenVINO's answers on made pictures are further than 1e-4 from Keras's."""
    openvino = load_openvino()

    shape = (batch, *model.input_shape[1:])
    pictures = np.random.default_rng(batch).integers(0, 256, shape, dtype=np.uint8)
    expected = model.predict(pictures, verbose=0)
    if odd := [name for name, values in expected.items() if not np.isfinite(values).all()]:
        raise ModelError(f"The network gives answers that are no numbers ({odd[0]}): its weights are damaged, or are no weights of it.")
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    received = compiled(pictures)
    for name in expected:
        # An embedding has no fixed scale: what counts is the distance against its largest number.
        scale = max(1.0, float(np.abs(expected[name]).max()))
        if not (distance := float(np.abs(expected[name] - received[name]).max()) / scale) <= TOLERANCE:
            raise ModelError(f"OpenVINO and Keras differ by {distance:.2g} in {name} with {batch} pictures; expected at most {TOLERANCE}.")


if __name__ == "__main__":
    main()

"""From a model file to its engine."""

import io
from typing import Any

import numpy as np

from framevote.assembly import Top
from framevote.classifier.engines import EncodedEngine, Engine, FrameEngine, WindowEngine
from framevote.descriptors import LocalFeatures, open_extractor
from framevote.encoders import Encoder, load_encoding
from framevote.errors import ModelError, PartError
from framevote.model_file import ModelFile
from framevote.parts import build
from framevote.records.checking import check
from framevote.runtime import KerasRuntime, Runtime
from framevote.sequences import open_head


def open_engine(file: ModelFile, runtime: Runtime | None) -> Engine:
    """Return what a model file does with frames; `runtime` is that of its network, None where it has none.

    Raises:
        ModelError: its head, its codebook or its classifier is damaged, or they do not fit one another.
    """
    if file.encoding:
        return _encoded(file, runtime)
    if runtime is None:
        raise ModelError(f"The model {file.card.name} needs a runtime for its network. Open it with load_model.")
    if file.card.sampling:
        return WindowEngine(runtime, open_head(file, runtime.embedding, keras=isinstance(runtime, KerasRuntime)), file.card.sampling)
    return FrameEngine(runtime)


def _encoded(file: ModelFile, runtime: Runtime | None) -> EncodedEngine:
    card, name = file.card, file.path.name
    features = _part("features", card.features, LocalFeatures, name)
    encoder = _part("encoder", card.encoder, Encoder, name)
    codebook, top = file.encoding or (b"", b"")
    extractor, encoding = open_extractor(features, runtime, card.view), load_encoding(codebook, encoder, name)
    if encoding.numbers != extractor.numbers:
        raise ModelError(
            f"The codebook in {name} is for other features than the model's: it takes descriptors of {encoding.numbers} numbers. "
            f"Received: {features}, which gives {extractor.numbers}. Train the model again."
        )
    if extractor.view != card.view or (extractor.moving and not card.sampling):
        raise ModelError(
            f"{name}: its card shows pictures as {card.view}, {'in' if card.sampling else 'without'} windows, where {features} looks at "
            f"{extractor.view}{', in windows' if extractor.moving else ''}. Train the model again."
        )
    return EncodedEngine(extractor, encoding, _top(top, encoding.length, len(card.labels), name), card.sampling, runtime)


def _part(kind: str, text: str, base: type[Any], name: str) -> Any:
    try:
        part = build(kind, text)
    except PartError as error:
        raise ModelError(f"{name} holds {kind} that cannot be made: {error} Install its package, or train the model again.") from None
    if not isinstance(part, base):
        raise ModelError(f"{name} holds {kind} that are none: {text}. Train the model again.")
    return part


def _top(data: bytes, numbers: int, classes: int, name: str) -> Top:
    try:
        top = Top.load(io.BytesIO(data))
        check(top.kernel.shape == (numbers, classes), "Top", f"a kernel ({numbers}, {classes})", top.kernel.shape)
        arrays = (top.kernel, top.bias, np.asarray(top.prototypes))
        check(all(bool(np.isfinite(array).all()) for array in arrays), "Top", "finite numbers", "others")
    except Exception as error:  # what NumPy and zipfile raise for a damaged file
        raise ModelError(f"The classifier in {name} cannot be read ({type(error).__name__}: {error}). Train the model again.") from None
    return top

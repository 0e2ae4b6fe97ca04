"""How far OpenVINO's answers are from Keras's, for a network of every family, in f32."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import Usage, Worker, told
from benchmarks.table import Row, Setting

# One of each family, the smallest; random weights, since what is compared is how a graph is computed, whatever its weights.
_FAMILIES = (
    "efficientnet_lite0",
    "SqueezeNet",
    "AlexNet",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "ResNet50",
    "ResNet50V2",
    "DenseNet121",
    "InceptionV3",
    "InceptionResNetV2",
    "Xception",
    "NASNetMobile",
    "ConvNeXtTiny",
    "VGG16",
)
_QUICK = ("efficientnet_lite0", "MobileNetV3Small")
_GOAL = 1e-4


def agreement(setting: Setting) -> Iterator[Row]:
    """Yield a row for all of them, with the farthest by name."""
    found: dict[str, float] = {}
    for name in _QUICK if setting.quick else _FAMILIES:
        with Worker() as worker:  # each in a process of its own: Keras keeps what it has built
            found[name] = worker.ask("agree", backbone=f"{name}(weights=None)")["distance"]
    worst = max(found, key=lambda name: found[name])
    beside = "probabilities and embedding (over its largest number), 5 pictures of noise: " + ", ".join(
        f"{name} {distance:.0e}" for name, distance in sorted(found.items(), key=lambda pair: -pair[1])
    )
    words = f"{found[worst]:.1e} ({worst})"
    yield Row(f"OpenVINO against Keras, {len(found)} backbones under a head", f"≤ {_GOAL:g}", words, found[worst] <= _GOAL, beside, found)


def agree(backbone: str) -> dict[str, Any]:
    """Export a backbone under a made head, and run both."""
    from framevote.assembly import Top  # noqa: PLC0415 - with the workers alone
    from framevote.backbones import find_backbone  # noqa: PLC0415
    from framevote.export import export_model  # noqa: PLC0415
    from framevote.model_file import Card, read_model_file  # noqa: PLC0415
    from framevote.runtime import KerasRuntime, OpenVINORuntime  # noqa: PLC0415

    random, part = np.random.default_rng(0), find_backbone(backbone)
    labels = ("a", "b", "c", "d", "e", "f")
    with tempfile.TemporaryDirectory() as folder:
        model, source = part(), Path(folder) / "backbone.keras"
        model.save(source)
        scale = 1 / model.output_shape[1] ** 0.5
        top = Top(random.normal(0, scale, (model.output_shape[1], len(labels))), np.zeros(len(labels)))
        export_model(source, Card(part.name, labels, repr(part), "made", part.view), Path(folder) / "made.fvm", top)
        file = read_model_file(Path(folder) / "made.fvm")
        pictures = random.integers(0, 256, (5, part.view.height, part.view.width, 3), dtype=np.uint8)
        ours, theirs = (list(runtime(file, "f32").infer(pictures)) for runtime in (OpenVINORuntime, KerasRuntime))
    distances = [
        float(np.abs(one - other).max() / max(1.0, float(np.abs(other).max())))
        for a, b in zip(ours, theirs, strict=True)
        for one, other in zip(a[:2], b[:2], strict=True)
    ]
    return {"usage": told(Usage(0.0, 0.0)), "distance": max(distances)}

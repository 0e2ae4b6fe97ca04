"""Labelling with a head that sees order against the average head, on one long video: frames of the video a second."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import media
from benchmarks.measuring import OUT, Spread, Worker, alternated, middle, told, used
from benchmarks.table import Row, Setting

_GOAL = 0.7
_LABELS = tuple(f"label {number}" for number in range(10))
_FRAMES, _SECONDS = 16, 2.6  # of a window: those of the signs of recipes/README.md
_MODELS = {
    "average": ("Average()", 0.0),
    "temporal": ("TemporalConv()", _SECONDS),
    "every": ("TemporalConv()", 0.0),  # at the video's own rate: a window for every frame
}


def heads(setting: Setting) -> Iterator[Row]:
    """Yield the rows: at the rate of a model that was trained on clips, and with a window for every frame."""
    path = media.video(360)
    with Worker() as first, Worker() as second:
        made = first.ask("make_models", path=path)["models"]
        for name, words in (("temporal", f"{_FRAMES / _SECONDS:.1f} windows a second"), ("every", "a window for every frame")):
            works = (
                lambda name=name: first.time("label_by", path=path, model=made[name]),
                lambda: second.time("label_by", path=path, model=made["average"]),
            )
            alternated(1, *works)
            pairs = alternated(setting.rounds, *works)
            ratio = Spread.of([ours.rate / theirs.rate for ours, theirs in pairs])
            beside = (
                f"TemporalConv {middle([a for a, _ in pairs]).rate:.0f}, average {middle([b for _, b in pairs]).rate:.0f} frames/s, 360p"
            )
            title = f"labels by `TemporalConv()` against `Average()` on every frame, {words}"
            yield Row(title, f"≥ {_GOAL} ×", ratio.text(), ratio.median >= _GOAL, beside, {"ratio": ratio.median})


def make_models(path: str) -> dict[str, Any]:
    """Make the models, with weights as they are drawn: what they say is nothing, what they cost is all."""
    from framevote.video import probe  # noqa: PLC0415 - with the workers alone

    folder = OUT / "heads"
    folder.mkdir(parents=True, exist_ok=True)
    every = _FRAMES / float(probe(path).frame_rate)
    models = {name: folder / f"{name}.fvm" for name in _MODELS}
    for name, (head, seconds) in _MODELS.items():
        _make(models[name], head, seconds or every)
    return {"usage": told(used(lambda: 0)), "models": {name: str(model) for name, model in models.items()}}


def _make(model: Path, text: str, seconds: float) -> None:
    from framevote.assembly import Top  # noqa: PLC0415
    from framevote.classifier import backbone_file  # noqa: PLC0415
    from framevote.export import export_model  # noqa: PLC0415
    from framevote.heads import TemporalHead  # noqa: PLC0415
    from framevote.heads.learning import FittedWindows  # noqa: PLC0415
    from framevote.model_file import Card  # noqa: PLC0415
    from framevote.parts import build  # noqa: PLC0415
    from framevote.records import Sampling  # noqa: PLC0415
    from framevote.training.job import backbone_for  # noqa: PLC0415

    head = build("head", text)
    backbone = backbone_for(head)
    card = Card(model.stem, _LABELS, repr(backbone), text, backbone.view)
    with tempfile.TemporaryDirectory() as folder:
        source = backbone_file(backbone).extract_keras(Path(folder))
        size = backbone().output_shape[1]
        if not isinstance(head, TemporalHead):
            return export_model(source, card, model, Top(np.random.default_rng(0).normal(size=(size, 10)), np.zeros(10)))
        weights = tuple(head.network(size, 10, False).get_weights())
        temporal = Card(model.stem, _LABELS, repr(backbone), text, backbone.view, sampling=Sampling(_FRAMES, seconds))
        return export_model(source, temporal, model, FittedWindows(head, size, 10, False, weights))


def label_by(path: str, model: str) -> dict[str, Any]:
    """Label a video by a model; counted are the video's frames, however many of them were looked at."""
    import framevote  # noqa: PLC0415
    from framevote.video import open_video  # noqa: PLC0415

    frames = sum(1 for _ in open_video(path).pictures())
    loaded = framevote.load_model(model)

    def job() -> int:
        framevote.label(path, loaded)
        return frames

    return {"usage": told(used(job))}

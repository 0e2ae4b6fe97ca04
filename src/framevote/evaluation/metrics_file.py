"""The figures as JSON, for programs: `metrics.json`."""

import json
import math
from typing import Any

import numpy as np

from framevote.evaluation.bootstrap import ROUNDS, Figure
from framevote.evaluation.classification import Classification
from framevote.evaluation.results import ComparedVideo, Evaluation, Mistake
from framevote.evaluation.timelines import TimelineFigures
from framevote.records import Segment
from framevote.writers.text import json_text

FORMAT, VERSION = "framevote.evaluation", 1


def metrics_json(evaluation: Evaluation) -> str:
    """Return the figures of an evaluation as JSON; docs/evaluation.md says what each key is."""
    told = {
        "format": FORMAT,
        "version": VERSION,
        "model": _model(evaluation),
        "data": _data(evaluation),
        "figures": {name: _figure(figure) for name, figure in evaluation.classification.figures.items()},
        "classes": _classes(evaluation.classification),
        "confusion": _confusion(evaluation),
        "reliability": _reliability(evaluation.classification),
        "unknown": _unknown(evaluation),
        "timelines": _timelines(evaluation.timelines, evaluation.videos) if evaluation.timelines else None,
        "mistakes": [_mistake(mistake) for mistake in evaluation.mistakes()],
        "problems": [{"where": problem.where, "reason": problem.reason} for problem in evaluation.problems],
        "training": _sound(evaluation.making.training),
        "versions": evaluation.making.versions,
    }
    return json_text(json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n")


def _model(evaluation: Evaluation) -> dict[str, Any]:
    making = evaluation.making
    names = ("fingerprint", "backbone", "head", "temperature", "precision", "device")
    return {"name": making.model, "labels": len(evaluation.answers.labels), **{name: getattr(making, name) for name in names}}


def _data(evaluation: Evaluation) -> dict[str, Any]:
    making, items = evaluation.making, evaluation.items
    kinds = [item.kind for item in items]
    return {
        "path": making.data,
        "layout": making.layout,
        "side": making.side,
        "items": len(items),
        "photos": kinds.count("photo"),
        "clips": kinds.count("video"),
        "groups": len({item.group for item in items}),
        "strangers": evaluation.strangers,
        "several": evaluation.answers.several,
        "frames": making.frames,
        "smoother": making.smoother,
        "cut": making.cut,
        "seed": making.seed,
        "rounds": ROUNDS,
    }


def _figure(figure: Figure) -> dict[str, float | None]:
    return {name: _number(getattr(figure, name)) for name in ("value", "low", "high")}


def _number(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None


def _classes(result: Classification) -> list[dict[str, Any]]:
    names = ("precision", "recall", "f1", "average_precision")
    return [{"label": row.label, "items": row.support, **{name: _number(getattr(row, name)) for name in names}} for row in result.classes]


def _confusion(evaluation: Evaluation) -> list[dict[str, Any]] | None:
    """Return the cells that are not empty: with a thousand classes, nearly all are."""
    confusion, labels = evaluation.classification.confusion, evaluation.answers.labels
    if confusion is None:
        return None
    cells = zip(*np.nonzero(confusion), strict=True)
    return [{"truth": labels[t], "answer": labels[a], "items": int(confusion[t, a])} for t, a in cells]


def _reliability(result: Classification) -> list[dict[str, Any]]:
    told = result.reliability
    edges = np.linspace(0, 1, len(told.counts) + 1)
    return [
        {
            "above": _number(edges[place]),
            "to": _number(edges[place + 1]),
            "answers": int(count),
            "confidence": _number(told.confidence[place]),
            "right": _number(told.correct[place]),
        }
        for place, count in enumerate(told.counts)
    ]


def _unknown(evaluation: Evaluation) -> dict[str, Any] | None:
    told = evaluation.rejection
    if not told:
        return None
    return {
        "openness": told.openness,
        "least": told.least,
        "kept": _figure(told.kept),
        "accuracy_of_kept": _figure(told.accuracy),
        "strangers": told.strangers,
        "strangers_caught": _figure(told.caught),
    }


def _timelines(told: TimelineFigures, videos: tuple[ComparedVideo, ...]) -> dict[str, Any]:
    names = ("seconds", "frame_accuracy", "edit", "map_50", "map", "changes", "true_changes")
    return {
        "videos": told.videos,
        **{name: _number(getattr(told, name)) for name in names},
        "f1": {str(overlap): _number(value) for overlap, value in told.f1.items()},
        "delay": {name: _number(getattr(told.delay, name)) for name in ("median", "late", "never")},
        "each": [
            {
                "path": str(video.path),
                "frame_accuracy": _number(video.frame_accuracy),
                "truth": _segments(video.truth),
                "found": _segments(video.found),
            }
            for video in videos
        ],
    }


def _segments(segments: tuple[Segment, ...]) -> list[dict[str, Any]]:
    return [{"start": _number(s.start), "end": _number(s.end), "label": s.label, "score": _number(s.score)} for s in segments]


def _mistake(mistake: Mistake) -> dict[str, Any]:
    item = mistake.item
    piece = {"start": item.start, "end": item.end} if item.start or item.end is not None else {}
    return {
        "path": str(item.path),
        **piece,
        "truth": list(mistake.truth),
        "answer": mistake.answer,
        "probability": _number(mistake.probability),
    }


def _sound(value: Any) -> Any:
    """Return a value that JSON can hold: null where a number is none."""
    if isinstance(value, dict):
        return {str(key): _sound(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sound(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

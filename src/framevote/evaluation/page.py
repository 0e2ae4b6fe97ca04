"""The page: what it says, from an evaluation; the template says how it looks. Imported only where a report is written."""

import math
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader

from framevote.colours import label_colours
from framevote.evaluation.pictures import thumbnail
from framevote.evaluation.plots import MOST_BARS, MOST_CONFUSED, classes_plot, confusion_plot, curves_plot, reliability_plot
from framevote.evaluation.results import ComparedVideo, Evaluation, nouns
from framevote.evaluation.wording import TOLD, headline, interval, number, percent, rejection_rows, shown, timeline_rows, value_of
from framevote.records import Segment

_MOST_VIDEOS = 20
_MOST_PAIRS = 10

# What training writes into a card, in words; other keys are shown as they are.
_TRAINING = {
    "accuracy": "accuracy on groups that were held out",
    "accuracy_sd": "… its standard deviation over the folds",
    "mean_class_accuracy": "mean class accuracy",
    "mean_average_precision": "mean average precision",
    "random_split_accuracy": "accuracy that a random split would have shown",
    "random_split_mean_average_precision": "mean average precision that a random split would have shown",
    "items": "items that were held out in turn",
    "nll": "negative log-likelihood",
    "ece_before": "calibration error before calibration",
    "ece": "calibration error after calibration",
    "temperature": "temperature",
}


def render_page(evaluation: Evaluation) -> str:
    """Return the report as one HTML page that needs nothing else: no network, no script."""
    environment = Environment(loader=PackageLoader("framevote.evaluation", "."), autoescape=True, finalize=_finalized)
    return environment.get_template("report.html.jinja").render(**_head(evaluation), **_body(evaluation), **_classes(evaluation))


def _finalized(value: Any) -> Any:
    """Return what a page can hold: labels and names of files are whatever people made them."""
    return shown(value) if type(value) is str else value


def _head(evaluation: Evaluation) -> dict[str, Any]:
    making, told = evaluation.making, evaluation.classification.figures
    groups = len({item.group for item in evaluation.items})
    how = "groups of items" if groups < len(evaluation.items) else "items"
    return {
        "model": making.model,
        "headline": headline(evaluation),
        "subtitle": f"{len(evaluation.answers.labels)} classes, {making.data or 'data'} ({making.layout or 'made'}), side: {making.side}.",
        "notes": _notes(evaluation),
        "interval_note": f"Intervals: 95 of 100 draws of {groups} {how} lie within."
        if groups > 1
        else "All items are of one group: no interval can be told.",
        "figures": [
            {"name": name, "value": value_of(told[key], share), "interval": interval(told[key], share), "meaning": meaning}
            for key, (name, share, meaning) in TOLD.items()
            if key in told
        ],
        "rejection": _rejection(evaluation),
        "training": [(_TRAINING.get(key, key), _plain(value)) for key, value in making.training.items() if _simple(value)],
        "timelines": _timelines(evaluation),
    }


def _notes(evaluation: Evaluation) -> list[str]:
    training, notes = evaluation.making.training, []
    honest, random = training.get("accuracy"), training.get("random_split_accuracy")
    if isinstance(honest, int | float) and isinstance(random, int | float):
        notes.append(
            f"Training measured {percent(honest)} on groups that it had not seen. "
            f"A random split, which lets items of one group stand on both sides, would have shown {percent(random)}."
        )
    if evaluation.strangers:
        notes.append(
            f"Of classes that the model does not know, there are more items ({evaluation.strangers}). They count in none of the "
            "figures but the share of strangers that is caught."
        )
    return notes


def _rejection(evaluation: Evaluation) -> dict[str, Any] | None:
    rejection = evaluation.rejection
    if not rejection:
        return None
    by_itself = ["the model says unknown by itself"] if rejection.openness else []
    asked = [f"answers below a probability of {number(rejection.least, 2)} are called unknown"] if rejection.least else []
    return {
        "caption": f"When {' and '.join([*by_itself, *asked]) or 'nothing is called unknown'}",
        "rows": rejection_rows(rejection),
    }


def _timelines(evaluation: Evaluation) -> dict[str, Any] | None:
    told = evaluation.timelines
    if not told:
        return None
    videos = evaluation.videos[:_MOST_VIDEOS]
    colours = label_colours(segment.label for video in videos for segment in (*video.truth, *video.found))
    left = len(evaluation.videos) - len(videos)
    videos_told = f"{told.videos} videos" if told.videos != 1 else "one video"
    return {
        "sentence": f"{percent(told.frame_accuracy)} of {told.seconds:.1f} labelled seconds in {videos_told} show the true label.",
        "rows": timeline_rows(told),
        "legend": [(label, _web(colour)) for label, colour in colours.items()],
        "videos": [_strips(video, colours) for video in videos],
        "left_out": f"{left} more videos, which agree better, are not drawn." if left else "",
    }


def _strips(video: ComparedVideo, colours: dict[str, Any]) -> dict[str, Any]:
    end = max(segment.end for segment in (*video.truth, *video.found))
    lanes = ((0, "truly", video.truth), (25, "found", video.found))
    return {
        "name": video.path.name,
        "told": f"{percent(video.frame_accuracy)} of the labelled time; {end:.1f} s long",
        "alt": f"{video.path.name}: true labels {_named(video.truth)}; found {_named(video.found)}",
        "bars": [_bar(segment, y, lane, end, _web(colours[segment.label])) for y, lane, some in lanes for segment in some],
    }


def _bar(segment: Segment, y: int, lane: str, end: float, colour: str) -> dict[str, Any]:
    scale = 1000 / end if end > 0 else 0.0
    title = f"{lane} {segment.label}, {segment.start:.2f}–{segment.end:.2f} s"
    return {"x": f"{segment.start * scale:.2f}", "y": y, "width": f"{segment.duration * scale:.2f}", "colour": colour, "title": title}


def _named(segments: Sequence[Segment]) -> str:
    names = [segment.label for segment in segments]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _classes(evaluation: Evaluation) -> dict[str, Any]:
    answers, result = evaluation.answers, evaluation.classification
    colours, labels = label_colours(answers.labels), answers.labels
    seen = sum(1 for row in result.classes)
    some = f" Of {seen} classes, at most {MOST_CONFUSED}: those most often taken for one another." if seen > MOST_CONFUSED else ""
    return {
        "confused": [(labels[truth], labels[answer], str(count)) for truth, answer, count in result.confused(_MOST_PAIRS)],
        "confusion": None if result.confusion is None else confusion_plot(result.confusion, labels),
        "confusion_caption": f"What is taken for what: a row is a true class, a column an answer.{some}",
        "bars": classes_plot(result, labels),
        "bars_caption": "F1 of each class, the worst first" + (f" (the worst {MOST_BARS})." if seen > MOST_BARS else "."),
        "classes": [
            {
                "label": row.label,
                "colour": _web(colours[row.label]),
                "cells": [row.support, *(number(value) for value in (row.precision, row.recall, row.f1, row.average_precision))],
            }
            for row in result.classes
        ],
    }


def _body(evaluation: Evaluation) -> dict[str, Any]:
    result, making = evaluation.classification, evaluation.making
    count = len(evaluation.problems)
    decisions = "decisions on a label" if evaluation.answers.several else "answers"
    return {
        "reliability": reliability_plot(result.reliability, result.figures["ece"].value),
        "reliability_caption": f"How often {decisions} of each probability are right. Below the line, it is too sure.",
        "curves": curves_plot(evaluation.answers, result.classes),
        "curves_caption": "Precision over recall; of many classes, the ten with the lowest average precision.",
        "mistakes": [
            {
                "name": mistake.item.path.name,
                "picture": thumbnail(mistake.item),
                "answer": mistake.answer,
                "truth": ", ".join(mistake.truth),
                "probability": percent(mistake.probability, 0),
            }
            for mistake in evaluation.mistakes()
        ],
        "problems": list(map(str, evaluation.problems)),
        "problems_summary": f"{count} files or classes could not be used as they are" if count > 1 else "One could not be used as it is",
        "making": [
            ("model", making.model),
            ("fingerprint", making.fingerprint),
            ("backbone", making.backbone),
            ("head", making.head),
            ("temperature", f"{making.temperature:g}"),
            ("computed in", f"{making.precision} on {making.device}"),
            ("data", f"{making.data} ({making.layout or 'made'}), side {making.side}".strip()),
            ("items", f"{len(evaluation.items)} {nouns(evaluation.items)}, at most {making.frames} frames of a clip"),
            ("vote of the timelines", f"{making.smoother}, {making.cut}"),
            ("seed of the intervals", str(making.seed)),
            ("versions", ", ".join(f"{name} {version}" for name, version in making.versions.items())),
        ],
    }


def _simple(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) and math.isfinite(value) else str(value)


def _web(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)

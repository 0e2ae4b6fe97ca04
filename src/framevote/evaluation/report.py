"""The report: a folder with a page for people and figures for programs."""

import importlib.util
from pathlib import Path

from framevote.errors import missing_extra
from framevote.evaluation.metrics_file import metrics_json
from framevote.evaluation.results import Evaluation
from framevote.files import check_free, make_folder, whole_file

PAGE, METRICS = "index.html", "metrics.json"

_PACKAGES = {"sklearn": "scikit-learn", "matplotlib": "matplotlib", "jinja2": "jinja2"}


def write_report(evaluation: Evaluation, folder: str | Path, overwrite: bool = False) -> Path:
    """Write `index.html` and `metrics.json` into a folder, which is made where there is none; return the page's path.

    Raises:
        OutputError: one of them exists and `overwrite` is False, or the folder cannot be written to.
        MissingExtra: matplotlib or Jinja2 is not installed.
    """
    place = check_report(folder, overwrite)
    from framevote.evaluation.page import render_page  # noqa: PLC0415 - heavy

    page = render_page(evaluation)
    for name, text in ((METRICS, metrics_json(evaluation)), (PAGE, page)):
        with whole_file(place / name, overwrite) as path:
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
    return place / PAGE


def check_report(folder: str | Path, overwrite: bool = False) -> Path:
    """Refuse a report that cannot be written, before the work is done for it; make its folder and return it.

    Raises:
        OutputError: a file of the report exists and `overwrite` is False, or the folder cannot be made.
        MissingExtra: an optional package is absent.
    """
    for module, package in _PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise missing_extra(package, "evaluate", "Evaluating a model")
    place = Path(folder)
    make_folder(place)
    for name in (PAGE, METRICS):
        check_free(place / name, overwrite)
    return place

"""The job: a model and films with known timelines in, the vote that suits them out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from framevote.classifier import IMAGENET, Classifier, load_model
from framevote.datasets import Dataset, read_dataset
from framevote.errors import UsageError
from framevote.model_file import check_writable, write_vote
from framevote.records import Progress
from framevote.runtime import Device, Precision, RuntimeName
from framevote.tuning.choosing import MaxDelay, allowed, check_delay, check_reached, choose, held_out, tried_on
from framevote.tuning.films import Films, look
from framevote.tuning.results import HeldOut, Tuned
from framevote.tuning.trying import Trials, try_votes
from framevote.tuning.votes import lines


def tune(
    model: Classifier | str | Path,
    data: Dataset | str | Path,
    *,
    max_delay: MaxDelay = None,
    store: bool = True,
    layout: str = "auto",
    group_by: str | None = None,
    side: str = "auto",
    precision: Precision = "auto",
    device: Device = "cpu",
    runtime: RuntimeName | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> Tuned:
    """Find the vote that suits a model and a kind of films, and store it in the model's file.

    The model looks at each video once. Then every vote of a grid is tried on its scores: smoothers over windows of seconds,
    trailing and centred, each with hystereses and shortest segments. The best is the one with the largest segment F1 at 50 per
    cent overlap, among those whose delay is allowed: the median time from the begin of a true segment until a viewer of live
    material sees its label, with all that the vote must wait for. What choosing so is worth is measured on videos that are
    held out, fold by fold, groups kept whole (Stone, "Cross-validatory choice and assessment of statistical predictions", 1974).

    Args:
        model: a `.fvm` file; with `store=False` also "imagenet" or a loaded model.
        data: a data set of pieces of videos (start, end, label), or where one lies.
        max_delay: seconds from 0 on, or "default": what the default vote has on the same videos; None where nobody watches live:
            then only accuracy counts.
        store: write the vote into the model's file, whole or not at all; nothing else in it changes.
        layout: how the data are to be read, as `read_dataset` takes it.
        group_by: what groups the items, as `read_dataset` takes it.
        side: `all`, `train`, `validation` or `test` as the data mark them; `auto` is all but what is marked train.
        precision: `auto`, `f32` or `bf16`.
        device: `cpu` or `gpu`.
        runtime: `openvino` or `keras`; None takes OpenVINO on the processor and Keras on a GPU.
        progress: told how many seconds of video are done, and how many frames.
        notify: is told in a sentence when something takes long.

    Raises:
        UsageError: an argument is wrong, the data label no pieces, model and data share no label, or no vote is as quick as asked.
        InputError: the data cannot be read, or none of the videos used.
        ModelError: the model cannot be found, read, or run as asked.
        OutputError: the model's file cannot be written.
    """
    check_delay(max_delay)
    path = _own_file(model) if store else None
    classifier = load_model(model, precision=precision, device=device, runtime=runtime, notify=notify)
    dataset = data if isinstance(data, Dataset) else read_dataset(data, layout, group_by)
    films = look(classifier, dataset, side, progress)
    tried = lines(films.row)
    if notify:
        notify(f"Trying {sum(len(list(line.votes())) for line in tried)} votes on {len(films.films)} videos")
    trials = try_votes(films.films, tried)
    found = _found(classifier, films, trials, max_delay)
    if path:
        write_vote(path, found.chosen.vote)
    return replace(found, data="" if isinstance(data, Dataset) else str(data), stored=path is not None)


def _own_file(model: Classifier | str | Path) -> Path:
    """Return the model's file, into which the vote shall be written.

    Raises:
        UsageError: the model is the built-in one, or was passed without its file.
        OutputError: the file is for reading only.
    """
    if isinstance(model, Classifier):
        raise UsageError("A loaded model keeps no vote. Pass its .fvm file, or store=False and the vote that is found to label(…).")
    if model == IMAGENET:
        raise UsageError(
            "The built-in model keeps no vote: all programs share it. Look with --dry-run (in Python: store=False), and name the vote that "
            "is found with --smoother, --hysteresis and --shortest."
        )
    path = Path(model)
    if path.exists():  # else loading tells what is missing
        check_writable(path)
    return path


def _found(classifier: Classifier, films: Films, trials: Trials, max_delay: MaxDelay) -> Tuned:
    check_reached(trials, max_delay)
    every = np.arange(len(films.films))
    tried, folds = tried_on(trials, every), held_out(trials, films.groups, max_delay)
    most = allowed(trials, every, max_delay)
    chosen = tried[choose(trials, every, max_delay)]
    gain = HeldOut.of(folds).gain.mean if folds else chosen.f1 - tried[0].f1
    if gain <= 0 and tried[0].delay <= most:
        chosen = tried[0]  # what wins on these videos loses on others: it has learned them by heart
    return Tuned(
        model=classifier.name,
        fingerprint=classifier.fingerprint,
        data="",
        videos=len(films.films),
        groups=len(np.unique(films.groups)),
        seconds=float(trials.seconds.sum()),
        max_delay=None if max_delay is None else most,
        default=tried[0],
        chosen=chosen,
        tried=tried,
        folds=folds,
        problems=films.problems,
    )

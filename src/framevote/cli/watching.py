"""Bars in a terminal while heads are fitted: what is embedded, and how fine-tuning comes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framevote.cli.batch import Tellings
    from framevote.training import Watch


@contextmanager
def watched(tell: "Tellings") -> Iterator["Watch"]:
    """Show bars in a terminal: how many items are embedded; epoch, loss and accuracy of fine-tuning."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    from framevote.training import Step, Watch  # noqa: PLC0415 (brings numpy)

    if tell.quiet or not tell.err.is_terminal:
        yield Watch(notify=tell.note)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=tell.err, transient=True) as bar:
        looking, learning = bar.add_task("embedding", total=None, visible=False), bar.add_task("learning", total=None, visible=False)

        def embedded(done: int, items: int) -> None:
            bar.update(looking, completed=done, total=items, visible=done < items, description=f"embedding {done} of {items} items")

        def learned(step: Step) -> None:
            words = f"epoch {step.epoch} of {step.epochs}: loss {step.loss:.3f}, accuracy {step.accuracy:.3f}"
            beside = f" (validation {step.validation_accuracy:.3f})" if step.validation_accuracy == step.validation_accuracy else ""
            done, total = (step.epoch - 1) * step.batches + step.batch, step.epochs * step.batches
            bar.update(learning, completed=done, total=total, visible=done < total, description=words + beside)

        yield Watch(tell.note, embedded, learned)

"""What can go wrong, as one small tree::

    framevote.Error
    ├── UsageError        the call itself is wrong: an unknown part, K = 0, an option that fits nothing
    │   └── PartError     a part's text cannot be built
    ├── InputError        this input cannot be used: missing, not a video, damaged beyond reading
    ├── OutputError       this output cannot be written: it exists, the folder is closed, the disk is full
    ├── ModelError        the model cannot be had or does not fit
    └── MissingExtra      an optional package is not installed

Every message says what came, what was expected, and how to mend it.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class Error(Exception):
    """Any error that framevote raises on purpose; its text is a sentence for people."""


class UsageError(Error):
    """The call is wrong, whatever the file: the same call cannot succeed."""


class PartError(UsageError):
    """A part's text or arguments cannot be built into a part."""


class InputError(Error):
    """An input file cannot be used."""


class OutputError(Error):
    """An output cannot be written; nothing half-written is left behind."""


class ModelError(Error):
    """A model cannot be found, read, or run as asked."""


class MissingExtra(Error):
    """An optional package is needed and absent."""


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtra:
    """Return the error for an absent optional package, with the line that installs it."""
    return MissingExtra(f"{purpose} needs the package {package}, which is not installed. Install it with: pip install 'framevote[{extra}]'")


@contextmanager
def beforehand() -> Iterator[None]:
    """Within, what cannot be written is wrong usage: it is found before any work is done."""
    try:
        yield
    except OutputError as error:
        raise UsageError(str(error)) from error

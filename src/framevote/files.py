"""Files that a user keeps: written whole or not at all."""

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from framevote.errors import Error, OutputError

_REASONS = {
    errno.ENOSPC: "the disk is full. Expected room for the whole file; free some, or write elsewhere",
    errno.EDQUOT: "your disk quota is used up. Free some of it, or write elsewhere",
    errno.EFBIG: "the file would grow beyond what is allowed here. Raise the limit (`ulimit -f`), or write elsewhere",
    errno.EACCES: "the folder is not open for writing. Change its permissions, or write elsewhere",
    errno.EPERM: "the folder is not open for writing. Change its permissions, or write elsewhere",
    errno.EROFS: "the disk can only be read. Write elsewhere",
    errno.ENAMETOOLONG: "the name is longer than this disk can hold. Choose a shorter one",
    errno.EINVAL: "this disk cannot hold such a name. Choose another",
}


@contextmanager
def whole_file(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a hidden temporary path beside `path`, with its suffix; what is written there becomes `path` at the end, or nothing does.

    A file that is replaced keeps its permissions, and a link stays a link to the replaced file. A killed process leaves at most
    the hidden file `.framevote-….partial.SUFFIX`, never a broken one under the name that was asked for.

    Raises:
        OutputError: the file exists, its folder is missing or closed, the disk is full, or the name cannot be.
    """
    target = Path(path)
    with _told(target):
        check_free(target, overwrite)
        target = Path(os.path.realpath(target))  # of a link, the file that it stands for
        temporary = target.with_name(f".framevote-{secrets.token_hex(6)}.partial{target.suffix}")
        try:
            temporary.touch(exist_ok=False)
            yield temporary
            _settle(temporary, target, overwrite)
        except Error as error:  # a sentence about the file names it as the user did
            raise type(error)(str(error).replace(str(temporary), str(path))) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse a path that no file can be written to, before any work is done for it.

    Raises:
        OutputError: the path is a folder or a device, its folder is missing, its name cannot be, or it exists and `overwrite` is False.
    """
    if "\0" in str(path):
        raise OutputError(f"{str(path)!r} cannot be written: a file's name holds no zero byte. Choose another.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder. Expected the name of a file, such as {path / 'timeline.json'}.")
    if not path.parent.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {path.parent}. Make it first: mkdir -p {path.parent}")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is no file but a device. Expected the name of a file.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists. Choose another name, or replace it with --overwrite (in Python: overwrite=True).")


def check_open(path: Path) -> None:
    """Refuse a path whose folder takes no new file.

    Raises:
        OutputError: the folder is closed, its disk full or for reading only.
    """
    with _told(path), tempfile.TemporaryFile(dir=path.parent):
        return


def make_folder(path: Path) -> None:
    """Make a folder of results, with those above it, where there is none.

    Raises:
        OutputError: something else has that name, or the place takes no folder.
    """
    with _told(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise OutputError(f"{path} cannot be made a folder: a file has that name. Choose another folder.") from error


def _settle(temporary: Path, target: Path, overwrite: bool) -> None:
    """Bring what was written to the disk itself, then to its name in one step."""
    with temporary.open("rb+") as written:
        os.fsync(written.fileno())
    check_free(target, overwrite)  # somebody else may have written it meanwhile
    if target.exists():
        shutil.copymode(target, temporary)
    temporary.replace(target)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or f"{error.strerror or error}. Write elsewhere, or mend that first"
        raise OutputError(f"{path} cannot be written: {reason}.") from error

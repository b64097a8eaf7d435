"""Files that are written atomically, and text and JSON that is read with clear errors."""

from __future__ import annotations

import contextlib
import csv
import errno
import json
import logging
import os
import pathlib
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kerasnets.errors import UserError
from kerasnets.values import check

log = logging.getLogger("kerasnets")

# The umask is the whole process's, and asking for it changes it.
_UMASK = threading.Lock()


@contextlib.contextmanager
def whole(path: str | os.PathLike, size: int = 0) -> Iterator[pathlib.Path]:
    """A path to write to, which becomes `path` at the end and is removed if writing failed.

    Args:
        path: The file.
        size: Bytes that will be written, or more: a disk without room for them is refused before,
            since HDF5 prints tracebacks of its own when it meets the end.

    Raises:
        UserError: When the disk is full, or the folder does not exist or cannot be written.
    """
    path = pathlib.Path(path)
    partial = path.with_name(f".partial-{path.name}")
    try:
        # Some writers word this at length.
        if not path.parent.is_dir():
            raise UserError(
                f"{str(path)!r} was not written: there is no folder {str(path.parent)!r}."
            )
        if size > shutil.disk_usage(path.parent).free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield partial
        # Some writers make files for the owner alone.
        partial.chmod(0o666 & ~_umask())
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{str(path)!r} was not written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _umask() -> int:
    with _UMASK:
        value = os.umask(0)
        os.umask(value)
    return value


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file atomically."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_text(path: str | os.PathLike) -> str:
    """The text of a UTF-8 file.

    Raises:
        UserError: When it cannot be read.
    """
    try:
        return pathlib.Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{str(path)!r} cannot be read: {error}.") from error


def write_csv(
    path: str | os.PathLike, header: Sequence[str], rows: Iterable[Iterable[object]]
) -> None:
    """Writes a CSV file, whole or not at all; names of files may hold bytes that are no UTF-8.

    Raises:
        UserError: When it cannot be written.
    """
    with (
        whole(path) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: When it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: str | os.PathLike, kind: Any, what: str) -> Any:
    """The value in a JSON file.

    Args:
        path: The file.
        kind: Type of the value, such as ``list[str]``.
        what: What the file must hold, for the error.

    Raises:
        UserError: When the file cannot be read, is no JSON, or holds a value of another type.
    """
    text = read_text(path)
    try:
        return check(parse_json(text), kind, "it")
    except ValueError as error:
        raise UserError(f"{str(path)!r} is damaged: it must hold {what} ({error}).") from error


@contextlib.contextmanager
def locked(path: pathlib.Path, taken: str | None = None) -> Iterator[None]:
    """Keeps other processes out that lock the same file; nothing is locked where none can be made.

    Args:
        path: The file that is locked; it is made, and holds nothing.
        taken: What the user is told where another process is inside; without it this one waits.

    Raises:
        UserError: When another process is inside, and `taken` says what to tell.
    """
    import filelock  # loads asyncio, which takes 0.1 s

    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(filelock.FileLock(path, timeout=-1 if taken is None else 0))
        except filelock.Timeout:
            raise UserError(str(taken)) from None
        except (OSError, NotImplementedError):
            # Such as a read-only folder, whose files can still be read.
            log.debug("%s cannot be locked", path)
        yield


def check_writable(path: str | os.PathLike) -> None:
    """Refuses, before long work, a folder that cannot be written or made.

    Raises:
        UserError: When it, or the first folder above it that exists, is a file or is protected.
    """
    path = pathlib.Path(path)
    there = next(each for each in (path, *path.parents) if each.exists())
    if not there.is_dir():
        raise UserError(f"The folder {str(path)!r} cannot be made: {str(there)!r} is a file.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"The folder {str(path)!r} cannot be written: {str(there)!r} is protected.")


def make_folder(path: str | os.PathLike) -> pathlib.Path:
    """Makes a folder and those above it.

    Raises:
        UserError: When it cannot be made.
    """
    path = pathlib.Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UserError(f"The folder {str(path)!r} cannot be made: it is a file.") from error
    except OSError as error:
        raise UserError(f"The folder {str(path)!r} cannot be made: {error.strerror}.") from error
    return path

"""Writing files that are whole or not there, with errors a user can act on."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator

from kerasnets.errors import UserError


@contextlib.contextmanager
def whole(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A path to write to that becomes `path` at the end, or vanishes where writing failed.

    Raises:
        UserError: When the disk is full or the folder cannot be written.
    """
    path = pathlib.Path(path)
    partial = path.with_name(f".partial-{path.name}")
    try:
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
    value = os.umask(0)
    os.umask(value)
    return value


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file, whole or not at all."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")


def make_folder(path: str | os.PathLike) -> pathlib.Path:
    """Makes a folder and those above it.

    Raises:
        UserError: When it cannot be made.
    """
    path = pathlib.Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The folder {str(path)!r} cannot be made: {error.strerror}.") from error
    return path

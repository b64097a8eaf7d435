"""Numbered versions in a folder, each of which appears, and vanishes, all at once."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import re
import shutil
import uuid
from collections.abc import Callable, Iterator

from kerasnets.errors import UserError
from kerasnets.export.form import exporters
from kerasnets.files import make_folder

try:
    import fcntl
except ImportError:
    fcntl = None  # Windows

# What a version's folder is called while it is written, or removed.
PARTIAL = re.compile(r"\.partial-[0-9a-f]{32}|\.removed-\d+")


def numbered(folder: str | os.PathLike) -> dict[int, pathlib.Path]:
    """The folders of versions, by number, ascending; zeros may stand in front, as in ``0007``."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        return {}
    # Of `7` and `07` the latter sorts first, and the former counts.
    paths = [path for path in sorted(folder.iterdir()) if _is_number(path.name) and path.is_dir()]
    return dict(sorted((int(path.name), path) for path in paths))


def versions(folder: str | os.PathLike, format: str = "savedmodel") -> dict[int, pathlib.Path]:
    """The folders of a format's versions, by number, ascending."""
    found = numbered(folder).items()
    mark = exporters()[format].file
    return {number: path for number, path in found if (path / mark).exists()}


def write_version(
    folder: str | os.PathLike, format: str, write: Callable[[pathlib.Path], None]
) -> pathlib.Path:
    """Writes the next version, which appears when it is complete.

    Clears what killed exports left in `folder`, unless another export into it is under way.

    Args:
        folder: Folder of the versions; made where there is none.
        format: Name of the format.
        write: Fills the folder that it is given. A server that watches `folder` passes over this
            one until it gets a number for its name.

    Returns:
        The folder of the version, with the next number that is free at the end.

    Raises:
        UserError: When the folder cannot be written, or holds versions of another format.
    """
    folder = make_folder(folder)
    # A name of its own: other processes may export into the same folder.
    partial = folder / f".partial-{uuid.uuid4().hex}"
    try:
        check_format(folder, format)
        with _exporting(folder):
            partial.mkdir()
            write(partial)
            return _publish(partial)
    except OSError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"No version was written into {str(folder)!r}: {reason}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def _exporting(folder: pathlib.Path) -> Iterator[None]:
    """Clears what killed exports left in a folder and keeps others from clearing what comes now.

    All exports into a folder share a lock on it, which ends with its process, however that ends.
    Whoever gets it alone knows that no other export is alive. Where there are no such locks,
    nothing is cleared.
    """
    if fcntl is None:
        yield
        return
    lock = os.open(folder, os.O_RDONLY)
    try:
        if _locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
            for path in folder.iterdir():
                if PARTIAL.fullmatch(path.name):
                    shutil.rmtree(path, ignore_errors=True)
        _locked(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


def _locked(file: int, how: int) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, how)
    except OSError:
        return False  # held by another, or none on this file system
    return True


def check_format(folder: pathlib.Path, format: str) -> None:
    """Raises a `UserError` where a folder holds versions of another format."""
    for other in exporters().all():
        if other != format and versions(folder, other):
            raise UserError(
                f"{str(folder)!r} holds versions of the format {other}; a server would stumble "
                f"over one of {format}. Give another folder."
            )


def _publish(partial: pathlib.Path) -> pathlib.Path:
    """Gives a folder the next number, and one more where another process was faster."""
    while True:
        try:
            return partial.rename(_next_free(partial.parent))
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


def _next_free(folder: pathlib.Path) -> pathlib.Path:
    numbers = [int(path.name) for path in folder.iterdir() if _is_number(path.name)]
    return folder / str(max(numbers, default=0) + 1)


def _is_number(name: str) -> bool:
    """Whether a name is made of ASCII digits; `str.isdigit` alone takes ``²`` too.

    TensorFlow Serving counts versions in 64 bits.
    """
    return name.isascii() and name.isdigit() and int(name) < 2**63


def prune(folder: pathlib.Path, format: str, keep: int) -> None:
    """Removes all but the newest `keep` versions.

    Raises:
        UserError: When one cannot be removed.
    """
    for path in list(versions(folder, format).values())[:-keep]:
        gone = folder / f".removed-{path.name}"
        try:
            shutil.rmtree(gone, ignore_errors=True)
            path.rename(gone)
            shutil.rmtree(gone)
        except FileNotFoundError:
            continue  # another export into this folder was faster
        except OSError as error:
            raise UserError(
                f"The new version is written, but the old {str(path)!r} was not removed: "
                f"{error.strerror or error}."
            ) from error

"""Files and folders here, or on any file system that TensorFlow knows (``gs://``, ``s3://``)."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kerasnets.data.reasons import reason
from kerasnets.errors import UserError
from kerasnets.lazy import tf

# Says that a file is UTF-8; it is no part of the text.
MARK = "\ufeff"


def is_remote(path: str) -> bool:
    """Whether a path names a file system of its own, such as ``gs://``."""
    return "://" in path


def expanded(path: str) -> str:
    """The path with ``~`` replaced by the home folder."""
    return path if is_remote(path) else os.path.expanduser(path)


def is_file(path: str) -> bool:
    """Whether there is such a file."""
    return tf.io.gfile.exists(path) if is_remote(path) else os.path.isfile(path)


def read_start(path: str, length: int) -> bytes:
    """The first bytes of a file; none of one that cannot be read."""
    unreadable = tf.errors.OpError if is_remote(path) else OSError
    try:
        if is_remote(path):
            return tf.io.gfile.GFile(path, "rb").read(length)
        with open(path, "rb") as file:
            return file.read(length)
    except unreadable:
        return b""


def read_text(path: str) -> str:
    """The text of a UTF-8 file, without the mark that Excel puts before it.

    Raises:
        UserError: When it cannot be read.
    """
    try:
        if is_remote(path):
            return tf.io.gfile.GFile(path).read().removeprefix(MARK)
        # Line ends stay as they are: a name in quotes may have some.
        with open(path, encoding="utf-8-sig", newline="") as file:
            return file.read()
    except OSError as error:
        raise UserError(f"{path!r} cannot be read: {error.strerror or error}.") from error
    except Exception as error:
        raise UserError(f"{path!r} cannot be read: {reason(error)}.") from error


@contextlib.contextmanager
def opened_text(path: str) -> Iterator[Iterable[str]]:
    """The lines of a UTF-8 file, which is not held in memory.

    Raises:
        UserError: When it cannot be read, also while it is.
    """
    unreadable = tf.errors.OpError if is_remote(path) else OSError
    try:
        with (
            tf.io.gfile.GFile(path)
            if is_remote(path)
            else open(path, encoding="utf-8-sig", newline="") as file
        ):
            yield _without_mark(file) if is_remote(path) else file
    except (unreadable, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or reason(error)
        raise UserError(f"{path!r} cannot be read: {why}.") from error


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    """The lines without the mark that Excel puts before the first."""
    lines = iter(lines)
    yield next(lines, "").removeprefix(MARK)
    yield from lines


class Listing(NamedTuple):
    """What is in a folder: names, sorted.

    Attributes:
        folders: Folders.
        files: Files, and links that lead nowhere.
        ignored: What is hidden, and what systems and archives put beside a user's files.
        special: What is neither file nor folder, such as a pipe, which reading would wait for.
    """

    folders: list[str]
    files: list[str]
    ignored: list[str]
    special: list[str]


# In small letters.
SYSTEM_NAMES = frozenset(
    {
        "__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "lost+found",
        "system volume information",
    }
)  # fmt: skip


def is_ignored(name: str) -> bool:
    """Whether a file or a folder of this name is none of the user's."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def listing(path: str) -> Listing:
    """What is in a folder.

    Raises:
        UserError: When there is no such folder.
    """
    if is_remote(path):
        return _remote_listing(path)
    if not os.path.isdir(path):
        raise UserError(f"There is no folder {path!r}.")
    found = Listing([], [], [], [])
    with os.scandir(path) as entries:
        for entry in entries:
            if is_ignored(entry.name):
                kind = found.ignored
            elif entry.is_dir():
                kind = found.folders
            else:
                is_file = entry.is_file() or not os.path.exists(entry.path)
                kind = found.files if is_file else found.special
            kind.append(entry.name)
    # The names alone: of many entries these take a tenth of the memory.
    for names in found:
        names.sort()
    return found


def _remote_listing(path: str) -> Listing:
    scheme = path.partition("://")[0]
    if scheme not in tf.io.gfile.get_registered_schemes():
        raise UserError(
            f"{path!r} cannot be read: TensorFlow knows no file system {scheme}://. For s3:// "
            "install tensorflow-io and import it first."
        )
    try:
        # Some file systems mark folders by a slash at the end.
        listed = tf.io.gfile.listdir(path)
        names = [name for name in listed if not is_ignored(name.rstrip("/"))]
        folders = {
            name.rstrip("/")
            for name in names
            if name.endswith("/") or tf.io.gfile.isdir(posixpath.join(path, name))
        }
    except tf.errors.NotFoundError:
        raise UserError(f"There is no folder {path!r}.") from None
    except tf.errors.OpError as error:
        raise UserError(f"{path!r} cannot be read: {reason(error)}.") from error
    files = sorted(name for name in names if name.rstrip("/") not in folders)
    return Listing(sorted(folders), files, sorted(set(listed) - set(names)), [])

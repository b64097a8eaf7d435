"""Files and folders here, or on any file system that TensorFlow knows (``gs://``, ``s3://``)."""

from __future__ import annotations

import os
import posixpath

from kerasnets.data.reasons import reason
from kerasnets.errors import UserError
from kerasnets.lazy import tf


def is_remote(path: str) -> bool:
    """Whether a path names a file system of its own, such as ``gs://``."""
    return "://" in path


def expanded(path: str) -> str:
    """The path with ``~`` replaced by the home folder."""
    return path if is_remote(path) else os.path.expanduser(path)


def is_file(path: str) -> bool:
    """Whether there is such a file."""
    return tf.io.gfile.exists(path) if is_remote(path) else os.path.isfile(path)


def read_text(path: str) -> str:
    """The text of a UTF-8 file.

    Raises:
        UserError: When it cannot be read.
    """
    try:
        if is_remote(path):
            return tf.io.gfile.GFile(path).read()
        # Line ends stay as they are: a name in quotes may have some.
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except OSError as error:
        raise UserError(f"{path!r} cannot be read: {error.strerror or error}.") from error
    except Exception as error:
        raise UserError(f"{path!r} cannot be read: {reason(error)}.") from error


def listing(path: str) -> tuple[list[str], list[str]]:
    """Names of the folders and of the files in a folder, sorted, without hidden ones.

    Raises:
        UserError: When there is no such folder.
    """
    if is_remote(path):
        return _remote_listing(path)
    if not os.path.isdir(path):
        raise UserError(f"There is no folder {path!r}.")
    with os.scandir(path) as entries:
        is_folder = {entry.name: entry.is_dir() for entry in entries if entry.name[0] != "."}
    folders = sorted(name for name in is_folder if is_folder[name])
    return folders, sorted(name for name in is_folder if not is_folder[name])


def _remote_listing(path: str) -> tuple[list[str], list[str]]:
    scheme = path.partition("://")[0]
    if scheme not in tf.io.gfile.get_registered_schemes():
        raise UserError(
            f"{path!r} cannot be read: TensorFlow knows no file system {scheme}://. For s3:// "
            "install tensorflow-io and import it first."
        )
    try:
        # Some file systems mark folders by a slash at the end.
        names = [name for name in tf.io.gfile.listdir(path) if name[0] != "."]
        folders = {
            name.rstrip("/")
            for name in names
            if name.endswith("/") or tf.io.gfile.isdir(posixpath.join(path, name))
        }
    except tf.errors.NotFoundError:
        raise UserError(f"There is no folder {path!r}.") from None
    except tf.errors.OpError as error:
        raise UserError(f"{path!r} cannot be read: {reason(error)}.") from error
    return sorted(folders), sorted(name for name in names if name.rstrip("/") not in folders)

"""Numbered versions in a folder, each of which appears, and vanishes, all at once."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator

from kerasnets.errors import UserError
from kerasnets.files import make_folder

# The file that makes a version one of its format.
FILES = {"savedmodel": "saved_model.pb", "litert": "model.tflite", "onnx": "model.onnx"}


def versions(folder: str | os.PathLike, format: str = "savedmodel") -> list[int]:
    """Numbers of a format's versions under a folder, ascending."""
    paths = pathlib.Path(folder).glob(f"*/{FILES[format]}")
    return sorted(int(path.parent.name) for path in paths if path.parent.name.isdigit())


@contextlib.contextmanager
def next_version(
    folder: str | os.PathLike, format: str
) -> Iterator[tuple[pathlib.Path, pathlib.Path]]:
    """A folder to write into that becomes the next version at the end, or vanishes on an error.

    Args:
        folder: Of the versions; made where there is none.
        format: A key of `FILES`.

    Returns:
        The folder to write into, and what it becomes. A server that watches `folder` passes over
        the former, since its name is no number.

    Raises:
        UserError: When the folder cannot be written, or holds versions of another format.
    """
    folder = make_folder(folder)
    for other in FILES:
        if other != format and versions(folder, other):
            raise UserError(
                f"{str(folder)!r} holds versions of the format {other}; a server would stumble "
                f"over one of {format}. Give another folder."
            )
    numbers = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
    version = folder / str(max(numbers, default=0) + 1)
    partial = folder / f".partial-{version.name}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        yield partial, version
        partial.rename(version)
    except OSError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{str(version)!r} was not written: {reason}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def prune(folder: pathlib.Path, format: str, keep: int) -> None:
    """Removes all but the newest `keep` versions."""
    for number in versions(folder, format)[:-keep]:
        gone = folder / f".removed-{number}"
        shutil.rmtree(gone, ignore_errors=True)
        (folder / str(number)).rename(gone)
        shutil.rmtree(gone)

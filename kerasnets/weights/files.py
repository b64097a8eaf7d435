"""Opening weight files: safetensors, PyTorch's, and Keras' three formats, told by their content."""

from __future__ import annotations

import contextlib
import json
import math
import os
import pathlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from kerasnets.errors import UserError

_ZIP = b"PK\x03\x04"
# Pickles of protocols 2 and 4, as torch < 1.6 wrote them.
_PICKLE = (b"\x80\x02", b"\x80\x04")
_HDF5 = b"\x89HDF\r\n\x1a\n"
# The files' own metadata, in safetensors.
CHECKSUMS = "crc32"

Format = Literal["safetensors", "torch", "hdf5", "keras"]


@dataclass(frozen=True)
class Stored:
    """One tensor of an open file, not read yet.

    Attributes:
        shape: As the file says.
        dtype: As the file says, in numpy's words.
        read: ``read(start, stop)`` gives these rows (all of a scalar).
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[int, int], np.ndarray]

    @property
    def rows(self) -> int:
        return self.shape[0] if self.shape else 1

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class WeightFile:
    """An open weight file.

    Attributes:
        path: Of the file.
        tensors: By name. In Keras' formats the name is ``LAYER/INDEX``, the index counting a
            layer's variables; layers that Keras numbered by itself (``conv2d_17``) are called by
            their rank among their class (``conv2d#3``), for the numbers depend on the session.
        framework: Whose names these are: ``keras``, or those of anybody who writes safetensors or
            PyTorch files, us included.
        checksums: CRC-32 of the tensors' bytes, in files that record it.
    """

    path: pathlib.Path
    tensors: Mapping[str, Stored]
    framework: Literal["torch", "keras"] = "torch"
    checksums: Mapping[str, int] = field(default_factory=dict)

    def damaged(self, reason: object) -> UserError:
        """The error for a file that cannot be read whole."""
        return damaged(self.path, reason)


def damaged(path: str | os.PathLike, reason: object) -> UserError:
    """The error for a file that cannot be read whole."""
    return UserError(f"{os.fspath(path)!r} is damaged: {str(reason).rstrip('.')}.")


def file_format(path: str | os.PathLike) -> Format:
    """What kind of weight file this is, told by the content and not by the file's name.

    Raises:
        UserError: When there is no such file, or it cannot be read or is none of these.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"There is no weight file {str(path)!r}.")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    if head.startswith(_ZIP):
        return "keras" if _holds_keras_model(path) else "torch"
    if head.startswith(_PICKLE):
        return "torch"
    if head.startswith(_HDF5):
        return "hdf5"
    if head[8:9] == b"{":
        return "safetensors"
    found = "a web page" if head.lstrip().lower().startswith(b"<") else f"{head[:8]!r}..."
    raise UserError(
        f"{str(path)!r} is no weight file: expected safetensors, a PyTorch file, .weights.h5, .h5 "
        f"or .keras. Found {found if head else 'an empty file'}."
    )


def _holds_keras_model(path: pathlib.Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "model.weights.h5" in archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise damaged(path, error) from error


@contextlib.contextmanager
def open_weights(path: str | os.PathLike) -> Iterator[WeightFile]:
    """A weight file, its tensors named and measured but not read.

    Raises:
        UserError: When the file is missing, damaged, of another kind, or needs PyTorch where
            there is none.
    """
    from kerasnets.weights import hdf5, pytorch

    path = pathlib.Path(path)
    openers = {
        "safetensors": _safetensors,
        "torch": pytorch.opened,
        "hdf5": hdf5.opened,
        "keras": hdf5.opened_archive,
    }
    with openers[file_format(path)](path) as file:
        yield file


def read_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """All tensors of a weight file by name, checked where the file records checksums.

    Raises:
        UserError: As `open_weights`.
    """
    with open_weights(path) as file:
        tensors = {name: stored.read(0, stored.rows) for name, stored in file.tensors.items()}
        for name, checksum in file.checksums.items():
            check(file, name, checksum, crc32(tensors[name]))
    return tensors


def crc32(array: np.ndarray, start: int = 0) -> int:
    """The checksum of an array's bytes, continued from `start`."""
    import zlib

    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view("uint8"), start)


def check(file: WeightFile, name: str, expected: int, found: int) -> None:
    """Raises where a tensor is not what was written."""
    if found != expected:
        raise file.damaged(f"the checksum of {name} is {found:08x}, expected {expected:08x}")


@contextlib.contextmanager
def _safetensors(path: pathlib.Path) -> Iterator[WeightFile]:
    """Memory-mapped: pages come in as rows are read."""
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            dtypes = {name: part.get_dtype() for name, part in slices.items()}
            metadata = file.metadata() or {}
        reader = _SafetensorsReader(path)
        tensors = {
            name: Stored(shapes[name], _DTYPES.get(dtypes[name], dtypes[name]), reader.of(name))
            for name in shapes
        }
        checksums = _checksums(path, metadata, tensors)
        yield WeightFile(path, tensors, checksums=checksums)
    except (safetensors.SafetensorError, OSError) as error:
        raise damaged(path, error) from error


_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


class _SafetensorsReader:
    """Reads rows, and lets go of the pages it has read: they would count as our memory."""

    KEEP = 128 << 20  # bytes read before the map is opened anew

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.file = None
        self.read_bytes = 0

    def of(self, name: str) -> Callable[[int, int], np.ndarray]:
        return lambda start, stop: self.rows(name, start, stop)

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        import safetensors

        if self.file is None or self.read_bytes > self.KEEP:
            self.file = safetensors.safe_open(self.path, framework="numpy")
            self.read_bytes = 0
        part = self.file.get_slice(name)
        whole = not part.get_shape() or (start == 0 and stop == part.get_shape()[0])
        array = self.file.get_tensor(name) if whole else part[start:stop]
        self.read_bytes += array.nbytes
        return array


def _checksums(
    path: pathlib.Path, metadata: Mapping[str, str], tensors: Mapping[str, Stored]
) -> dict[str, int]:
    """What the file's metadata say of its tensors' bytes."""
    if CHECKSUMS not in metadata:
        return {}
    try:
        recorded = json.loads(metadata[CHECKSUMS])
        checksums = {name: int(value, 16) for name, value in recorded.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise damaged(path, f"its list of checksums cannot be read ({error})") from error
    if checksums.keys() != tensors.keys():
        [name, *_] = checksums.keys() ^ tensors.keys()
        raise damaged(path, f"its list of checksums and its tensors differ in {name}")
    return checksums

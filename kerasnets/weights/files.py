"""Opening weight files: safetensors, PyTorch's, and Keras' three formats, told by their content."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from kerasnets.errors import UserError
from kerasnets.files import parse_json
from kerasnets.weights.tensors import (
    CHECKSUMS,
    Stored,
    WeightFile,
    damaged,
    reading,
)

_ZIP = b"PK\x03\x04"
# Pickles of protocols 2 and 4, as torch < 1.6 wrote them.
_PICKLE = (b"\x80\x02", b"\x80\x04")
_HDF5 = b"\x89HDF\r\n\x1a\n"

Format = Literal["safetensors", "torch", "hdf5", "keras"]


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
    with reading(path), zipfile.ZipFile(path) as archive:
        return "model.weights.h5" in archive.namelist()


@contextlib.contextmanager
def open_weights(path: str | os.PathLike) -> Iterator[WeightFile]:
    """A weight file, its tensors named and measured but not read.

    Raises:
        UserError: When the file is missing, damaged, of another kind, or needs PyTorch where
            there is none.
    """
    # Here, for a part of what they import is slow to load.
    from kerasnets.weights import hdf5, pytorch

    openers = {
        "safetensors": _safetensors,
        "torch": pytorch.opened,
        "hdf5": hdf5.opened,
        "keras": hdf5.opened_archive,
    }
    with openers[file_format(path)](pathlib.Path(path)) as file:
        yield file


def read_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """All tensors of a weight file by name, checked where the file records checksums.

    Raises:
        UserError: As `open_weights`.
    """
    with open_weights(path) as file:
        return file.read()


@contextlib.contextmanager
def _safetensors(path: pathlib.Path) -> Iterator[WeightFile]:
    """Memory-mapped: pages come in as rows are read."""
    with reading(path):
        reader = _SafetensorsReader(path)
        tensors = {name: reader.stored(name) for name in reader.file.keys()}  # noqa: SIM118
        metadata = reader.file.metadata() or {}
    checksums = _checksums(path, metadata, tensors)
    yield WeightFile(path, tensors, checksums=checksums, metadata=metadata)


_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


class _SafetensorsReader:
    """Reads rows, and lets go of the pages it has read: they would count as our memory."""

    KEEP = 128 << 20  # bytes read before the map is opened anew

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.open()

    def open(self) -> None:
        import safetensors

        self.file: Any = safetensors.safe_open(self.path, framework="numpy")
        self.read_bytes = 0

    def stored(self, name: str) -> Stored:
        part = self.file.get_slice(name)
        dtype: str = part.get_dtype()
        read = functools.partial(self.rows, name)
        return Stored(tuple(part.get_shape()), _DTYPES.get(dtype, dtype), read)

    def rows(self, name: str, start: int, stop: int) -> np.ndarray:
        with reading(self.path):
            if self.read_bytes > self.KEEP:
                self.open()
            part = self.file.get_slice(name)
            complete = not part.get_shape() or (start == 0 and stop == part.get_shape()[0])
            array = self.file.get_tensor(name) if complete else part[start:stop]
            self.read_bytes += array.nbytes
            return array


def _checksums(
    path: pathlib.Path, metadata: Mapping[str, str], tensors: Mapping[str, Stored]
) -> dict[str, int]:
    """What the file's metadata say of its tensors' bytes."""
    if CHECKSUMS not in metadata:
        return {}
    try:
        recorded = parse_json(metadata[CHECKSUMS])
        checksums = {name: int(value, 16) for name, value in recorded.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise damaged(path, f"its list of checksums cannot be read ({error})") from error
    if checksums.keys() != tensors.keys():
        [name, *_] = checksums.keys() ^ tensors.keys()
        raise damaged(path, f"its list of checksums and its tensors differ in {name}")
    return checksums

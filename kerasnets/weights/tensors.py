"""An open weight file: its tensors named and measured, but not read."""

from __future__ import annotations

import contextlib
import math
import os
import pathlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from kerasnets.errors import UserError
from kerasnets.registry import WeightsOrigin

# Entries of the metadata of our own safetensors files.
CHECKSUMS = "crc32"
ORIGIN = "origin"


@dataclass(frozen=True)
class Stored:
    """One tensor of an open file, not read yet.

    Attributes:
        shape: The shape that the file gives.
        dtype: The type that the file gives, in numpy's words.
        read: ``read(start, stop)`` returns these rows (all of a scalar).
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[int, int], np.ndarray]

    @property
    def rows(self) -> int:
        return self.shape[0] if self.shape else 1

    @property
    def size(self) -> int:
        """The number of its elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class WeightFile:
    """An open weight file.

    Attributes:
        path: Where it lies.
        tensors: The tensors by name. In Keras' formats the name is ``LAYER/INDEX``, the index
            counting a layer's variables; layers that Keras numbered by itself (``conv2d_17``) are
            called by their rank among their class (``conv2d#3``), for the numbers depend on the
            session.
        framework: Whose names these are: ``keras``, or those of anybody who writes safetensors or
            PyTorch files, us included.
        checksums: CRC-32 of the tensors' bytes, in files that record it.
        metadata: What the file says of itself by name, such as `ORIGIN`.
    """

    path: pathlib.Path
    tensors: Mapping[str, Stored]
    framework: Literal["torch", "keras"] = "torch"
    checksums: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> WeightsOrigin | None:
        """Where the network's weights are from, in files that record it.

        Raises:
            UserError: When the record is damaged.
        """
        text = self.metadata.get(ORIGIN)
        return None if text is None else read_origin(text, self.path)

    def read(self) -> dict[str, np.ndarray]:
        """All tensors by name, checked where the file records checksums.

        Raises:
            UserError: When the file is damaged.
        """
        tensors = {name: stored.read(0, stored.rows) for name, stored in self.tensors.items()}
        for name in self.checksums:
            self.check(name, crc32(tensors[name]))
        return tensors

    def check(self, name: str, found: int) -> None:
        """Raises where a tensor's checksum is not the one that was recorded."""
        expected = self.checksums.get(name, found)
        if found != expected:
            reason = f"the checksum of {name} is {found:08x}, expected {expected:08x}"
            raise damaged(self.path, reason)


def damaged(path: str | os.PathLike, reason: object) -> UserError:
    """The error for a file that cannot be read completely."""
    text = " ".join(str(reason).split())[:300].rstrip(".")
    return UserError(f"{os.fspath(path)!r} is damaged: {text or type(reason).__name__}.")


def read_origin(text: str, path: str | os.PathLike) -> WeightsOrigin:
    """The origin that `WeightsOrigin.to_json` wrote into a file.

    Raises:
        UserError: When it is none.
    """
    try:
        return WeightsOrigin.from_json(text)
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise UserError(f"{os.fspath(path)!r} does not describe a network: {reason}.") from error


@contextlib.contextmanager
def reading(path: pathlib.Path) -> Iterator[None]:
    """Turns whatever a library raises while it reads the file into that for a damaged file."""
    try:
        yield
    except UserError:
        raise
    # On content that makes no sense they raise anything: AttributeError, LZMAError, RecursionError.
    except Exception as error:
        raise damaged(path, error) from error


def check_finite(path: str | os.PathLike, name: str, array: np.ndarray) -> None:
    """Raises where a tensor of a file holds NaN or infinite numbers; copies nothing."""
    ends = [float(array.min()), float(array.max())] if array.size else []
    if not np.isfinite(ends).all():
        found = "NaN" if np.isnan(ends).any() else "infinite numbers"
        raise UserError(
            f"{os.fspath(path)!r} cannot be used: {name} holds {found}, expected finite numbers."
        )


def crc32(array: np.ndarray, start: int = 0) -> int:
    """The checksum of an array's bytes, continued from `start`."""
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view("uint8").data, start)

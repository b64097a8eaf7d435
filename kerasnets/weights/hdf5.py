"""Keras' weight files: ``.weights.h5``, the older ``.h5``, and the archive ``.keras``."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

import h5py
import numpy as np

from kerasnets.errors import UserError
from kerasnets.files import parse_json
from kerasnets.weights.tensors import ORIGIN, Stored, WeightFile, damaged, reading

# Files of Keras have some ten; it takes the square of the depth in time to go there.
_DEPTH = 100
# Where Keras keeps what belongs to layers.
_TOPS = ("layers", "_layer_checkpoint_dependencies")
_TRAILER = b"kerasnets:crc32:"
_DIGITS = 8


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[WeightFile]:
    """A ``.weights.h5`` or ``.h5`` file.

    Raises:
        UserError: When it is damaged or holds no layers of Keras.
    """
    _check_trailer(path)
    with _file(path, path) as file:
        yield file


@contextlib.contextmanager
def opened_archive(path: pathlib.Path) -> Iterator[WeightFile]:
    """A ``.keras`` archive. Of its configuration only the origin is read; nothing in it is run."""
    with reading(path), zipfile.ZipFile(path) as archive:
        content = _member(archive, "model.weights.h5", path)
        config = {}
        if "config.json" in archive.namelist():
            config = parse_json(_member(archive, "config.json", path).decode())
        origin = config.get("config", {}).get("origin")
        facts = {} if origin is None else {ORIGIN: json.dumps(origin)}
    with _file(path, io.BytesIO(content), facts) as file:
        yield file


def _member(archive: zipfile.ZipFile, name: str, path: pathlib.Path) -> bytes:
    """A file of an archive, its checksum compared.

    Its size is looked at before: an archive may pretend to hold terabytes.
    """
    member = archive.getinfo(name)
    if member.file_size > 100 * max(member.compress_size, 1) + (1 << 20):
        raise damaged(path, f"its {name} unpacks to {member.file_size:,} bytes")
    return archive.read(member)


@contextlib.contextmanager
def _file(
    path: pathlib.Path, source: object, facts: Mapping[str, str] | None = None
) -> Iterator[WeightFile]:
    with contextlib.ExitStack() as stack:
        with reading(path):
            file = stack.enter_context(h5py.File(source, "r"))
            datasets = dict(_datasets(path, file))
            tensors = {name: _stored(path, data) for name, data in datasets.items()}
            if ORIGIN in file.attrs:
                facts = {ORIGIN: _text(file.attrs[ORIGIN])}
        yield WeightFile(path, _ranked(tensors), framework="keras", metadata=facts or {})


def _groups(path: pathlib.Path, file: h5py.File) -> list[Any]:
    """Every group of a file, none twice.

    Links to other files are refused before anything follows one: it may be a pipe, and wait.
    """
    groups: list[Any] = []
    seen: set[Any] = set()
    waiting: list[Any] = [file]
    while waiting:
        group = waiting.pop()
        if group.name.count("/") > _DEPTH:
            raise damaged(path, f"its groups are nested more than {_DEPTH} deep")
        if group in seen:  # told by where it lies in the file
            continue
        seen.add(group)
        groups.append(group)
        children = []
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                where = f"{group.name.rstrip('/')}/{name}"
                raise damaged(path, f"{where} is a link to another file, {link.filename!r}")
            if isinstance(link, h5py.HardLink) and isinstance(group[name], h5py.Group):
                children.append(group[name])
        waiting += reversed(children)
    return groups


# A group's member may be of several kinds; one that is not the expected kind is an error.
def _datasets(path: pathlib.Path, file: Any) -> Iterator[tuple[str, Any]]:
    """The variables, by ``LAYER/INDEX``."""
    groups = _groups(path, file)
    if any(top in file for top in _TOPS):
        yield from _by_group(path, groups)
        return
    root = file.get("model_weights", file)  # a complete model saved as .h5
    names = _attribute(root, "layer_names")
    if not names:
        raise UserError(f"{str(path)!r} is an HDF5 file without layers of Keras.")
    for layer in names:
        for index, weight in enumerate(_attribute(root[layer], "weight_names")):
            yield f"{layer}/{index}", root[layer][weight]


def _by_group(path: pathlib.Path, groups: list[Any]) -> Iterator[tuple[str, Any]]:
    """The variables of a ``.weights.h5`` file: each layer's ``vars`` group has the layer's name."""
    for group in groups:
        _, top, *parts = group.name.split("/")
        if top not in _TOPS or parts[-1:] != ["vars"] or not len(group):
            continue
        owner = (top, *parts)[-2]
        if owner.startswith("seed_generator"):
            continue
        if "name" not in group.attrs:
            raise UserError(
                f"{str(path)!r} does not name its layers: it was written by an older Keras. "
                "Load and save it again with Keras >= 3.12."
            )
        layer = _text(group.attrs["name"])
        for index in group:
            yield f"{layer}/{int(index)}", group[index]


def _attribute(group: Any, name: str) -> list[str]:
    """A list of names; a long one is kept in numbered pieces."""
    if name in group.attrs:
        return [_text(value) for value in group.attrs[name]]
    names, piece = [], 0
    while f"{name}{piece}" in group.attrs:
        names += [_text(value) for value in group.attrs[f"{name}{piece}"]]
        piece += 1
    return names


def _text(value: object) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _stored(path: pathlib.Path, data: object) -> Stored:
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise damaged(path, f"{getattr(data, 'name', data)} is not a plain array of numbers")

    def read(start: int, stop: int) -> np.ndarray:
        with reading(path):
            return data[start:stop] if data.shape else data[()]

    return Stored(tuple(data.shape), data.dtype.name, read)


# Layers that Keras numbers in the order of their creation, over the whole session.
_NUMBERED = re.compile(r"(conv2d|batch_normalization|dense|depthwise_conv2d)(?:_(\d+))?/(.+)")


def _ranked(tensors: dict[str, Stored]) -> dict[str, Stored]:
    """``conv2d_17/0`` becomes ``conv2d#3/0``, where it is the fourth ``conv2d``."""
    indices: dict[str, set[int]] = {}
    for name in tensors:
        if found := _NUMBERED.fullmatch(name):
            indices.setdefault(found[1], set()).add(int(found[2] or 0))
    ranks = {
        (kind, number): rank
        for kind, used in indices.items()
        for rank, number in enumerate(sorted(used))
    }
    renamed = {}
    for name, stored in tensors.items():
        if found := _NUMBERED.fullmatch(name):
            name = f"{found[1]}#{ranks[found[1], int(found[2] or 0)]}/{found[3]}"
        renamed[name] = stored
    return renamed


def add_facts(path: str | os.PathLike, facts: Mapping[str, str]) -> None:
    """Adds what the file says of itself, and at its end the checksum of all that is in it.

    Keras does not look for the former, nor readers of HDF5 for the latter.
    """
    with h5py.File(path, "r+") as weights:
        weights.attrs.update(facts)
    with open(path, "r+b") as file:
        checksum = _crc32(file, os.fstat(file.fileno()).st_size)
        file.write(_TRAILER + f"{checksum:0{_DIGITS}x}".encode())


def _check_trailer(path: pathlib.Path) -> None:
    size, length = path.stat().st_size, len(_TRAILER) + _DIGITS
    with path.open("rb") as file:
        file.seek(max(0, size - length))
        trailer = file.read()
        if not trailer.startswith(_TRAILER):
            return
        file.seek(0)
        found = f"{_crc32(file, size - length):0{_DIGITS}x}"
    expected = trailer[len(_TRAILER) :].decode(errors="replace")
    if found != expected:
        raise damaged(path, f"its checksum is {found}, expected {expected}")


def _crc32(file: IO[bytes], size: int) -> int:
    checksum = 0
    while size > 0:
        block = file.read(min(size, 1 << 24))
        checksum, size = zlib.crc32(block, checksum), size - len(block)
        if not block:
            break
    return checksum

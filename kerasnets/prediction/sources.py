"""The images that the words of a command line stand for, one after the other, in one order."""

from __future__ import annotations

import glob
import os
import posixpath
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kerasnets.data.sources.folders import is_image
from kerasnets.data.sources.manifests import rows_of
from kerasnets.data.sources.paths import expanded, is_file, is_remote, listing, opened_text
from kerasnets.errors import UserError
from kerasnets.lazy import tf

# Names on the standard input, a line each.
STANDARD_INPUT = "-"
MANIFEST, RECORDS = "manifest:", "records:"


class Item(NamedTuple):
    """An image that is to be answered on.

    Attributes:
        name: Its path, or the file and the place that it has in it.
        content: Its bytes, where they are not in a file of this name.
    """

    name: str
    content: bytes | None = None


def items(sources: Sequence[str]) -> Iterator[Item]:
    """The images of all sources, in their order; those of a folder and a pattern by their names.

    Args:
        sources: Image files; folders, with those inside; patterns such as ``photos/*.jpg``;
            ``manifest:FILE``, CSV or JSON lines with a column ``path``; ``records:PATH``, what
            `kerasnets.data.write_tfrecords` wrote; ``-``. Paths may begin with ``gs://`` and the
            like.

    Raises:
        UserError: When there is no such source, or it holds no images.
    """
    for source in sources:
        if source == STANDARD_INPUT:
            # As the system gives names: they may be no text.
            lines = (line.rstrip(b"\r\n") for line in sys.stdin.buffer)
            yield from (Item(os.fsdecode(line)) for line in lines if line)
        elif source.startswith(MANIFEST):
            yield from _of_manifest(expanded(source.removeprefix(MANIFEST)))
        elif source.startswith(RECORDS):
            yield from _of_records(source.removeprefix(RECORDS))
        else:
            yield from map(Item, _files(source))


def count(sources: Sequence[str]) -> int | None:
    """The number of images; ``None`` where they come from the standard input.

    Raises:
        UserError: When there is no such source, or it holds no images.
    """
    if STANDARD_INPUT in sources:
        return None
    # Names alone: records need not be read.
    return sum(
        sum(split.size for split in _splits(source.removeprefix(RECORDS)))
        if source.startswith(RECORDS)
        else sum(1 for _ in items([source]))
        for source in sources
    )


def single_files(sources: Sequence[str]) -> list[str]:
    """The sources that name one file on this machine each."""
    words = (STANDARD_INPUT, MANIFEST, RECORDS)
    return [
        source
        for source in sources
        if not source.startswith(words) and not is_remote(source) and os.path.isfile(source)
    ]


def _files(source: str) -> Iterator[str]:
    """The images of a file, a folder or a pattern."""
    path = expanded(source)
    if (is_remote(path) and tf.io.gfile.isdir(path)) or os.path.isdir(path):
        yield from _told(path, _inside(path))
    elif is_file(path):
        yield path
    elif glob.has_magic(path):
        found = tf.io.gfile.glob(path) if is_remote(path) else glob.iglob(path, recursive=True)
        each = _of_matches(sorted(found))
        yield from _told(path, each)
    else:
        raise UserError(f"There is no image file {source!r}.")


def _of_matches(names: Sequence[str]) -> Iterator[str]:
    """What matches a pattern, sorted: the files, and the images in the folders."""
    gone_into: set[str] = set()
    for name in names:
        name = name.rstrip("/")
        # `**` finds a folder, and what is in it too.
        if gone_into.intersection(_above(name)):
            continue
        if tf.io.gfile.isdir(name) if is_remote(name) else os.path.isdir(name):
            gone_into.add(name)
            yield from _inside(name)
        else:
            yield name


def _above(path: str) -> Iterator[str]:
    """The folders that a path is in."""
    while (above := posixpath.dirname(path)) != path:
        yield above
        path = above


def _told(source: str, found: Iterator[str]) -> Iterator[str]:
    """The same; a source without any image is refused."""
    first = next(found, None)
    if first is None:
        raise UserError(f"{source!r} holds no images (JPEG, PNG, GIF, BMP or WebP).")
    yield first
    yield from found


def _inside(path: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    """The images in a folder and in those inside of it; hidden and system files are left out."""
    listed, here = listing(path), os.path.realpath(path)
    for name in listed.files:
        file = posixpath.join(path, name)
        if is_image(file):
            yield file
    for name in listed.folders:
        inner = posixpath.join(path, name)
        # A link may lead to a folder that it is in.
        if os.path.realpath(inner) not in (*above, here):
            yield from _inside(inner, (*above, here))


def _of_manifest(path: str) -> Iterator[Item]:
    root = posixpath.dirname(path)
    with opened_text(path) as lines:
        for row in rows_of(path, lines, ("path",)):
            yield Item(posixpath.join(root, str(row["path"])))


def _splits(path: str) -> list:
    """The splits of TFRecord files."""
    from kerasnets.data.sources import tfrecords

    return list(tfrecords.tfrecords(path).splits.values())


def _of_records(path: str) -> Iterator[Item]:
    for split in _splits(path):
        for index, content in enumerate(split.records.files()):
            yield Item(split.name(index), content)

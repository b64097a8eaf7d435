"""Image folders."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from kerasnets.data.marks import START, format_of
from kerasnets.data.records import Paths
from kerasnets.data.sources.base import (
    ALL,
    SPLITS,
    Dataset,
    LeftOut,
    Split,
    our_name,
    register_source,
)
from kerasnets.data.sources.paths import expanded, listing, read_start
from kerasnets.errors import UserError

# Files of these are taken for images unread, so that one which is none is told; others are read.
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp"})


def folder(path: str, data_dir: str | os.PathLike | None = None) -> Dataset:
    """An image folder, with or without a level of splits."""
    found = _Found([], [])
    folders = _splits(expanded(path), found)
    read = {split: _class_folders(each, found) for split, each in folders.items()}
    splits = {split: images for split, (images, _) in read.items()}
    classes = _same_classes(read, folders)
    return Dataset(f"folder:{path}", classes, splits, left_out=found.left_out())


class _Found(NamedTuple):
    """What folders hold.

    Attributes:
        images: Paths of images.
        others: What else there is, in words, and the path of each.
    """

    images: list[str]
    others: list[tuple[str, str]]

    def leave_out(self, what: str, root: str, names: Iterable[str]) -> None:
        """Counts what is left out of a folder."""
        self.others.extend((what, posixpath.join(root, name)) for name in names)

    def left_out(self) -> tuple[LeftOut, ...]:
        """What is left out, each kind once."""
        kinds: dict[str, list[str]] = {}
        for what, path in self.others:
            kinds.setdefault(what, []).append(path)
        return tuple(LeftOut(what, len(paths), paths[0]) for what, paths in kinds.items())


BESIDE = "files beside the folders of images"
IGNORED = "hidden or system files and folders"


def _splits(root: str, found: _Found) -> dict[str, str]:
    """The folder of each split, by our names; the root itself where there is no level of splits.

    A root that holds nothing but one folder with splits, as archives are unpacked, is that folder.
    """
    listed = listing(root)
    named = {name: our_name(name) for name in listed.folders}
    if not any(named.values()):
        inner = posixpath.join(root, *named)
        if len(named) != 1 or not any(map(our_name, listing(inner).folders)):
            return {ALL: root}
    found.leave_out(BESIDE, root, listed.files)
    found.leave_out(IGNORED, root, listed.ignored)
    if not any(named.values()):
        return _splits(inner, found)
    splits = {}
    for name, split in named.items():
        if split is None:
            beside = _Found([], [])
            _look_into(posixpath.join(root, name), beside)
            paths = [*beside.images, *(path for _, path in beside.others)]
            found.leave_out("files in folders beside the splits", root, paths)
        elif split in splits:
            other = posixpath.basename(splits[split])
            raise UserError(
                f"{root!r}: the folders {other!r} and {name!r} both are the split {split}; "
                "put their images into one."
            )
        else:
            splits[split] = posixpath.join(root, name)
    return {split: splits[split] for split in SPLITS if split in splits}


def _class_folders(root: str, found: _Found) -> tuple[Split, tuple[str, ...]]:
    """The images of ``FOLDER/CLASS/``, in folders there too, and the class names."""
    listed = listing(root)
    found.leave_out(BESIDE, root, listed.files)
    found.leave_out(IGNORED, root, listed.ignored)
    paths, labels = [], []
    for label, name in enumerate(listed.folders):
        path = posixpath.join(root, name)
        own = _Found([], found.others)
        _look_into(path, own)
        if not own.images:
            raise UserError(
                f"The class folder {path!r} holds no images (JPEG, PNG, GIF, BMP or WebP)."
            )
        paths += own.images
        labels += [label] * len(own.images)
    if len(listed.folders) < 2:
        raise UserError(
            f"{root!r} must hold a folder of images for each class, two at least. "
            f"Found: {', '.join(listed.folders) or 'none'}.{_hint(root, listed.folders)}"
        )
    return Split(Paths(np.array(paths, object)), np.array(labels, np.int32)), tuple(listed.folders)


def _hint(root: str, folders: list[str]) -> str:
    """What to write where the classes are one level below."""
    inner = posixpath.join(root, *folders)
    count = len(listing(inner).folders) if folders else 0
    return f" If the {count} folders in it are the classes, write folder:{inner}" if count else ""


def _look_into(path: str, found: _Found, above: tuple[str, ...] = ()) -> None:
    """Adds what a folder of one class holds, in folders there too.

    Raises:
        UserError: When there are splits inside of it.
    """
    listed, here = listing(path), os.path.realpath(path)
    splits = [name for name in listed.folders if our_name(name)]
    if len({our_name(name) for name in splits}) > 1:
        raise UserError(
            f"The class folder {path!r} holds folders of splits, {', '.join(splits)}. Expected "
            f"the classes inside the splits, as in {splits[0]}/{posixpath.basename(path)}."
        )
    for name in listed.files:
        file, suffix = posixpath.join(path, name), os.path.splitext(name)[1].lower()
        if is_image(file):
            found.images.append(file)
        else:
            what = f"files that are no images ({suffix or 'without a suffix'})"
            found.leave_out(what, path, [name])
    found.leave_out(IGNORED, path, listed.ignored)
    found.leave_out("pipes, sockets and devices", path, listed.special)
    for name in listed.folders:
        inner = posixpath.join(path, name)
        if os.path.realpath(inner) in (*above, here):
            found.leave_out("links to a folder that they are in", path, [name])
        else:
            _look_into(inner, found, (*above, here))


def is_image(file: str) -> bool:
    """Whether a file is taken for an image: by its suffix, or by how it begins."""
    suffix = os.path.splitext(file)[1].lower()
    return suffix in IMAGE_SUFFIXES or format_of(read_start(file, START)) is not None


def _same_classes(
    read: Mapping[str, tuple[Split, tuple[str, ...]]], folders: Mapping[str, str]
) -> tuple[str, ...]:
    """The class names, which must be the same in every split."""
    (first, (_, names)), *others = read.items()
    for split, (_, other) in others:
        if other != names:
            differ = sorted(set(names) ^ set(other))
            raise UserError(
                f"The classes of {folders[first]!r} and {folders[split]!r} differ: "
                f"{', '.join(differ[:5])}."
            )
    return names


register_source("folder", folder)

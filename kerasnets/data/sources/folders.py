"""Image folders."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping

import numpy as np

from kerasnets.data.records import Paths
from kerasnets.data.sources.base import ALL, Dataset, Split, our_splits, register_source
from kerasnets.data.sources.paths import expanded, listing
from kerasnets.errors import UserError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"})


def folder(path: str, data_dir: str | os.PathLike | None = None) -> Dataset:
    """An image folder, with or without a level of splits."""
    root = expanded(path)
    names, _ = listing(root)
    folders = our_splits({name: posixpath.join(root, name) for name in names}) or {ALL: root}
    read = {split: _class_folders(each) for split, each in folders.items()}
    splits = {split: images for split, (images, _) in read.items()}
    return Dataset(f"folder:{path}", _same_classes(read, folders), splits)


def _class_folders(root: str) -> tuple[Split, tuple[str, ...]]:
    """The images of ``FOLDER/CLASS/*`` and the class names."""
    classes, _ = listing(root)
    paths, labels = [], []
    for label, name in enumerate(classes):
        path = posixpath.join(root, name)
        _, files = listing(path)
        images = [file for file in files if os.path.splitext(file)[1].lower() in IMAGE_SUFFIXES]
        if not images:
            raise UserError(
                f"The class folder {path!r} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})."
            )
        paths += [posixpath.join(path, file) for file in images]
        labels += [label] * len(images)
    if len(classes) < 2:
        raise UserError(
            f"{root!r} must hold a folder of images for each class, two at least. "
            f"Found: {', '.join(classes) or 'none'}."
        )
    return Split(Paths(np.array(paths, object)), np.array(labels, np.int32)), tuple(classes)


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

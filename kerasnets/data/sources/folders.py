"""Image folders, here or on any file system that TensorFlow knows (``gs://``, ``s3://``)."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping

import numpy as np

from kerasnets.data.sources.base import SPLIT_FOLDERS, SPLITS, Dataset, Split
from kerasnets.data.sources.holding_out import with_test
from kerasnets.errors import UserError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp"})


def folder(name: str, root: str, test_fraction: float) -> Dataset:
    """An image folder, with or without a level of splits."""
    root = root if is_remote(root) else os.path.expanduser(root)
    folders, _ = listing(root)
    found = {
        SPLIT_FOLDERS[each]: posixpath.join(root, each) for each in folders if each in SPLIT_FOLDERS
    }
    if not found:
        everything, class_names = _class_folders(root)
        return Dataset(
            name, class_names, (None, None, None), with_test(everything, test_fraction, name)
        )
    read = {split: _class_folders(found[split]) for split in SPLITS if split in found}
    class_names = _same_classes(read, found)
    splits = {split: images for split, (images, _) in read.items()}
    return Dataset(name, class_names, (None, None, None), splits)


def is_remote(path: str) -> bool:
    """Whether a path names a file system of its own, such as ``gs://``."""
    return "://" in path


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
    names = sorted(is_folder)
    return [name for name in names if is_folder[name]], [
        name for name in names if not is_folder[name]
    ]


def _remote_listing(path: str) -> tuple[list[str], list[str]]:
    import tensorflow as tf

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
        reason = " ".join(error.message.split())[:200]
        raise UserError(f"{path!r} cannot be read: {reason}") from error
    return sorted(folders), sorted(name for name in names if name.rstrip("/") not in folders)


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
    return Split(np.array(paths, object), np.array(labels, np.int32), "path"), tuple(classes)


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

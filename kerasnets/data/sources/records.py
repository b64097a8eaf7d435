"""Data sets in TFRecord files with a manifest, as `kerasnets.data.write_tfrecords` writes them."""

from __future__ import annotations

import json
import os
import posixpath

import numpy as np

from kerasnets.data.sources.arrays import check_labels
from kerasnets.data.sources.base import Dataset, ShardedSplit
from kerasnets.data.sources.folders import is_remote
from kerasnets.data.sources.manifests import read_text
from kerasnets.errors import UserError

MANIFEST = "dataset.json"
# Names of the features are those of TensorFlow's own ImageNet files.
IMAGE, LABEL, NAME = "image/encoded", "image/class/label", "image/filename"
# Of JPEGs that are stored upright: with these a crop is chosen without looking into the file.
SIDES = ("image/height", "image/width")


def records(name: str, root: str) -> Dataset:
    """The data set of a folder of shards.

    Raises:
        UserError: When the manifest or a shard is missing, has another size than the manifest
            says, or a label has no class.
    """
    root = root if is_remote(root) else os.path.expanduser(root)
    path = posixpath.join(root, MANIFEST)
    try:
        found = json.loads(read_text(path))
        class_names, shape = tuple(found["class_names"]), tuple(found["image_shape"])
        splits = {
            split: _split(root, split, shards, len(class_names), bool(found.get("has_sides")))
            for split, shards in found["splits"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path!r} is no manifest of TFRecord files: {error!r}.") from error
    return Dataset(name, class_names, shape, splits)


def _split(
    root: str, split: str, shards: list[dict], classes: int, has_sides: bool
) -> ShardedSplit:
    import tensorflow as tf

    files = tuple(posixpath.join(root, shard["file"]) for shard in shards)
    for file, shard in zip(files, shards, strict=True):
        if not tf.io.gfile.exists(file):
            raise UserError(f"The shard {file!r} is missing; pack the data set again.")
        size = tf.io.gfile.stat(file).length
        if size != shard["bytes"]:
            raise UserError(
                f"The shard {file!r} is damaged: it has {size:,} bytes, the manifest says "
                f"{shard['bytes']:,}."
            )
    labels = np.array([label for shard in shards for label in shard["labels"]], np.int32)
    check_labels(labels, classes, f"{root!r}, split {split}")
    counts = tuple(len(shard["labels"]) for shard in shards)
    return ShardedSplit(
        np.arange(len(labels)),
        labels,
        "shards",
        files=files,
        counts=counts,
        encoded=_encoded,
        with_sides=_with_sides if has_sides else None,
    )


def _encoded(record: object) -> object:
    import tensorflow as tf

    return tf.io.parse_single_example(record, {IMAGE: tf.io.FixedLenFeature((), tf.string)})[IMAGE]


def _with_sides(record: object) -> tuple[object, tuple[object, object]]:
    import tensorflow as tf

    wanted = {IMAGE: tf.io.FixedLenFeature((), tf.string)}
    wanted |= {name: tf.io.FixedLenFeature((), tf.int64, 0) for name in SIDES}
    found = tf.io.parse_single_example(record, wanted)
    return found[IMAGE], tuple(found[name] for name in SIDES)

"""Data sets in TFRecord files with a manifest, as `kerasnets.data.write_tfrecords` writes them."""

from __future__ import annotations

import os
import posixpath

import numpy as np

from kerasnets.data.records import Shards
from kerasnets.data.sources.arrays import check_labels
from kerasnets.data.sources.base import Dataset, Split, register_source
from kerasnets.data.sources.paths import expanded, read_text
from kerasnets.errors import UserError
from kerasnets.files import parse_json
from kerasnets.lazy import tf

MANIFEST = "dataset.json"
# Names of the features are those of TensorFlow's own ImageNet files.
IMAGE, LABEL, NAME = "image/encoded", "image/class/label", "image/filename"
# Of JPEGs that are stored upright: with these a crop is chosen without looking into the file.
SIDES = ("image/height", "image/width")


def tfrecords(given: str, data_dir: str | os.PathLike | None = None) -> Dataset:
    """The data set of a folder of shards.

    Raises:
        UserError: When the manifest or a shard is missing, has another size than the manifest
            says, or a label has no class.
    """
    root = expanded(given)
    path = posixpath.join(root, MANIFEST)
    try:
        found = parse_json(read_text(path))
        class_names, shape = tuple(found["class_names"]), tuple(found["image_shape"])
        splits = {
            split: _split(root, split, shards, len(class_names), bool(found.get("has_sides")))
            for split, shards in found["splits"].items()
        }
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path!r} is no manifest of TFRecord files: {error!r}.") from error
    return Dataset(f"records:{given}", class_names, splits, shape)


def _split(root: str, split: str, shards: list[dict], classes: int, has_sides: bool) -> Split:
    paths = tuple(posixpath.join(root, shard["file"]) for shard in shards)
    for path, shard in zip(paths, shards, strict=True):
        if not tf.io.gfile.exists(path):
            raise UserError(f"The shard {path!r} is missing; pack the data set again.")
        size = tf.io.gfile.stat(path).length
        if size != shard["bytes"]:
            raise UserError(
                f"The shard {path!r} is damaged: it has {size:,} bytes, the manifest says "
                f"{shard['bytes']:,}."
            )
    labels = np.array([label for shard in shards for label in shard["labels"]], np.int32)
    check_labels(labels, classes, f"{root!r}, split {split}")
    counts = tuple(len(shard["labels"]) for shard in shards)
    with_sides = _with_sides if has_sides else None
    return Split(Shards(np.arange(len(labels)), paths, counts, _encoded, with_sides), labels)


def _encoded(record: tf.Tensor) -> tf.Tensor:
    return tf.io.parse_single_example(record, {IMAGE: tf.io.FixedLenFeature((), tf.string)})[IMAGE]


def _with_sides(record: tf.Tensor) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
    wanted = {IMAGE: tf.io.FixedLenFeature((), tf.string)}
    wanted |= {name: tf.io.FixedLenFeature((), tf.int64, 0) for name in SIDES}
    found = tf.io.parse_single_example(record, wanted)
    return found[IMAGE], (found[SIDES[0]], found[SIDES[1]])


register_source("records", tfrecords)

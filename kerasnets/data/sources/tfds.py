"""Data sets of TensorFlow Datasets: small ones held in memory, large ones read from their files."""

from __future__ import annotations

import logging
import os
import pathlib
from typing import Any

import numpy as np

from kerasnets.data.reasons import reason
from kerasnets.data.records import Encoded, Shards
from kerasnets.data.sources.base import SPLITS, Dataset, Split, other_splits, register_source
from kerasnets.errors import UserError, unknown
from kerasnets.lazy import tf

log = logging.getLogger("kerasnets")

# Encoded images of a data set up to this size are held in memory and shuffled as a whole.
MEMORY_BYTES = 2**30


def tfds(name: str, data_dir: str | os.PathLike | None = None) -> Dataset:
    """A data set of labelled images by its TFDS name; downloaded if need be.

    Raises:
        UserError: When there is no such data set or version, it has no labelled images, or its
            files are missing or damaged.
    """
    import tensorflow_datasets
    from tensorflow_datasets.core.registered import DatasetNotFoundError

    try:
        builder = tensorflow_datasets.builder(name, data_dir=data_dir)
    except (DatasetNotFoundError, ValueError) as error:
        raise _unknown(name, tensorflow_datasets.list_builders()) from error
    except Exception as error:
        # Of a version that there is not, it is an assertion; of damaged descriptions many others.
        raise UserError(f"tfds:{name} cannot be opened: {reason(error, kind=True)}.") from error
    features: Any = builder.info.features
    if not {"image", "label"} <= set(features) or not hasattr(features["label"], "names"):
        raise UserError(
            f"tfds:{name} is no data set of labelled images; its features are "
            f"{', '.join(features)}. Expected image and label."
        )
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise UserError(
            f"tfds:{name} is not in {builder.data_dir} and could not be prepared there: "
            f"{reason(error, kind=True)}"
        ) from error
    found = builder.info.splits
    if "train" not in found:
        raise UserError(f"tfds:{name} has no split 'train', only {', '.join(found)}.")
    small = sum(split.num_bytes for split in found.values()) <= MEMORY_BYTES
    read = _in_memory if small else _from_files
    try:
        splits = {split: read(builder, split) for split in SPLITS if split in found}
    except (tf.errors.OpError, OSError, AssertionError) as error:
        raise UserError(
            f"tfds:{name} in {builder.data_dir} is damaged: {reason(error, kind=True)}. Remove it "
            "to have it prepared again."
        ) from error
    others = {split: found[split].num_examples for split in found if split not in SPLITS}
    names, left_out = tuple(features["label"].names), other_splits(others)
    return Dataset(name, names, splits, features["image"].shape, left_out)


def _in_memory(builder: Any, split: str) -> Split:
    import tensorflow_datasets

    encoded = builder.as_dataset(
        split=split,
        decoders={"image": tensorflow_datasets.decode.SkipDecoding()},
        read_config=tensorflow_datasets.ReadConfig(interleave_cycle_length=1),
        shuffle_files=False,
    )
    examples = [(each["image"], each["label"]) for each in encoded.as_numpy_iterator()]
    files = np.array([image for image, _ in examples], dtype=object)
    return Split(Encoded(files), np.array([label for _, label in examples], np.int32))


def _from_files(builder: Any, split: str) -> Split:
    import tensorflow_datasets

    info, found = builder.info, builder.info.splits[split]
    suffix = found.filename_template.filetype_suffix
    if suffix != "tfrecord":
        raise UserError(
            f"tfds:{info.full_name} is kept as {suffix} files; only TFRecord files can be read "
            "without holding them in memory."
        )

    def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
        decoders = {"image": tensorflow_datasets.decode.SkipDecoding()}
        return info.features.deserialize_example(record, decoders=decoders)

    log.info("reading the labels of tfds:%s, split %s", info.full_name, split)
    paths = tuple(os.fspath(path) for path in found.filepaths)
    records = tf.data.TFRecordDataset(paths).map(lambda record: parse(record)["label"])
    labels = np.fromiter(records.as_numpy_iterator(), np.int32)
    counts = tuple(found.shard_lengths)
    shards = Shards(np.arange(len(labels)), paths, counts, lambda record: parse(record)["image"])
    return Split(shards, labels)


def _unknown(name: str, known: list[str]) -> UserError:
    error = unknown("data set", name, ["digits", *known])
    if pathlib.Path(name).exists():
        return UserError(f"{error} For images in a folder write folder:{name}.")
    return error


register_source("tfds", tfds, "a TFDS name such as mnist, tfds:NAME")

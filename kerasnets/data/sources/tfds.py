"""Data sets of TensorFlow Datasets: small ones held in memory, large ones read from their files."""

from __future__ import annotations

import logging
import os
import pathlib

import numpy as np

from kerasnets.data.sources.base import SPLITS, Dataset, ShardedSplit, Split
from kerasnets.errors import UserError, unknown

log = logging.getLogger("kerasnets")

# Encoded images of a data set up to this size are held in memory and shuffled as a whole.
MEMORY_BYTES = 2**30


def tfds(name: str, data_dir: str | os.PathLike | None) -> Dataset:
    """A data set of labelled images by its TFDS name; downloaded if need be.

    Raises:
        UserError: When there is no such data set or version, it has no labelled images, or its
            files are missing or damaged.
    """
    import tensorflow as tf
    import tensorflow_datasets

    try:
        builder = tensorflow_datasets.builder(name, data_dir=data_dir)
    except (tensorflow_datasets.core.registered.DatasetNotFoundError, ValueError) as error:
        raise _unknown(name, tensorflow_datasets.list_builders()) from error
    except Exception as error:
        # Of a version that there is not, it is an assertion; of damaged descriptions many others.
        raise UserError(f"tfds:{name} cannot be opened: {_in_words(error)}.") from error
    features = builder.info.features
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
            f"{_in_words(error)}"
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
            f"tfds:{name} in {builder.data_dir} is damaged: {_in_words(error)}. Remove it to have "
            "it prepared again."
        ) from error
    return Dataset(name, tuple(features["label"].names), features["image"].shape, splits)


def _in_memory(builder: object, split: str) -> Split:
    import tensorflow_datasets

    encoded = builder.as_dataset(
        split=split,
        decoders={"image": tensorflow_datasets.decode.SkipDecoding()},
        read_config=tensorflow_datasets.ReadConfig(interleave_cycle_length=1),
        shuffle_files=False,
    )
    examples = [(each["image"], each["label"]) for each in encoded.as_numpy_iterator()]
    records = np.array([image for image, _ in examples], dtype=object)
    labels = np.array([label for _, label in examples], np.int32)
    return Split(records, labels, "bytes")


def _from_files(builder: object, split: str) -> ShardedSplit:
    import tensorflow as tf
    import tensorflow_datasets

    found = builder.info.splits[split]
    files = tuple(os.fspath(path) for path in found.filepaths)
    if found.filename_template.filetype_suffix != "tfrecord":
        raise UserError(
            f"tfds:{builder.info.full_name} is kept as {found.filename_template.filetype_suffix} "
            "files; only TFRecord files can be read without holding them in memory."
        )

    def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
        decoders = {"image": tensorflow_datasets.decode.SkipDecoding()}
        return builder.info.features.deserialize_example(record, decoders=decoders)

    log.info("reading the labels of tfds:%s, split %s", builder.info.full_name, split)
    labels = tf.data.TFRecordDataset(files).map(lambda record: parse(record)["label"])
    labels = np.fromiter(labels.as_numpy_iterator(), np.int32)
    return ShardedSplit(
        np.arange(len(labels)),
        labels,
        "shards",
        files=files,
        counts=tuple(found.shard_lengths),
        encoded=lambda record: parse(record)["image"],
    )


def _in_words(error: Exception) -> str:
    """The kind of an error and the beginning of what it says, in one line."""
    reason = " ".join(str(error).split())[:200].rstrip(" .")
    return f"{type(error).__name__}: {reason}"


def _unknown(name: str, known: list[str]) -> UserError:
    error = unknown("data set", name, ["digits", *known])
    if pathlib.Path(name).exists():
        return UserError(f"{error} For images in a folder write folder:{name}.")
    return error

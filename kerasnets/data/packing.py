"""Packing a data set into TFRecord files, for fast reading from slow or distant disks."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import logging
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kerasnets.data.bad_images import ERRORS, image_reason
from kerasnets.data.graphs import apart
from kerasnets.data.images import decode, jpeg_sides
from kerasnets.data.reasons import reason
from kerasnets.data.sources.base import Dataset, Split
from kerasnets.data.sources.tfrecords import IMAGE, LABEL, MANIFEST, NAME, SIDES
from kerasnets.errors import UserError
from kerasnets.files import make_folder, read_json, whole, write_text

log = logging.getLogger("kerasnets")

# Says, until the manifest is there, which data set the shards are of.
PLAN = "plan.json"


def write_tfrecords(
    dataset: Dataset,
    folder: str | os.PathLike,
    *,
    images_per_shard: int = 1024,
    threads: int | None = None,
) -> pathlib.Path:
    """Packs a data set into a folder that ``load("records:FOLDER")`` reads.

    Image files are packed as they are; arrays as PNG. A file that cannot be decoded is packed too,
    and the log names it: who trains is told so, or leaves it out. Images are mixed once, so that
    each shard holds all classes; shards of a split differ by one image at most. Packing that was
    interrupted goes on with the first shard that is not there.

    Args:
        dataset: What to pack.
        folder: New, or that of an interrupted packing of the same data set.
        images_per_shard: At most.
        threads: Number of threads that read and write; as many as cores by default.

    Returns:
        The manifest, ``dataset.json``.

    Raises:
        UserError: When the folder holds another data set, or a file cannot be read.
    """
    for name, value in (("images_per_shard", images_per_shard), ("threads", threads)):
        if value is not None and value < 1:
            raise UserError(f"{name} must be at least 1. Received: {value}.")
    dataset.check_one_class("packing")
    folder = make_folder(folder)
    _check_plan(folder, _fingerprint(dataset, images_per_shard))
    entries = {
        name: _pack_split(folder, name, split, images_per_shard, threads)
        for name, split in dataset.splits.items()
    }
    manifest = {
        "class_names": dataset.class_names,
        "image_shape": dataset.image_shape,
        "has_sides": True,
        "splits": entries,
    }
    write_text(folder / MANIFEST, json.dumps(manifest) + "\n")
    return folder / MANIFEST


def _check_plan(folder: pathlib.Path, fingerprint: str) -> None:
    """Writes down what is packed into a new folder, or checks that it is the same."""
    plan = folder / PLAN
    if plan.is_file():
        if read_json(plan, str, "what is packed here") != fingerprint:
            raise UserError(f"{str(folder)!r} holds another data set; choose another folder.")
    elif any(folder.iterdir()):
        raise UserError(f"{str(folder)!r} is not empty; choose another folder.")
    else:
        write_text(plan, json.dumps(fingerprint) + "\n")


def _fingerprint(dataset: Dataset, images_per_shard: int) -> str:
    """A short word for what will be in the shards."""
    digest = hashlib.sha256(json.dumps([dataset.class_names, images_per_shard]).encode())
    for name, split in dataset.splits.items():
        digest.update(f"{name} {type(split.records).__name__} {split.size}".encode())
        digest.update(split.labels.tobytes())
        digest.update(split.records.identity())
    return digest.hexdigest()


def _pack_split(
    folder: pathlib.Path, name: str, split: Split, images_per_shard: int, threads: int | None
) -> list[dict[str, object]]:
    """Writes the shards of a split; returns their entries in the manifest."""
    order = np.arange(split.size)
    if not split.records.sequential:
        order = np.random.default_rng(0).permutation(order)
    parts = np.array_split(order, -(-split.size // images_per_shard))
    paths = [
        folder / f"{name}-{number:05}-of-{len(parts):05}.tfrecord" for number in range(len(parts))
    ]

    def write(path: pathlib.Path, part: np.ndarray) -> None:
        if not path.is_file():
            _write_shard(path, split, part)

    log.info("packing %s: %s images into %d shards", name, f"{split.size:,}", len(parts))
    with concurrent.futures.ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        futures = [pool.submit(write, *each) for each in zip(paths, parts, strict=True)]
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [
        {"file": path.name, "bytes": path.stat().st_size, "labels": split.labels[part].tolist()}
        for path, part in zip(paths, parts, strict=True)
    ]


def _write_shard(path: pathlib.Path, split: Split, part: np.ndarray) -> None:
    try:
        with whole(path) as partial, tf.io.TFRecordWriter(os.fspath(partial)) as writer:
            for index, encoded in zip(part.tolist(), _contents(split, part), strict=True):
                features = {
                    IMAGE: _bytes(encoded),
                    LABEL: _integer(int(split.labels[index])),
                    NAME: _bytes(os.fsencode(os.path.basename(split.name(index)))),
                    **_sides(encoded, split.name(index)),
                }
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())
    except tf.errors.OpError as error:
        raise UserError(f"{str(path)!r} was not written: {reason(error)}.") from error


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integer(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _sides(encoded: bytes, name: str) -> dict[str, tf.train.Feature]:
    """Height and width, if it is a JPEG that is stored upright; the log tells if it is no image."""
    try:
        sides = apart(_sides_if_decoded)(tf.constant(encoded)).numpy().tolist()
    except ERRORS as error:
        log.warning("%r cannot be read as an image: %s; packed as it is", name, image_reason(error))
        return {}
    return {name: _integer(side) for name, side in zip(SIDES, sides, strict=True) if side}


def _sides_if_decoded(encoded: tf.Tensor) -> tf.Tensor:
    """What `jpeg_sides` gives, once the image has been decoded."""
    with tf.control_dependencies([decode(encoded, 3)]):
        return jpeg_sides(tf.identity(encoded))


def _contents(split: Split, part: np.ndarray) -> Iterator[bytes]:
    """The bytes of image files, in the order of `part`."""
    own, done = split.take(part), 0
    try:
        for encoded in own.records.files():
            yield encoded
            done += 1
    except ERRORS as error:
        own.records.check()
        raise UserError(f"{own.name(done)!r} cannot be read: {image_reason(error)}.") from error

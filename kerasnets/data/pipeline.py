"""From a split to batches of uint8 images: for training without end, for evaluation once."""

from __future__ import annotations

import logging
import math
import os
import shutil
import tempfile

import numpy as np
import tensorflow as tf

from kerasnets.data.augment import Augment, Mix, augmentation
from kerasnets.data.bad_images import naming_bad_images
from kerasnets.data.crops import crops as crop_functions
from kerasnets.data.crops import dense
from kerasnets.data.graphs import as_written
from kerasnets.data.loading import Loader
from kerasnets.data.randomness import uniform
from kerasnets.data.records import Cached, epoch_order, without_records
from kerasnets.data.sources.base import Split
from kerasnets.errors import UserError
from kerasnets.inputs import Preprocessing

log = logging.getLogger("kerasnets")

# Decoded images are kept in memory up to this size, on disk up to this fraction of what is free;
# otherwise they are decoded every epoch.
MEMORY_BUDGET_BYTES = 2 * 2**30
DISK_FRACTION = 0.5
# Images that one call reads, since calls cost too; the graph grows with them.
READ_TOGETHER = 4
# Calls on their way for each thread: with one alone a thread waits for the next. A fixed number
# saves the seconds in which TensorFlow looks for one.
CALLS_PER_THREAD = 2
# What tf.data may hold in its buffers.
BUFFER_BUDGET_BYTES = 2**30


def steps_per_epoch(split: Split, batch_size: int, workers: int = 1) -> int:
    """Whole batches that each worker has in an epoch.

    Args:
        split: The training images.
        batch_size: Images in a batch of one worker.
        workers: Number of workers that the images are divided among.

    Raises:
        UserError: When there are fewer images than one batch for each worker takes.
    """
    steps = min(split.parts(workers)) // batch_size
    if steps == 0:
        among = f" for each of {workers} workers" if workers > 1 else ""
        raise UserError(
            f"The batch of {batch_size}{among} is larger than the {split.size} training images."
        )
    return steps


def training_batches(
    split: Split,
    preprocessing: Preprocessing,
    channels: int,
    *,
    batch_size: int,
    augment: str | Augment = "none",
    seed: int = 0,
    first_step: int = 0,
    classes: int | None = None,
    shard: tuple[int, int] = (0, 1),
    threads: int | None = None,
) -> tf.data.Dataset:
    """Batches of (images uint8, labels as the split has them) for training, without end.

    Every epoch has `steps_per_epoch` batches in an order of its own. Order and augmentation
    depend on (seed, epoch, image) alone, so a run can go on from any step.

    Args:
        split: The training images; `read` decodes them ahead where that helps.
        preprocessing: The network's; its size is used.
        channels: Channels of the network's input.
        batch_size: Images in a batch of this worker.
        augment: An `Augment`, or what `augmentation` takes. With a mix the labels are (N, classes)
            float32.
        seed: Decides order and augmentation; the same for all workers.
        first_step: Number of batches that an earlier run has seen.
        classes: Number of classes of the data set; a mix needs it.
        shard: Index of this worker, and the number of all workers. Together they see each image
            once in an epoch, but for the rest that fills no batch.
        threads: Number of threads that read and augment; as many as cores by default. It changes
            no pixel.

    Raises:
        UserError: When the split is smaller than a batch, or there is no such augmentation.
    """
    augment = augmentation(augment) if isinstance(augment, str) else augment
    for layer in augment.check((*preprocessing.size, channels)):
        log.warning(
            "%s draws from a generator of its own: a run that is resumed or repeated sees other "
            "images",
            layer,
        )
    steps = steps_per_epoch(split, batch_size, shard[1])
    loader = Loader(split, preprocessing, channels, augment)

    @as_written
    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        key = tf.stack([tf.cast(seed, tf.int64), epoch])
        same = tf.data.Dataset.from_tensors(epoch).repeat()
        if loader.in_batches:
            # Whole rows: small images pass faster than their indices, one by one.
            own = epoch_order(split.size, *shard, key)[: steps * batch_size]
            own = without_records(tf.reshape(own, (steps, batch_size)))
        else:
            own = split.records.epoch(*shard, key).take(steps * batch_size)
        return tf.data.Dataset.zip((same, own))

    @as_written
    def draw(epoch: tf.Tensor, found: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        index, record = found
        # `unbatch` of TensorFlow 2.21 crashes on rows without any numbers.
        random = uniform(seed, epoch, index, max(1, augment.num_random))
        return loader.draws(random), index, record

    epochs = tf.data.Dataset.counter(first_step // steps)
    # Skipped before any image is decoded.
    elements = epochs.flat_map(one_epoch)
    if loader.in_batches:
        batches = elements.skip(first_step % steps).map(draw)
        batches = batches.map(loader.batch, tf.data.AUTOTUNE)
    else:
        elements = elements.skip(first_step % steps * batch_size)
        # Drawn for many images in one step, which costs less.
        elements = elements.batch(batch_size).map(draw).prefetch(tf.data.AUTOTUNE)
        elements = elements.rebatch(READ_TOGETHER, drop_remainder=True)
        batches = elements.map(loader.several, CALLS_PER_THREAD * (threads or os.cpu_count() or 1))
        batches = batches.rebatch(batch_size, drop_remainder=True)
    if augment.mix:
        batches = _mixed(batches, augment.mix, seed, first_step, classes)
    return batches.prefetch(tf.data.AUTOTUNE).with_options(_options(threads))


def _mixed(
    batches: tf.data.Dataset, mix: Mix, seed: int, first_step: int, classes: int | None
) -> tf.data.Dataset:
    if classes is None:
        raise UserError("Mixed labels need the number of classes. Received: classes=None.")

    @as_written
    def mixed(step: tf.Tensor, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = batch
        # Below zero, where no epoch's key is.
        key = tf.stack([tf.cast(seed, tf.int64), -1 - step])
        targets = tf.one_hot(labels, classes) if len(labels.shape) == 1 else labels
        return mix(images, targets, key)

    return batches.enumerate(first_step).map(mixed, tf.data.AUTOTUNE)


def _options(threads: int | None) -> tf.data.Options:
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.ram_budget = BUFFER_BUDGET_BYTES
    if threads is not None:
        options.threading.private_threadpool_size = threads
    return options


def evaluation_batches(
    split: Split,
    preprocessing: Preprocessing,
    channels: int,
    *,
    batch_size: int,
    crops: str = "centre",
    shard: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Batches of (images uint8, labels int32), each image once and in order; the last is smaller.

    Args:
        split: The images.
        preprocessing: The network's: how images are fitted to its size.
        channels: Channels of the network's input.
        batch_size: Images at a time.
        crops: A name from `kerasnets.data.crops.CROPS`. With another than ``centre`` images are
            (N, views, H, W, C), whose probabilities are to be averaged.
        shard: Index of this worker, and the number of all workers.

    Raises:
        UserError: When there are no such crops.
    """
    views = crop_functions(crops)
    loader = Loader(split, preprocessing, channels, Augment())
    elements = split.records.epoch(*shard)

    @as_written
    def batch(index: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return loader.batch(tf.zeros((0,)), index, record)

    @as_written
    def one(index: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if crops == "centre":
            return loader.one(tf.zeros((0,)), index, record)
        return views(loader.whole(index, record), preprocessing), loader.label(index)

    if loader.in_batches and crops == "centre":
        batches = elements.batch(batch_size).map(batch, tf.data.AUTOTUNE)
    else:
        batches = elements.map(one, tf.data.AUTOTUNE).batch(batch_size)
    return batches.prefetch(tf.data.AUTOTUNE).with_options(_options(None))


def dense_batches(
    split: Split, preprocessing: Preprocessing, channels: int, *, side: int
) -> tf.data.Dataset:
    """Whole images for dense evaluation: ((2, H, W, C) uint8, label), image and mirror image.

    For several scales go through several of these and average.

    Args:
        split: The images; not those that `read` has fitted.
        preprocessing: The network's; its interpolation is used.
        channels: Channels of the network's input.
        side: Length of the short side, in pixels.
    """
    loader = Loader(split, preprocessing, channels, Augment())

    @as_written
    def one(index: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return dense(loader.whole(index, record), side, preprocessing), loader.label(index)

    batches = split.records.epoch(0, 1).map(one, tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE).with_options(_options(None))


def read(
    split: Split,
    preprocessing: Preprocessing,
    channels: int,
    augment: str | Augment = "none",
    *,
    name: str = "the split",
    scratch: str | os.PathLike | None = None,
) -> Split:
    """The split with its images decoded and fitted, if that helps and they fit somewhere.

    They are kept in memory up to `MEMORY_BUDGET_BYTES`, on disk up to `DISK_FRACTION` of what is
    free; what is on disk goes with the process. The log says where.

    Args:
        split: The images.
        preprocessing: The network's.
        channels: Channels of the network's input.
        augment: As in `training_batches`. One with a crop takes another part of the image each
            time, so the split is returned as it is.
        name: What the log calls the split.
        scratch: A folder on the disk; none is used by default.

    Raises:
        UserError: When an image cannot be read; the message names the file.
    """
    augment = augmentation(augment) if isinstance(augment, str) else augment
    augment.check((*preprocessing.size, channels))
    if augment.crop:
        log.info("%s: not cached; each epoch takes other parts of the images", name)
        return split
    shape = (split.size, *preprocessing.size, channels)
    pixels, where = _room(shape, scratch)
    gib = math.prod(shape) / 2**30
    if pixels is None:
        log.info("%s: not cached; decoded it takes %.2f GiB, more than %s", name, gib, where)
        return split
    batches = evaluation_batches(split, preprocessing, channels, batch_size=1024)
    at = 0
    with naming_bad_images([split], channels):
        for batch, _ in batches.as_numpy_iterator():
            pixels[at : at + len(batch)] = batch
            at += len(batch)
    log.info("%s: decoded once and cached %s, %.2f GiB", name, where, gib)
    return Split(Cached(pixels, split.records), split.labels)


def _room(
    shape: tuple[int, ...], scratch: str | os.PathLike | None
) -> tuple[np.ndarray | None, str]:
    """An array of bytes in memory or on disk, and where it is; or none and what is too small."""
    if math.prod(shape) <= MEMORY_BUDGET_BYTES:
        return np.empty(shape, np.uint8), "in memory"
    limits = f"the {MEMORY_BUDGET_BYTES / 2**30:.2f} GiB of memory for it"
    if scratch is None:
        return None, limits
    room = DISK_FRACTION * shutil.disk_usage(scratch).free
    if math.prod(shape) > room:
        return None, f"{limits} and the {room / 2**30:.2f} GiB of disk"
    # Without a name, so that nothing is left behind whatever ends the process.
    try:
        with tempfile.TemporaryFile(dir=scratch) as file:
            # Taken now: where the disk fills up later, writing to the map would end the process.
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(file.fileno(), 0, math.prod(shape))
            pixels = np.memmap(file, np.uint8, "w+", shape=shape)
    except OSError as error:
        return None, f"{limits}; {os.fspath(scratch)!r} cannot hold it: {error.strerror}"
    return pixels, f"on disk in {os.fspath(scratch)!r}"

import dataclasses
import os

import numpy as np
import pytest
import tensorflow as tf

from kerasnets import Preprocessing, UserError
from kerasnets.data import (
    Augment,
    augmentation,
    evaluation_batches,
    load,
    pipeline,
    records,
    steps_per_epoch,
    training_batches,
    write_tfrecords,
)
from kerasnets.data.pipeline import read
from kerasnets.data.records import Encoded, Pixels
from kerasnets.data.sources.base import Split
from kerasnets.data.transforms import (
    Affine,
    ColourJitter,
    InceptionCrop,
    PadCropFlip,
    PcaNoise,
    RandAugment,
    RandomErasing,
)

SMALL = Preprocessing(size=(8, 8))


@pytest.fixture
def numbered():
    """Image k is filled with k."""
    images = np.broadcast_to(np.arange(50, dtype=np.uint8)[:, None, None, None], (50, 8, 8, 1))
    return Split(Pixels(images.copy()), np.arange(50, dtype=np.int32))


def batches(split, count, **options):
    options = {"batch_size": 16, **options}
    dataset = training_batches(split, SMALL, 1, **options).take(count)
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def test_each_epoch_shows_other_images_in_another_order(numbered):
    found = batches(numbered, 6)
    epochs = [np.concatenate([labels for _, labels in found[at : at + 3]]) for at in (0, 3)]
    for labels in epochs:
        assert len(set(labels)) == 48
    assert not np.array_equal(*epochs)
    for images, labels in found:
        assert images.shape == (16, 8, 8, 1)
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def test_a_run_goes_on_from_any_step(numbered):
    options = {"augment": "affine", "seed": 5}
    whole = batches(numbered, 9, **options)
    for first in (1, 3, 7):
        rest = batches(numbered, 9 - first, first_step=first, **options)
        for (images, labels), (more, others) in zip(whole[first:], rest, strict=True):
            np.testing.assert_array_equal(labels, others)
            np.testing.assert_array_equal(images, more)


def test_the_seed_decides(numbered):
    one, same, other = (batches(numbered, 2, seed=seed)[0][1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_batch_larger_than_the_split_is_told(numbered):
    with pytest.raises(UserError, match="The batch of 64 is larger than the 50 training images"):
        training_batches(numbered, SMALL, 1, batch_size=64)


@pytest.mark.parametrize("batch_size", [1, 7, 50, 64])
def test_evaluation_shows_each_image_once_in_order(numbered, batch_size):
    found = list(evaluation_batches(numbered, SMALL, 1, batch_size=batch_size))
    labels = np.concatenate([labels.numpy() for _, labels in found])
    np.testing.assert_array_equal(labels, np.arange(50))


def raising(error: Exception):
    def function(*arguments):
        raise error

    return function


def test_cached_in_memory_on_disk_or_not_at_all_is_the_same(
    image_folder, tmp_path, monkeypatch, caplog
):
    caplog.set_level("INFO", "kerasnets")
    split = load(f"folder:{image_folder}").split("train")
    preprocessing = Preprocessing(size=(24, 24), resize=28)

    def cached(augment="none", scratch=None):
        return read(split, preprocessing, 3, augment, name="train", scratch=scratch)

    in_memory = cached()
    # What is decoded keeps the names of the files, in any order.
    assert [in_memory.name(i) for i in range(3)] == [split.name(i) for i in range(3)]
    assert in_memory.take(np.array([5, 2])).name(1) == split.name(2)
    assert in_memory.records.values.shape == (24, 24, 24, 3)
    assert cached("inception") is split
    monkeypatch.setattr(pipeline, "MEMORY_BUDGET_BYTES", 1000)
    assert cached() is split
    on_disk = cached(scratch=tmp_path)
    assert isinstance(on_disk.records.values, np.memmap)
    # Nothing is left behind.
    assert list(tmp_path.iterdir()) == []
    with monkeypatch.context() as full:
        full.setattr(os, "posix_fallocate", raising(OSError(28, "No space left on device")))
        assert cached(scratch=tmp_path) is split
    monkeypatch.setattr(pipeline, "DISK_FRACTION", 0.0)
    assert cached(scratch=tmp_path) is split
    assert "cannot hold it: No space left on device" in caplog.messages[-2]
    said = [record.message.partition(";")[0].partition(" in ")[0] for record in caplog.records]
    assert said == [
        "train: decoded once and cached", "train: not cached", "train: not cached",
        "train: decoded once and cached on disk", "train: not cached", "train: not cached",
    ]  # fmt: skip
    found = [
        list(training_batches(each, preprocessing, 3, batch_size=8).take(4).as_numpy_iterator())
        for each in (split, in_memory, on_disk)
    ]
    for batches in zip(*found, strict=True):
        for images, labels in batches[1:]:
            np.testing.assert_array_equal(images, batches[0][0])
            np.testing.assert_array_equal(labels, batches[0][1])


def test_an_unreadable_image_is_named(image_folder, tmp_path):
    import shutil

    shutil.copytree(image_folder, tmp_path / "copy")
    broken = tmp_path / "copy" / "train" / "blue sky" / "4.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    split = load(f"folder:{tmp_path / 'copy'}").split("train")
    with pytest.raises(UserError, match="blue sky/4.jpg' cannot be read as an image"):
        read(split, SMALL, 3)


def test_bytes_are_decoded():
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (10, 9), (255, 0, 0)).save(file, "PNG")
    files = np.array([file.getvalue()] * 3, dtype=object)
    split = Split(Encoded(files), np.zeros(3, np.int32))
    assert (read(split, SMALL, 3).records.values == [255, 0, 0]).all()


PHOTOGRAPH = Preprocessing(size=(16, 16), resize=20)
EVERYTHING = Augment(
    InceptionCrop(),
    (PadCropFlip(2), Affine(), PcaNoise(), ColourJitter(), RandAugment(1, 9), RandomErasing()),
)


@pytest.fixture(scope="module")
def packed(image_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed") / "records"
    write_tfrecords(load(f"folder:{image_folder}"), folder, images_per_shard=5)
    return folder


def by_content(split, shard, batch_size, **options):
    """All images of a worker's epoch, in an order that depends on the pixels alone."""
    steps = steps_per_epoch(split, batch_size, shard[1])
    batches = training_batches(
        split, PHOTOGRAPH, 3, batch_size=batch_size, shard=shard, **options
    ).take(steps)
    return sorted(
        (int(label), image.tobytes())
        for images, labels in batches.as_numpy_iterator()
        for image, label in zip(images, labels, strict=True)
    )


def test_pixels_do_not_depend_on_threads_and_workers(image_folder):
    split = load(f"folder:{image_folder}").split("train")
    alone = by_content(split, (0, 1), 4, augment=EVERYTHING, threads=1)
    second = by_content(split, (1, 2), 4, augment=EVERYTHING, threads=2)
    assert len(set(second)) == 12
    assert set(second) <= set(alone)


@pytest.mark.parametrize(("source", "workers"), [("folder", 2), ("records", 3), ("numbers", 3)])
def test_workers_see_every_image_once(image_folder, packed, numbered, source, workers):
    words = {"folder": f"folder:{image_folder}", "records": f"records:{packed}"}
    split = load(words[source]).split("train") if source in words else numbered
    # The second epoch; five shards among three workers: the smallest part counts.
    smallest = min(split.parts(workers))
    seen, held = [], []
    for worker in range(workers):
        epoch = split.records.epoch(worker, workers, tf.constant([0, 1], tf.int64))
        seen += [int(index) for index, _ in epoch.take(smallest)]
        held += [int(index) for index, _ in split.records.epoch(worker, workers)]
    assert len(set(seen)) == len(seen) == workers * smallest
    assert sorted(held) == list(range(split.size))


def test_each_worker_is_given_its_own_images(numbered):
    shown = [
        np.concatenate([labels for _, labels in batches(numbered, 5, batch_size=5, shard=shard)])
        for shard in ((0, 2), (1, 2))
    ]
    assert sorted(np.concatenate(shown)) == list(range(50))
    measured = [
        np.concatenate(
            [labels for _, labels in evaluation_batches(numbered, SMALL, 1, batch_size=9, **part)]
        )
        for part in ({"shard": (0, 2)}, {"shard": (1, 2)})
    ]
    assert sorted(np.concatenate(measured)) == list(range(50))


def test_more_workers_than_shards_divide_the_images(image_folder, tmp_path):
    write_tfrecords(load(f"folder:{image_folder}"), tmp_path / "two", images_per_shard=12)
    split = load(f"records:{tmp_path / 'two'}").split("train")
    assert split.parts(3) == [8] * 3
    key = tf.constant([0, 0], tf.int64)
    seen = [[int(index) for index, _ in split.records.epoch(each, 3, key)] for each in range(3)]
    assert [len(part) for part in seen] == [8] * 3
    assert sorted(index for part in seen for index in part) == list(range(24))


def test_shards_give_the_images_of_the_folder(image_folder, packed):
    one = load(f"folder:{image_folder}").split("train")
    other = load(f"records:{packed}").split("train")
    assert sorted(one.labels) == sorted(other.labels)
    shown = [
        sorted(
            (int(label), image.tobytes())
            for images, labels in evaluation_batches(
                split, PHOTOGRAPH, 3, batch_size=8
            ).as_numpy_iterator()
            for image, label in zip(images, labels, strict=True)
        )
        for split in (one, other)
    ]
    assert shown[0] == shown[1]


def test_large_images_are_shuffled_in_smaller_blocks(packed, monkeypatch):
    split = load(f"records:{packed}").split("train")
    split = dataclasses.replace(split, labels=np.arange(split.size, dtype=np.int32))
    orders = []
    for size in (2**28, 10_000):
        monkeypatch.setattr(records, "SHUFFLED_BYTES", size)
        ((_, labels),) = training_batches(split, PHOTOGRAPH, 3, batch_size=24).take(1)
        orders.append(labels.numpy().tolist())
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(24))
    assert orders[0] != orders[1]


def test_a_run_on_shards_goes_on_from_any_step(packed):
    split = load(f"records:{packed}", validation_fraction=0.25).split("train")
    options = {"batch_size": 3, "augment": "inception", "seed": 2}
    whole = list(training_batches(split, PHOTOGRAPH, 3, **options).take(9).as_numpy_iterator())
    for first in (1, 7):
        rest = training_batches(split, PHOTOGRAPH, 3, first_step=first, **options).take(9 - first)
        for (images, labels), (more, others) in zip(
            whole[first:], rest.as_numpy_iterator(), strict=True
        ):
            np.testing.assert_array_equal(labels, others)
            np.testing.assert_array_equal(images, more)


def test_mixed_labels_are_soft(numbered):
    for mix in ("mixup", "cutmix"):
        augment = augmentation("affine", mix=mix)
        batches = training_batches(numbered, SMALL, 1, batch_size=8, augment=augment, classes=50)
        for images, labels in batches.take(2):
            assert images.dtype == "uint8"
            np.testing.assert_allclose(labels.numpy().sum(axis=1), 1, rtol=1e-6)
    with pytest.raises(UserError, match="need the number of classes"):
        training_batches(numbered, SMALL, 1, batch_size=8, augment=augment)


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_a_mixed_run_goes_on_from_any_step(numbered, mix):
    options = {"augment": augmentation("none", mix=mix), "classes": 50}
    whole, rest = batches(numbered, 6, **options), batches(numbered, 4, first_step=2, **options)
    for (images, labels), (more, others) in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(labels, others)
        np.testing.assert_array_equal(images, more)


def test_unknown_names_are_told(numbered):
    with pytest.raises(UserError, match="Unknown augmentation 'incepton'. The closest: inception"):
        training_batches(numbered, SMALL, 1, batch_size=8, augment="incepton")
    with pytest.raises(UserError, match="Unknown mix 'mixupp'"):
        augmentation("none", mix="mixupp")
    with pytest.raises(UserError, match="Unknown way of cropping 'eleven'"):
        evaluation_batches(numbered, SMALL, 1, batch_size=8, crops="eleven")

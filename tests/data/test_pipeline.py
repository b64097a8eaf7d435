import numpy as np
import pytest

from kerasnets import Preprocessing, UserError
from kerasnets.data import evaluation_batches, load, pipeline, training_batches
from kerasnets.data.pipeline import read
from kerasnets.data.sources import Split

SMALL = Preprocessing(size=(8, 8))


@pytest.fixture
def numbered():
    """Image k is filled with k."""
    images = np.broadcast_to(np.arange(50, dtype=np.uint8)[:, None, None, None], (50, 8, 8, 1))
    return Split(images.copy(), np.arange(50, dtype=np.int32), "array")


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


def test_reading_ahead_and_reading_every_epoch_give_the_same(image_folder, monkeypatch):
    split = load(f"folder:{image_folder}").split("train")
    preprocessing = Preprocessing(size=(24, 24), resize=28)
    ahead = read(split, preprocessing, 3)
    assert ahead.records.shape == (24, 24, 24, 3)
    monkeypatch.setattr(pipeline, "MEMORY_BUDGET_BYTES", 1000)
    assert read(split, preprocessing, 3) is split
    for one, other in zip(
        *(
            training_batches(each, preprocessing, 3, batch_size=8).take(4)
            for each in (ahead, split)
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_an_unreadable_image_is_named(image_folder, tmp_path):
    import shutil

    shutil.copytree(image_folder, tmp_path / "copy")
    broken = tmp_path / "copy" / "train" / "blue sky" / "4.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    split = load(f"folder:{tmp_path / 'copy'}").split("train")
    with pytest.raises(UserError, match="blue sky/4.jpg' cannot be read as an image"):
        read(split, SMALL, 3)
    broken.unlink()
    with pytest.raises(UserError, match="blue sky/4.jpg' cannot be read"):
        read(split, SMALL, 3)


def test_bytes_are_decoded():
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (10, 9), (255, 0, 0)).save(file, "PNG")
    split = Split(np.array([file.getvalue()] * 3, dtype=object), np.zeros(3, np.int32), "bytes")
    assert (read(split, SMALL, 3).records == [255, 0, 0]).all()

import numpy as np
import pytest
import tensorflow as tf

from kerasnets.data.crops import hundred_and_forty_four, ten
from kerasnets.data.pipeline import dense_batches, evaluation_batches
from kerasnets.data.records import Pixels
from kerasnets.data.sources.base import Split
from kerasnets.inputs import Preprocessing

SMALL = Preprocessing(size=(28, 28), resize=32)


def picture(rng, height, width, channels=3) -> np.ndarray:
    return rng.integers(0, 256, (height, width, channels)).astype(np.uint8)


def test_ten_crops_are_corners_centre_and_mirrored(rng):
    image = picture(rng, 32, 48)
    found = ten(tf.constant(image), SMALL).numpy()
    square = image[:, 8:40]
    expected = [square[:28, :28], square[:28, 4:], square[4:, :28], square[4:, 4:],
                square[2:30, 2:30]]  # fmt: skip
    np.testing.assert_array_equal(found, [*expected, *(each[:, ::-1] for each in expected)])


def test_ten_crops_find_a_margin_where_the_network_has_none(rng):
    found = ten(tf.constant(picture(rng, 32, 32)), Preprocessing(size=(28, 28)))
    assert found.shape == (10, 28, 28, 3)
    assert not np.array_equal(found[0], found[3])


def test_144_crops_have_four_sizes_of_three_squares(rng):
    """At the paper's size, of an image whose short side is the first scale."""
    image = picture(rng, 256, 400)
    found = hundred_and_forty_four(
        tf.constant(image), Preprocessing(size=(224, 224), resize=256)
    ).numpy()
    assert found.shape == (144, 224, 224, 3)
    left, centre, right = image[:, :256], image[:, 72:328], image[:, 144:]
    for place, square in ((0, left), (6, centre), (12, right)):
        np.testing.assert_array_equal(found[place], square[:224, :224])
        np.testing.assert_array_equal(found[place + 3], square[32:, 32:])
        np.testing.assert_array_equal(found[place + 4], square[16:240, 16:240])
        np.testing.assert_array_equal(found[place + 72], square[:224, :224][:, ::-1])


def test_144_crops_of_an_upright_image(rng):
    image = picture(rng, 60, 32)
    found = hundred_and_forty_four(tf.constant(image), SMALL).numpy()
    np.testing.assert_array_equal(found[0], image[:32][:28, :28])
    np.testing.assert_array_equal(found[12], image[28:][:28, :28])


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_every_image_is_looked_at_once_and_in_order(rng, batch_size):
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 1), np.uint8)
    split = Split(Pixels(images), np.zeros(5, np.int32))
    batches = evaluation_batches(split, SMALL, 1, crops="ten", batch_size=batch_size)
    found = np.concatenate([views for views, _ in batches.as_numpy_iterator()])
    assert found.shape == (5, 10, 28, 28, 1)
    assert found[:, 9, 5, 5, 0].tolist() == [0, 1, 2, 3, 4]


def test_whole_images_keep_their_shape(rng):
    split = Split(Pixels(picture(rng, 20, 32)[np.newaxis]), np.zeros(1, np.int32))
    ((pair, _),) = dense_batches(split, SMALL, 3, side=40).as_numpy_iterator()
    assert pair.shape == (2, 40, 64, 3)
    np.testing.assert_array_equal(pair[1], pair[0][:, ::-1])
    ((same, _),) = dense_batches(split, SMALL, 3, side=20).as_numpy_iterator()
    np.testing.assert_array_equal(same[0], split.records.values[0])

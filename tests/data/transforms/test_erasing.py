import numpy as np
import tensorflow as tf
from scipy import stats

from kerasnets.data.randomness import uniform
from kerasnets.data.transforms import Cutout, RandomErasing


def draws(count, transform):
    return uniform(3, tf.zeros(count, tf.int64), tf.range(count), transform.num_random)


def test_cutout_paints_a_square_about_any_pixel():
    transform = Cutout(side=4, fill=200)
    images = tf.zeros((4_000, 8, 8, 3), tf.uint8)
    painted = transform(images, draws(4_000, transform)).numpy()[..., 0] == 200
    assert painted.sum(axis=(1, 2)).max() == 16
    # At a corner a fourth of the square is left, less a pixel's rounding.
    assert painted.sum(axis=(1, 2)).min() == 4
    assert painted.mean() > 0.15


def test_erasing_areas_follow_the_paper():
    transform = RandomErasing(probability=1.0, fill=255)
    images = tf.zeros((3_000, 120, 120, 1), tf.uint8)
    painted = transform(images, draws(3_000, transform)).numpy()[..., 0] == 255
    areas = painted.mean(axis=(1, 2))
    # Sides are whole pixels, which moves an area by 2 % or so.
    assert stats.kstest(areas, stats.uniform(0.02, 0.38).cdf).pvalue > 0.001
    heights = painted.any(axis=2).sum(axis=1)
    widths = painted.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(heights * widths, painted.sum(axis=(1, 2)))
    assert (heights / widths).max() < 3.7
    assert (heights / widths).min() > 0.27


def test_erasing_leaves_some_images_alone():
    transform = RandomErasing(probability=0.25)
    images = tf.zeros((2_000, 16, 16, 1), tf.uint8)
    touched = transform(images, draws(2_000, transform)).numpy().any(axis=(1, 2, 3)).mean()
    assert 0.21 < touched < 0.29

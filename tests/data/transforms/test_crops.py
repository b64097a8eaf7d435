import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from kerasnets.data.randomness import uniform
from kerasnets.data.transforms import InceptionCrop, ScaleJitterCrop

DRAWS = 5_000


def windows(crop, sides, size=(224, 224)):
    random = uniform(7, tf.zeros(DRAWS, tf.int64), tf.range(DRAWS), crop.num_random)
    found = crop.windows(tf.tile([sides], (DRAWS, 1)), size, crop.draws(random)).numpy()
    top, left, height, width = found.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= sides[0]).all()
    assert (left + width <= sides[1]).all()
    return found


def by_definition(rng, sides):
    """Areas and aspects drawn again until the window lies inside, as the paper says."""
    found = []
    while len(found) < 20_000:
        area, aspect = rng.uniform(0.08, 1.0), np.exp(rng.uniform(-1, 1) * np.log(4 / 3))
        height, width = (
            np.sqrt(area * np.prod(sides) / aspect),
            np.sqrt(area * np.prod(sides) * aspect),
        )
        if height <= sides[0] and width <= sides[1]:
            found.append((area, aspect))
    return np.array(found).T


@pytest.mark.parametrize("sides", [(3000, 3000), (2000, 3000)])
def test_inception_areas_and_aspects_follow_the_paper(rng, sides):
    _, _, height, width = windows(InceptionCrop(), sides).T
    areas, aspects = by_definition(rng, sides)
    assert stats.ks_2samp(height * width / np.prod(sides), areas).pvalue > 0.001
    assert stats.ks_2samp(width / height, aspects).pvalue > 0.001


def test_inception_places_are_uniform():
    top, _, height, _ = windows(InceptionCrop(area=(0.3, 0.5)), (3000, 3000)).T
    assert stats.kstest((top + 0.5) / (3000 - height + 1), "uniform").pvalue > 0.001


def test_inception_falls_back_where_nothing_fits():
    found = windows(InceptionCrop(area=(0.9, 1.0)), (100, 1000))
    assert set(found[:, 2]) == {100}
    assert set(found[:, 3]) == {133}


@pytest.mark.parametrize(("low", "high"), [(256, 256), (256, 480), (256, 512)])
def test_scale_jitter_draws_each_length_as_often(low, high):
    found = windows(ScaleJitterCrop(shortest=low, longest=high), (2240, 3000))
    short = 2240 * 224 / found[:, 2]
    # Windows are whole pixels, some 2/1000 of a length.
    expected = np.random.default_rng(0).integers(low, high + 1, 20_000)
    if low == high:
        np.testing.assert_allclose(short, low, rtol=2e-3)
    else:
        assert stats.ks_2samp(np.round(short), expected).pvalue > 0.001
    np.testing.assert_array_equal(found[:, 2], found[:, 3])


def test_scale_jitter_of_other_sizes_is_in_proportion():
    crop = ScaleJitterCrop(shortest=256, longest=256, crop=227)
    found = windows(crop, (256, 400), (227, 227))
    assert set(found[:, 2]) == {227}
    assert set(found[:, 0]) == set(range(30))
    half = windows(crop, (256, 400), (114, 114))
    assert set(half[:, 2]) == {227}


def test_each_image_has_the_window_of_its_own_sides():
    sides = np.array([(100, 300), (2240, 3000), (5, 5)])
    for crop in (InceptionCrop(), ScaleJitterCrop(shortest=256, longest=480)):
        draws = crop.draws(uniform(1, tf.zeros(3, tf.int64), tf.range(3), crop.num_random))
        together = crop.windows(tf.constant(sides, tf.int32), (224, 224), draws).numpy()
        for row, side in enumerate(sides):
            alone = crop.windows(
                tf.constant(side[None], tf.int32), (224, 224), draws[row : row + 1]
            )
            np.testing.assert_array_equal(alone[0], together[row])


def test_images_smaller_than_the_crop_are_taken_whole():
    for crop in (InceptionCrop(), ScaleJitterCrop(shortest=256, longest=480)):
        assert windows(crop, (1, 1))[:, 2:].tolist() == [[1, 1]] * DRAWS

import numpy as np
import tensorflow as tf

from kerasnets.data.transforms import Affine, Flip, PadCropFlip


def test_crop_and_flip_follow_their_numbers(rng):
    images = rng.integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
    random = tf.constant(
        [[0.5, 0.5, 0.9], [0.5, 0.5, 0.1], [0.0, 0.0, 0.9], [0.99, 0.99, 0.9]], tf.float32
    )
    out = PadCropFlip(padding=2)(tf.constant(images), random).numpy()
    np.testing.assert_array_equal(out[0], images[0])
    np.testing.assert_array_equal(out[1], images[1, :, ::-1])
    np.testing.assert_array_equal(out[2, 2:, 2:], images[2, :4, :3])
    assert out[2, :2].sum() == out[2, :, :2].sum() == 0
    np.testing.assert_array_equal(out[3, :4, :3], images[3, 2:, 2:])


def test_flip_mirrors_left_and_right_by_its_number(rng):
    images = tf.constant(rng.integers(0, 256, (3, 4, 6, 3), dtype=np.uint8))
    random = tf.constant([[0.1], [0.9], [0.49]])
    expected = [images[0][:, ::-1], images[1], images[2][:, ::-1]]
    np.testing.assert_array_equal(Flip()(images, random), expected)
    # One image takes another way.
    for at in range(3):
        (alone,) = Flip()(images[at : at + 1], random[at : at + 1])
        np.testing.assert_array_equal(alone, expected[at])


def test_every_offset_comes_as_often(rng):
    image = np.zeros((1, 9, 9, 1), np.uint8)
    image[0, 4, 4] = 255
    draws = rng.random((5_000, 3)).astype(np.float32)
    out = PadCropFlip()(tf.constant(np.repeat(image, 5_000, 0)), tf.constant(draws)).numpy()
    found = np.stack(np.nonzero(out[..., 0])[1:])
    assert out.sum() == 255 * 5_000
    # 81 places, 62 draws each on average; six sigmas are 47.
    counts = np.bincount(found[0] * 9 + found[1], minlength=81)
    assert counts.min() > 15
    assert counts.max() < 110


def test_affine_of_half_numbers_changes_nothing(rng):
    images = rng.integers(0, 256, (2, 8, 9, 1), dtype=np.uint8)
    out = Affine()(tf.constant(images), tf.fill((2, 6), 0.5)).numpy()
    np.testing.assert_array_equal(out, images)


def test_affine_shifts_turns_and_scales():
    image = np.zeros((1, 41, 41, 1), np.uint8)
    image[0, 10:31, 18:23] = 255  # an upright bar

    def moved(**limits):
        options = {"shift": 0.0, "rotation": 0.0, "scale": 0.0, "shear": 0.0, **limits}
        return Affine(**options)(tf.constant(image), tf.ones((1, 6))).numpy()[0, ..., 0] / 255

    ys, xs = np.mgrid[:41, :41]

    def centre(weights):
        return (ys * weights).sum() / weights.sum(), (xs * weights).sum() / weights.sum()

    np.testing.assert_allclose(centre(moved(shift=4 / 41)), (16, 16), atol=0.05)
    turned = moved(rotation=90.0)
    np.testing.assert_allclose(turned, np.rot90(image[0, ..., 0] / 255), atol=0.02)
    # A source region half as large again makes the bar smaller; its edges are a pixel soft.
    np.testing.assert_allclose(moved(scale=0.5).sum(), image.sum() / 255 / 2.25, rtol=0.15)
    leaning = moved(shear=0.5)
    top, bottom = (
        (xs * part).sum() / part.sum() for part in (leaning * (ys < 16), leaning * (ys > 24))
    )
    assert abs(top - bottom) > 4

import numpy as np
import tensorflow as tf
from PIL import Image, ImageEnhance

from kerasnets.data.randomness import uniform
from kerasnets.data.transforms import ColourJitter, PcaNoise
from kerasnets.data.transforms.colour import IMAGENET_VALUES, IMAGENET_VECTORS


def test_pca_noise_has_the_papers_covariance():
    random = uniform(1, tf.zeros(50_000, tf.int64), tf.range(50_000), 3)
    noise = PcaNoise(sigma=0.1).noise(random).numpy() / 255
    vectors = np.array(IMAGENET_VECTORS)
    expected = vectors @ np.diag(np.square(0.1 * np.array(IMAGENET_VALUES))) @ vectors.T
    np.testing.assert_allclose(np.cov(noise.T), expected, rtol=0.05, atol=2e-6)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=3e-4)


def test_pca_noise_is_one_colour_for_an_image(rng):
    images = rng.integers(60, 190, (3, 5, 6, 3), dtype=np.uint8)
    random = uniform(2, tf.zeros(3, tf.int64), tf.range(3), 3)
    moved = PcaNoise(sigma=0.1)(tf.constant(images), random).numpy().astype(int) - images
    assert (moved == moved[:, :1, :1]).all()
    assert np.abs(moved).max() > 0


def test_jitter_is_pillows(rng):
    coarse = rng.integers(20, 235, (4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((20, 16), Image.Resampling.BICUBIC)
    draws = rng.random((6, 3)).astype(np.float32)
    for draw in draws:
        factors = 1 + 0.4 * (2 * draw - 1)
        expected = image
        for kind, factor in zip(
            (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color),
            factors,
            strict=True,
        ):
            expected = kind(expected).enhance(float(factor))
        found = ColourJitter()(tf.constant(np.array(image)[None]), tf.constant(draw[None]))[0]
        # Pillow rounds after each of the three.
        assert np.abs(found.numpy().astype(int) - np.array(expected).astype(int)).max() <= 3


def test_grey_images_stay_grey(rng):
    images = tf.constant(rng.integers(0, 256, (2, 4, 4, 1), dtype=np.uint8))
    for transform in (PcaNoise(), ColourJitter()):
        assert transform(images, tf.fill((2, 3), 0.9)).shape == (2, 4, 4, 1)

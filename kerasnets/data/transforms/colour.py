"""Transforms of colour: AlexNet's PCA noise; brightness, contrast and saturation."""

from __future__ import annotations

from dataclasses import dataclass

from kerasnets.lazy import tf

# Standard deviations along the principal axes of ImageNet's colours (of pixels in [0, 1]) and the
# axes, as columns for red, green and blue; from fb.resnet.torch, which Krizhevsky et al. leave out.
IMAGENET_VALUES = (0.2175, 0.0188, 0.0045)
IMAGENET_VECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)
# ITU-R 601: what red, green and blue add to grey.
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class PcaNoise:
    """Adds to all pixels of an image a colour along the principal axes of the colours.

    Attributes:
        sigma: Standard deviation of the three random factors.
        values: By which each factor is multiplied; the paper's eigenvalues, pixels in [0, 1].
        vectors: The axes, a column each, rows for red, green and blue.

    Source: Krizhevsky et al. 2012, section 4.1. `kerasnets data stats` finds the values and
    vectors of a data set.
    """

    sigma: float = 0.1
    values: tuple[float, float, float] = IMAGENET_VALUES
    vectors: tuple[tuple[float, float, float], ...] = IMAGENET_VECTORS
    num_random = 3

    def noise(self, random: tf.Tensor) -> tf.Tensor:
        """The colours to add, (N, 3) float32 of pixels in [0, 255]."""
        # Half a step away from 0, whose quantile is infinite.
        normal = tf.math.ndtri(random + 2.0**-25)
        factors = 255.0 * self.sigma * normal * self.values
        return tf.linalg.matmul(factors, tf.constant(self.vectors, tf.float32), transpose_b=True)

    def __call__(self, images: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        noise = tf.cast(tf.round(self.noise(random)), tf.int16)
        if images.shape[-1] == 1:
            noise = tf.reduce_mean(noise, axis=1, keepdims=True)
        noisy = tf.cast(images, tf.int16) + noise[:, tf.newaxis, tf.newaxis]
        return tf.cast(tf.clip_by_value(noisy, 0, 255), tf.uint8)


@dataclass(frozen=True, kw_only=True)
class ColourJitter:
    """Changes brightness, contrast and saturation by random factors, in this order.

    Attributes:
        brightness: The factor is in [1 - brightness, 1 + brightness].
        contrast: Likewise; blends with the image's mean grey.
        saturation: Likewise; blends with each pixel's grey.

    Source: Howard 2013, arXiv 1312.5402, section 2.2; the factors of fb.resnet.torch, 0.4 each.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    num_random = 3

    def __call__(self, images: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        limits = (self.brightness, self.contrast, self.saturation)
        factors = 1.0 + (2.0 * random - 1.0) * limits
        brightness, contrast, saturation = (
            factor[:, None, None, None] for factor in tf.unstack(factors, axis=1)
        )
        x = tf.minimum(brightness * tf.cast(images, tf.float32), 255.0)
        x = _blend(tf.reduce_mean(grey(x), axis=(1, 2), keepdims=True), x, contrast)
        if images.shape[-1] == 3:
            x = _blend(grey(x), x, saturation)
        return tf.cast(tf.round(x), tf.uint8)


def grey(images: tf.Tensor) -> tf.Tensor:
    """ITU-R 601 luma, (..., 1) float32 of (..., C); a grayscale image as it is."""
    images = tf.cast(images, tf.float32)
    if images.shape[-1] == 1:
        return images
    red, green, blue = tf.unstack(images, axis=-1)
    # A third of the time of a product of matrices.
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[..., tf.newaxis]


def _blend(other: tf.Tensor, x: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(other + factor * (x - other), 0.0, 255.0)

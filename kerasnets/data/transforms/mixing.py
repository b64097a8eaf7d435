"""Mixes: each image blended with another of its batch, and their labels alike."""

from __future__ import annotations

from dataclasses import dataclass

from kerasnets.data.graphs import sides
from kerasnets.data.randomness import shuffled
from kerasnets.data.transforms.erasing import rectangles
from kerasnets.lazy import tf


@dataclass(frozen=True, kw_only=True)
class Mixup:
    """Blends the pixels of two images; one fraction for each batch, as in the authors' code.

    Attributes:
        alpha: The fraction follows Beta(alpha, alpha); the paper's 0.2 for ImageNet, 1 for CIFAR.

    Source: Zhang et al. 2017, arXiv 1710.09412, section 2.
    """

    alpha: float = 0.2

    def __call__(
        self, images: tf.Tensor, labels: tf.Tensor, key: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        fraction = beta(self.alpha, key)
        partners = other_order(images, key)
        mixed = _blend(tf.cast(images, tf.float32), fraction, partners)
        return tf.cast(tf.round(mixed), tf.uint8), _blend(labels, fraction, partners)


@dataclass(frozen=True, kw_only=True)
class CutMix:
    """Pastes a rectangle of another image; labels follow the pasted area.

    Attributes:
        alpha: The fraction that stays follows Beta(alpha, alpha) before clipping; the paper's is 1.

    Source: Yun et al. 2019, arXiv 1905.04899, section 3.1, algorithm A1.
    """

    alpha: float = 1.0

    def __call__(
        self, images: tf.Tensor, labels: tf.Tensor, key: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        whole = tf.constant(sides(images)[:2], tf.float32)
        extent = tf.floor(whole * tf.sqrt(1.0 - beta(self.alpha, key)))
        own_key = key + tf.constant((0, 1 << 40), tf.int64)
        centre = tf.floor(whole * tf.random.stateless_uniform((2,), own_key))
        first = tf.clip_by_value(centre - tf.floor(extent / 2), 0.0, whole)
        last = tf.clip_by_value(centre - tf.floor(extent / 2) + extent, 0.0, whole)
        partners = other_order(images, key)
        inside = rectangles(images, first[tf.newaxis], (last - first)[tf.newaxis])
        # Clipping has made the rectangle smaller; the labels follow what is left.
        fraction = 1.0 - tf.reduce_prod(last - first) / tf.reduce_prod(whole)
        mixed = tf.where(inside, tf.gather(images, partners), images)
        return mixed, _blend(labels, fraction, partners)


def beta(alpha: float, key: tf.Tensor) -> tf.Tensor:
    """A random number of Beta(alpha, alpha), from two of the gamma distribution."""
    alphas = tf.constant(alpha, tf.float64)
    first, second = tf.unstack(tf.random.stateless_gamma((2,), key, alphas, dtype=tf.float64))
    return tf.cast(first / (first + second), tf.float32)


def other_order(images: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Which image each is mixed with: a random permutation of the batch."""
    return shuffled(tf.range(tf.shape(images)[0]), key)


def _blend(x: tf.Tensor, fraction: tf.Tensor, partners: tf.Tensor) -> tf.Tensor:
    return fraction * x + (1.0 - fraction) * tf.gather(x, partners)

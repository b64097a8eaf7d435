"""Transforms that paint a rectangle over: Cutout and random erasing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kerasnets.data.graphs import sides
from kerasnets.lazy import tf


@dataclass(frozen=True, kw_only=True)
class Cutout:
    """Paints a square of one value; its centre is anywhere, so that parts may lie outside.

    Attributes:
        side: The square's side, in pixels; the paper's 16 for CIFAR-10, 8 for CIFAR-100.
        fill: Grey value, 0 to 255; the paper's zero after normalisation is about 125.

    Source: DeVries, Taylor 2017, arXiv 1708.04552, section 3.2.
    """

    side: int = 16
    fill: int = 125
    num_random = 2

    def __call__(self, images: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        corners = tf.floor(random * tf.constant(sides(images)[:2], tf.float32)) - self.side // 2
        inside = rectangles(images, corners, tf.fill(tf.shape(corners), float(self.side)))
        return tf.where(inside, tf.cast(self.fill, tf.uint8), images)


@dataclass(frozen=True, kw_only=True)
class RandomErasing:
    """Paints a rectangle of random area and aspect in some of the images.

    Attributes:
        probability: Fraction of the images.
        area: Least and largest fraction of the image's area.
        aspect: Least and largest height over width, drawn uniformly in its logarithm (the
            authors' code draws it uniformly).
        fill: Grey value, 0 to 255; the paper found random values for each pixel as good as
            ImageNet's mean, which is about 114.

    Source: Zhong et al. 2017, arXiv 1708.04896, algorithm 1.
    """

    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.4)
    aspect: tuple[float, float] = (0.3, 1 / 0.3)
    fill: int = 114
    num_random = 5

    def __call__(self, images: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        height, width, _ = sides(images)
        area = height * width * (self.area[0] + (self.area[1] - self.area[0]) * random[:, 0])
        low, high = (math.log(value) for value in self.aspect)
        aspect = tf.exp(low + (high - low) * random[:, 1])
        # The paper draws again what sticks out; bounding the aspect keeps area and needs no loop.
        aspect = tf.clip_by_value(aspect, area / width**2, height**2 / area)
        extent = tf.round(tf.stack([tf.sqrt(area * aspect), tf.sqrt(area / aspect)], axis=1))
        extent = tf.minimum(extent, (height, width))
        extent *= tf.cast(random[:, 2:3] < self.probability, tf.float32)
        room = tf.constant((height, width), tf.float32) - extent + 1.0
        inside = rectangles(images, tf.floor(random[:, 3:] * room), extent)
        return tf.where(inside, tf.cast(self.fill, tf.uint8), images)


def rectangles(images: tf.Tensor, corners: tf.Tensor, extent: tf.Tensor) -> tf.Tensor:
    """Where a rectangle lies in each image, (N, H, W, 1) bool.

    Args:
        images: (N, H, W, C).
        corners: (N, 2) float32, top and left.
        extent: (N, 2) float32, height and width.
    """
    masks = []
    for axis in (0, 1):
        at = tf.range(images.shape[1 + axis], dtype=tf.float32) - corners[:, axis : axis + 1]
        masks.append((at >= 0) & (at < extent[:, axis : axis + 1]))
    return (masks[0][:, :, tf.newaxis] & masks[1][:, tf.newaxis, :])[..., tf.newaxis]

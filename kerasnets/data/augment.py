"""Training transforms: batches of uint8 images in, batches of uint8 images out.

Each takes uniform random numbers in [0, 1) from outside, a row for each image, so that what
happens to an image depends on (seed, epoch, image) and on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Transform:
    """A transform and how many random numbers it takes for each image."""

    function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    numbers: int


def pad_crop_flip(images: tf.Tensor, random: tf.Tensor, padding: int = 4) -> tf.Tensor:
    """Pads with black, cuts the old size out at random, and mirrors half of the images.

    Args:
        images: (N, H, W, C) uint8.
        random: (N, 3) in [0, 1).
        padding: Pixels on each side.

    Source: He et al. 2015, arXiv 1512.03385, section 4.2.
    """
    height, width = images.shape[1:3]
    side = [padding, padding]
    images = tf.pad(images, [[0, 0], side, side, [0, 0]])
    offsets = tf.cast(random[:, :2] * (2 * padding + 1), tf.int32)
    rows = offsets[:, :1] + tf.range(height)
    columns = offsets[:, 1:] + tf.where(random[:, 2:] < 0.5, 1, 0) * (width - 1)
    columns += tf.where(random[:, 2:] < 0.5, -1, 1) * tf.range(width)
    images = tf.gather(images, rows, axis=1, batch_dims=1)
    return tf.gather(images, columns, axis=2, batch_dims=1)


def affine(
    images: tf.Tensor,
    random: tf.Tensor,
    shift: float = 0.08,
    rotation: float = 10.0,
    scale: float = 0.1,
    shear: float = 0.1,
) -> tf.Tensor:
    """Shifts, turns, scales and shears each image about its centre; what comes in is black.

    Args:
        images: (N, H, W, C) uint8.
        random: (N, 6) in [0, 1).
        shift: At most, as a share of the side.
        rotation: At most, in degrees either way.
        scale: At most, up or down, as a share.
        shear: At most, horizontally, as a share of the height.

    Source: LeCun et al. 1998, section III.A (planar affine transformations of the digits; the
    paper does not give its ranges).
    """
    height, width = images.shape[1:3]
    dx, dy, turn, zoom_x, zoom_y, lean = tf.unstack(2.0 * random - 1.0, axis=1)
    angle = turn * math.radians(rotation)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    zoom_x, zoom_y, lean = 1 + scale * zoom_x, 1 + scale * zoom_y, shear * lean
    # Where each output pixel comes from: turned, then leaning, then zoomed.
    a, b = cosine * zoom_x, (lean * cosine - sine) * zoom_y
    c, d = sine * zoom_x, (lean * sine + cosine) * zoom_y
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    at_x = centre_x - a * centre_x - b * centre_y + dx * shift * width
    at_y = centre_y - c * centre_x - d * centre_y + dy * shift * height
    zero = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, at_x, c, d, at_y, zero, zero], axis=1),
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )


TRANSFORMS = {
    "none": Transform(lambda images, random: images, 0),
    "affine": Transform(affine, 6),
    "pad_crop_flip": Transform(pad_crop_flip, 3),
}

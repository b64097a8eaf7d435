"""Transforms that move pixels: flip, pad and crop, affine distortion."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kerasnets.data.graphs import sides
from kerasnets.lazy import tf


@dataclass(frozen=True)
class Flip:
    """Mirrors half of the images.

    Source: Krizhevsky et al. 2012, section 4.1.
    """

    num_random = 1

    def __call__(self, images: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        flipped = random[:, 0] < 0.5
        if images.shape[0] == 1:
            # Inside a graph the branch that is not taken costs nothing.
            return tf.cond(flipped[0], lambda: _mirrored(images), lambda: images)
        return tf.where(flipped[:, None, None, None], _mirrored(images), images)


def _mirrored(images: tf.Tensor) -> tf.Tensor:
    """Reversed as rows of three dimensions, for which TensorFlow has a kernel of its own."""
    height, width, channels = sides(images)
    rows = tf.reverse(tf.reshape(images, (-1, width, channels)), [1])
    return tf.reshape(rows, (-1, height, width, channels))


@dataclass(frozen=True)
class PadCropFlip:
    """Pads with black, cuts the old size out at random, and mirrors half of the images.

    Attributes:
        padding: Pixels on each side.

    Source: He et al. 2015, arXiv 1512.03385, section 4.2.
    """

    padding: int = 4
    num_random = 3

    def __call__(self, images: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        height, width, _ = sides(images)
        side = [self.padding, self.padding]
        images = tf.pad(images, [[0, 0], side, side, [0, 0]])
        offsets = tf.cast(random[:, :2] * (2 * self.padding + 1), tf.int32)
        rows = offsets[:, :1] + tf.range(height)
        columns = offsets[:, 1:] + tf.where(random[:, 2:] < 0.5, 1, 0) * (width - 1)
        columns += tf.where(random[:, 2:] < 0.5, -1, 1) * tf.range(width)
        images = tf.gather(images, rows, axis=1, batch_dims=1)
        return tf.gather(images, columns, axis=2, batch_dims=1)


@dataclass(frozen=True)
class Affine:
    """Shifts, turns, scales and shears each image about its centre; what comes in is black.

    Attributes:
        shift: At most, as a fraction of the side.
        rotation: At most, in degrees either way.
        scale: At most, up or down, as a fraction.
        shear: At most, horizontally, as a fraction of the height.

    Source: LeCun et al. 1998, section III.B (planar affine transformations of the digits; the
    paper does not give its ranges).
    """

    shift: float = 0.08
    rotation: float = 10.0
    scale: float = 0.1
    shear: float = 0.1
    num_random = 6

    def __call__(self, images: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        height, width, _ = sides(images)
        dx, dy, turn, zoom_x, zoom_y, lean = tf.unstack(2.0 * random - 1.0, axis=1)
        angle = turn * math.radians(self.rotation)
        cosine, sine = tf.cos(angle), tf.sin(angle)
        zoom_x, zoom_y, lean = 1 + self.scale * zoom_x, 1 + self.scale * zoom_y, self.shear * lean
        # Where each output pixel comes from: turned, then leaning, then zoomed.
        a, b = cosine * zoom_x, (lean * cosine - sine) * zoom_y
        c, d = sine * zoom_x, (lean * sine + cosine) * zoom_y
        centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
        at_x = centre_x - a * centre_x - b * centre_y + dx * self.shift * width
        at_y = centre_y - c * centre_x - d * centre_y + dy * self.shift * height
        zero = tf.zeros_like(a)
        matrix = tf.stack([a, b, at_x, c, d, at_y, zero, zero], axis=1)
        # Each pixel (x, y) is taken from (a x + b y + at_x, c x + d y + at_y).
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=matrix,
            output_shape=(height, width),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )

"""RandAugment: some transforms of fourteen, all of one strength."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from kerasnets.data.graphs import apart, sides
from kerasnets.data.transforms.colour import LUMA, grey
from kerasnets.errors import UserError
from kerasnets.lazy import tf

# What comes in at the edges; that of the authors' code.
FILL = 128.0


@dataclass(frozen=True)
class RandAugment:
    """Applies `layers` transforms, drawn from `OPERATIONS` with replacement.

    The ranges are AutoAugment's; a magnitude of 10 is their end where the change is greatest, 0
    changes nothing. Where a change has two directions, each is as likely.

    Attributes:
        layers: The paper's N.
        magnitude: The paper's M, in [0, 10].

    Source: Cubuk et al. 2019, arXiv 1909.13719, section 3; ranges of Cubuk et al. 2018, arXiv
    1805.09501, table 6. Interpolation and grey edges are those of the authors' code.
    """

    layers: int = 2
    magnitude: float = 9.0

    one_by_one: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.layers < 1 or not 0 <= self.magnitude <= 10:
            raise UserError(
                "RandAugment takes 1 layer at least and a magnitude in [0, 10]. "
                f"Received: layers={self.layers}, magnitude={self.magnitude}."
            )

    @property
    def num_random(self) -> int:
        """Random numbers for each image: which transform and which direction, each layer."""
        return 2 * self.layers

    def __call__(self, images: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
        """The batch has one image, since each image has transforms of its own."""
        image, random = tf.squeeze(images, 0), tf.squeeze(random, 0)
        strength = self.magnitude / 10.0
        for layer in range(self.layers):
            which = tf.cast(random[2 * layer] * len(OPERATIONS), tf.int32)
            signed = tf.where(random[2 * layer + 1] < 0.5, -strength, strength)
            image = tf.switch_case(which, _branches(image, signed))
        return image[tf.newaxis]


def _branches(image: tf.Tensor, signed: tf.Tensor) -> list[Callable[[], tf.Tensor]]:
    return [
        lambda operation=operation: tf.ensure_shape(apart(operation)(image, signed), image.shape)
        for operation in OPERATIONS.values()
    ]


def identity(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """The image as it is."""
    return image


def auto_contrast(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Stretches each channel from its darkest and brightest value to 0 and 255."""
    height, width, channels = sides(image)
    # By whole rows: TensorFlow takes five times as long where the last axis is the channels.
    rows = tf.reshape(tf.cast(image, tf.float32), (height, width * channels))
    low, high = (
        reduce(tf.reshape(reduce(rows, 0), (width, channels)), 0)
        for reduce in (tf.reduce_min, tf.reduce_max)
    )
    scale = tf.where(high > low, 255.0 / tf.maximum(high - low, 1.0), 1.0)
    offset = tf.where(high > low, low, 0.0)
    # Truncated, as Pillow does.
    stretched = (rows - tf.tile(offset, [width])) * tf.tile(scale, [width])
    return tf.reshape(_to_uint8(stretched), image.shape)


def equalize(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Gives each channel a flat histogram, by Pillow's integer arithmetic."""
    height, width, channels = sides(image)
    # By whole rows, as in `auto_contrast`.
    rows = tf.reshape(tf.cast(image, tf.int32), (height, width * channels))
    values = rows + tf.tile(256 * tf.range(channels), [width])
    # `tf.math.bincount` checks its input first, which takes twice the counting.
    counts = tf.raw_ops.DenseBincount(
        input=tf.reshape(values, [-1]), size=256 * channels, weights=tf.constant([], tf.int32)
    )
    counts = tf.reshape(counts, (channels, 256))
    brightest = tf.reduce_max(tf.where(counts > 0, tf.range(256), 0), axis=1)
    last = tf.gather(counts, brightest, batch_dims=1)
    step = ((tf.reduce_sum(counts, axis=1) - last) // 255)[:, tf.newaxis]
    below = tf.cumsum(counts, axis=1, exclusive=True)
    table = (below + step // 2) // tf.maximum(step, 1)
    table = tf.where(step > 0, tf.minimum(table, 255), tf.range(256))
    # A quarter quicker than `tf.gather`.
    found = tf.gather_nd(tf.reshape(tf.cast(table, tf.uint8), [-1]), values[:, :, None])
    return tf.reshape(found, image.shape)


def solarize(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Inverts the values above 256 (strength 0) to 0 (strength 1)."""
    threshold = tf.round(256.0 * (1.0 - tf.abs(signed)))
    # A threshold of 256 is no uint8, so the last value below it is compared with.
    last = tf.cast(tf.maximum(threshold - 1.0, 0.0), tf.uint8)
    bright = tf.cast((image > last) | (threshold < 1.0), tf.uint8)
    # 255 minus a value has its bits inverted; `tf.where` takes four times as long.
    return tf.bitwise.bitwise_xor(image, 255 * bright)


def posterize(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Keeps 8 (strength 0) to 4 (strength 1) bits."""
    dropped = tf.cast(tf.round(4.0 * tf.abs(signed)), tf.uint8)
    mask = tf.bitwise.left_shift(tf.constant(255, tf.uint8), dropped)
    return tf.bitwise.bitwise_and(image, mask)


def color(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Blends with the grey image; 0.1 (nearly grey) to 1.9 (vivid)."""
    if image.shape[-1] == 1:
        return image
    factor = 1.0 + 0.9 * signed
    # One product of matrices does all of it in less than half the time of `grey` and a blend.
    mixed = factor * tf.eye(3) + (1.0 - factor) * tf.constant(LUMA)[:, tf.newaxis]
    pixels = tf.reshape(tf.cast(image, tf.float32), (-1, 3))
    return tf.reshape(_to_uint8(tf.matmul(pixels, mixed)), image.shape)


def contrast(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Blends with the mean grey; 0.1 to 1.9."""
    height, width, channels = sides(image)
    # By whole rows, as in `auto_contrast`.
    rows = tf.reshape(tf.cast(image, tf.float32), (height, width * channels))
    mean = tf.reduce_mean(tf.reshape(tf.reduce_mean(rows, axis=0), (width, channels)), axis=0)
    return tf.reshape(_blend(tf.round(grey(mean)), rows, signed), image.shape)


def brightness(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Multiplies by 0.1 to 1.9."""
    return _blend(tf.constant(0.0), image, signed)


def sharpness(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Blends with the smoothed image; 0.1 (blurred) to 1.9 (sharpened). Edges stay."""
    x = tf.cast(image, tf.float32)
    # Pillow's SMOOTH: a 3x3 box in which the centre counts five times; pooling takes twenty times
    # as long.
    rows = x[:-2] + x[1:-1] + x[2:]
    box = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    smooth = tf.round((box + 4.0 * x[1:-1, 1:-1]) / 13.0)
    inner = _blend(smooth, image[1:-1, 1:-1], signed)
    rows = tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1)
    return tf.concat([image[:1], rows, image[-1:]], axis=0)


def rotate(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Turns about the centre by up to 30 degrees."""
    angle = signed * math.radians(30.0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    height, width, _ = sides(image)
    x, y = (width - 1) / 2, (height - 1) / 2
    return _warp(
        image, cosine, -sine, x - cosine * x + sine * y, sine, cosine, y - sine * x - cosine * y
    )


def shear_x(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Moves each row by up to 0.3 of its distance from the top."""
    return _warp(image, 1.0, 0.3 * signed, 0.0, 0.0, 1.0, 0.0)


def shear_y(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Moves each column by up to 0.3 of its distance from the left."""
    return _warp(image, 1.0, 0.0, 0.0, 0.3 * signed, 1.0, 0.0)


def translate_x(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Moves by up to 150/331 of the width, the paper's pixels for its images."""
    return _moved(image, signed, axis=1)


def translate_y(image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """Moves by up to 150/331 of the height."""
    return _moved(image, signed, axis=0)


OPERATIONS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    function.__name__: function
    for function in (
        identity, auto_contrast, equalize, rotate, solarize, color, posterize, contrast,
        brightness, sharpness, shear_x, shear_y, translate_x, translate_y,
    )
}  # fmt: skip


def _blend(other: tf.Tensor, image: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
    """From `other` (factor 0) to `image` (1) and beyond; the factor is 1 + 0.9 times `signed`."""
    x = tf.cast(image, tf.float32)
    return _to_uint8(other + (1.0 + 0.9 * signed) * (x - other))


def _to_uint8(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(x, 0.0, 255.0), tf.uint8)


def _moved(image: tf.Tensor, signed: tf.Tensor, axis: int) -> tf.Tensor:
    """Each pixel from so many pixels further along an axis."""
    height, width, channels = sides(image)
    length = (height, width)[axis]
    shift = tf.cast(tf.round(signed * length * 150 / 331), tf.int32)
    room = round(length * 150 / 331)
    framed = _framed(image, *((room, 0) if axis == 0 else (0, room)))
    begin = (room + shift, 0) if axis == 0 else (0, (room + shift) * channels)
    return tf.reshape(tf.slice(framed, begin, (height, width * channels)), image.shape)


def _framed(image: tf.Tensor, down: int, across: int) -> tf.Tensor:
    """Grey about an image, as rows (H, W * C), which are padded in a fraction of the time."""
    height, width, channels = sides(image)
    rows = tf.reshape(image, (height, width * channels))
    frame = [[down, down], [across * channels, across * channels]]
    return tf.pad(rows, frame, constant_values=tf.cast(FILL, tf.uint8))


def _warp(image: tf.Tensor, *matrix: tf.Tensor | float) -> tf.Tensor:
    """Each pixel (x, y) from the one nearest to (ax + by + c, dx + ey + f).

    In half the time of ImageProjectiveTransformV3, which finds the place of each channel anew.
    """
    a, b, c, d, e, f = matrix
    height, width, channels = sides(image)
    framed = _framed(image, 1, 1)
    x = tf.range(width, dtype=tf.float32)
    y = tf.range(height, dtype=tf.float32)[:, tf.newaxis]
    # A half to round, and one for the frame, which stands for all that lies outside.
    column = tf.clip_by_value(tf.floor(a * x + (b * y + (c + 1.5))), 0, width + 1)
    row = tf.clip_by_value(tf.floor(d * x + (e * y + (f + 1.5))), 0, height + 1)
    place = tf.cast(row * (width + 2) + column, tf.int32)
    # Quicker than `tf.gather`, as in `equalize`.
    return tf.gather_nd(tf.reshape(framed, (-1, channels)), place[:, :, None])

"""From the bytes of an image file to the uint8 pixels a network takes. Works inside graphs."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from kerasnets.inputs import Preprocessing


def decode(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """The pixels of a JPEG, PNG, BMP or GIF (its first frame).

    JPEG is decoded with the exact inverse transform, as Pillow does; TensorFlow's default is
    faster and differs in the last bits.

    Args:
        encoded: A scalar string.
        channels: 1 for grayscale, 3 for RGB.

    Returns:
        (H, W, channels) uint8.
    """

    def jpeg() -> tf.Tensor:
        return tf.io.decode_jpeg(encoded, channels, dct_method="INTEGER_ACCURATE")

    def png() -> tf.Tensor:
        return tf.io.decode_png(encoded, channels)

    def other() -> tf.Tensor:
        # BMP and GIF are decoded in colour only.
        image = tf.io.decode_image(encoded, 3, expand_animations=False)
        return match_channels(tf.ensure_shape(image, (None, None, 3)), channels)

    start = tf.strings.substr(encoded, 0, 3)
    image = tf.case([(start == b"\xff\xd8\xff", jpeg), (start == b"\x89PN", png)], default=other)
    return tf.ensure_shape(image, (None, None, channels))


def decode_window(
    encoded: tf.Tensor, channels: int, choose: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """The pixels of a window of an image; of a JPEG nothing else is decoded.

    Args:
        encoded: A scalar string.
        channels: 1 for grayscale, 3 for RGB.
        choose: From (2,) int32, height and width of the image, to (4,) int32: top, left, height
            and width of the window.

    Returns:
        (height, width, channels) uint8.
    """

    def jpeg() -> tf.Tensor:
        window = choose(tf.io.extract_jpeg_shape(encoded)[:2])
        return tf.io.decode_and_crop_jpeg(encoded, window, channels)

    def other() -> tf.Tensor:
        image = decode(encoded, channels)
        return cut(image, choose(tf.shape(image)[:2]))

    is_jpeg = tf.strings.substr(encoded, 0, 3) == b"\xff\xd8\xff"
    return tf.ensure_shape(tf.cond(is_jpeg, jpeg, other), (None, None, channels))


def cut(image: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """The window (top, left, height, width) of an image."""
    top, left, height, width = tf.unstack(window)
    return image[top : top + height, left : left + width]


def resize_crop(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """A crop at the network's size: bilinear, without antialiasing, as training can bear."""
    resized = tf.image.resize(image, size)
    return tf.cast(resized + 0.5, tf.uint8)


def match_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    """Grayscale from colour (ITU-R 601 luma) or the reverse, where the number differs."""
    if image.shape[-1] == channels:
        return image
    if channels == 1:
        return tf.image.rgb_to_grayscale(image)
    return tf.repeat(image, channels, axis=-1)


def fit(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Brings an image to the size that the network takes; see `Preprocessing`.

    Args:
        image: (H, W, C) uint8.
        preprocessing: Of the network.

    Returns:
        (*preprocessing.size, C) uint8. An image of that size already is returned as it is.
    """
    height, width = preprocessing.size
    channels = image.shape[-1]
    side = preprocessing.resize_to
    if preprocessing.fit == "crop":
        scale = side / tf.reduce_min(tf.shape(image)[:2])
        sides = tf.cast(tf.round(scale * tf.cast(tf.shape(image)[:2], scale.dtype)), tf.int32)
        image = _resize(image, sides, preprocessing.interpolation)
        top, left = tf.unstack((tf.shape(image)[:2] - (height, width)) // 2)
        image = image[top : top + height, left : left + width]
    elif preprocessing.fit == "pad":
        image = _resize(image, (side, side), preprocessing.interpolation)
        image = tf.image.resize_with_crop_or_pad(image, height, width)
    else:
        image = _resize(image, (height, width), preprocessing.interpolation)
    return tf.ensure_shape(image, (height, width, channels))


def _resize(image: tf.Tensor, sides: tf.Tensor | tuple[int, int], method: str) -> tf.Tensor:
    """Resizes in floating point and rounds; leaves an image of the right size alone."""

    def resized() -> tf.Tensor:
        exact = tf.image.resize(image, sides, method, antialias=True)
        return tf.cast(tf.round(tf.clip_by_value(exact, 0.0, 255.0)), tf.uint8)

    same = tf.reduce_all(tf.shape(image)[:2] == tf.convert_to_tensor(sides))
    return tf.cond(same, lambda: image, resized)

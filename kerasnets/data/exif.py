"""The orientation that cameras write into JPEG files (EXIF tag 0x0112). Works inside graphs."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from kerasnets.data.graphs import apart

# The block stands at the front of the file; its first entries are what is looked at.
_WITHIN_BYTES = 4096
_MARK = b"Exif\x00\x00"
_TAG = 0x0112


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """1 to 8 as EXIF counts, a scalar int32; 1, upright, where the file does not tell.

    Args:
        encoded: A scalar string, the bytes of a JPEG.
    """
    head = tf.strings.substr(encoded, 0, _WITHIN_BYTES)
    return tf.cond(_is_marked(head), lambda: apart(_read)(head), lambda: tf.constant(1))


def are_plain_jpegs(files: Sequence[tf.Tensor]) -> tf.Tensor:
    """Whether all are JPEGs that tell no orientation: most there are, and quickly found.

    Args:
        files: Scalar strings.
    """
    # Whole files would be copied to stack them.
    heads = tf.stack([tf.strings.substr(file, 0, _WITHIN_BYTES) for file in files])
    are_jpegs = tf.strings.substr(heads, 0, 3) == b"\xff\xd8\xff"
    return tf.reduce_all(are_jpegs & tf.logical_not(_is_marked(heads)))


def _is_marked(head: tf.Tensor) -> tf.Tensor:
    return tf.strings.regex_full_match(head, rb"\C*Exif\x00\x00\C*")


def _read(head: tf.Tensor) -> tf.Tensor:
    """The orientation from the TIFF directory behind the mark."""
    content = tf.cast(tf.io.decode_raw(head, tf.uint8), tf.int32)
    size = tf.size(content)
    places = tf.range(size - len(_MARK) + 1)
    at_mark = [tf.gather(content, places + n) == byte for n, byte in enumerate(_MARK)]
    start = tf.cast(tf.argmax(tf.cast(tf.reduce_all(at_mark, axis=0), tf.int32)), tf.int32)
    start += len(_MARK)

    def byte(at: tf.Tensor | int) -> tf.Tensor:
        # A damaged directory may point anywhere.
        return tf.gather(content, tf.clip_by_value(start + at, 0, size - 1))

    little = byte(0) == ord("I")

    def integer(at: tf.Tensor) -> tf.Tensor:
        first, second = byte(at), byte(at + 1)
        return tf.where(little, first + 256 * second, 256 * first + second)

    directory = integer(tf.where(little, 4, 6))
    entries = directory + 2 + 12 * tf.range(tf.minimum(integer(directory), _WITHIN_BYTES // 12))
    found = integer(entries) == _TAG
    value = tf.reduce_max(tf.where(found, integer(entries + 8), 0))
    return tf.where((value >= 1) & (value <= 8), value, 1)


def upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """An image of this orientation as it was seen.

    Args:
        image: (H, W, C) as it is stored.
        orientation: 1 to 8.
    """

    return tf.cond(orientation == 1, lambda: image, lambda: apart(_turned)(image, orientation))


def _turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    image = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    down, across = _mirrored(orientation)
    image = tf.cond(down, lambda: tf.reverse(image, [0]), lambda: image)
    return tf.cond(across, lambda: tf.reverse(image, [1]), lambda: image)


def stored_window(window: tf.Tensor, sides: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Where a window of the upright image lies in the stored one.

    Args:
        window: (4,) int32: top, left, height, width in the upright image.
        sides: (2,) int32, height and width of the upright image.
        orientation: 1 to 8.
    """
    corner, extent = window[:2], window[2:]
    mirrored = tf.stack(_mirrored(orientation))
    corner = tf.where(mirrored, sides - corner - extent, corner)
    turned = orientation >= 5
    # Slices of stride -1 would make TensorFlow's layout optimizer print an error.
    return tf.where(
        turned,
        tf.concat([tf.reverse(corner, [0]), tf.reverse(extent, [0])], 0),
        tf.concat([corner, extent], 0),
    )


def upright_sides(sides: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Height and width of the upright image, from those of the stored one."""
    return tf.where(orientation >= 5, tf.reverse(sides, [0]), sides)


def _mirrored(orientation: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Whether the image is mirrored from top to bottom, and from left to right, once transposed."""
    down = (orientation == 3) | (orientation == 4) | (orientation == 7) | (orientation == 8)
    across = (orientation == 2) | (orientation == 3) | (orientation == 6) | (orientation == 7)
    return down, across

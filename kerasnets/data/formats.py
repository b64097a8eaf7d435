"""Decoders of the image formats beside JPEG, and the limit on pixels. Works inside graphs."""

from __future__ import annotations

import tensorflow as tf

from kerasnets.data import gif

# Pillow's limit on what may be no attack, 256 MiB of RGB.
MAX_PIXELS = 89_478_485


def limited(sides: tf.Tensor) -> tf.Tensor:
    """Height and width, refused where they make more than `MAX_PIXELS`.

    Args:
        sides: (..., 2) int32, of one image or of several.
    """
    pixels = tf.reduce_max(tf.reduce_prod(tf.cast(sides, tf.int64), axis=-1))
    message = tf.constant(f"larger than the limit of {MAX_PIXELS:,} pixels; its sides:")
    # `tf.debugging.Assert` makes a condition of it, ten nodes more.
    check = tf.raw_ops.Assert(condition=pixels <= MAX_PIXELS, data=[message, sides])
    with tf.control_dependencies([check] if check is not None else []):
        return tf.identity(sides)


def decode_png(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """The pixels of a PNG, (H, W, channels) uint8; of sixteen bits the upper eight."""
    width, height = tf.unstack(_integers(encoded, 16, 2, tf.int32, little=False))
    with tf.control_dependencies([limited(tf.stack([height, width]))]):
        return tf.io.decode_png(encoded, channels)


def decode_other(encoded: tf.Tensor) -> tf.Tensor:
    """The pixels of a GIF (first frame), BMP or WebP, without transparency.

    Args:
        encoded: A scalar string.

    Returns:
        (H, W, 3) uint8.
    """
    decoders = ((b"GIF8", _gif), (b"BM", _bmp), (b"RIFF", _webp))
    cases = [
        (tf.strings.substr(encoded, 0, len(mark)) == mark, lambda decoder=decoder: decoder(encoded))
        for mark, decoder in decoders
    ]
    image = tf.case(cases, default=lambda: _unknown(encoded))
    return tf.ensure_shape(image, (None, None, 3))


def _gif(encoded: tf.Tensor) -> tf.Tensor:
    canvas = tf.cast(_integers(encoded, 6, 2, tf.uint16), tf.int32)
    still, frame = gif.first_frame(encoded)
    with tf.control_dependencies([limited(canvas[::-1]), limited(frame)]):
        return tf.ensure_shape(
            tf.io.decode_image(still, 3, expand_animations=False), (None, None, 3)
        )


def _webp(encoded: tf.Tensor) -> tf.Tensor:
    flags = tf.cast(_integers(encoded, 20, 1, tf.uint8)[0], tf.int32)
    extended = tf.strings.substr(encoded, 12, 4) == b"VP8X"
    animated = extended & (tf.bitwise.bitwise_and(flags, 0x02) > 0)
    # TensorFlow 2.21 writes beyond its memory where an animation has no transparency.
    check = tf.debugging.Assert(~animated, ["an animated WebP, which TensorFlow cannot decode"])
    with tf.control_dependencies([check, limited(_webp_sides(encoded))]):
        # With transparency there are four channels, which the decoder must be asked for.
        return tf.io.decode_webp(encoded, 0)[0, ..., :3]


def _webp_sides(encoded: tf.Tensor) -> tf.Tensor:
    """Height and width from the header (RFC 9649, sections 2.5 to 2.7)."""

    def lossy() -> tf.Tensor:
        sides = tf.cast(_integers(encoded, 26, 2, tf.uint16), tf.int32)
        return tf.bitwise.bitwise_and(sides, 0x3FFF)

    def lossless() -> tf.Tensor:
        bits = _integers(encoded, 21, 1, tf.int32)[0]
        sides = tf.stack([bits, tf.bitwise.right_shift(bits, 14)])
        return 1 + tf.bitwise.bitwise_and(sides, 0x3FFF)

    def extended() -> tf.Tensor:
        content = tf.cast(_integers(encoded, 24, 6, tf.uint8), tf.int32)
        return 1 + tf.linalg.matvec(tf.reshape(content, (2, 3)), tf.constant([1, 1 << 8, 1 << 16]))

    chunk = tf.strings.substr(encoded, 12, 4)
    cases = [(chunk == b"VP8 ", lossy), (chunk == b"VP8L", lossless), (chunk == b"VP8X", extended)]
    return tf.case(cases, default=lambda: tf.ones((2,), tf.int32))[::-1]


def _bmp(encoded: tf.Tensor) -> tf.Tensor:
    width, height = tf.unstack(_integers(encoded, 18, 2, tf.int32))
    with tf.control_dependencies([limited(tf.stack([tf.abs(height), width]))]):
        depth = tf.cast(_integers(encoded, 28, 1, tf.uint16)[0], tf.int32)
    compression = _integers(encoded, 30, 1, tf.int32)[0]
    return tf.cond(
        (depth <= 8) & (compression == 0),
        lambda: _indexed_bmp(encoded, tf.abs(height), width, depth, height < 0),
        lambda: tf.ensure_shape(tf.io.decode_image(encoded, 3), (None, None, 3)),
    )


def _indexed_bmp(
    encoded: tf.Tensor, height: tf.Tensor, width: tf.Tensor, depth: tf.Tensor, top_down: tf.Tensor
) -> tf.Tensor:
    """A BMP of 1, 4 or 8 bits with a table of colours, which TensorFlow takes for grey values."""
    start, header = tf.unstack(_integers(encoded, 10, 2, tf.int32))
    table = tf.io.decode_raw(tf.strings.substr(encoded, 14 + header, start - 14 - header), tf.uint8)
    # Blue, green, red and a byte that means nothing.
    colours = tf.reshape(table, (-1, 4))[:, 2::-1]
    stride = (width * depth + 31) // 32 * 4
    rows = tf.io.decode_raw(tf.strings.substr(encoded, start, height * stride), tf.uint8)
    rows = tf.cast(tf.reshape(rows, (height, stride)), tf.int32)
    bits = tf.range(width) * depth
    shifted = tf.bitwise.right_shift(tf.gather(rows, bits // 8, axis=1), 8 - depth - bits % 8)
    numbers = tf.bitwise.bitwise_and(shifted, tf.bitwise.left_shift(1, depth) - 1)
    image = tf.gather(colours, numbers)
    return tf.cond(top_down, lambda: image, lambda: tf.reverse(image, [0]))


def _unknown(encoded: tf.Tensor) -> tf.Tensor:
    known = "no JPEG, PNG, GIF, BMP or WebP; it begins with"
    check = tf.debugging.Assert(False, [known, tf.strings.substr(encoded, 0, 8)])
    with tf.control_dependencies([check]):
        return tf.zeros((1, 1, 3), tf.uint8)


def _integers(
    encoded: tf.Tensor, at: int, count: int, dtype: tf.DType, little: bool = True
) -> tf.Tensor:
    """Integers of the header, (count,); zeros where the file ends before."""
    size = count * dtype.size
    head = tf.strings.join([tf.strings.substr(encoded, 0, at + size), b"\x00" * (at + size)])
    found = tf.io.decode_raw(tf.strings.substr(head, at, size), dtype, little_endian=little)
    return tf.ensure_shape(found, (count,))

"""Decoders of the image formats beside JPEG, and what is refused before. Works inside graphs."""

from __future__ import annotations

import functools

import tensorflow as tf

from kerasnets.data import exif, gif
from kerasnets.data.graphs import after, apart, require
from kerasnets.data.marks import ANIMATED_WEBP, FOREIGN, FORMATS, MAX_PIXELS, REFUSAL, SHOWN, START


def limited(sides: tf.Tensor) -> tf.Tensor:
    """Height and width, refused where they make more than `MAX_PIXELS`.

    Args:
        sides: (..., 2) int32, of one image or of several.
    """
    pixels = tf.reduce_max(tf.reduce_prod(tf.cast(sides, tf.int64), axis=-1))
    words = tf.constant(f"larger than the limit of {MAX_PIXELS:,} pixels")
    return after([require(pixels <= MAX_PIXELS, words)], sides)


def is_format(encoded: tf.Tensor, name: str) -> tf.Tensor:
    """Whether files, (...) strings, begin as those of a format in `FORMATS` do."""
    found = [_at(encoded, at, len(mark)) == mark for at, mark in FORMATS[name]]
    return functools.reduce(tf.logical_and, found)


def refusal(encoded: tf.Tensor) -> tf.Tensor:
    """The words of `kerasnets.data.marks.refusal` for a scalar string."""
    start = tf.io.decode_raw(tf.strings.substr(encoded, 0, START), tf.uint8)
    start = tf.cast(start, tf.int32)
    # Rows of marks; -1 where any byte may stand.
    marks = [[-1] * each.offset + list(each.mark) for each in FOREIGN]
    marks = tf.constant([[*mark, *[-1] * (START - len(mark))] for mark in marks])
    # What the file does not have is like no byte.
    padded = tf.pad(start, [[0, START - tf.size(start)]], constant_values=256)
    found = tf.reduce_all((marks == padded) | (marks < 0), axis=1)
    found = tf.concat([found, [tf.size(start) == 0, True]], 0)
    digits = tf.gather(tf.constant([f"{byte:02x}" for byte in range(256)]), start[:SHOWN])
    shown = ["it begins with the bytes ", tf.strings.reduce_join(digits, separator=" ")]
    names = [*(f"it is {each.name}" for each in FOREIGN), "it is empty"]
    names = tf.concat([names, [tf.strings.join(shown)]], 0)
    return tf.strings.join([REFUSAL, names[tf.argmax(found)]])


def _at(encoded: tf.Tensor, offset: int, length: int) -> tf.Tensor:
    """Some of the first bytes of files, (...) strings: fewer where they end before."""
    start = tf.strings.substr(encoded, 0, offset + length)
    if offset == 0:
        return start
    at = tf.minimum(offset, tf.strings.length(start))
    return tf.strings.substr(start, at, tf.zeros_like(at) + length)


def decode_png(encoded: tf.Tensor, channels: int) -> tf.Tensor:
    """The pixels of a PNG, upright, (H, W, channels) uint8; of sixteen bits the upper eight."""
    width, height = tf.unstack(_integers(encoded, 16, 2, tf.int32, little=False))
    orientation, complete = apart(exif.of_png)(encoded)
    with tf.control_dependencies([limited(tf.stack([height, width]))]):
        complete &= tf.strings.length(encoded) > 8
        whole = after([require(complete, "a PNG that ends early")], encoded)
    return exif.upright(tf.io.decode_png(whole, channels), orientation)


def whole_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    """The bytes of a JPEG, refused where there is no mark of its end in them."""
    ends = tf.strings.substr(encoded, -2, 2) == b"\xff\xd9"
    ends = tf.cond(ends, lambda: ends, lambda: apart(_has_end)(encoded))
    return after([require(ends, "a JPEG that ends early")], encoded)


def _has_end(encoded: tf.Tensor) -> tf.Tensor:
    """Whether a JPEG's mark of the end is anywhere: other data may follow it."""
    content = tf.io.decode_raw(encoded, tf.uint8)
    return tf.reduce_any((content[:-1] == 0xFF) & (content[1:] == 0xD9))


def decode_other(encoded: tf.Tensor) -> tf.Tensor:
    """The pixels of a GIF (first frame), BMP or WebP, upright and without transparency.

    Args:
        encoded: A scalar string.

    Returns:
        (H, W, 3) uint8.
    """
    decoders = {"GIF": _gif, "BMP": _bmp, "WebP": _webp}
    cases = [
        (is_format(encoded, name), lambda decoder=decoder: decoder(encoded))
        for name, decoder in decoders.items()
    ]
    image = tf.case(cases, default=lambda: _unknown(encoded))
    return tf.ensure_shape(image, (None, None, 3))


def _gif(encoded: tf.Tensor) -> tf.Tensor:
    still, canvas, corner, filling = gif.first_frame(encoded)
    sides = limited(canvas)
    with tf.control_dependencies([sides]):
        frame = tf.io.decode_image(still, 3, expand_animations=False)
    frame = tf.ensure_shape(frame, (None, None, 3))

    def filled() -> tf.Tensor:
        behind = sides - corner - tf.shape(frame)[:2]
        margins = tf.stack([corner, behind], axis=1)
        inside = tf.pad(tf.ones(tf.shape(frame)[:2], tf.bool), margins)
        around = tf.pad(frame, tf.concat([margins, [[0, 0]]], 0))
        return tf.where(tf.expand_dims(inside, -1), around, filling)

    return tf.cond(tf.reduce_all(tf.shape(frame)[:2] == sides), lambda: frame, filled)


def _webp(encoded: tf.Tensor) -> tf.Tensor:
    flags = tf.cast(_integers(encoded, 20, 1, tf.uint8)[0], tf.int32)
    flags = tf.where(tf.strings.substr(encoded, 12, 4) == b"VP8X", flags, 0)
    told = tf.bitwise.bitwise_and(flags, 0x0C) > 0
    size = tf.cast(_integers(encoded, 4, 1, tf.int32)[0], tf.int64) + 8
    checks = [
        # TensorFlow 2.21 writes beyond its memory where an animation has no transparency.
        require(
            tf.bitwise.bitwise_and(flags, 0x02) == 0,
            ANIMATED_WEBP,
        ),
        require(tf.cast(tf.strings.length(encoded), tf.int64) >= size, "a WebP that ends early"),
    ]
    with tf.control_dependencies([limited(_webp_sides(encoded))]):
        whole = after(checks, encoded)
    # With transparency there are four channels, which the decoder must be asked for.
    image = tf.io.decode_webp(whole, 0)[0, ..., :3]
    orientation = tf.cond(told, lambda: apart(exif.of_webp)(encoded), lambda: tf.constant(1))
    return exif.upright(image, orientation)


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
    start, header, width, height = tf.unstack(_integers(encoded, 10, 4, tf.int32))
    depth = tf.cast(_integers(encoded, 28, 1, tf.uint16)[0], tf.int32)
    compression = _integers(encoded, 30, 1, tf.int32)[0]
    # Values of pixels may be masks of bits: those that 32 bits have without any.
    masks = tf.reduce_all(_integers(encoded, 54, 3, tf.int32) == [0xFF0000, 0xFF00, 0xFF])
    plain = (compression == 0) | ((compression == 3) & (depth == 32) & masks)
    known = tf.reduce_any(depth == [1, 4, 8, 24, 32]) & (header >= 40) & plain
    known &= (start >= 14 + header) & (width > 0)
    known |= tf.strings.length(encoded) < 54
    kind = require(known, "a BMP of a rare kind: compressed, of 16 bits, or older than Windows 3")
    height, width = tf.unstack(limited(after([kind], tf.stack([height, width]))))
    size = start + tf.abs(height) * ((width * depth + 31) // 32 * 4)
    whole = after([require(tf.strings.length(encoded) >= size, "a BMP that ends early")], encoded)
    # Behind the pixels anything may follow, which TensorFlow refuses.
    whole = tf.strings.substr(whole, 0, size)
    return tf.cond(
        depth <= 8,
        lambda: _indexed_bmp(whole, tf.abs(height), width, depth, height < 0),
        lambda: tf.ensure_shape(tf.io.decode_image(whole, 3), (None, None, 3)),
    )


def _indexed_bmp(
    encoded: tf.Tensor, height: tf.Tensor, width: tf.Tensor, depth: tf.Tensor, top_down: tf.Tensor
) -> tf.Tensor:
    """A BMP of 1, 4 or 8 bits with a table of colours, which TensorFlow takes for grey values."""
    start, header = tf.unstack(_integers(encoded, 10, 2, tf.int32))
    count = tf.minimum((start - 14 - header) // 4, 256)
    table = tf.io.decode_raw(tf.strings.substr(encoded, 14 + header, 4 * count), tf.uint8)
    # Blue, green, red and a byte that means nothing; black is what the table does not have.
    colours = tf.pad(tf.reshape(table, (-1, 4))[:, 2::-1], [[0, 256 - count], [0, 0]])
    stride = (width * depth + 31) // 32 * 4
    rows = tf.io.decode_raw(tf.strings.substr(encoded, start, height * stride), tf.uint8)
    rows = tf.cast(tf.reshape(rows, (height, stride)), tf.int32)
    bits = tf.range(width) * depth
    shifted = tf.bitwise.right_shift(tf.gather(rows, bits // 8, axis=1), 8 - depth - bits % 8)
    numbers = tf.bitwise.bitwise_and(shifted, tf.bitwise.left_shift(1, depth) - 1)
    image = tf.gather(colours, numbers)
    return tf.cond(top_down, lambda: image, lambda: tf.reverse(image, [0]))


def _unknown(encoded: tf.Tensor) -> tf.Tensor:
    return after([require(tf.constant(False), refusal(encoded))], tf.zeros((1, 1, 3), tf.uint8))


def _integers(
    encoded: tf.Tensor, at: int, count: int, dtype: tf.DType, little: bool = True
) -> tf.Tensor:
    """Integers of the header, (count,); zeros where the file ends before."""
    size = count * dtype.size
    head = tf.strings.join([tf.strings.substr(encoded, 0, at + size), b"\x00" * (at + size)])
    found = tf.io.decode_raw(tf.strings.substr(head, at, size), dtype, little_endian=little)
    return tf.ensure_shape(found, (count,))

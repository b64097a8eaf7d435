"""The orientation that cameras write into image files, as Pillow finds it. Works inside graphs.

It is the tag 0x0112 of the EXIF block; where that has none, ``tiff:Orientation`` of the XMP block.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from kerasnets.data.graphs import apart

_TAG = 0x0112
# Marks of a JPEG: application data, but for 1, where EXIF and XMP are, and comments; tables.
_TELL_NOTHING = (0xFFE0, *range(0xFFE2, 0xFFF0), 0xFFFE)
_TABLE_MARKS = (b"\xff\xdb", b"\xff\xc4", b"\xff\xc0", b"\xff\xc1", b"\xff\xc2", b"\xff\xdd")
# Bytes from the first table on in which most have the others and the head of the picture's scan:
# that of 1 to 4 components, without its mark, since regular expressions know no such bytes.
_TABLES = 1024
_SCAN = r"\C*\x00(?:\x08\x01\C{2}|\x0a\x02\C{4}|\x0c\x03\C{6}|\x0e\x04\C{8})\x00[\x00-\x3f]\C*"
# Blocks of a file that are looked at: more than photographs have; a file of blocks alone is slow.
_MOST_BLOCKS = 4096
_EXIF = b"Exif\x00\x00"
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\x00"
# Keyword, neither compressed nor in another language.
_PNG_XMP = b"XML:com.adobe.xmp\x00\x00\x00\x00\x00"
# Of a TIFF entry: bytes of a value by type; types of integers of 2 and of 4 bytes.
_SIZES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4)
_SHORT, _LONG = (3, 8), (4, 9, 13)


class Block(NamedTuple):
    """A block of a file, in scalar int32.

    Attributes:
        begin: Where its content begins.
        length: Bytes of its content.
        behind: Where the next block begins; beyond the file's end after the last one of interest.
        exif: Whether it is an EXIF block, a boolean.
        xmp: Whether it is an XMP block.
    """

    begin: tf.Tensor
    length: tf.Tensor
    behind: tf.Tensor
    exif: tf.Tensor
    xmp: tf.Tensor


def orientation(encoded: tf.Tensor) -> tf.Tensor:
    """1 to 8 as EXIF counts, a scalar int32; 1, upright, where a JPEG does not tell.

    Args:
        encoded: A scalar string, the bytes of a JPEG.
    """
    return tf.cond(_is_plain(encoded), lambda: tf.constant(1), lambda: apart(_of_jpeg)(encoded))


def are_plain_jpegs(files: Sequence[tf.Tensor]) -> tf.Tensor:
    """Whether all are JPEGs that plainly tell no orientation: most there are, and quickly found.

    Args:
        files: Scalar strings.
    """
    return tf.reduce_all(tf.stack([_is_plain(file) for file in files]))


def _is_plain(encoded: tf.Tensor) -> tf.Tensor:
    """Whether it is JFIF, maybe another block, tables without EXIF or XMP, and then the picture."""
    size = tf.strings.length(encoded)
    at = tf.where(tf.strings.substr(encoded, 2, 4) == b"\xff\xe0\x00\x10", 20, 2)
    block = tf.strings.substr(encoded, tf.minimum(at, size), 4)
    block = tf.io.decode_raw(block, tf.uint16, little_endian=False, fixed_length=4)
    mark, length = tf.unstack(tf.cast(block, tf.int32))
    at = tf.where(tf.reduce_any(mark == tf.constant(_TELL_NOTHING)), at + 2 + length, at)
    tables = tf.strings.substr(encoded, tf.minimum(at, size), _TABLES)
    plain = tf.reduce_any(tf.strings.substr(tables, 0, 2) == tf.constant(_TABLE_MARKS))
    plain &= tf.strings.regex_full_match(tables, _SCAN)
    tells = tf.strings.regex_full_match(tables, r"\C*(?:Exif\x00|tiff:)\C*")
    return plain & tf.logical_not(tells)


def _of_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    size = tf.strings.length(encoded)

    def block(at: tf.Tensor) -> Block:
        head = _bytes(encoded, at, 4)
        mark, length = head[1], tf.maximum(256 * head[2] + head[3], 2)
        between = (head[0] != 0xFF) | (mark == 0xFF)
        # Without a length, as marks within the picture are.
        bare = (mark <= 0x01) | ((mark >= 0xD0) & (mark <= 0xD9))
        behind = tf.where(between, at + 1, tf.where(bare, at + 2, at + 2 + length))
        start = _text(encoded, at + 4, len(_JPEG_XMP))
        application = tf.logical_not(between) & (mark == 0xE1)
        exif = application & (tf.strings.substr(start, 0, len(_EXIF)) == _EXIF)
        return Block(
            begin=at + 4,
            length=length - 2,
            behind=tf.where(tf.logical_not(between) & (mark == 0xDA), size, behind),
            exif=exif,
            xmp=application & (start == _JPEG_XMP),
        )

    return _told(encoded, 2, block)[0]


def of_png(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The orientation of a PNG as in `orientation`, and whether the file is as long as it says."""

    def block(at: tf.Tensor) -> Block:
        length, kind = _integer(tf.unstack(_bytes(encoded, at, 4))), _text(encoded, at + 4, 4)
        xmp = (kind == b"iTXt") & (_text(encoded, at + 8, len(_PNG_XMP)) == _PNG_XMP)
        # Behind the last chunk anything may follow.
        last = (kind == b"IEND") & (at + 12 <= tf.strings.length(encoded))
        behind = tf.where(last, tf.strings.length(encoded), at + 12 + length)
        return Block(at + 8, length, behind, kind == b"eXIf", xmp)

    return _told(encoded, 8, block)


def of_webp(encoded: tf.Tensor) -> tf.Tensor:
    """The orientation of a WebP as in `orientation`; that of one without metadata is 1."""

    def block(at: tf.Tensor) -> Block:
        kind, length = _text(encoded, at, 4), _integer(tf.unstack(_bytes(encoded, at + 4, 4))[::-1])
        behind = at + 8 + 2 * ((length + 1) // 2)
        return Block(at + 8, length, behind, kind == b"EXIF", kind == b"XMP ")

    return _told(encoded, 12, block)[0]


def _told(
    encoded: tf.Tensor, start: int, block: Callable[[tf.Tensor], Block]
) -> tuple[tf.Tensor, tf.Tensor]:
    """What the blocks of a file tell: its orientation, and whether they end with the file.

    Args:
        encoded: A scalar string.
        start: Where the first block begins.
        block: Reads the block that begins somewhere.
    """
    size = tf.strings.length(encoded)

    def step(at: tf.Tensor, by_exif: tf.Tensor, by_xmp: tf.Tensor) -> tuple[tf.Tensor, ...]:
        found = block(at)

        def content() -> tf.Tensor:
            return _text(encoded, found.begin, found.length)

        # The first EXIF block counts, as far as there are several.
        first = found.exif & (by_exif < 0)
        by_exif = tf.cond(first, lambda: _of_exif(content()), lambda: by_exif)
        by_xmp = tf.cond(found.xmp, lambda: _of_xmp(content()), lambda: by_xmp)
        # A length beyond 2 GiB is negative.
        behind = tf.where(found.behind > at, found.behind, size + 1)
        return behind, by_exif, by_xmp

    at, by_exif, by_xmp = tf.while_loop(
        lambda at, by_exif, by_xmp: at < size,
        step,
        (start, -1, 0),
        maximum_iterations=_MOST_BLOCKS,
    )
    value = tf.where(by_exif > 0, by_exif, by_xmp)
    return tf.where((value >= 1) & (value <= 8), value, 1), at <= size


def _of_exif(block: tf.Tensor) -> tf.Tensor:
    """The orientation in an EXIF block, a scalar string: 0 if there is none, 9 for no orientation.

    Source: TIFF 6.0, section 2, "Image File Directory".
    """
    # What libraries write; PNG and WebP need no mark before the directory.
    block = tf.strings.regex_replace(block, rb"^(Exif\x00\x00){1,2}", b"", replace_global=False)
    little = _text(block, 0, 2) == b"II"

    def integers(content: tf.Tensor, at: int, count: int) -> tf.Tensor:
        """Of some bytes in each of the rows of `content`."""
        found = tf.unstack(content, axis=-1)[at : at + count]
        return tf.where(little, _integer(found[::-1]), _integer(found))

    size, place = tf.strings.length(block), integers(_bytes(block, 4, 4), 0, 4)
    place = tf.where(place >= 0, place, size)
    count = integers(_bytes(block, place, 2), 0, 2)
    # A damaged directory may announce more entries than there are.
    count = tf.clip_by_value((size - place - 2) // 12, 0, count)
    entries = tf.reshape(_bytes(block, place + 2, 12 * count), (-1, 12))
    kinds, counts = integers(entries, 2, 2), integers(entries, 4, 4)
    sizes = counts * tf.gather(_SIZES, tf.where(kinds < len(_SIZES), kinds, 0))
    ours = (integers(entries, 0, 2) == _TAG) & (sizes > 0)

    def value() -> tf.Tensor:
        at = tf.argmax(ours)
        entry, kind = entries[at], kinds[at]
        # Four bytes stand in the entry itself, more elsewhere.
        content = tf.cond(
            sizes[at] <= 4,
            lambda: entry[8:],
            lambda: _bytes(block, integers(entry, 8, 4), 4),
        )
        short = tf.reduce_any(kind == tf.constant(_SHORT))
        long = tf.reduce_any(kind == tf.constant(_LONG))
        found = tf.where(short, integers(content, 0, 2), integers(content, 0, 4))
        return tf.where((short | long) & (found >= 1) & (found <= 8), found, 9)

    return tf.cond(tf.reduce_any(ours), value, lambda: tf.constant(0))


def _of_xmp(block: tf.Tensor) -> tf.Tensor:
    """The orientation in an XMP block, a scalar string; 0 if there is none."""
    pattern = r"\C*?tiff:Orientation(?:=\"|>)([0-9])\C*"
    found = tf.strings.regex_full_match(block, pattern)
    digit = tf.strings.regex_replace(block, f"^{pattern}$", r"\1")
    return tf.strings.to_number(tf.where(found, digit, "0"), tf.int32)


def _text(encoded: tf.Tensor, at: tf.Tensor | int, length: tf.Tensor | int) -> tf.Tensor:
    """Some of the bytes of a scalar string: fewer where it ends before."""
    at, length = tf.convert_to_tensor(at), tf.convert_to_tensor(length)
    size = tf.strings.length(encoded)
    return tf.strings.substr(encoded, tf.clip_by_value(at, 0, size), tf.maximum(length, 0))


def _bytes(encoded: tf.Tensor, at: tf.Tensor | int, length: tf.Tensor | int) -> tf.Tensor:
    """The same as int32, (length,): zeros where the string ends before."""
    found = tf.cast(tf.io.decode_raw(_text(encoded, at, length), tf.uint8), tf.int32)
    found = tf.pad(found, [[0, length - tf.size(found)]])
    return tf.ensure_shape(found, (length if isinstance(length, int) else None,))


def _integer(content: Sequence[tf.Tensor]) -> tf.Tensor:
    """Integers, int32, from their bytes, the upper one first."""
    return functools.reduce(lambda upper, byte: 256 * upper + byte, content)


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

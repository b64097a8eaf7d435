"""The first frame of a GIF, found in the bytes. Works inside graphs.

TensorFlow decodes every frame of an animation before it takes the first one: a file of 1 MB can
hold hundreds of frames that need a gigabyte each. Cut behind its first frame, a GIF has no others.
TensorFlow also makes transparent pixels black, and all around a frame that is smaller than its
canvas; so a frame goes to it alone.
"""

from __future__ import annotations

import tensorflow as tf

from kerasnets.data.graphs import after, require

# Bytes of a chain of blocks that are walked at once.
WINDOW = 4096
# Extensions, and the first frame: more than files have, and each takes time.
MAX_SECTIONS = 1024


def first_frame(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """A GIF of its first frame alone, opaque and at the corner, and where on the canvas that was.

    Transparent pixels of it have the colour that the palette says.

    Args:
        encoded: A scalar string that begins with ``GIF8``.

    Returns:
        A scalar string; (2,) int32, height and width of the canvas, which the frame may enlarge;
        (2,) int32, top and left of the frame; and the colour around it, (3,) uint8.
    """
    content = tf.io.decode_raw(encoded, tf.uint8)
    size = tf.size(content)

    def byte(at: tf.Tensor | int) -> tf.Tensor:
        return tf.cast(content[tf.minimum(at, size - 1)], tf.int32)

    def colours(flags: tf.Tensor) -> tf.Tensor:
        """Bytes of the table of colours that a byte of flags announces."""
        return tf.where(
            flags >= 0x80, 6 * tf.bitwise.left_shift(1, tf.bitwise.bitwise_and(flags, 7)), 0
        )

    def section(at: tf.Tensor, frame: tf.Tensor, control: tf.Tensor) -> tuple[tf.Tensor, ...]:
        value = byte(at)
        is_frame, is_block = value == 0x2C, value == 0x21
        chain = tf.where(is_frame, at + 11 + colours(byte(at + 9)), at + 2)
        behind = tf.cond(is_frame | is_block, lambda: _behind_chain(content, chain), lambda: size)
        is_control = is_block & (byte(at + 1) == 0xF9)
        return behind, tf.where(is_frame, at, frame), tf.where(is_control, at, control)

    screen = 13 + colours(byte(10))
    at, frame, control = tf.while_loop(
        lambda at, frame, control: (frame == 0) & (at < size),
        section,
        (screen, 0, 0),
        maximum_iterations=MAX_SECTIONS,
    )
    found = (frame > 0) & (at <= size)
    checks = [
        require(found | (at >= size), f"a GIF of more than {MAX_SECTIONS} blocks before its frame"),
        require(found, "a GIF that ends early"),
    ]
    whole = after(checks, encoded)

    def two(at: tf.Tensor | int) -> tf.Tensor:
        """Two integers of two bytes, the second first: heights before widths."""
        return tf.stack([byte(at + n) + 256 * byte(at + n + 1) for n in (2, 0)])

    still = [
        tf.strings.substr(whole, 0, screen),
        b",\0\0\0\0",
        tf.strings.substr(whole, frame + 5, at - frame - 5),
        b";",
    ]
    corner, sides = two(frame + 1), two(frame + 5)
    # Of the transparent colour, or of the first.
    transparent = (control > 0) & (tf.bitwise.bitwise_and(byte(control + 3), 1) == 1)
    filling = tf.where(transparent, byte(control + 6), 0)
    own = byte(frame + 9) >= 0x80
    filling = 3 * filling + tf.where(own, frame + 10, 13)
    filling = tf.stack([byte(filling + n) for n in range(3)])
    canvas = tf.maximum(two(6), corner + sides)
    return tf.strings.join(still), canvas, corner, tf.cast(filling, tf.uint8)


def _behind_chain(content: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Where a chain of blocks has ended; beyond the end of the content where that comes first.

    Blocks begin with their length, and a zero ends them. They are not walked one by one, which
    takes 60 us each: within a window the place that many blocks further is known for each byte
    from the place half as many further.
    """
    places = tf.range(WINDOW + 256)

    def window(at: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        lengths = tf.cast(content[at : at + WINDOW], tf.int32)
        lengths = tf.pad(lengths, [[0, WINDOW + 256 - tf.size(lengths)]])
        further = tf.where(lengths > 0, places + 1 + lengths, places)
        (further,) = tf.while_loop(
            lambda further: lengths[further[0]] > 0,
            lambda further: [tf.gather(further, further)],
            [further],
        )
        # Places behind the window have no length: they end the walk as a zero does.
        ended = further[0] < WINDOW
        return at + further[0] + tf.cast(ended, tf.int32), ended

    at, _ = tf.while_loop(
        lambda at, ended: tf.logical_not(ended) & (at < tf.size(content)), window, (start, False)
    )
    return at

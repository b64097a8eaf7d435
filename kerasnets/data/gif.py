"""The first frame of a GIF, found in the bytes. Works inside graphs.

TensorFlow decodes every frame of an animation before it takes the first one: a file of 1 MB can
hold hundreds of frames that need a gigabyte each. Cut behind its first frame, a GIF has no others.
TensorFlow also makes transparent pixels black, and all around a frame that is smaller than its
canvas; so a frame goes to it alone.
"""

from __future__ import annotations

import tensorflow as tf

from kerasnets.data.graphs import after, require

# Of the first frame and what stands before it: 16 MB of full ones. More would take seconds to read.
MAX_BLOCKS = 65_536

# Where the reader stands: at a block's mark, inside a block, inside the first frame, behind it.
_MARK, _BLOCK, _FRAME, _END = range(4)


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

    def step(
        at: tf.Tensor, place: tf.Tensor, frame: tf.Tensor, control: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        value = byte(at)

        def at_mark() -> tuple[tf.Tensor, ...]:
            is_frame, is_block = value == 0x2C, value == 0x21
            behind = tf.where(is_frame, at + 11 + colours(byte(at + 9)), at + 2)
            kind = tf.where(is_frame, _FRAME, tf.where(is_block, _BLOCK, _END))
            is_control = is_block & (byte(at + 1) == 0xF9)
            return behind, kind, tf.where(is_frame, at, frame), tf.where(is_control, at, control)

        def inside() -> tuple[tf.Tensor, ...]:
            over = tf.where(place == _FRAME, _END, _MARK)
            return at + 1 + value, tf.where(value == 0, over, place), frame, control

        return tf.cond(place == _MARK, at_mark, inside)

    screen = 13 + colours(byte(10))
    at, place, frame, control = tf.while_loop(
        lambda at, place, frame, control: (place != _END) & (at < size),
        step,
        (screen, _MARK, 0, 0),
        maximum_iterations=MAX_BLOCKS,
    )
    ends = (place == _END) & (at <= size) & (frame > 0)
    checks = [
        require(ends | (at >= size), f"a GIF of more than {MAX_BLOCKS} blocks"),
        require(ends, "a GIF that ends early"),
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

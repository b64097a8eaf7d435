"""The first frame of a GIF, found in the bytes. Works inside graphs.

TensorFlow decodes every frame of an animation before it takes the first one: a file of 1 MB can
hold hundreds of frames that need a gigabyte each. Cut behind its first frame, a GIF has no others.
"""

from __future__ import annotations

import tensorflow as tf

# Of the first frame and what stands before it: 16 MB of full ones. More would take seconds to read.
MAX_BLOCKS = 65_536

# Where the reader stands: at a block's mark, inside a block, inside the first frame, behind it.
_MARK, _BLOCK, _FRAME, _END = range(4)


def first_frame(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A GIF without its frames but the first, and that one's height and width.

    What is no GIF, or ends before, is returned as far as it can be read; decoding it tells.

    Args:
        encoded: A scalar string that begins with ``GIF8``.

    Returns:
        A scalar string, and (2,) int32.
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

    def step(at: tf.Tensor, place: tf.Tensor, frame: tf.Tensor) -> tuple[tf.Tensor, ...]:
        value = byte(at)

        def at_mark() -> tuple[tf.Tensor, ...]:
            is_frame, is_block = value == 0x2C, value == 0x21
            behind = tf.where(is_frame, at + 11 + colours(byte(at + 9)), at + 2)
            kind = tf.where(is_frame, _FRAME, tf.where(is_block, _BLOCK, _END))
            return behind, kind, tf.where(is_frame, at, frame)

        def inside() -> tuple[tf.Tensor, ...]:
            over = tf.where(place == _FRAME, _END, _MARK)
            return at + 1 + value, tf.where(value == 0, over, place), frame

        return tf.cond(place == _MARK, at_mark, inside)

    at, place, frame = tf.while_loop(
        lambda at, place, frame: (place != _END) & (at < size),
        step,
        (13 + colours(byte(10)), _MARK, 0),
        maximum_iterations=MAX_BLOCKS,
    )
    check = tf.debugging.Assert(
        (place == _END) | (at >= size), [f"a GIF of more than {MAX_BLOCKS} blocks"]
    )
    with tf.control_dependencies([check]):
        still = tf.strings.join([tf.strings.substr(encoded, 0, at), b";"])
    sides = [byte(frame + n) + 256 * byte(frame + n + 1) for n in (7, 5)]
    return still, tf.stack(sides)

"""Random numbers that depend on (seed, epoch, image) alone, for many images in one step."""

from __future__ import annotations

from kerasnets.lazy import tf

# Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators": SplitMix64.
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def uniform(seed: int, epochs: tf.Tensor, indices: tf.Tensor, count: int) -> tf.Tensor:
    """Uniform random numbers in [0, 1), a row for each image.

    TensorFlow's stateless numbers take one key for all images; these take one for each.

    Args:
        seed: The run's.
        epochs: (N,) integers.
        indices: (N,) integers, of the images.
        count: How many for each.

    Returns:
        (N, count) float32.
    """
    state = _mix(tf.constant(seed % 2**64, tf.uint64))
    state = _mix(_mix(state + tf.cast(epochs, tf.uint64)) + tf.cast(indices, tf.uint64))
    counter = tf.range(1, count + 1, dtype=tf.int64)
    steps = tf.cast(counter, tf.uint64) * tf.constant(_GOLDEN, tf.uint64)
    bits = _mix(state[:, tf.newaxis] + steps)
    # A float32 holds 24 bits exactly; more could round up to 1.
    high = tf.bitwise.right_shift(bits, tf.constant(40, tf.uint64))
    return tf.cast(high, tf.float32) * 2.0**-24


def shuffled(values: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """The values in an order that depends on the key alone.

    Args:
        values: (N, ...).
        key: (2,) int64.
    """
    shuffle = tf.random.experimental.stateless_shuffle  # pyright: ignore  # not in the stubs
    return shuffle(values, key)


def _mix(state: tf.Tensor) -> tf.Tensor:
    """The next output of SplitMix64 after `state`."""
    state += tf.constant(_GOLDEN, tf.uint64)
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        shifted = tf.bitwise.right_shift(state, tf.constant(shift, tf.uint64))
        state = tf.bitwise.bitwise_xor(state, shifted) * tf.constant(factor, tf.uint64)
    shifted = tf.bitwise.right_shift(state, tf.constant(31, tf.uint64))
    return tf.bitwise.bitwise_xor(state, shifted)

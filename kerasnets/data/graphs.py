"""Helpers for graphs that run for every image."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import cast

from kerasnets.lazy import tf


def sides(images: tf.Tensor) -> tuple[int, int, int]:
    """Height, width and channels of images (..., H, W, C), which must be known to the graph."""
    return cast("tuple[int, int, int]", tuple(images.shape)[-3:])


def as_written(function: Callable) -> Callable:
    """The function without AutoGraph, which would take seconds to find nothing to rewrite."""
    return tf.autograph.experimental.do_not_convert(function)


def traced_once(function: Callable) -> Callable:
    """The function, written once where a graph calls it for each of several images.

    TensorFlow copies it to each place before the graph runs, so that the calls cost nothing there;
    they save the seconds in which Python would write it again and again.
    """
    return tf.function(function, autograph=False)


def one_node(function: Callable) -> Callable:
    """The function as a single node of the graph; for what is defined inside another function.

    TensorFlow writes both branches of a condition into the graph, and the nodes of the one that is
    not taken cost time too; with hundreds of them more than decoding a small photograph.
    """
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


# The same for functions of modules, which are then traced once in a process.
apart = functools.cache(one_node)


def require(condition: tf.Tensor, words: str | tf.Tensor) -> tf.Operation:
    """Ends the graph with these words, or what makes them up, where a condition does not hold."""
    # `tf.debugging.Assert` makes a condition of it, ten nodes more.
    return tf.raw_ops.Assert(condition=condition, data=[words])


def after(checks: Sequence[tf.Operation | None], value: tf.Tensor) -> tf.Tensor:
    """The value, once the checks have passed, which are ``None`` outside a graph."""
    with tf.control_dependencies([check for check in checks if check is not None]):
        return tf.identity(value)

"""Pooling that rounds up, against loops over its windows."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets.layers import CeilPooling2D


def oracle(x: np.ndarray, pool_size: int, strides: int, mode: str) -> np.ndarray:
    """Each window cut off at the edge of the image."""
    reduce = {"max": np.max, "average": np.mean}[mode]
    height, width = (-(-(side - pool_size) // strides) + 1 for side in x.shape[1:3])
    y = np.empty((len(x), height, width, x.shape[3]))
    for row in range(height):
        for column in range(width):
            top, left = row * strides, column * strides
            window = x[:, top : top + pool_size, left : left + pool_size]
            y[:, row, column] = reduce(window, axis=(1, 2))
    return y


# Even and odd: one row too many, none, different along the axes; also other windows than 3/2.
SIZES = [(8, 8), (7, 7), (9, 6), (6, 9)]


@pytest.mark.parametrize(("pool_size", "strides"), [(3, 2), (2, 2), (3, 3), (4, 3), (3, 1)])
@pytest.mark.parametrize("mode", ["max", "average"])
@pytest.mark.parametrize("size_known", [True, False])
def test_windows(pool_size: int, strides: int, mode: str, size_known: bool) -> None:
    layer = CeilPooling2D(pool_size, strides, mode)
    # One graph for all sizes, which does not know them.
    of_any_size = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for size in SIZES:
        x = np.random.default_rng(0).standard_normal((2, *size, 3)).astype("float32") - 5.0
        expected = oracle(x, pool_size, strides, mode)
        assert layer.compute_output_shape(x.shape) == expected.shape
        if size_known:
            inputs = keras.Input((*size, 3))
            found = keras.Model(inputs, layer(inputs))(x)
        else:
            found = of_any_size(x)
        # Averages of at most 16 numbers in float32.
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_config_round_trip() -> None:
    layer = CeilPooling2D(4, 3, "average", name="pool")
    assert CeilPooling2D.from_config(layer.get_config()).get_config() == layer.get_config()


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="`mode` must be 'max' or 'average'"):
        CeilPooling2D(mode="sum")
    with pytest.raises(ValueError, match="`strides` must be in 1 to pool_size=3"):
        CeilPooling2D(3, 4)
    with pytest.raises(ValueError, match="smaller than the window of 3"):
        CeilPooling2D().compute_output_shape((1, 2, 8, 4))

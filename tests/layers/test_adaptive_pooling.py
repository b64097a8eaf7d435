import keras
import numpy as np
import pytest

from kerasnets.layers import AdaptiveAveragePooling2D


def oracle(x, size):
    """Window by window, with the bounds in torch's documentation."""
    _, height, width, _ = x.shape
    bounds = [
        [(int(np.floor(i * n / size)), int(np.ceil((i + 1) * n / size))) for i in range(size)]
        for n in (height, width)
    ]
    rows = [
        [x[:, top:bottom, left:right].mean(axis=(1, 2)) for left, right in bounds[1]]
        for top, bottom in bounds[0]
    ]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)


@pytest.mark.parametrize(("height", "width"), [(14, 14), (7, 9), (4, 5), (2, 13), (1, 1)])
def test_each_value_is_the_average_of_its_window(height, width):
    x = np.random.default_rng(0).standard_normal((2, height, width, 3)).astype("float32")
    layer = AdaptiveAveragePooling2D(4)
    # Rounding of float32 averages of order one.
    np.testing.assert_allclose(layer(x), oracle(x, 4), atol=1e-6)
    assert layer.compute_output_shape(x.shape) == (2, 4, 4, 3)


def test_windows_on_14_pixels_are_4_wide_at_0_3_7_10():
    weights = np.asarray(AdaptiveAveragePooling2D(4)._windows(14, "float32"))
    assert [np.flatnonzero(row).tolist() for row in weights] == [
        list(range(start, start + 4)) for start in (0, 3, 7, 10)
    ]


def test_an_unknown_size_is_an_error():
    with pytest.raises(ValueError, match="height and width must be known"):
        AdaptiveAveragePooling2D(4)(keras.Input((None, 14, 3)))


def test_a_saved_layer_is_the_same():
    layer = AdaptiveAveragePooling2D(3, name="pool")
    again = AdaptiveAveragePooling2D.from_config(layer.get_config())
    x = np.random.default_rng(0).standard_normal((1, 7, 8, 2)).astype("float32")
    np.testing.assert_array_equal(again(x), layer(x))


def test_gradients_reach_every_pixel():
    import tensorflow as tf

    x = tf.Variable(tf.ones((1, 5, 7, 1)))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(AdaptiveAveragePooling2D(3)(x))
    # Each of the 9 averages spreads a gradient of one over its window.
    gradient = tape.gradient(y, x)
    assert np.all(np.asarray(gradient) > 0)
    assert float(tf.reduce_sum(gradient)) == pytest.approx(9)


def test_half_precision_stays_half():
    layer = AdaptiveAveragePooling2D(4, dtype="mixed_bfloat16")
    assert layer(np.ones((1, 14, 14, 1), "float32")).dtype == "bfloat16"

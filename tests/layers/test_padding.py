import numpy as np

from kerasnets.layers import PadMinimum


def test_padding_never_wins_a_maximum(rng):
    x = -1.0 - rng.random((2, 3, 4, 5)).astype(np.float32)
    layer = PadMinimum.from_config(PadMinimum(1).get_config())
    y = np.array(layer(x))
    assert y.shape == layer.compute_output_shape(x.shape) == (2, 5, 6, 5)
    np.testing.assert_array_equal(y[:, 1:-1, 1:-1], x)
    assert y[:, 0].max() < x.min()

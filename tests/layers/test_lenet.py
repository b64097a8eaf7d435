import keras
import numpy as np
import pytest

from kerasnets.layers import EuclideanRBF, SparseConnectionConv2D, TrainableSubsampling
from kerasnets.models.lenet import C3_CONNECTIONS


def round_trip(layer):
    return type(layer).from_config(layer.get_config())


def test_subsampling_sums_blocks_times_a_coefficient(rng):
    x = rng.standard_normal((2, 5, 6, 3)).astype(np.float32)
    layer = TrainableSubsampling(2)
    layer.build(x.shape)
    layer.coefficient.assign([1.0, -0.5, 2.0])
    layer.bias.assign([0.0, 1.0, -1.0])
    sums = sum(x[:, i : i + 3 : 2, j : j + 5 : 2] for i in (0, 1) for j in (0, 1))
    np.testing.assert_allclose(layer(x), sums * [1.0, -0.5, 2.0] + [0.0, 1.0, -1.0], atol=1e-5)
    assert layer.compute_output_shape(x.shape) == layer(x).shape == (2, 2, 3, 3)
    assert round_trip(layer).pool_size == 2


def test_sparse_convolution_is_a_masked_one(rng):
    x = rng.standard_normal((2, 14, 13, 6)).astype(np.float32)
    layer = SparseConnectionConv2D(C3_CONNECTIONS, 5)
    result = np.array(layer(x))
    layer.bias.assign(rng.standard_normal(16))
    result = np.array(layer(x))
    assert layer.count_params() == 1_516
    expected = np.zeros((2, 10, 9, 16))
    pairs = [(source, target) for target, row in enumerate(C3_CONNECTIONS) for source in row]
    kernel = layer.kernel.numpy()
    for pair, (source, target) in enumerate(pairs):
        for i in range(5):
            for j in range(5):
                window = x[:, i : i + 10, j : j + 9, source]
                expected[..., target] += window * kernel[i, j, pair]
    np.testing.assert_allclose(result, expected + layer.bias.numpy(), atol=1e-4)


def test_missing_connections_stay_zero_through_training(rng):
    images = keras.Input((14, 14, 6))
    layer = SparseConnectionConv2D(C3_CONNECTIONS, 5)
    model = keras.Model(images, layer(images))
    model.compile("sgd", "mse")
    before = np.array(layer.dense_kernel)
    model.train_on_batch(rng.standard_normal((8, 14, 14, 6)), rng.standard_normal((8, 10, 10, 16)))
    after = np.array(layer.dense_kernel)
    zeros = after == 0
    assert zeros.sum() == 900
    assert np.array_equal(zeros, before == 0)
    assert (after != before).sum() == 1_500


def test_sparse_convolution_needs_the_maps_it_names():
    with pytest.raises(ValueError, match="name input map 5, but there are 3"):
        SparseConnectionConv2D(C3_CONNECTIONS, 5).build((None, 14, 14, 3))


def test_rbf_is_the_squared_distance(rng):
    codes = rng.choice([-1.0, 1.0], (10, 84))
    x = rng.standard_normal((3, 84)).astype(np.float32)
    layer = EuclideanRBF(codes.tolist())
    expected = ((x[:, np.newaxis] - codes) ** 2).sum(-1)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-5)
    assert layer.trainable_variables == []
    np.testing.assert_allclose(round_trip(layer)(x), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_layers_run_in_mixed_precision(rng, dtype):
    x = rng.standard_normal((2, 14, 14, 6)).astype(np.float32)
    for layer in (
        TrainableSubsampling(2, dtype=dtype),
        SparseConnectionConv2D(C3_CONNECTIONS, 5, dtype=dtype),
    ):
        result = layer(x)
        assert keras.backend.standardize_dtype(result.dtype) == dtype.removeprefix("mixed_")
        assert layer.variables[0].dtype == "float32"

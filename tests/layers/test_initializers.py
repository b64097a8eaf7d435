"""Initial weights against the distributions of their papers."""

import keras
import numpy as np
import pytest

import kerasnets
from kerasnets.layers import FanInNormal, FanInUniform

SHAPE = (3, 3, 64, 512)


def test_normal_has_the_papers_moments():
    values = np.asarray(FanInNormal(seed=0)(SHAPE), "float64") / np.sqrt(2 / (9 * 64))
    # Of n = 294,912 draws; each bound is some five standard errors.
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1) < 0.007
    assert abs((values**4).mean() - 3) < 0.1
    # The fraction of a normal distribution outside of 1, 2 and 3 standard deviations.
    fractions = [(abs(values) > bound).mean() for bound in (1, 2, 3)]
    np.testing.assert_allclose(fractions, [0.31731, 0.04550, 0.00270], rtol=0.2, atol=0.004)
    assert fractions[2] > 0.002


def test_normal_has_no_pattern():
    """Neighbours along each axis are uncorrelated."""
    values = np.asarray(FanInNormal(seed=0)(SHAPE), "float64")
    for axis in range(4):
        one, other = (
            np.moveaxis(values, axis, 0)[part].ravel() for part in (np.s_[1:], np.s_[:-1])
        )
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.012  # five standard errors


@pytest.mark.parametrize("initializer", [FanInNormal, FanInUniform])
def test_seeds(initializer):
    first, again, other = (np.asarray(initializer(seed=seed)((4, 5))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    copy = initializer.from_config(initializer(seed=1).get_config())
    np.testing.assert_array_equal(np.asarray(copy((4, 5))), first)


def test_networks_with_normal_weights_follow_the_global_seed():
    weights = []
    for seed in (3, 3, 4):
        keras.utils.set_random_seed(seed)
        model = kerasnets.build("resnet20_cifar", kernel_initializer="he_2015")
        kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
        weights.append([keras.ops.convert_to_numpy(kernel) for kernel in kernels])
    for first, again, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, again)
        assert (first != other).mean() > 0.99
    # Layers of the same shape are drawn apart.
    assert (weights[0][1] != weights[0][2]).mean() > 0.99


def test_normal_has_the_dtype_it_is_asked_for():
    assert keras.backend.standardize_dtype(FanInNormal()((2, 3), "bfloat16").dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(FanInNormal()((2, 3)).dtype) == "float32"

import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasnets.layers import ResidualAdd


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("float32")


@pytest.mark.parametrize("scale", [1.0, 0.17])
def test_identity_adds_the_scaled_residual(scale):
    shortcut, residual = random(2, 5, 7, 3), random(2, 5, 7, 3)[::-1]
    y = ResidualAdd(scale)([shortcut, residual])
    np.testing.assert_allclose(y, shortcut + scale * residual, rtol=1e-6)


@pytest.mark.parametrize(("zero_placement", "first"), [("split", 2), ("append", 0)])
@pytest.mark.parametrize("strides", [1, 2, 3])
def test_zero_pad_takes_every_pixel_at_the_stride(zero_placement, first, strides):
    shortcut = random(2, 7, 8, 3)
    expected = np.zeros((2, -(-7 // strides), -(-8 // strides), 8), "float32")
    # Five zeros, two of them in front where they are split.
    expected[..., first : first + 3] = shortcut[:, ::strides, ::strides]
    residual = random(*expected.shape)
    layer = ResidualAdd(
        shortcut="zero_pad", shortcut_strides=strides, zero_placement=zero_placement
    )
    np.testing.assert_allclose(layer([shortcut, residual]), expected + residual, rtol=1e-6)


def test_zero_pad_takes_averages():
    shortcut = random(2, 6, 8, 3)
    means = shortcut.reshape(2, 3, 2, 4, 2, 3).mean(axis=(2, 4))
    layer = ResidualAdd(
        shortcut="zero_pad", shortcut_strides=2, subsample="average", zero_placement="append"
    )
    y = keras.ops.convert_to_numpy(layer([shortcut, np.zeros((2, 3, 4, 4), "float32")]))
    np.testing.assert_allclose(y[..., :3], means, atol=1e-6)  # sums of four, in float32
    assert not y[..., 3].any()


def test_averages_at_an_odd_side_are_of_the_pixels_there_are():
    shortcut = random(1, 5, 5, 1)
    layer = ResidualAdd(shortcut="zero_pad", shortcut_strides=2, subsample="average")
    y = keras.ops.convert_to_numpy(layer([shortcut, np.zeros((1, 3, 3, 1), "float32")]))
    assert y[0, 2, 2, 0] == shortcut[0, 4, 4, 0]
    np.testing.assert_allclose(y[0, 0, 2, 0], shortcut[0, :2, 4, 0].mean(), atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"scale": 0.1},
        {"shortcut": "zero_pad", "shortcut_strides": 2, "zero_placement": "append"},
        {"shortcut": "zero_pad", "shortcut_strides": 2, "subsample": "average"},
    ],
)
def test_layer_is_restored_from_its_configuration(options):
    layer = ResidualAdd(**options)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    strides = options.get("shortcut_strides", 1)
    inputs = [random(2, 4 * strides, 6 * strides, 4), random(2, 4, 6, 4)]
    np.testing.assert_array_equal(copy(inputs), layer(inputs))


def test_unknown_sizes_and_half_precision():
    inputs = [keras.Input((None, None, 4)), keras.Input((None, None, 8))]
    layer = ResidualAdd(shortcut="zero_pad", shortcut_strides=2, dtype="mixed_bfloat16")
    y = layer(inputs)
    assert y.shape == (None, None, None, 8)
    assert y.dtype == "bfloat16"
    model = keras.Model(inputs, y)
    assert model([random(1, 6, 4, 4), random(1, 3, 2, 8)]).shape == (1, 3, 2, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortcut": "projection"}, "`shortcut` must be 'identity' or 'zero_pad'.*'projection'"),
        ({"subsample": "max"}, "`subsample` must be 'stride' or 'average'.*'max'"),
        ({"zero_placement": "before"}, "`zero_placement` must be 'split' or 'append'.*'before'"),
        ({"shortcut_strides": 2}, "`shortcut_strides` must be 1, or more where .*strides=2"),
    ],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        ResidualAdd(**options)


@pytest.mark.parametrize(
    ("shortcut", "residual", "options"),
    [
        ((1, 4, 4, 3), (1, 4, 4, 1), {}),  # NumPy and Keras would broadcast this
        ((1, 4, 4, 3), (1, 2, 2, 6), {"shortcut": "zero_pad"}),
        ((1, 4, 4, 6), (1, 4, 4, 3), {"shortcut": "zero_pad"}),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shortcut, residual, options):
    with pytest.raises(ValueError, match="The shortcut arrives as"):
        ResidualAdd(**options)([random(*shortcut), random(*residual)])


def test_importing_leaves_the_recursion_limit_alone():
    code = "import sys, keras; sys.setrecursionlimit(777); import kerasnets.layers.shortcuts"
    code += "; print(sys.getrecursionlimit())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["777"]


def test_600_blocks_do_not_exceed_the_recursion_limit(tmp_path):
    x = images = keras.Input((2,))
    for _ in range(600):
        x = keras.layers.Activation("relu")(ResidualAdd()([x, images]))
    keras.Model(images, x).save(tmp_path / "deep.keras")
    model = keras.saving.load_model(tmp_path / "deep.keras")
    np.testing.assert_array_equal(model(np.ones((1, 2), "float32")), np.full((1, 2), 601))

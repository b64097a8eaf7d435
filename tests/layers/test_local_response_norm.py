"""Local response normalisation against its equation, TensorFlow and torch."""

import keras
import numpy as np
import pytest

from kerasnets.layers import LocalResponseNormalization

# float32 through a logarithm and an exponential: a few units in the last place.
CLOSE = {"rtol": 2e-6, "atol": 1e-6}


def images(channels: int, scale: float = 40.0) -> np.ndarray:
    draw = np.random.default_rng(channels)
    return (scale * draw.standard_normal((2, 3, 4, channels))).astype("float32")


def oracle(x: np.ndarray, *, size: int, k: float, alpha: float, beta: float) -> np.ndarray:
    """Section 3.3's equation, a channel at a time, in float64; alpha weighs the raw sum."""
    x = x.astype("float64")
    y = np.empty_like(x)
    channels = x.shape[-1]
    for i in range(channels):
        low, high = max(0, i - size // 2), min(channels - 1, i + size // 2)
        total = (x[..., low : high + 1] ** 2).sum(axis=-1)
        y[..., i] = x[..., i] / (k + alpha * total) ** beta
    return y


# One block (3, 97 is prime), blocks of 48 and of 64; windows that outreach channels and blocks.
@pytest.mark.parametrize("channels", [3, 96, 97, 256])
@pytest.mark.parametrize("size", [1, 5, 9, 33])
def test_equation_with_the_raw_sum(channels: int, size: int) -> None:
    x = images(channels)
    expected = oracle(x, size=size, k=2.0, alpha=1e-4, beta=0.75)
    np.testing.assert_allclose(LocalResponseNormalization(size)(x), expected, **CLOSE)


def test_equation_with_the_mean_counts_missing_channels_as_zero() -> None:
    x = images(96)
    layer = LocalResponseNormalization(5, k=1.0, alpha=1e-2, alpha_convention="mean")
    expected = oracle(x, size=5, k=1.0, alpha=1e-2 / 5, beta=0.75)
    np.testing.assert_allclose(layer(x), expected, **CLOSE)


@pytest.mark.parametrize("beta", [0.5, 1.0, 0.6])
def test_equation_with_other_powers(beta: float) -> None:
    x = images(32)
    expected = oracle(x, size=3, k=1.5, alpha=1e-3, beta=beta)
    layer = LocalResponseNormalization(3, k=1.5, alpha=1e-3, beta=beta)
    np.testing.assert_allclose(layer(x), expected, **CLOSE)


@pytest.mark.parametrize("channels", [3, 96, 256])
def test_values_and_gradients_equal_tensorflows(channels: int) -> None:
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients are taken with TensorFlow's tape")
    x = tf.constant(images(channels))
    weights = tf.constant(images(channels, scale=1.0)[::-1].copy())

    def peer(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.local_response_normalization(x, depth_radius=2, bias=2, alpha=1e-4, beta=0.75)

    results = []
    for function in (LocalResponseNormalization(), peer):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
            loss = tf.reduce_sum(y * weights)
        results.append((y, tape.gradient(loss, x)))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, **CLOSE)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("channels", [3, 96, 256])
def test_mean_convention_equals_torchs(channels: int) -> None:
    import torch

    x = images(channels)
    peer = torch.nn.LocalResponseNorm(5, alpha=1e-2, beta=0.75, k=1.0)
    expected = peer(torch.tensor(x.transpose(0, 3, 1, 2))).numpy().transpose(0, 2, 3, 1)
    layer = LocalResponseNormalization(5, k=1.0, alpha=1e-2, alpha_convention="mean")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x)), expected, **CLOSE)


def test_half_precision_loses_only_the_rounding_of_inputs_and_outputs() -> None:
    x = keras.ops.cast(images(64, scale=200.0), "float16")  # squares overflow float16
    expected = oracle(keras.ops.convert_to_numpy(x), size=5, k=2.0, alpha=1e-4, beta=0.75)
    y = LocalResponseNormalization(dtype="float16")(x)
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    # Half a unit in the last of float16's 11 bits, for the scale and for the product.
    np.testing.assert_allclose(keras.ops.convert_to_numpy(y), expected, rtol=2e-3, atol=1e-4)


def test_sizes_of_images_may_be_unknown() -> None:
    inputs = keras.Input((None, None, 96))
    layer = LocalResponseNormalization()
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, None, None, 96)
    x = images(96)
    np.testing.assert_array_equal(model(x), layer(x))


def test_config_round_trip() -> None:
    layer = LocalResponseNormalization(
        7, k=1.0, alpha=1e-3, beta=0.5, alpha_convention="mean", name="norm1"
    )
    copy = LocalResponseNormalization.from_config(layer.get_config())
    x = images(32)
    assert copy.get_config() == layer.get_config()
    np.testing.assert_array_equal(copy(x), layer(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 4}, "`size` must be odd and positive. Received: size=4"),
        ({"k": 0.0}, "`k` must be above zero. Received: k=0.0"),
        ({"alpha": -1.0}, "`alpha` must not be below zero. Received: alpha=-1.0"),
        ({"alpha_convention": "max"}, "`alpha_convention` must be 'sum' or 'mean'"),
    ],
)
def test_wrong_arguments_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LocalResponseNormalization(**options)

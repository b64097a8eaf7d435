"""Dense layers of PyTorch files in our convolutions, and convolutions in our dense layers."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from kerasnets import UserError, build
from kerasnets.pretrained.convert import convert_weights
from kerasnets.registry import Layout
from kerasnets.weights import save_weights
from kerasnets.weights.layouts import Tensor, layout_tensors

HEIGHT, WIDTH, CHANNELS, UNITS = 2, 3, 4, 5


def model(form: str) -> keras.Model:
    """A layer called ``fc`` over all of a (2, 3, 4) map."""
    inputs = keras.Input((HEIGHT, WIDTH, CHANNELS))
    if form == "conv":
        x = keras.layers.Conv2D(UNITS, (HEIGHT, WIDTH), name="fc")(inputs)
        return keras.Model(inputs, keras.layers.Flatten()(x))
    x = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(UNITS, name="fc")(x))


def weight_of(network: keras.Model, rename: Callable) -> Tensor:
    return next(iter(layout_tensors(network, Layout(names=rename))))


def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((6, HEIGHT, WIDTH, CHANNELS)).astype("float32")


@pytest.mark.parametrize("form", ["flatten", "conv"])
@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_weight_computes_what_it_does_in_the_file(form: str, kind: str) -> None:
    network = model(form)
    tensor = weight_of(network, lambda layer: ("head", kind))
    flat = (UNITS, CHANNELS * HEIGHT * WIDTH)
    shape = {"dense": flat, "conv": (UNITS, CHANNELS, HEIGHT, WIDTH)}[kind]
    assert (tensor.name, tensor.shape) == ("head.weight", shape)
    weight = np.random.default_rng(1).standard_normal(shape).astype("float32")
    kernel = np.zeros(tensor.variable.shape, "float32")
    tensor.from_file(weight, kernel)
    tensor.variable.assign(kernel)
    # PyTorch flattens (C, H, W).
    features = images().transpose(0, 3, 1, 2).reshape(6, -1)
    expected = features @ weight.reshape(flat).T
    # Sums of 24 products in another order.
    np.testing.assert_allclose(network.predict(images(), verbose=0), expected, rtol=1e-5, atol=1e-5)
    returned = tensor.to_file(keras.ops.convert_to_numpy(tensor.variable))
    np.testing.assert_array_equal(returned, weight)


@pytest.mark.parametrize("kind", ["dense", "conv"])
def test_a_dense_layer_that_follows_another_is_a_1x1_convolution(kind: str) -> None:
    inputs = keras.Input((7,))
    network = keras.Model(inputs, keras.layers.Dense(3, name="fc")(inputs))
    tensor = weight_of(network, lambda layer: ("head", kind))
    weight = np.arange(21, dtype="float32").reshape({"dense": (3, 7), "conv": (3, 7, 1, 1)}[kind])
    kernel = np.zeros((7, 3), "float32")
    tensor.from_file(weight, kernel)
    np.testing.assert_array_equal(kernel, weight.reshape(3, 7).T)
    np.testing.assert_array_equal(tensor.to_file(kernel), weight)


@pytest.mark.parametrize("layout", [pytest.param("own", marks=pytest.mark.slow), "torchvision"])
def test_dense_layers_see_larger_images_as_convolutions(layout: str, tmp_path) -> None:
    """Simonyan and Zisserman 2014, section 3.2; without that a larger input is refused."""
    trained = build("vgg11", width=0.125)
    save_weights(trained, tmp_path / "own.safetensors")
    path = tmp_path / "weights.safetensors"
    convert_weights(tmp_path / "own.safetensors", path, network="vgg11", layout=layout, width=0.125)
    with pytest.raises(UserError, match=r"dense layer fc6 fits one input size, and sees 8x8 here"):
        build("vgg11", weights=path, width=0.125, input_shape=(256, 256, 3))
    larger = {"width": 0.125, "input_shape": (256, 256, 3), "dense_head": "conv"}
    whole = build("vgg11", weights=path, classifier_activation=None, **larger)
    logits = build("vgg11", weights=path, classifier_activation=None, width=0.125)
    image = np.random.default_rng(0).standard_normal((1, 256, 256, 3)).astype("float32")
    assert whole(image).shape == (1, 1000)
    same = {**larger, "input_shape": (224, 224, 3)}
    at_size = build("vgg11", weights=path, classifier_activation=None, **same)
    crop = image[:, :224, :224]
    np.testing.assert_allclose(at_size(crop), logits(crop), rtol=1e-4, atol=1e-5)

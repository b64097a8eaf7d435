"""Maps of a layer against those of pytorch-grad-cam, and against each other."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kerasnets
from kerasnets import UserError
from kerasnets.explanation import layer_maps
from kerasnets.explanation.cams import BY_GRADIENTS
from tests.golden import golden_images, golden_state

THEIRS = {
    "grad_cam": "GradCAM",
    "grad_cam_plus_plus": "GradCAMPlusPlus",
    "hires_cam": "HiResCAM",
    "layer_cam": "LayerCAM",
    "xgrad_cam": "XGradCAM",
}


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_maps_are_those_of_pytorch_grad_cam(name, shared, tmp_path):
    """In float64, of the classes 281 and 7, by the default layers."""
    goldens = shared / "reference" / "golden" / "cams" / f"{name}.npz"
    if not goldens.is_file():
        pytest.skip(f"no maps of {name}")
    save_file(golden_state("torchvision", name), tmp_path / "weights.safetensors")
    network = kerasnets.build(name, weights=tmp_path / "weights.safetensors")
    images = golden_images(224)
    with np.load(goldens) as expected:
        for method, theirs in THEIRS.items():
            found = layer_maps(network, images, method, class_index=[281, 7])
            np.testing.assert_allclose(found, expected[theirs], atol=1e-3, err_msg=method)


def by_hand(method: str, maps: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """One image, pixel by pixel and channel by channel as the papers sum; (h, w, K) to (h, w)."""
    height, width, channels = maps.shape
    found = np.zeros((height, width))
    for k in range(channels):
        a, g = maps[..., k], gradients[..., k]
        if method == "grad_cam":
            found += g.mean() * a
        elif method == "grad_cam_plus_plus":
            alpha = [
                x**2 / (2 * x**2 + a.sum() * x**3 + 1e-6) if x else 0.0 for x in g.ravel().tolist()
            ]
            found += np.sum(alpha * np.maximum(g.ravel(), 0)) * a
        elif method == "hires_cam":
            found += g * a
        elif method == "layer_cam":
            found += np.maximum(g, 0) * a
        else:
            found += (g * a).sum() / (a.sum() + 1e-7) * a
    return found


@pytest.mark.parametrize("method", BY_GRADIENTS)
def test_each_method_is_its_papers_sum(method, rng):
    maps = rng.uniform(0, 1, (2, 4, 3, 5)).astype(np.float32)
    gradients = rng.standard_normal((2, 4, 3, 5)).astype(np.float32)
    gradients[0, 0, 0] = 0
    found = BY_GRADIENTS[method](maps, gradients)
    expected = [by_hand(method, *each) for each in zip(maps, gradients, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def pooled_network(last: str | None = "softmax", dropout: bool = False) -> keras.Model:
    """Global average pooling and one dense layer behind two convolutions."""
    images = keras.Input((16, 12, 3))
    x = keras.layers.Conv2D(6, 3, activation="relu", name="first")(images)
    x = keras.layers.Conv2D(8, 3, activation="relu", name="maps")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    if dropout:
        x = keras.layers.Dropout(0.5)(x)
    return keras.Model(images, keras.layers.Dense(4, activation=last, name="dense")(x))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((3, 16, 12, 3)).astype(np.float32)


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("last", [None, "softmax"])
def test_cam_is_grad_cam_up_to_a_factor(last, dropout, images):
    """Zhou et al.'s weights are the gradients of the averages: Selvaraju et al., section 3.1."""
    network = pooled_network(last, dropout)
    cam, grad_cam = (layer_maps(network, images, method) for method in ("cam", "grad_cam"))
    assert cam.shape == (3, 12, 8)
    assert cam.any(axis=(1, 2)).all()
    np.testing.assert_allclose(cam, grad_cam, atol=1e-5)


def test_cam_is_the_weighted_sum_of_the_maps(images):
    network = pooled_network()
    maps = keras.Model(network.input, network.get_layer("maps").output)(images)
    kernel, _ = network.get_layer("dense").get_weights()
    expected = np.maximum(np.asarray(maps) @ kernel[:, 2], 0)
    expected /= expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(layer_maps(network, images, "cam", 2), expected, atol=1e-5)


@pytest.mark.parametrize("pooled_inside", [False, True])
def test_cam_looks_into_a_model_inside_the_model(pooled_inside, images):
    """What a transfer makes: a backbone, its average, and a dense layer."""
    flat = pooled_network()
    maps, average = flat.get_layer("maps").output, keras.layers.GlobalAveragePooling2D()
    inner = keras.Model(flat.input, average(maps) if pooled_inside else maps)
    dense = keras.layers.Dense(4, name="dense")
    model = keras.Sequential([inner, *([] if pooled_inside else [average]), dense])
    model.build(flat.input_shape)
    dense.set_weights(flat.get_layer("dense").get_weights())
    found, expected = (layer_maps(each, images, "cam", 2) for each in (model, flat))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_cam_of_averaged_class_maps_is_the_map_of_the_class():
    """Network in Network has no dense layer; its average of a class's map is the logit."""
    network = kerasnets.build("nin_cifar10", classes=3, width=0.25)
    x = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype(np.float32)
    maps = keras.Model(network.input, network.get_layer("class_maps_act").output)(x)
    expected = np.asarray(maps)[..., 1]
    expected = expected / expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(layer_maps(network, x, "cam", 1), expected, atol=1e-5)


@pytest.mark.parametrize("layer", [None, "first"])
def test_cam_refuses_what_is_not_averaged(layer, images):
    if layer:
        network, message = pooled_network(), "cam is for the layer 'maps'. Received: layer='first'"
    else:
        network = keras.Sequential([
            keras.Input((16, 12, 3)),
            keras.layers.Conv2D(4, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ])  # fmt: skip
        message = "cam needs global average pooling and one dense layer at the end, which"
    with pytest.raises(UserError, match=message):
        layer_maps(network, images, "cam", layer=layer)


@pytest.mark.parametrize("method", THEIRS)
def test_another_weight_gives_another_map(method, images):
    """Adebayo et al. 2018, section 3: a map that outlives the weights explains nothing."""
    network = pooled_network()
    before = layer_maps(network, images, method, 1)
    dense, maps = network.get_layer("dense"), network.get_layer("maps")
    for layer in (dense, maps):
        rng = np.random.default_rng(5)
        layer.set_weights([rng.standard_normal(each.shape) for each in layer.get_weights()])
        after = layer_maps(network, images, method, 1)
        assert (np.abs(after - before).max(axis=(1, 2)) > 0.05).all()
        before = after


def test_maps_are_scaled_to_one_or_zero():
    """Where all speaks against a class nothing is left."""
    network = pooled_network(None)
    network.get_layer("dense").set_weights([-np.ones((8, 4)), np.zeros(4)])
    network.get_layer("maps").set_weights([np.zeros((3, 3, 6, 8)), np.ones(8)])
    x = np.ones((1, 16, 12, 3), np.float32)
    assert not layer_maps(network, x).any()
    network.get_layer("dense").set_weights([np.ones((8, 4)), np.zeros(4)])
    np.testing.assert_allclose(layer_maps(network, x), 1)

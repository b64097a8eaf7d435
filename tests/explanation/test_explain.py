"""`kerasnets.explain` on all kinds of models, and what it refuses."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import kerasnets
from kerasnets import Preprocessing, UserError
from kerasnets.explanation import METHODS, Classifier
from tests.explanation.test_cams import pooled_network
from tests.models.families import every_network
from tests.models.test_registered import images, shallow, small

LAYER_METHODS = [name for name in METHODS if name.endswith("cam") or name.endswith("plus_plus")]


@pytest.mark.parametrize("name", every_network())
def test_every_network_has_a_default_layer(name):
    model = shallow(name)
    maps = kerasnets.explain(model, images(model), class_index=1)
    assert maps.shape == (2, *model.input_shape[1:3])
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all()
    assert maps.min() >= 0
    assert maps.max() <= 1
    layer = Classifier(model).default_layer
    # The ten layers of this one see all pixels at once.
    assert (layer is None) == (name == "highway10_mnist")
    if layer is not None:
        height, width = layer.output.shape[1:3]
        assert 1 < height < model.input_shape[1]
        assert 1 < width < model.input_shape[2]


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("alexnet", "conv5_act"),
        ("lenet5_modern", "conv2_act"),
        ("nin_cifar10", "class_maps_act"),
        ("resnet20_cifar", "stage3_block3_act"),
        ("densenet40_k12_cifar", "final_act"),
        pytest.param("resnet18", "stage4_block2_act", marks=pytest.mark.slow),
        pytest.param("vgg16", "block5_conv3_act", marks=pytest.mark.slow),
        pytest.param("googlenet", "inception5b", marks=pytest.mark.slow),
        pytest.param("mobilenet_v1", "stage5_block2_conv_act", marks=pytest.mark.slow),
    ],
)
def test_the_default_layer_is_the_last_before_pooling(name, layer):
    model = kerasnets.build(name, **({} if "lenet" in name else {"width": 0.25}))
    assert Classifier(model).default_layer.name == layer


@pytest.mark.parametrize("method", METHODS)
def test_raw_pixels_give_the_maps_of_scaled_ones(method):
    """A network inside a model is looked into, and uint8 has gradients."""
    network = small("resnet20_cifar")
    preprocessing = Preprocessing(size=(32, 32), channel_order="bgr")
    model = kerasnets.with_preprocessing(network, preprocessing)
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (2, 8, 8, 3)), np.ones((1, 4, 4, 1))).astype(np.uint8)
    mean, std = (255 * np.array(each) for each in (preprocessing.mean, preprocessing.std))
    x = ((pixels[..., ::-1] - mean) / std).astype(np.float32)
    found = kerasnets.explain(model, pixels, method)
    assert np.isfinite(found).all()
    assert found.any()
    if method in LAYER_METHODS:
        np.testing.assert_allclose(found, kerasnets.explain(network, x, method), atol=1e-3)
        named = kerasnets.explain(model, pixels, "grad_cam", layer="stage2_block3_act")
        expected = kerasnets.explain(network, x, "grad_cam", layer="stage2_block3_act")
        np.testing.assert_allclose(named, expected, atol=1e-3)
    elif method == "occlusion":  # the mean colour is that of the pixels
        np.testing.assert_allclose(found, kerasnets.explain(network, x, method), atol=1e-3)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16", "float16"])
def test_half_precision_gives_nearly_the_same_maps(policy):
    network = small("resnet20_cifar")
    keras.config.set_dtype_policy(policy)
    try:
        half = small.__wrapped__("resnet20_cifar")
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(network.get_weights())
    x = images(network)
    for method in ("cam", "grad_cam", "layer_cam", "smooth_grad"):
        found = kerasnets.explain(half, x, method, 1)
        assert found.dtype == np.float32
        expected = kerasnets.explain(network, x, method, 1)
        assert np.abs(found - expected).max() < (0.1 if "bfloat16" in policy else 0.02), method


def test_the_same_with_softmax_and_without():
    """Gradients are those of the logits."""
    with_softmax = kerasnets.build("resnet20_cifar", classes=3, width=0.25)
    logits = kerasnets.build("resnet20_cifar", classes=3, width=0.25, classifier_activation=None)
    logits.set_weights(with_softmax.get_weights())
    x = images(logits)
    for method in ("layer_cam", "occlusion"):
        found, expected = (kerasnets.explain(each, x, method) for each in (with_softmax, logits))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_auxiliary_classifiers_are_left_aside():
    options = {"classes": 3, "width": 0.25, "input_shape": (128, 128, 3)}
    model = kerasnets.build("googlenet", auxiliary_heads=True, **options)
    plain = kerasnets.build("googlenet", **options)
    for layer in plain.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    x = images(plain, 1)
    found = kerasnets.explain(model, x, class_index=0)
    np.testing.assert_allclose(found, kerasnets.explain(plain, x, class_index=0), atol=1e-5)


def test_a_run_and_its_classes(short_run):
    network = short_run.network()
    x = images(network, 3)
    found = kerasnets.explain(network, x)
    best = np.argmax(network(x), axis=1)
    np.testing.assert_array_equal(found, kerasnets.explain(network, x, class_index=best))
    one = kerasnets.explain(network, x[1:2], class_index=int(best[1]))
    np.testing.assert_allclose(found[1:2], one, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_batches_change_nothing(method, monkeypatch):
    model = pooled_network()
    x = images(model, 3)
    whole = kerasnets.explain(model, x, method, [0, 3, 1])
    if method == "smooth_grad":
        np.testing.assert_allclose(whole.max(axis=(1, 2)), 1)
    step = 2 if method in LAYER_METHODS else 30
    monkeypatch.setattr(Classifier, "batch", lambda *_: step)
    found = kerasnets.explain(model, x, method, [0, 3, 1])
    np.testing.assert_allclose(found, whole, atol=1e-4)


def test_a_map_is_resized_to_the_image_with_half_pixel_centres():
    """As OpenCV's bilinear resize, which pytorch-grad-cam uses."""
    images = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(1, 2, 2, use_bias=False, name="maps")(images)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(images, keras.layers.Dense(1, use_bias=False)(x))
    model.set_weights([np.full((2, 2, 1, 1), 0.25), np.ones((1, 1))])
    pixels = np.kron([[1.0, 0.0], [0.0, 0.5]], np.ones((2, 2)))[None, ..., None]
    rows = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    expected = rows @ np.array([[1.0, 0.0], [0.0, 0.5]]) @ rows.T
    np.testing.assert_allclose(kerasnets.explain(model, pixels)[0], expected, atol=1e-6)


def test_the_model_is_left_as_it_was():
    model = pooled_network()
    layers = [len(layer._inbound_nodes) for layer in model.layers]
    before = model.get_weights()
    for method in METHODS:
        kerasnets.explain(model, images(model, 1), method)
    assert [len(layer._inbound_nodes) for layer in model.layers] == layers
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "gradcam"}, r"Unknown method 'gradcam'. The closest: .*grad_cam"),
        ({"layer": "stage3_blok3_act"}, r"Unknown layer of resnet20_cifar 'stage3_blok3_act'. The "
         "closest: .*stage3_block3_act"),
        ({"layer": "logits"}, r"The layer 'logits' of resnet20_cifar has no maps: expected .*\(3,"),
        ({"class_index": 3}, "has the classes 0 to 2. Received: class_index=3"),
        ({"class_index": -1}, "has the classes 0 to 2. Received: class_index=-1"),
        ({"class_index": [0, 1, 2]}, "one for each of the 2 images. Received: .0, 1, 2."),
        ({"class_index": "cat"}, "class_index must be an index.* Received: 'cat'"),
        ({"method": "occlusion", "layer": "logits"}, "asks the pixels, no layer"),
        ({"images": np.zeros((32, 32, 3))}, r"takes images of the shape \(N, 32, 32, 3\)"),
        ({"images": np.zeros((1, 32, 31, 3))}, r"Received: \(1, 32, 31, 3\), float64"),
        ({"images": np.zeros((0, 32, 32, 3))}, "Give one image at least"),
        ({"images": [["a"]]}, "Received: .1, 1., <U1"),
    ],
)  # fmt: skip
def test_what_cannot_be_explained_is_told(arguments, message):
    model = small("resnet20_cifar")
    with pytest.raises(UserError, match=message) as caught:
        kerasnets.explain(model, **{"images": images(model), **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: small("resnet20_cifar").get_layer("stem_conv"), "stem_conv can not be looked"),
        (lambda: keras.Sequential([keras.layers.Dense(2)]), "can not be looked into"),
        (
            lambda: kerasnets.build("resnet20_cifar", include_top=False, width=0.25),
            r"is no classifier: expected an output of \(N, classes\). Received: \(None, 8, 8, 16\)",
        ),
    ],
)
def test_models_that_are_no_classifiers_are_refused(model, message):
    with pytest.raises(UserError, match=message):
        kerasnets.explain(model(), np.zeros((1, 32, 32, 3)))


def test_a_model_of_two_inputs_is_refused():
    one, other = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3)(one + other)
    model = keras.Model([one, other], keras.layers.GlobalAveragePooling2D()(x), name="two")
    with pytest.raises(UserError, match="two takes images of the shape"):
        kerasnets.explain(model, np.zeros((1, 8, 8, 3)))


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr("keras.config.backend", lambda: "numpy")
    with pytest.raises(UserError, match="is 'numpy'; this needs tensorflow"):
        kerasnets.explain(small("resnet20_cifar"), np.zeros((1, 32, 32, 3)))

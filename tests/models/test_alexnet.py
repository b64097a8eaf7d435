"""AlexNet: its table, its forms, its initial weights, and torchvision's logits."""

import math
import random

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kerasnets
from kerasnets.models.build import unweighted
from tests.golden import golden_images, golden_logits, golden_state

HEAD = {"fc6": 37_752_832, "fc7": 16_781_312, "logits": 4_097_000}
# Parameters of each layer, from the papers' sizes.
PARAMETERS = {
    "alexnet": {"conv1": 34_944, "conv2": 307_456, "conv3": 885_120}
    | {"conv4": 663_936, "conv5": 442_624},
    "alexnet_single": {"conv1": 34_944, "conv2": 614_656, "conv3": 885_120}
    | {"conv4": 1_327_488, "conv5": 884_992},
    "alexnet_owt": {"conv1": 23_296, "conv2": 307_392, "conv3": 663_936}
    | {"conv4": 884_992, "conv5": 590_080},
}
ZEROS = {"kernel_initializer": "zeros"}  # quick to draw


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_each_layer(name: str) -> None:
    model = unweighted(name)
    counts = {layer.name: layer.count_params() for layer in model.layers if layer.weights}
    assert counts == PARAMETERS[name] | HEAD


@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ("alexnet", (96, 256, 256)),
        ("alexnet_single", (96, 256, 256)),
        ("alexnet_owt", (64, 192, 256)),
    ],
)
def test_sizes_of_maps(name: str, filters: tuple[int, int, int]) -> None:
    model = unweighted(name, include_top=False)
    sizes = {
        layer: model.get_layer(layer).output.shape[1:] for layer in ("conv1", "conv2", "conv5")
    }
    assert sizes == {
        "conv1": (55, 55, filters[0]),
        "conv2": (27, 27, filters[1]),
        "conv5": (13, 13, filters[2]),
    }
    assert model.output_shape == (None, 6, 6, 256)


def test_paddings_of_conv1() -> None:
    same_maps = unweighted("alexnet", input_shape=(224, 224, 3), conv1_padding=2, include_top=False)
    assert same_maps.output_shape == (None, 6, 6, 256)
    textbook = {"input_shape": (224, 224, 1), "conv1_padding": 1, "classes": 10}
    assert unweighted("alexnet_single", **textbook).count_params() == 46_764_746


def test_initial_weights_are_the_papers() -> None:
    model = kerasnets.build("alexnet", width=0.5)
    for layer in model.layers:
        if layer.weights:
            # At least 17,000 draws: the error of the deviation is below 0.6 %.
            assert np.std(layer.kernel) == pytest.approx(0.01, rel=0.02)
            assert abs(np.mean(layer.kernel)) < 2e-4
            ones = layer.name in ("conv2", "conv4", "conv5", "fc6", "fc7")
            np.testing.assert_array_equal(layer.bias, np.full(layer.bias.shape, float(ones)))


def test_towers_do_not_see_each_other() -> None:
    model = kerasnets.build("alexnet", include_top=False, width=0.25)
    images = np.random.default_rng(0).standard_normal((1, 227, 227, 3)).astype("float32")
    features = keras.Model(model.get_layer("conv4").input, model.get_layer("conv5").output)
    maps = np.random.default_rng(1).standard_normal((1, 13, 13, 96)).astype("float32")
    changed = maps.copy()
    changed[..., 48:] += 1.0
    before, after = (np.asarray(features(value)) for value in (maps, changed))
    np.testing.assert_array_equal(before[..., :32], after[..., :32])
    assert (before[..., 32:] != after[..., 32:]).any()
    assert np.isfinite(model(images)).all()


def test_response_normalization_of_the_caffe_zoo() -> None:
    layers = {
        form: unweighted("alexnet", include_top=False, response_normalization=form).get_layer(
            "norm2"
        )
        for form in ("paper", "caffe")
    }
    assert (layers["paper"].k, layers["paper"].alpha_convention) == (2.0, "sum")
    assert (layers["caffe"].k, layers["caffe"].alpha_convention) == (1.0, "mean")


def test_caffenet_pools_first() -> None:
    model = unweighted("alexnet", include_top=False, pool_first=True)
    assert model.get_layer("norm1").input.shape == (None, 27, 27, 96)
    assert model.output_shape == (None, 6, 6, 256)


@pytest.mark.parametrize(
    ("name", "before_fc6"), [("alexnet", "flatten"), ("alexnet_owt", "fc6_dropout")]
)
def test_place_of_dropout(name: str, before_fc6: str) -> None:
    model = unweighted(name, width=0.02, dropout=0.3)
    assert model.get_layer("fc6").input._keras_history.operation.name == before_fc6
    dropouts = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropouts == [0.3, 0.3]


@pytest.mark.parametrize("width", [0.1, 0.3])  # 96 * 0.3 = 28.8 channels for two towers
def test_trains_at_other_widths(width: float) -> None:
    # He's initial weights, since the paper's are made for its width; Adam, whose steps do not
    # vanish beside biases of one where gradients are small.
    random.seed(0)
    options = {"width": width, "kernel_initializer": "he_normal", "dropout": 0.0}
    model = kerasnets.build("alexnet", input_shape=(99, 99, 3), classes=3, **options)
    before = model.get_weights()
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    images = np.random.default_rng(0).standard_normal((2, 99, 99, 3))
    model.train_on_batch(images, np.array([0, 2]))
    for variable, old in zip(model.weights, before, strict=True):
        assert (np.asarray(variable) != old).any(), variable.path


@pytest.fixture(scope="module")
def torchvision_file(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("alexnet") / "alexnet.safetensors"
    save_file(golden_state("torchvision", "alexnet"), path)
    return path


@pytest.mark.parametrize("dense_head", ["flatten", "conv"])
def test_logits_equal_torchvisions(dense_head: str, torchvision_file) -> None:
    model = kerasnets.build(
        "alexnet_owt",
        weights=torchvision_file,
        classifier_activation=None,
        dense_head=dense_head,
    )
    expected = golden_logits("torchvision", "alexnet")
    logits = np.asarray(model(golden_images(224)))
    # Float32 sums of up to 9216 products, in another order than the peer's float64.
    assert np.abs(logits - expected).max() < 1e-5 * np.abs(expected).max()


def test_convolutional_head_averages_the_dense_head_over_the_image() -> None:
    """VGG section 3.2: on a map of 7x8 the head of 6x6 fits in six places."""
    options = {"width": 0.05, "classes": 5, "classifier_activation": None}
    whole = kerasnets.build("alexnet", input_shape=(259, 291, 3), dense_head="conv", **options)
    crop = kerasnets.build("alexnet", **options)
    crop.set_weights(
        [
            weight.reshape(shape)
            for weight, shape in zip(
                whole.get_weights(), [weight.shape for weight in crop.weights], strict=True
            )
        ]
    )
    images = 50 * np.random.default_rng(0).standard_normal((2, 259, 291, 3)).astype("float32")
    maps = keras.Model(whole.input, whole.get_layer("pool5").output)(images)
    assert maps.shape[1:3] == (7, 8)
    head = keras.Model(crop.get_layer("flatten").input, crop.output)
    places = [(row, column) for row in range(2) for column in range(3)]
    logits = [head(maps[:, row : row + 6, column : column + 6]) for row, column in places]
    np.testing.assert_allclose(whole(images), np.mean(logits, axis=0), rtol=1e-4, atol=1e-6)


def test_convolutional_head_takes_unknown_sizes() -> None:
    model = kerasnets.build(
        "alexnet", input_shape=(None, None, 3), dense_head="conv", width=0.02, classes=4
    )
    for height, width in ((227, 227), (240, 300)):
        assert model(np.zeros((1, height, width, 3), "float32")).shape == (1, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_shape": (None, None, 3)}, "dense_head='conv' takes any"),
        (
            {"input_shape": (160, 227, 3), "dense_head": "conv"},
            "a last feature map of 6x6 or more. Received: an input that leaves 3x6",
        ),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\). Received: 1.0"),
        ({"conv1_padding": 6}, "alexnet: conv1_padding must be in 0 to 5. Received: 6"),
        ({"conv1_padding": 1, "stem": "small"}, "conv1_padding is for stem='imagenet'"),
        ({"response_normalization": "torch"}, "'paper' or 'caffe'"),
    ],
)
def test_wrong_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(kerasnets.UserError, match=message):
        kerasnets.build("alexnet", **options, **ZEROS)


def test_multiply_adds_of_the_tower_without_cut() -> None:
    """An independent formula: outputs times inputs of a kernel, summed over the paper's sizes."""
    kernels = ((55, 11, 3, 96), (27, 5, 96, 256), (13, 3, 256, 384), (13, 3, 384, 384))
    kernels = (*kernels, (13, 3, 384, 256))
    convolutions = sum(math.prod((m, m, k, k, c, filters)) for m, k, c, filters in kernels)
    dense = 9216 * 4096 + 4096 * 4096 + 4096 * 1000
    assert kerasnets.info("alexnet_single").multiply_adds == convolutions + dense

"""VGG: table 1, the logits of torchvision and timm, and the networks of keras.applications."""

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kerasnets
from kerasnets.models.build import unweighted
from kerasnets.registry import registration
from kerasnets.weights.layouts import layout_tensors
from tests.golden import golden_images, golden_logits, golden_state, manifest
from tests.models.keras_applications import copy_weights, largest_difference, randomize

ZEROS = {"kernel_initializer": "zeros"}  # quick to draw

# Table 1: weight layers; table 2 without the dense layers, from the reference counts.
COLUMNS = {
    "vgg11": (11, 9_220_480),
    "vgg11_lrn": (11, 9_220_480),
    "vgg13": (13, 9_404_992),
    "vgg16_c": (16, 9_996_096),
    "vgg16": (16, 14_714_688),
    "vgg19": (19, 20_024_384),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_table_1(name: str) -> None:
    depth, parameters = COLUMNS[name]
    model = unweighted(name, include_top=False)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == depth - 3
    assert model.count_params() == parameters
    sizes = [model.get_layer(f"block{number}_pool").output.shape[1:] for number in range(1, 6)]
    assert sizes == [(112, 112, 64), (56, 56, 128), (28, 28, 256), (14, 14, 512), (7, 7, 512)]


def test_column_c_ends_its_last_blocks_with_1x1_convolutions() -> None:
    model = unweighted("vgg16_c", include_top=False, width=0.1)
    small = [
        layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1)
    ]
    assert small == ["block3_conv3", "block4_conv3", "block5_conv3"]
    deep = [
        layer.name
        for layer in unweighted("vgg16", include_top=False, width=0.1).layers
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1)
    ]
    assert deep == []


def test_response_normalization_stands_between_the_first_relu_and_pooling() -> None:
    model = unweighted("vgg11_lrn", include_top=False, width=0.1)
    names = [layer.name for layer in model.layers]
    start = names.index("block1_conv1")
    assert names[start : start + 4] == [
        "block1_conv1",
        "block1_conv1_act",
        "block1_norm",
        "block1_pool",
    ]
    layer = model.get_layer("block1_norm")
    assert (layer.k, layer.size, layer.alpha, layer.beta, layer.alpha_convention) == (
        (2.0, 5, 1e-4, 0.75, "sum")
    )


def test_parameters_of_the_head() -> None:
    model = unweighted("vgg11")
    counts = [model.get_layer(name).count_params() for name in ("fc6", "fc7", "logits")]
    assert counts == [102_764_544, 16_781_312, 4_097_000]


def test_batch_normalised_networks_keep_biases() -> None:
    model = unweighted("vgg13_bn", include_top=False, width=0.1)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert [norm.epsilon for norm in norms] == [1e-5] * 10
    for layer in model.layers:
        assert getattr(layer, "use_bias", True)


def test_dropout_follows_the_hidden_layers() -> None:
    model = unweighted("vgg11", width=0.02)
    dropouts = [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert [layer.rate for layer in dropouts] == [0.5, 0.5]
    places = [layer.input._keras_history.operation.name for layer in dropouts]
    assert places == ["fc6_act", "fc7_act"]


@pytest.mark.parametrize("dense_head", ["flatten", "conv"])
@pytest.mark.parametrize(
    ("source", "model"),
    [
        # 550 MB each; the others have the same names, once more or less often.
        pytest.param("torchvision", "vgg11_bn", marks=pytest.mark.slow),
        pytest.param("torchvision", "vgg13", marks=pytest.mark.slow),
        ("torchvision", "vgg13_bn"),
        pytest.param("torchvision", "vgg19_bn", marks=pytest.mark.slow),
        pytest.param("timm", "vgg13_bn", marks=pytest.mark.slow),
        ("timm", "vgg16"),
    ],
)
def test_names_and_shapes_of_published_tensors(source: str, model: str, dense_head: str) -> None:
    network = unweighted(model, dense_head=dense_head)
    tensors = layout_tensors(network, registration(model).layouts[source])
    expected = {
        name: tuple(shape)
        for name, shape in manifest(source, model)["tensors"].items()
        if not name.endswith("num_batches_tracked")
    }
    assert {tensor.name: tensor.shape for tensor in tensors} == expected


@pytest.mark.parametrize(
    ("model", "dense_head"),
    [
        pytest.param("vgg11", "flatten", marks=pytest.mark.slow),
        ("vgg11", "conv"),
        pytest.param("vgg16", "flatten", marks=pytest.mark.slow),
        pytest.param("vgg16_bn", "flatten", marks=pytest.mark.slow),
        pytest.param("vgg19", "flatten", marks=pytest.mark.slow),
    ],
)
def test_logits_equal_torchvisions(model: str, dense_head: str, tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(golden_state("torchvision", model), path)
    network = kerasnets.build(
        model, weights=path, classifier_activation=None, dense_head=dense_head, **ZEROS
    )
    path.unlink()  # half a gigabyte
    assert_close(network, golden_logits("torchvision", model))


@pytest.mark.slow  # of the same layout as torchvision's, and of half a gigabyte
@pytest.mark.parametrize("dense_head", ["flatten", "conv"])
def test_logits_equal_timms(dense_head: str, tmp_path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(golden_state("timm", "vgg16"), path)
    network = kerasnets.build(
        "vgg16", weights=path, classifier_activation=None, dense_head=dense_head
    )
    path.unlink()  # half a gigabyte
    assert_close(network, golden_logits("timm", "vgg16"))


def assert_close(network: keras.Model, expected: np.ndarray) -> None:
    """Float32 sums of up to 25,088 products, through 19 layers; the peers' are float64."""
    logits = np.asarray(network(golden_images(224)))
    assert np.abs(logits - expected).max() < 2e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("name", "size", "include_top"),
    [
        ("vgg19", 64, False),
        pytest.param("vgg16", 64, False, marks=pytest.mark.slow),
        # Of small images the dense layers are small too.
        ("vgg16", 32, True),
        pytest.param("vgg16", 224, True, marks=pytest.mark.slow),
    ],
)
def test_equal_to_keras_applications(name: str, size: int, include_top: bool) -> None:
    application = {"vgg16": keras.applications.VGG16, "vgg19": keras.applications.VGG19}[name]
    options = {"input_shape": (size, size, 3), "include_top": include_top}
    peer = application(weights=None, classifier_activation=None, **options)
    ours = kerasnets.build(name, classifier_activation=None, **options, **ZEROS)
    randomize(peer)
    copy_weights(peer, ours, registration(name).layouts["keras"])
    # The same operations in the same order.
    assert largest_difference(ours, peer, size) < 1e-5

import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import save_file

import kerasnets
from kerasnets import UserError
from kerasnets.models.blocks import Style
from kerasnets.models.build import unweighted
from kerasnets.models.densenet import Growth, dense_stages, torchvision_names
from kerasnets.registry import Layout, registration
from kerasnets.weights.layouts import layout_tensors
from tests.golden import golden_images, golden_logits, golden_state, manifest
from tests.models.keras_applications import copy_weights, largest_difference, randomize
from tests.models.parts import all_params, shape_of, trainable


@pytest.fixture(scope="module")
def densenet121():
    return unweighted("densenet121")


@pytest.mark.parametrize(
    ("depth", "stem", "layers", "channels"),
    [
        (121, 64, (6, 12, 24, 16), (256, 512, 1024, 1024)),
        # The rows of the paper's table, of these too, are in docs/networks/tables.toml.
        pytest.param(161, 96, (6, 12, 36, 24), (384, 768, 2112, 2208), marks=pytest.mark.slow),
        pytest.param(169, 64, (6, 12, 32, 32), (256, 512, 1280, 1664), marks=pytest.mark.slow),
        pytest.param(201, 64, (6, 12, 48, 32), (256, 512, 1792, 1920), marks=pytest.mark.slow),
        pytest.param(264, 64, (6, 12, 64, 48), (256, 512, 2304, 2688), marks=pytest.mark.slow),
    ],
)
def test_blocks_are_those_of_table_1(depth, stem, layers, channels):
    model = unweighted(f"densenet{depth}", include_top=False)
    assert shape_of(model, "stem_conv") == (112, 112, stem)
    assert shape_of(model, "stem_pool") == (56, 56, stem)
    names = {layer.name for layer in model.layers}
    for stage, (count, side, width) in enumerate(
        zip(layers, (56, 28, 14, 7), channels, strict=True), start=1
    ):
        assert shape_of(model, f"stage{stage}_layer{count}_concat") == (side, side, width)
        assert f"stage{stage}_layer{count + 1}_conv1" not in names
        if stage < 4:
            pooled = (side // 2, side // 2, width // 2)
            assert shape_of(model, f"stage{stage}_transition_pool") == pooled
    assert model.output_shape == (None, 7, 7, channels[3])


def test_a_dense_layer_has_the_parameters_of_its_convolutions(densenet121):
    # Layer 3 of block 2 is given 128 + 2 * 32 maps.
    norms = 2 * 192 + 2 * 128
    assert trainable(densenet121, "stage2_layer3") == norms + 192 * 128 + 9 * 128 * 32
    assert trainable(densenet121, "stage2_transition") == 2 * 512 + 512 * 256
    assert trainable(densenet121, "final") == 2 * 1024


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"classes": 10}, 7_978_856 - 990 * 1025),
        ({"stem": "small"}, 7_978_856 - (49 - 9) * 3 * 64 - 2 * 64),
        ({"dropout": 0.2}, 7_978_856),
    ],
)
def test_forms_have_their_counts(options, count):
    assert all_params(unweighted("densenet121", **options))[0] == count


@pytest.mark.parametrize(
    ("options", "stem", "widths"),
    [
        ({"growth_rate": 12}, 24, (96, 192, 384, 384)),
        ({"initial_filters": 16}, 16, (208, 488, 1012, 1018)),
        ({"compression": 1.0}, 64, (256, 640, 1408, 1920)),
        ({"compression": 0.3}, 64, (256, 460, 906, 783)),
        ({"stem": "small"}, 64, (256, 512, 1024, 1024)),
    ],
)
def test_widths_follow_from_the_options(options, stem, widths):
    model = unweighted("densenet121", include_top=False, input_shape=(32, 32, 3), **options)
    assert shape_of(model, "stem_conv")[2] == stem
    ends = [f"stage{stage}_layer{count}_concat" for stage, count in enumerate((6, 12, 24, 16), 1)]
    assert tuple(shape_of(model, end)[2] for end in ends) == widths
    assert shape_of(model, ends[0])[0] == (32 if "stem" in options else 8)


def test_dropout_stands_behind_each_convolution_but_the_first():
    model = unweighted("densenet121", input_shape=(32, 32, 3), dropout=0.2)
    dropped = {
        layer.input._keras_history.operation.name
        for layer in model.layers
        if isinstance(layer, keras.layers.Dropout)
    }
    convolutions = {layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)}
    assert dropped == convolutions - {"stem_conv"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"growth_rate": 0}, "growth_rate must be at least 1. Received: 0"),
        ({"initial_filters": 0}, "initial_filters must be at least 1. Received: 0"),
        ({"compression": 1.5}, r"compression must be in \(0, 1\]. Received: 1.5"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\). Received: 1.0"),
        ({"stem": "large"}, "stem must be 'imagenet' or 'small'. Received: 'large'"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(UserError, match=f"densenet121: {message}"):
        kerasnets.build("densenet121", **options)


@pytest.mark.parametrize(
    "name", ["densenet121", pytest.param("densenet169", marks=pytest.mark.slow)]
)
def test_logits_are_torchvisions(name, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(golden_state("torchvision", name), path)
    model = kerasnets.build(name, weights=path, classifier_activation=None)
    expected = golden_logits("torchvision", name)
    difference = np.asarray(model(golden_images(224))) - expected
    # Rounding to float32 in up to 169 layers; 6e-7 was measured.
    assert abs(difference).max() < 1e-5 * abs(expected).max()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("timm", "densenet121"),
        ("torchvision", "densenet161"),
        pytest.param("torchvision", "densenet201", marks=pytest.mark.slow),
    ],
)
def test_weights_have_the_names_and_shapes_of_published_files(source, name):
    published = {
        tensor: tuple(shape)
        for tensor, shape in manifest(source, name)["tensors"].items()
        if not tensor.endswith("num_batches_tracked")
    }
    model = unweighted(name, input_shape=(32, 32, 3))
    ours = {
        tensor.name: tensor.shape
        for tensor in layout_tensors(model, Layout(names=torchvision_names))
    }
    assert ours == published


@pytest.mark.parametrize(
    ("peer", "name", "options"),
    [
        (
            "DenseNet121",
            "densenet121",
            {"classifier_activation": None, "input_shape": (75, 75, 3)},
        ),
        # The same code and the same layout, repeated more often.
        *(
            pytest.param(
                f"DenseNet{depth}",
                f"densenet{depth}",
                {"include_top": False, "input_shape": (64, 64, 3)},
                marks=pytest.mark.slow,
            )
            for depth in (169, 201)
        ),
    ],
)
def test_keras_applications_agree(peer, name, options):
    source = getattr(keras.applications, peer)(weights=None, **options)
    randomize(source)
    layout = registration(name).layouts["keras"]
    model = kerasnets.build(name, kernel_initializer="zeros", **layout.options, **options)
    copy_weights(source, model, layout)
    # The same operations on the same numbers.
    assert largest_difference(model, source, options["input_shape"][0]) < 1e-5


def tiny(remat, bottleneck):
    """A block of two layers, a transition and a block of three."""
    random.seed(0)
    images = keras.Input((8, 8, 5))
    style = Style(normalization="batch", remat=remat)
    return keras.Model(images, dense_stages(images, style, 5, (2, 3), Growth(4, bottleneck)))


def trained(model):
    """The weights' gradients and the moving statistics after a step."""
    images = np.random.default_rng(0).standard_normal((4, 8, 8, 5)).astype("float32")

    with tf.GradientTape() as tape:
        loss = keras.ops.mean(model(images, training=True) ** 3)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    return [gradient.numpy() for gradient in gradients] + [
        variable.numpy() for variable in model.non_trainable_weights
    ]


@pytest.mark.parametrize("bottleneck", [True, False])
def test_rematerialisation_changes_no_gradient_and_no_statistic(bottleneck):
    plain, remat = (trained(tiny(remat, bottleneck)) for remat in (False, True))
    for theirs, ours in zip(plain, remat, strict=True):
        # Sums in another order.
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * abs(theirs).max())


def test_rematerialisation_adds_layers_without_weights():
    plain, remat = (
        unweighted("densenet121", input_shape=(32, 32, 3), remat=remat) for remat in (False, True)
    )
    assert [weight.path for weight in remat.weights] == [weight.path for weight in plain.weights]
    counts = enumerate((6, 12, 24, 16), start=1)
    places = [f"stage{stage}_layer{layer}" for stage, n in counts for layer in range(1, n + 1)]
    names = [{layer.name for layer in model.layers} for model in (plain, remat)]
    assert names[1] - names[0] == {f"{place}_conv1_remat" for place in places}
    assert names[0] <= names[1]

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kerasnets
from kerasnets.models.build import unweighted
from kerasnets.models.resnet import torchvision_names
from kerasnets.registry import Layout, registration
from kerasnets.weights.layouts import layout_tensors
from tests.golden import golden_images, golden_logits, golden_state, manifest
from tests.models.keras_applications import copy_weights, largest_difference, randomize
from tests.models.parts import (
    all_params,
    check_drop_path,
    check_remat,
    multiply_adds,
    rows_of,
    shape_of,
    trainable,
)
from tests.slow import slow_except


@pytest.fixture(scope="module")
def resnet50():
    return unweighted("resnet50")


@pytest.fixture(scope="module")
def resnet50_v1_5():
    return unweighted("resnet50_v1_5", classifier_activation=None)


@pytest.mark.parametrize(
    ("name", "blocks", "channels", "last"),
    slow_except(
        ("resnet18", "plain34"),
        [
            ("resnet18", (2, 2, 2, 2), (64, 128, 256, 512), "_act"),
            ("resnet34", (3, 4, 6, 3), (64, 128, 256, 512), "_act"),
            ("resnet101_v1_5", (3, 4, 23, 3), (256, 512, 1024, 2048), "_act"),
            ("plain34", (3, 4, 6, 3), (64, 128, 256, 512), "_conv2_act"),
        ],
    ),
)
def test_stages_are_those_of_table_1(name, blocks, channels, last):
    model = unweighted(name, include_top=False)
    assert shape_of(model, "stem_conv") == (112, 112, 64)
    assert shape_of(model, "stem_pool") == (56, 56, 64)
    for stage, side in enumerate((56, 28, 14, 7)):
        prefix = f"stage{stage + 1}_block{blocks[stage]}"
        assert shape_of(model, f"{prefix}{last}") == (side, side, channels[stage])
        assert not rows_of(model, f"stage{stage + 1}_block{blocks[stage] + 1}")
    assert model.output_shape == (None, 7, 7, channels[3])


def test_a_bottleneck_has_the_parameters_of_its_convolutions(resnet50):
    def with_norm(kernel, filters):
        return kernel + 2 * filters

    last = with_norm(2048 * 512, 512) + with_norm(9 * 512**2, 512) + with_norm(512 * 2048, 2048)
    assert trainable(resnet50, "stage4_block2") == last
    first = with_norm(1024 * 512, 512) + with_norm(9 * 512**2, 512) + with_norm(512 * 2048, 2048)
    projection = with_norm(1024 * 2048, 2048)
    assert trainable(resnet50, "stage4_block1") == first + projection
    assert trainable(resnet50, "stage1_block1_shortcut") == with_norm(64 * 256, 256)


def test_v1_and_v1_5_differ_in_the_place_of_the_stride_alone(resnet50, resnet50_v1_5):
    assert all_params(resnet50) == all_params(resnet50_v1_5)
    stages = ("stage1", "stage2", "stage3", "stage4")
    costs, later = (
        [multiply_adds(model, stage) for stage in stages] for model in (resnet50, resnet50_v1_5)
    )
    assert costs[0] == later[0]
    assert sum(later) - sum(costs) == 231_211_008
    for model, strided, other in ((resnet50, "conv1", "conv2"), (resnet50_v1_5, "conv2", "conv1")):
        for stage in (2, 3, 4):
            assert model.get_layer(f"stage{stage}_block1_{strided}").strides == (2, 2)
            assert model.get_layer(f"stage{stage}_block1_{other}").strides == (1, 1)
            assert model.get_layer(f"stage{stage}_block1_shortcut").strides == (2, 2)


@pytest.mark.parametrize(
    ("name", "options", "count"),
    slow_except(
        ("resnet18", "resnet50"),
        [
            ("resnet18", {"shortcut": "zero_pad"}, 11_515_688),
            ("resnet18", {"shortcut": "project_all"}, 12_043_816),
            ("resnet34", {"shortcut": "zero_pad"}, 21_623_848),
            ("resnet34", {"shortcut": "project_all"}, 22_716_840),
            ("resnet18", {"classes": 10}, 11_181_642),
            ("resnet50", {"classes": 10}, 23_528_522),
            # 3x3 instead of 7x7.
            ("resnet18", {"stem": "small"}, 11_689_512 - (49 - 9) * 3 * 64),
            ("resnet18", {"drop_path_rate": 0.2, "zero_gamma": True}, 11_689_512),
        ],
    ),
)
def test_parameters_of_the_options(name, options, count):
    assert all_params(unweighted(name, input_shape=(64, 64, 3), **options))[0] == count


def test_option_a_fits_bottlenecks_and_odd_sizes():
    model = unweighted("resnet50", shortcut="zero_pad", input_shape=(75, 91, 3), include_top=False)
    assert not rows_of(model, "stage1_block1_shortcut")
    assert shape_of(model, "stage1_block1_add") == (19, 23, 256)
    assert model.output_shape == (None, 3, 3, 2048)


def test_small_stem_keeps_small_images_large():
    model = unweighted("plain18", stem="small", input_shape=(32, 32, 3), include_top=False)
    sides = [shape_of(model, f"stage{stage}_block2_conv2_act")[0] for stage in (1, 2, 3, 4)]
    assert sides == [32, 16, 8, 4]


@pytest.mark.parametrize(
    ("name", "blocks"), slow_except(["resnet18"], [("resnet18", 8), ("resnet50_v1_5", 16)])
)
def test_drop_path_grows_linearly_and_leaves_inference_alone(name, blocks):
    check_drop_path(name, blocks, input_shape=(32, 32, 3), stem="small", width=0.125)


@pytest.mark.parametrize(
    ("name", "blocks"), slow_except(["resnet18"], [("resnet18", 8), ("resnet50", 16)])
)
def test_rematerialisation_changes_no_gradient(name, blocks):
    check_remat(name, blocks, input_shape=(32, 32, 3), stem="small", width=0.125, classes=10)


def test_initial_weights_are_normal():
    model = kerasnets.build("resnet18", input_shape=(32, 32, 3))
    for layer, fan_in in (("stage4_block2_conv2", 9 * 512), ("stage4_block1_shortcut", 256)):
        values = np.asarray(model.get_layer(layer).kernel) / np.sqrt(2 / fan_in)
        # 2.4 million and 131,072 draws.
        assert abs(values.std() - 1) < 0.01
        assert 3.5 < abs(values).max() < 5


def test_zero_gamma_starts_each_block_as_its_shortcut():
    model = kerasnets.build("resnet18", zero_gamma=True, input_shape=(32, 32, 3), stem="small")
    maps = keras.Model(
        model.input,
        [model.get_layer(name).output for name in ("stem_conv_act", "stage1_block2_act")],
    )
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype("float32")
    stem, stage1 = maps(images)
    np.testing.assert_array_equal(stem, stage1)
    gammas = [layer.gamma for layer in model.layers if layer.name.endswith("_conv1_bn")]
    assert all(keras.ops.all(gamma == 1) for gamma in gammas)


@pytest.mark.parametrize(
    ("source", "peer", "name"),
    [
        ("torchvision", "resnet18", "resnet18"),
        ("timm", "resnet18", "resnet18"),
        ("torchvision", "resnet50", "resnet50_v1_5"),
        # The same blocks and the same layout, repeated more often.
        pytest.param("torchvision", "resnet101", "resnet101_v1_5", marks=pytest.mark.slow),
    ],
)
def test_logits_are_those_of_the_published_code(source, peer, name, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(golden_state(source, peer), path)
    model = kerasnets.build(name, weights=path, classifier_activation=None)
    difference = np.asarray(model(golden_images(224))) - golden_logits(source, peer)
    # Rounding to float32 in up to 101 layers; 1e-6 was measured.
    assert abs(difference).max() < 1e-5 * abs(golden_logits(source, peer)).max()


@pytest.mark.parametrize(
    ("source", "peer", "name"),
    [
        ("torchvision", "resnet34", "resnet34"),
        ("torchvision", "resnet50", "resnet50"),
        ("timm", "resnet50", "resnet50_v1_5"),
        pytest.param("torchvision", "resnet152", "resnet152_v1_5", marks=pytest.mark.slow),
    ],
)
def test_weights_have_the_names_and_shapes_of_published_files(source, peer, name):
    published = {
        tensor: tuple(shape)
        for tensor, shape in manifest(source, peer)["tensors"].items()
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
        ("ResNet50", "resnet50", {"input_shape": (75, 75, 3), "classifier_activation": None}),
        # The same code and the same layout, repeated more often.
        *(
            pytest.param(
                f"ResNet{depth}",
                f"resnet{depth}",
                {"include_top": False, "input_shape": (64, 64, 3)},
                marks=pytest.mark.slow,
            )
            for depth in (101, 152)
        ),
    ],
)
def test_keras_applications_agree_once_their_biases_are_in_the_means(peer, name, options):
    source = getattr(keras.applications, peer)(weights=None, **options)
    randomize(source)
    layout = registration(name).layouts["keras"]
    model = kerasnets.build(name, kernel_initializer="zeros", **layout.options, **options)
    copy_weights(source, model, layout)
    # Folding rounds a mean to float32; 2e-6 was measured at 152 layers.
    assert largest_difference(model, source, options["input_shape"][0]) < 2e-5

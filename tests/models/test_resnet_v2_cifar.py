import keras
import numpy as np
import pytest

import kerasnets
from kerasnets.models.build import unweighted
from tests.models.parts import (
    all_params,
    check_drop_path,
    multiply_adds,
    rows_of,
    shape_of,
    trainable,
)

PARTS = ("stem", "stage1", "stage2", "stage3", "logits")


@pytest.fixture(scope="module")
def resnet164():
    return unweighted("resnet164_v2_cifar")


@pytest.mark.parametrize(
    ("name", "units", "channels"),
    [("resnet110_v2_cifar", 18, (16, 32, 64)), ("resnet164_v2_cifar", 18, (64, 128, 256))],
)
def test_stages_have_the_sizes_of_the_paper(name, units, channels):
    model = unweighted(name, include_top=False)
    sizes = [shape_of(model, f"stage{stage}_block{units}_add") for stage in (1, 2, 3)]
    assert sizes == [(side, side, c) for side, c in zip((32, 16, 8), channels, strict=True)]
    assert model.output_shape == (None, 8, 8, channels[2])


def test_counts_of_option_b():
    model = unweighted("resnet110_v2_cifar", shortcut="projection")
    assert all_params(model) == (1_730_522, 8_096)
    assert sum(multiply_adds(model, part) for part in PARTS) == 253_149_824


@pytest.mark.parametrize(
    ("name", "count"), [("resnet164_v2_cifar", 1_726_388), ("resnet110_v2_cifar", 1_733_812)]
)
def test_counts_of_100_classes(name, count):
    assert all_params(unweighted(name, classes=100))[0] == count


def test_shortcuts_of_bottlenecks_are_convolutions_alone(resnet164):
    shortcuts = [row.name for row in rows_of(resnet164, "stage1_block1_shortcut")]
    assert shortcuts == ["stage1_block1_shortcut"]
    assert trainable(resnet164, "stage1_block1_shortcut") == 16 * 64
    # The stem's batch norm is the first unit's pre-activation, for both of its paths.
    assert not rows_of(resnet164, "stage1_block1_preact")
    assert resnet164.get_layer("stage1_block1_shortcut").input is (
        resnet164.get_layer("stem_conv_act").output
    )


def test_stride_of_bottlenecks_is_that_of_the_first_1x1(resnet164):
    strided = {layer.name for layer in resnet164.layers if getattr(layer, "strides", 1) == (2, 2)}
    units = ("stage2_block1", "stage3_block1")
    assert strided == {f"{unit}_{layer}" for unit in units for layer in ("conv1", "shortcut")}


def test_units_without_residual_pass_their_input_on():
    """Identity mappings: only the units that change the shape activate their shortcut."""
    model = kerasnets.build("resnet110_v2_cifar", zero_placement="append")
    for layer in model.layers:
        if layer.name.endswith("_conv2"):
            layer.kernel.assign(keras.ops.zeros_like(layer.kernel))
    names = ("stem_conv_act", "stage1_block18_add", "stage3_block18_add")
    maps = keras.Model(model.input, [model.get_layer(name).output for name in names])
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype("float32")
    stem, stage1, stage3 = (keras.ops.convert_to_numpy(y) for y in maps(images))
    np.testing.assert_array_equal(stage1, stem)
    np.testing.assert_array_equal(stage3[..., :16], stem[:, ::4, ::4])
    assert not stage3[..., 16:].any()


@pytest.mark.slow
def test_drop_path_grows_linearly_and_leaves_inference_alone():
    check_drop_path("resnet110_v2_cifar", 54)


def test_rematerialisation_is_that_of_every_unit():
    model = unweighted("resnet110_v2_cifar", remat=True)
    names = {layer.name for layer in model.layers if layer.name.endswith("_remat")}
    places = [(stage, unit) for stage in (1, 2, 3) for unit in range(1, 19)]
    assert names == {f"stage{stage}_block{unit}_conv2_remat" for stage, unit in places}
    assert all_params(model) == (1_727_962, 8_096)

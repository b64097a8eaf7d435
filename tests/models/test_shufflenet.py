import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kerasnets
from kerasnets.inspection import multiply_adds
from kerasnets.models.blocks import Style
from kerasnets.models.build import unweighted
from kerasnets.models.shufflenet import unit
from kerasnets.registry import registration
from tests.golden import golden_images, golden_logits, golden_state
from tests.models.parts import all_params, shape_of, trainable
from tests.slow import slow_except


@pytest.mark.parametrize(
    ("groups", "filters", "counts", "cost"),
    slow_except(
        (1, 3),
        [
            (1, 144, (1_531_936, 14_688), 143_078_976),
            (2, 200, (1_733_848, 20_400), 140_836_512),
            (3, 240, (1_865_728, 24_480), 137_460_672),
            (4, 272, (1_968_344, 27_744), 134_339_776),
            (8, 384, (2_434_768, 39_168), 138_365_952),
        ],
    ),
)
def test_groups_have_the_widths_and_counts_of_table_1(groups, filters, counts, cost):
    model = unweighted("shufflenet_v1", groups=groups)
    assert shape_of(model, "stem_conv") == (112, 112, 24)
    assert shape_of(model, "stem_pool") == (56, 56, 24)
    assert shape_of(model, "stage2_block4_act") == (28, 28, filters)
    assert shape_of(model, "stage3_block8_act") == (14, 14, 2 * filters)
    assert shape_of(model, "stage4_block4_act") == (7, 7, 4 * filters)
    assert all_params(model) == counts
    assert multiply_adds(model) == cost


@pytest.mark.parametrize(
    ("size", "groups", "filters", "stem", "count", "cost"),
    slow_except(
        ("0.5x", "1x"),
        [
            ("0.5x", 3, 120, 12, 717_324, 37_589_856),
            ("0.5x", 8, 192, 16, 1_010_448, 40_469_760),
            ("1x", 3, 240, 24, 1_864_728, 137_460_672),
            ("1x", 8, 384, 24, 2_433_768, 138_365_952),
            ("1.5x", 3, 360, 24, 3_441_168, 292_443_552),
            ("1.5x", 8, 576, 24, 4_268_952, 290_188_800),
            ("2x", 3, 480, 48, 5_449_776, 524_045_184),
            ("2x", 8, 768, 48, 6_521_232, 521_942_016),
        ],
    ),
)
def test_sizes_are_those_of_the_release(size, groups, filters, stem, count, cost):
    model = unweighted(
        "shufflenet_v1", size=size, groups=groups, shuffle="release", logits_bias=False
    )
    assert shape_of(model, "stem_conv")[2] == stem
    assert shape_of(model, "stage2_block1_act")[2] == filters
    assert all_params(model)[0] == count
    assert multiply_adds(model) == cost


def test_units_have_the_parameters_of_their_convolutions():
    model = unweighted("shufflenet_v1", groups=3)
    # 240 maps in three groups, 60 in the middle.
    assert trainable(model, "stage2_block2") == (
        240 * 20 + 2 * 60 + 9 * 60 + 2 * 60 + 60 * 80 + 2 * 240
    )
    # From 24 ungrouped maps; the shortcut brings 24 of the 240.
    assert trainable(model, "stage2_block1") == (
        24 * 60 + 2 * 60 + 9 * 60 + 2 * 60 + 60 * 72 + 2 * 216
    )
    assert model.get_layer("stage2_block1_conv1").groups == 1
    assert model.get_layer("stage3_block1_conv1").groups == 3


@pytest.mark.parametrize("width", slow_except([0.6], [0.25, 0.6, 1.3]))
@pytest.mark.parametrize("groups", [2, 3, 8])
def test_any_width_is_a_multiple_of_the_groups(width, groups):
    model = unweighted("shufflenet_v1", width=width, groups=groups, input_shape=(32, 32, 3))
    assert model.output_shape == (None, 1000)


def grouped_1x1(x, kernel, groups):
    parts = zip(np.split(x, groups, -1), np.split(kernel[0, 0], groups, -1), strict=True)
    return np.concatenate([part @ weights for part, weights in parts], -1)


def depthwise_3x3(x, kernel, strides):
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    windows = [
        padded[:, row : row + height : strides, column : column + width : strides]
        * kernel[row, column, :, 0]
        for row in range(3)
        for column in range(3)
    ]
    return sum(windows)


@pytest.mark.parametrize("shuffle", ["paper", "release"])
@pytest.mark.parametrize("strides", [1, 2])
def test_a_unit_computes_figure_2(strides, shuffle):
    groups, channels, filters = 3, 12, 12 * strides
    images = keras.Input((6, 8, channels))
    # Without batch norm, which is the identity at its first moving statistics but for epsilon.
    y = unit(
        images,
        Style(kernel_initializer="normal"),
        filters,
        strides=strides,
        groups=groups,
        first_groups=groups,
        shuffle=shuffle,
        progress=1.0,
        name="unit",
    )
    model = keras.Model(images, y)
    x = np.random.default_rng(0).standard_normal((2, 6, 8, channels)).astype("float32")
    kernel = {
        name: model.get_layer(f"unit_{name}").get_weights()[0].astype("float64")
        for name in ("conv1", "depthwise", "conv2")
    }
    middle = filters // 4
    order = np.arange(middle).reshape(groups, -1).T.ravel()
    h = np.maximum(grouped_1x1(x, kernel["conv1"], groups), 0)
    if shuffle == "paper":
        h = h[..., order]
    h = depthwise_3x3(h, kernel["depthwise"], strides)
    if shuffle == "release":
        h = h[..., np.argsort(order)]
    h = grouped_1x1(h, kernel["conv2"], groups)
    if strides == 1:
        expected = np.maximum(x + h, 0)
    else:
        average = depthwise_3x3(x, np.full((3, 3, channels, 1), 1 / 9), 2)
        expected = np.maximum(np.concatenate([average, h], -1), 0)
    # Sums of at most 9 products in float32.
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-6)


def test_logits_are_those_of_the_release(tmp_path):
    peer = ("megvii", "shufflenet_v1_g3_1x")
    save_file(golden_state(*peer), tmp_path / "weights.safetensors")
    options = registration("shufflenet_v1").layouts["megvii"].options
    model = kerasnets.build(
        "shufflenet_v1",
        weights=tmp_path / "weights.safetensors",
        classifier_activation=None,
        **options,
    )
    expected = golden_logits(*peer)
    difference = np.asarray(model(golden_images(224))) - expected
    # Rounding to float32; 8e-7 was measured.
    assert abs(difference).max() < 1e-5 * abs(expected).max()


def test_drop_path_grows_over_all_units_and_is_in_those_that_add():
    model = unweighted("shufflenet_v1", drop_path_rate=0.32)
    rates = {
        layer.name.removesuffix("_drop_path"): round(layer.rate, 6)
        for layer in model.layers
        if layer.name.endswith("_drop_path")
    }
    units = [(stage, block) for stage, n in ((2, 4), (3, 8), (4, 4)) for block in range(1, n + 1)]
    assert rates == {
        f"stage{stage}_block{block}": round(0.02 * number, 6)
        for number, (stage, block) in enumerate(units, start=1)
        if block > 1
    }


def test_the_classifier_starts_with_the_weights_of_the_release():
    for options, deviation in (({}, 0.01), ({"kernel_initializer": "he_normal"}, (2 / 960) ** 0.5)):
        network = kerasnets.build("shufflenet_v1", input_shape=(64, 64, 3), **options)
        assert np.std(network.get_layer("logits").kernel) == pytest.approx(deviation, rel=0.01)

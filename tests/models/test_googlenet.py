import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kerasnets
from kerasnets.errors import UserError
from kerasnets.models.blocks import Style
from kerasnets.models.build import unweighted
from kerasnets.models.googlenet import TABLE_1
from kerasnets.weights import save_weights
from tests.golden import golden_images, golden_logits, golden_state, manifest
from tests.models.parts import all_params, kernel_weights, multiply_adds, shape_of, trainable

# Block: height and width, channels; parameters with biases, weights alone, multiply-adds.
BLOCKS = {
    "inception3a": (28, 256, 163_696, 163_328, 128_049_152),
    "inception3b": (28, 480, 388_736, 388_096, 304_267_264),
    "inception4a": (14, 512, 376_176, 375_552, 73_608_192),
    "inception4b": (14, 512, 449_160, 448_512, 87_908_352),
    "inception4c": (14, 512, 510_104, 509_440, 99_850_240),
    "inception4d": (14, 528, 605_376, 604_672, 118_515_712),
    "inception4e": (14, 832, 868_352, 867_328, 169_996_288),
    "inception5a": (7, 832, 1_043_456, 1_042_432, 51_079_168),
    "inception5b": (7, 1024, 1_444_080, 1_442_816, 70_697_984),
}


@pytest.fixture(scope="module")
def googlenet():
    return unweighted("googlenet", auxiliary_heads=True)


@pytest.fixture(scope="module")
def naive():
    return unweighted("googlenet", block="naive", include_top=False)


@pytest.fixture(scope="module")
def golden_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "googlenet.safetensors"
    save_file(golden_state("torchvision", "googlenet"), path)
    return path


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_a_row_of_table_1(googlenet, block):
    size, channels, params, weights, costs = BLOCKS[block]
    assert shape_of(googlenet, block) == (size, size, channels)
    assert trainable(googlenet, block) == params
    assert kernel_weights(googlenet, block) == weights
    assert multiply_adds(googlenet, block) == costs


def test_other_parts_have_the_parameters_of_the_paper(googlenet):
    parts = {
        "conv1": 9_472,
        "conv2_reduce": 4_160,
        "conv2": 4_160 + 110_784,
        "logits": 1_025_000,
        "aux1_conv": 65_664,
        "aux1": 3_188_840,
        "aux2_conv": 67_712,
        "aux2": 3_190_888,
    }
    assert {part: trainable(googlenet, part) for part in parts} == parts


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        (224, (112, 56, 28, 14, 7)),
        # Rounded up, not padded all around: "same" would give 38 and 19 for 37 and 18.
        (299, (150, 75, 37, 18, 9)),
    ],
)
def test_sizes_of_the_maps(size, sizes):
    model = unweighted("googlenet_bn", input_shape=(size, size, 3), include_top=False)
    layers = ("conv1", "pool1", "inception3a", "inception4a", "inception5a")
    assert tuple(shape_of(model, layer)[0] for layer in layers) == sizes


def test_auxiliary_heads_average_to_4x4(googlenet):
    for name in ("aux1", "aux2"):
        assert shape_of(googlenet, f"{name}_pool")[:2] == (4, 4)
        assert shape_of(googlenet, f"{name}_flatten") == (2048,)
        assert googlenet.output[name].shape == (None, 1000)


@pytest.mark.parametrize(
    ("name", "options", "params", "statistics"),
    [
        ("googlenet", {"auxiliary_heads": True}, 13_378_280, 0),
        ("googlenet", {"classes": 10}, 5_983_802, 0),
        pytest.param(
            *("googlenet_bn", {"auxiliary_heads": True}, 13_004_888, 15_072), marks=pytest.mark.slow
        ),
        pytest.param(
            *("googlenet_bn", {"bn_scale": False}, 6_617_624, 14_560), marks=pytest.mark.slow
        ),
        ("googlenet_bn", {"bn_scale": False, "auxiliary_heads": True}, 12_997_352, 15_072),
        pytest.param(*("googlenet_bn", {"kernel5": 5}, 7_005_832, 14_560), marks=pytest.mark.slow),
        pytest.param(
            *("googlenet_bn", {"kernel5": 5, "auxiliary_heads": True}, 13_385_816, 15_072),
            marks=pytest.mark.slow,
        ),
        ("googlenet_bn", {"kernel5": 5, "bn_scale": False}, 6_998_552, 14_560),
    ],
)
def test_a_form_has_its_parameters(name, options, params, statistics):
    model = unweighted(name, **options)
    assert all_params(model) == (params, statistics)


def test_the_naive_block_costs_more_than_twice_as_much(googlenet, naive):
    assert shape_of(naive, "inception3a") == (28, 28, 416)
    assert kernel_weights(naive, "inception3a") == 387_072
    assert trainable(naive, "inception3a") == 387_296
    assert multiply_adds(naive, "inception3a") == 303_464_448
    assert multiply_adds(naive, "inception3a") / multiply_adds(googlenet, "inception3a") > 2


def test_naive_blocks_pass_their_whole_input_on(naive):
    channels = 192
    for place, (conv1x1, _, conv3x3, _, conv5x5, _) in TABLE_1.items():
        channels += conv1x1 + conv3x3 + conv5x5
        assert shape_of(naive, f"inception{place}")[-1] == channels


def test_a_block_costs_less_than_one_convolution_of_its_width(googlenet):
    """The usual worked example: 192 to 256 channels on 28x28."""
    images = keras.Input((28, 28, 192))
    expected = {3: (442_368, 346_816_512, 442_624), 5: (1_228_800, 963_379_200, 1_229_056)}
    for kernel, (weights, costs, params) in expected.items():
        y = Style().conv(images, 256, kernel, padding=kernel // 2, name="conv")
        model = keras.Model(images, y)
        assert kernel_weights(model, "conv") == weights
        assert multiply_adds(model, "conv") == costs
        assert trainable(model, "conv") == params
        assert multiply_adds(googlenet, "inception3a") < costs


def test_branches_of_3a_have_the_weights_of_the_worked_example(googlenet):
    parts = {
        "conv1x1": 12_288,
        "conv3x3_reduce": 18_432,
        "conv5x5_reduce": 3_072,
        "pool_proj": 6_144,
    }
    for part, weights in parts.items():
        assert kernel_weights(googlenet, f"inception3a_{part}") == weights
    assert kernel_weights(googlenet, "inception3a_conv3x3") == 18_432 + 110_592
    assert kernel_weights(googlenet, "inception3a_conv5x5") == 3_072 + 12_800


def test_constants_are_caffes():
    options = {"auxiliary_heads": True, "input_shape": (80, 80, 3), "width": 0.1, "classes": 5}
    googlenet = kerasnets.build("googlenet", **options)
    for name in ("norm1", "norm2"):
        norm = googlenet.get_layer(name)
        assert (norm.size, norm.k, norm.beta) == (5, 1.0, 0.75)
        assert (norm.alpha, norm.alpha_convention) == (1e-4, "mean")
    for layer in googlenet.layers:
        if getattr(layer, "bias", None) is not None:
            start = 0.0 if layer.name.endswith("logits") else 0.2
            np.testing.assert_array_equal(layer.bias, np.float32(start))


def test_initial_weights_are_caffes_xavier():
    """Uniform, of the variance 1 / inputs: 480 to 64 maps, where Glorot's has 2 / (480 + 64)."""
    googlenet = kerasnets.build("googlenet", input_shape=(64, 64, 3), classes=5)
    kernel = np.asarray(googlenet.get_layer("inception4a_pool_proj").kernel)
    assert kernel.shape == (1, 1, 480, 64)
    assert np.std(kernel) == pytest.approx(480**-0.5, rel=0.02)
    assert abs(kernel).max() <= (3 / 480) ** 0.5


def test_logits_are_torchvisions(golden_file):
    model = kerasnets.build("googlenet_bn", weights=golden_file, classifier_activation=None)
    logits = np.asarray(model(golden_images(224)))
    expected = golden_logits("torchvision", "googlenet")
    # float32 against float64: 5e-7 was measured.
    assert np.abs(logits - expected).max() < 1e-5 * np.abs(expected).max()


def test_torchvisions_side_classifiers_load_too(golden_file):
    model = kerasnets.build("googlenet_bn", weights=golden_file, auxiliary_heads=True)
    state = golden_state("torchvision", "googlenet")
    # Flattened as channels, rows, columns there and as rows, columns, channels here.
    kernel = state["aux2.fc1.weight"].reshape(1024, 128, 4, 4).transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(
        model.get_layer("aux2_fc1").get_weights()[0], kernel.reshape(2048, 1024)
    )
    np.testing.assert_array_equal(
        model.get_layer("aux1_logits").get_weights()[1], state["aux1.fc2.bias"]
    )
    assert all_params(model) == (13_004_888, 15_072)


def test_a_file_without_auxiliary_classifiers_does_not_fit_a_network_with_them(tmp_path):
    state = golden_state("torchvision", "googlenet")
    main = {name: array for name, array in state.items() if not name.startswith("aux")}
    save_file(main, tmp_path / "main.safetensors")
    kerasnets.build("googlenet_bn", weights=tmp_path / "main.safetensors")
    with pytest.raises(UserError, match=r"18 tensors are missing: aux1\."):
        kerasnets.build("googlenet_bn", weights=tmp_path / "main.safetensors", auxiliary_heads=True)


def test_our_own_file_with_side_classifiers_fits_a_network_without(tmp_path):
    small = {"width": 0.05, "input_shape": (80, 80, 3), "classes": 5}
    trained = kerasnets.build("googlenet_bn", auxiliary_heads=True, **small)
    save_weights(trained, tmp_path / "own.safetensors")
    model = kerasnets.build("googlenet_bn", weights=tmp_path / "own.safetensors", **small)
    images = golden_images(80)
    # The same operations in the same order: the difference is that of threads' rounding.
    np.testing.assert_allclose(model(images), trained(images)["predictions"], atol=1e-6)


def test_3x3_kernels_in_5x5_zeros_compute_the_same(golden_file):
    options = {"input_shape": (64, 64, 3), "classifier_activation": None, "width": 0.25}
    small = kerasnets.build("googlenet_bn", kernel5=3, **options)
    large = kerasnets.build("googlenet_bn", kernel5=5, **options)
    for layer, target in zip(small.layers, large.layers, strict=True):
        weights = layer.get_weights()
        if layer.name.endswith("conv5x5"):
            weights[0] = np.pad(weights[0], [(1, 1), (1, 1), (0, 0), (0, 0)])
        target.set_weights(weights)
    # The zeros are exact; the order of the sums is not.
    np.testing.assert_allclose(large(golden_images(64)), small(golden_images(64)), atol=1e-5)


def test_side_classifiers_need_a_map_they_fit_on():
    with pytest.raises(UserError, match="aux1 cannot be put on the 4x4 map of inception4a"):
        kerasnets.build("googlenet", auxiliary_heads=True, input_shape=(64, 64, 3))
    model = kerasnets.build("googlenet_bn", auxiliary_heads=True, input_shape=(64, 64, 3))
    assert shape_of(model, "aux1_flatten") == (2048,)


def test_the_manifest_counts_what_we_count():
    facts = manifest("torchvision", "googlenet")
    assert facts["macs"] == kerasnets.info("googlenet_bn").multiply_adds

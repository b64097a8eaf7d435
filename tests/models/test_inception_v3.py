import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kerasnets
from kerasnets.models.build import unweighted
from kerasnets.registry import registration
from tests.golden import golden_images, golden_logits, golden_state
from tests.models.keras_applications import copy_weights, largest_difference, randomize
from tests.models.parts import all_params, multiply_adds, shape_of, trainable
from tests.slow import slow_except

# Block: height and width, channels, trainable parameters.
BLOCKS = {
    "mixed5b": (35, 256, 255_904),
    "mixed5c": (35, 288, 277_472),
    "mixed5d": (35, 288, 285_152),
    "mixed6a": (17, 768, 1_153_280),
    "mixed6b": (17, 768, 1_297_408),
    "mixed6c": (17, 768, 1_691_008),
    "mixed6d": (17, 768, 1_691_008),
    "mixed6e": (17, 768, 2_141_952),
    "mixed7a": (8, 1280, 1_698_304),
    "mixed7b": (8, 2048, 5_044_608),
    "mixed7c": (8, 2048, 6_076_800),
}


@pytest.fixture(scope="module")
def inception_v3():
    return unweighted("inception_v3", auxiliary_heads=True)


@pytest.fixture(scope="module")
def golden_files(tmp_path_factory):
    files = {}
    for source in ("torchvision", "timm"):
        files[source] = tmp_path_factory.mktemp("weights") / f"{source}.safetensors"
        save_file(golden_state(source, "inception_v3"), files[source])
    return files


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_has_its_size_and_parameters(inception_v3, block):
    size, channels, params = BLOCKS[block]
    assert shape_of(inception_v3, block) == (size, size, channels)
    assert trainable(inception_v3, block) == params


def test_sizes_and_parameters_of_the_stem_and_heads(inception_v3):
    layers = [f"stem_{layer}" for layer in ("conv1", "conv2", "conv3", "pool1", "conv4", "conv5")]
    sizes = [shape_of(inception_v3, layer)[0] for layer in (*layers, "stem_pool2")]
    assert sizes == [149, 147, 147, 73, 73, 71, 35]
    parts = {"stem": 172_672, "logits": 2_049_000, "aux1": 3_326_696}
    assert {part: trainable(inception_v3, part) for part in parts} == parts
    assert shape_of(inception_v3, "aux1_pool") == (5, 5, 768)
    assert shape_of(inception_v3, "aux1_conv2") == (1, 1, 768)
    assert multiply_adds(inception_v3, "aux1") == 5_718_899_296 - 5_713_216_096


@pytest.mark.parametrize(
    ("options", "params", "statistics"),
    [
        ({"auxiliary_heads": True}, 27_161_264, 36_224),
        ({"bn_scale": False}, 23_817_352, 34_432),
        ({"bn_scale": False, "auxiliary_heads": True}, 27_143_152, 36_224),
    ],
)
def test_a_form_has_its_parameters(options, params, statistics):
    assert all_params(unweighted("inception_v3", **options)) == (params, statistics)


@pytest.mark.parametrize("source", ["torchvision", "timm"])
def test_logits_are_those_of_the_published_modules(golden_files, source):
    model = kerasnets.build(
        "inception_v3",
        weights=golden_files[source],
        average_pool="include_pad",
        classifier_activation=None,
    )
    logits = np.asarray(model(golden_images(299)))
    expected = golden_logits(source, "inception_v3")
    # float32 against float64: 7e-7 was measured.
    assert np.abs(logits - expected).max() < 1e-5 * np.abs(expected).max()


def test_torchvisions_side_classifier_loads_too(golden_files):
    model = kerasnets.build(
        "inception_v3", weights=golden_files["torchvision"], auxiliary_heads=True
    )
    state = golden_state("torchvision", "inception_v3")
    assert sum(all_params(model)) == sum(array.size for array in state.values())
    kernel = state["AuxLogits.conv1.conv.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(model.get_layer("aux1_conv2").get_weights()[0], kernel)
    np.testing.assert_array_equal(
        model.get_layer("aux1_logits").get_weights()[0], state["AuxLogits.fc.weight"].T
    )


def test_average_pooling_counts_padding_where_told_to():
    """On a map of ones an edge's average is one without the padding, and 6/9 with it."""
    sizes = {"input_shape": (75, 75, 3), "include_top": False}
    for option, edge in (("exclude_pad", 1.0), ("include_pad", 6 / 9)):
        model = unweighted("inception_v3", average_pool=option, **sizes)
        pools = [
            layer for layer in model.layers if isinstance(layer, keras.layers.AveragePooling2D)
        ]
        assert len(pools) == 9
        for pool in pools:
            place = pool.name.removesuffix("_branch_pool_pool")
            x = np.ones((1, 7, 7, 1), "float32")
            if option == "include_pad":
                x = model.get_layer(f"{place}_branch_pool_pad")(x)
            assert np.asarray(pool(x))[0, 0, 3, 0] == pytest.approx(edge)


@pytest.mark.parametrize(("size", "include_top"), slow_except([107], [(299, True), (107, False)]))
def test_keras_applications_agree(size, include_top):
    options = {"input_shape": (size, size, 3), "include_top": include_top}
    if include_top:
        options["classifier_activation"] = None
    source = keras.applications.InceptionV3(weights=None, **options)
    randomize(source)
    model = kerasnets.build("inception_v3", **options)
    copy_weights(source, model, registration("inception_v3").layouts["keras"])
    # The same operations on the same numbers.
    assert largest_difference(model, source, size) < 1e-5


def test_initial_weights_are_those_of_the_released_training():
    """A normal distribution that is cut at two deviations has 0.88 of the deviation."""
    network = kerasnets.build("inception_v3", input_shape=(75, 75, 3))
    for name, deviation in (("mixed7c_branch1x1_conv", 0.1), ("logits", 0.01)):
        assert np.std(network.get_layer(name).kernel) == pytest.approx(0.88 * deviation, rel=0.01)
    chosen = {"kernel_initializer": "he_2015", "input_shape": (75, 75, 3)}
    own = kerasnets.build("inception_v3", **chosen).get_layer("logits").kernel
    assert np.std(own) == pytest.approx((2 / 2048) ** 0.5, rel=0.01)

import pytest

from kerasnets.models.build import unweighted
from tests.models.parts import all_params, multiply_adds, shape_of, trainable

# Block: height and width, channels, trainable parameters.
BLOCKS = {
    "inception3a": (28, 256, 219_072),
    "inception3b": (28, 320, 260_160),
    "inception3c": (14, 576, 385_088),
    "inception4a": (14, 576, 609_984),
    "inception4b": (14, 576, 665_344),
    "inception4c": (14, 576, 895_936),
    "inception4d": (14, 576, 1_108_032),
    "inception4e": (7, 1024, 1_439_744),
    "inception5a": (7, 1024, 2_182_272),
    "inception5b": (7, 1024, 2_279_616),
}


@pytest.fixture(scope="module")
def inception_v2():
    return unweighted("inception_v2")


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_a_row_of_figure_5(inception_v2, block):
    size, channels, params = BLOCKS[block]
    assert shape_of(inception_v2, block) == (size, size, channels)
    assert trainable(inception_v2, block) == params


def test_sizes_of_the_stem(inception_v2):
    layers = ("conv1", "pool1", "conv2", "pool2")
    assert [shape_of(inception_v2, layer) for layer in layers] == [
        (112, 112, 64),
        (56, 56, 64),
        (56, 56, 192),
        (28, 28, 192),
    ]


def test_each_colour_of_the_separable_stem_has_its_own_8_filters(inception_v2):
    assert shape_of(inception_v2, "conv1_depthwise") == (112, 112, 24)
    assert trainable(inception_v2, "conv1_depthwise") == 7 * 7 * 24
    assert trainable(inception_v2, "conv1") == 7 * 7 * 24 + 24 * 64 + 2 * 64


def test_pooling_is_of_averages_but_for_5b_and_the_reductions(inception_v2):
    kinds = {
        layer.name.removeprefix("inception")[:2]: type(layer).__name__
        for layer in inception_v2.layers
        if layer.name.startswith("inception") and layer.name.endswith("_pool")
    }
    most = dict.fromkeys(("3a", "3b", "4a", "4b", "4c", "4d", "5a"), "AveragePooling2D")
    assert kinds == {**most, **dict.fromkeys(("3c", "4e", "5b"), "MaxPooling2D")}


@pytest.mark.parametrize(
    ("options", "params", "statistics", "costs"),
    [
        ({"bn_scale": False}, 11_178_336, 19_904, 1_934_857_216),
        ({"stem": "separable_bias"}, 11_188_224, 19_776, 1_934_857_216),
        ({"stem": "separable_bias", "bn_scale": False}, 11_178_336, 19_776, 1_934_857_216),
        ({"stem": "plain"}, 11_194_984, 19_904, 2_018_851_840),
        ({"stem": "plain", "bn_scale": False}, 11_185_032, 19_904, 2_018_851_840),
    ],
)
def test_a_form_has_its_parameters_and_costs(options, params, statistics, costs):
    model = unweighted("inception_v2", **options)
    assert all_params(model) == (params, statistics)
    assert multiply_adds(model, "conv1") + sum(
        multiply_adds(model, part) for part in ("conv2", "logits", *BLOCKS)
    ) == (costs)


@pytest.mark.parametrize("size", [97, 111, 224])
def test_branches_of_the_reductions_agree_at_odd_sizes(size):
    model = unweighted("inception_v2", input_shape=(size, size, 3), include_top=False)
    assert model.output_shape[1] == -(-size // 32)

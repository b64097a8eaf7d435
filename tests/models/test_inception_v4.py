import numpy as np
import pytest
from safetensors.numpy import save_file

import kerasnets
from kerasnets.models.build import unweighted
from tests.golden import golden_images, golden_logits, golden_state
from tests.models.parts import all_params, shape_of, trainable

# Block: how many there are, height and width, channels, trainable parameters of each.
BLOCKS = {
    "inception_a": (4, 35, 384, 317_632),
    "inception_b": (7, 17, 1024, 2_936_256),
    "inception_c": (3, 8, 1536, 4_553_088),
}


@pytest.fixture(scope="module")
def inception_v4():
    return unweighted("inception_v4", auxiliary_heads=True)


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_have_their_size_and_parameters(inception_v4, block):
    repeats, size, channels, params = BLOCKS[block]
    for number in range(1, repeats + 1):
        assert shape_of(inception_v4, f"{block}{number}") == (size, size, channels)
        assert trainable(inception_v4, f"{block}{number}") == params


def test_other_parts_have_their_parameters(inception_v4):
    parts = {
        "stem": 605_728,
        "reduction_a": 2_306_112,
        "reduction_b": 2_747_392,
        "logits": 1_537_000,
        "aux1": 3_359_464,
    }
    assert {part: trainable(inception_v4, part) for part in parts} == parts


def test_sizes_of_the_stem_and_reductions(inception_v4):
    sizes = {
        "stem_conv1": (149, 149, 32),
        "stem_conv3": (147, 147, 64),
        "stem_concat1": (73, 73, 160),
        "stem_concat2": (71, 71, 192),
        "stem_concat3": (35, 35, 384),
        "reduction_a": (17, 17, 1024),
        "reduction_b": (8, 8, 1536),
    }
    assert {layer: shape_of(inception_v4, layer) for layer in sizes} == sizes


def test_without_gamma_there_are_half_as_many_parameters_less_as_statistics():
    model = unweighted("inception_v4", bn_scale=False)
    assert all_params(model) == (42_648_232, 63_168)


def test_the_side_classifier_without_gamma_has_its_parameters():
    model = unweighted("inception_v4", bn_scale=False, auxiliary_heads=True)
    assert trainable(model, "aux1") == 3_358_568


def test_logits_are_timms(tmp_path):
    save_file(golden_state("timm", "inception_v4"), tmp_path / "state.safetensors")
    model = kerasnets.build(
        "inception_v4", weights=tmp_path / "state.safetensors", classifier_activation=None
    )
    logits = np.asarray(model(golden_images(299)))
    expected = golden_logits("timm", "inception_v4")
    # float32 against float64: 6e-7 was measured.
    assert np.abs(logits - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["inception_v2", "inception_v4", "inception_resnet_v1"])
def test_initial_weights_are_those_of_the_release(name):
    model = kerasnets.build(name, stem="small", input_shape=(32, 32, 3), width=0.5)
    layers = [layer for layer in model.layers if type(layer).__name__ == "Conv2D"]
    kernel = np.asarray(max(layers, key=lambda layer: layer.kernel.shape[-2]).kernel)
    deviation = np.sqrt(2 / np.prod(kernel.shape[:-1]))
    assert abs(kernel.std() / deviation - 1) < 0.02
    # Cut at two deviations of the normal distribution, of which 0.88 are left.
    assert abs(kernel).max() < 2.01 / 0.8796 * deviation

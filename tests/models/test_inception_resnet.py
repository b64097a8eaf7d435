import keras
import numpy as np
import pytest

import kerasnets
from kerasnets.errors import UserError
from kerasnets.models.build import unweighted
from kerasnets.models.inception_resnet import timm_names
from kerasnets.registry import Layout, registration
from kerasnets.weights.layouts import layout_tensors
from tests.golden import golden_images, manifest
from tests.models.keras_applications import copy_weights, largest_difference, randomize
from tests.models.parts import all_params, check_drop_path, multiply_adds, shape_of, trainable

# Form: for blocks A, B, C how many there are, their width and each one's trainable parameters;
# then those of both reductions.
FORMS = {
    "v1": (
        {"a": (5, 256, 77_440), "b": (10, 896, 690_048), "c": (5, 1792, 1_600_768)},
        {"reduction_a": 1_710_080, "reduction_b": 3_346_176, "stem": 615_552},
    ),
    "v2 paper": (
        {"a": (5, 384, 137_568), "b": (10, 1152, 1_171_904), "c": (5, 2144, 2_088_736)},
        {"reduction_a": 2_902_528, "reduction_b": 3_930_112, "stem": 605_728},
    ),
    "v2 released": (
        {"a": (10, 320, 123_168), "b": (20, 1088, 1_126_784), "c": (10, 2080, 2_035_424)},
        {"reduction_a": 2_664_960, "reduction_b": 3_880_960, "stem": 172_672},
    ),
}


@pytest.fixture(scope="module")
def networks():
    return {
        "v1": unweighted("inception_resnet_v1"),
        "v2 paper": unweighted("inception_resnet_v2", form="paper"),
        "v2 released": unweighted("inception_resnet_v2", auxiliary_heads=True),
    }


@pytest.mark.parametrize("form", FORMS)
def test_blocks_have_their_size_and_parameters(networks, form):
    model, (blocks, others) = networks[form], FORMS[form]
    sizes = {"a": 35, "b": 17, "c": 8}
    for letter, (repeats, channels, params) in blocks.items():
        for number in range(1, repeats + 1):
            block = f"inception_{letter}{number}"
            assert trainable(model, block) == params
            assert shape_of(model, f"{block}_add") == (sizes[letter], sizes[letter], channels)
        assert trainable(model, f"inception_{letter}{repeats + 1}") == 0
    assert {part: trainable(model, part) for part in others} == others


def test_sizes_of_the_maps(networks):
    layers = ("stem_conv1", "stem_conv2", "stem_conv4", "stem_conv5", "stage3_act", "stage4_act")
    for form in ("v1", "v2 released"):
        sizes = [shape_of(networks[form], layer)[0] for layer in (*layers, "stage5_act")]
        assert sizes == [149, 147, 73, 71, 35, 17, 8]


def test_the_papers_form_has_its_parameters_and_costs(networks):
    model = networks["v2 paper"]
    assert all_params(model) == (32_433_928, 32_864)
    parts = ("stem", "reduction_a", "reduction_b", "logits")
    blocks = [
        f"inception_{letter}{number}"
        for letter, repeats in (("a", 5), ("b", 10), ("c", 5))
        for number in range(1, repeats + 1)
    ]
    assert sum(multiply_adds(model, part) for part in (*parts, *blocks)) == 9_257_953_632


@pytest.mark.parametrize(
    ("name", "options", "params", "statistics"),
    [
        ("inception_resnet_v1", {"bn_scale": False}, 22_742_808, 27_040),
        pytest.param(
            *("inception_resnet_v2", {"bn_scale": False, "form": "paper"}, 32_417_496, 32_864),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *("inception_resnet_v2", {"bn_scale": False}, 55_813_192, 60_544),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_form_without_gamma_has_its_parameters(name, options, params, statistics):
    assert all_params(unweighted(name, **options)) == (params, statistics)


def test_the_side_classifier_has_its_parameters(networks):
    assert trainable(networks["v2 released"], "aux1") == 3_367_656


def test_the_released_form_ends_without_scaling_and_relu(networks):
    model = networks["v2 released"]
    scales = {"inception_a1": 0.17, "inception_b20": 0.10, "inception_c9": 0.20}
    for block, scale in {**scales, "inception_c10": 1.0}.items():
        assert model.get_layer(f"{block}_add").scale == scale
    assert shape_of(model, "conv7b") == (8, 8, 1536)
    assert model.get_layer("conv7b").input is model.get_layer("inception_c10_add").output
    assert networks["v2 paper"].get_layer("inception_c5_add").scale == 0.20


def test_a_block_adds_the_scaled_branches_to_its_input():
    """Figure 20, with the branches' convolution computed by hand."""
    model = kerasnets.build(
        "inception_resnet_v1", residual_scaling=0.3, include_top=False, input_shape=(75, 75, 3)
    )
    names = ("stem_conv6_act", "inception_a1", "inception_a1_act")
    outputs = [model.get_layer(name).output for name in names]
    x, branches, y = keras.Model(model.input, outputs)(golden_images(75))
    linear = model.get_layer("inception_a1_linear")
    found = np.asarray(branches) @ np.asarray(linear.kernel)[0, 0] + np.asarray(linear.bias)
    # float32 sums of 96 terms of order one.
    np.testing.assert_allclose(y, np.maximum(np.asarray(x) + 0.3 * found, 0), atol=1e-5)


@pytest.mark.parametrize("scaling", [0.0, 1.5, -0.1])
def test_residual_scaling_has_a_range(scaling):
    with pytest.raises(UserError, match=rf"residual_scaling must be in \(0, 1\].*{scaling}"):
        kerasnets.build("inception_resnet_v2", residual_scaling=scaling)


@pytest.mark.parametrize(
    ("name", "form", "blocks"),
    [
        ("inception_resnet_v1", {}, 20),
        pytest.param("inception_resnet_v2", {"form": "paper"}, 20, marks=pytest.mark.slow),
        pytest.param("inception_resnet_v2", {}, 40, marks=pytest.mark.slow),
    ],
)
def test_drop_path_grows_linearly_and_leaves_inference_alone(name, form, blocks):
    check_drop_path(name, blocks, input_shape=(75, 75, 3), width=0.125, **form)


def test_tensors_are_timms(networks):
    expected = manifest("timm", "inception_resnet_v2")["tensors"]
    model = unweighted("inception_resnet_v2")
    ours = {
        tensor.name: list(tensor.shape)
        for tensor in layout_tensors(model, Layout(names=timm_names))
    }
    assert ours == {
        name: shape for name, shape in expected.items() if not name.endswith("num_batches_tracked")
    }


def test_keras_applications_agree():
    options = {"input_shape": (107, 107, 3), "classifier_activation": None}
    source = keras.applications.InceptionResNetV2(weights=None, **options)
    randomize(source)
    model = kerasnets.build("inception_resnet_v2", **options)
    copy_weights(source, model, registration("inception_resnet_v2").layouts["keras"])
    # The same operations on the same numbers.
    assert largest_difference(model, source, 107) < 1e-5


def test_both_forms_of_v2_have_the_stages(networks):
    stages = registration("inception_resnet_v2").stages
    for form in ("v2 paper", "v2 released"):
        sizes = [shape_of(networks[form], layer)[0] for layer in stages.values()]
        assert sizes == [147, 35, 17, 8]

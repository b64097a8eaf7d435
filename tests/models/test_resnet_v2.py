import keras
import numpy as np
import pytest
from keras import ops
from safetensors.numpy import save_file

import kerasnets
from kerasnets import UserError
from kerasnets.models.build import unweighted
from kerasnets.registry import registration
from tests.golden import golden_images, golden_logits, golden_state
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

STAGES = ("stage1", "stage2", "stage3", "stage4")


@pytest.fixture(scope="module")
def resnet50_v2():
    return unweighted("resnet50_v2")


@pytest.mark.parametrize(
    ("name", "blocks", "channels"),
    slow_except(
        ["resnet34_v2"],
        [
            ("resnet34_v2", (3, 4, 6), (64, 128, 256, 512)),
            ("resnet200_v2", (3, 24, 36), (256, 512, 1024, 2048)),
        ],
    ),
)
def test_stages_have_the_sizes_of_v1(name, blocks, channels):
    model = unweighted(name, include_top=False)
    for stage, side in enumerate((56, 28, 14)):
        last = f"stage{stage + 1}_block{blocks[stage]}_add"
        assert shape_of(model, last) == (side, side, channels[stage])
    assert shape_of(model, "stage4_block3_add") == (7, 7, channels[3])
    assert shape_of(model, "final_act") == model.output_shape[1:] == (7, 7, channels[3])


def test_a_unit_has_the_parameters_of_its_convolutions(resnet50_v2):
    convolutions = 64 * 64 + 9 * 64**2 + 64 * 256
    # The stem's batch norm serves the first unit: those after its first two convolutions remain.
    assert trainable(resnet50_v2, "stage1_block1") == convolutions + 2 * 2 * 64 + 64 * 256
    assert not rows_of(resnet50_v2, "stage1_block1_preact")
    assert not rows_of(resnet50_v2, "stage1_block1_shortcut_bn")
    later = 256 * 64 + 9 * 64**2 + 64 * 256
    assert trainable(resnet50_v2, "stage1_block2") == later + 2 * 256 + 2 * 2 * 64


def test_a_unit_computes_the_paper_s_equation():
    model = kerasnets.build("resnet18_v2", input_shape=(24, 40, 3), width=0.125)
    randomize(model)
    x = np.random.default_rng(0).standard_normal((2, 6, 10, 8)).astype("float32")

    def activated(x, norm):
        gamma, beta, mean, variance = model.get_layer(norm).get_weights()
        return np.maximum(gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta, 0)

    def convolved(x, layer, strides=1, pad=1):
        x = np.pad(x, [(0, 0), (pad, pad), (pad, pad), (0, 0)])
        kernel = model.get_layer(layer).kernel
        return ops.convert_to_numpy(ops.conv(x, kernel, strides, padding="valid"))

    a = activated(x, "stage2_block1_preact_bn")
    f = convolved(a, "stage2_block1_conv1", strides=2)
    f = convolved(activated(f, "stage2_block1_conv1_bn"), "stage2_block1_conv2")
    y = convolved(a, "stage2_block1_shortcut", strides=2, pad=0) + f
    f = convolved(activated(y, "stage2_block2_preact_bn"), "stage2_block2_conv1")
    f = convolved(activated(f, "stage2_block2_conv1_bn"), "stage2_block2_conv2")

    stage = keras.Model(
        model.get_layer("stage1_block2_add").output, model.get_layer("stage2_block2_add").output
    )
    np.testing.assert_allclose(stage(x), y + f, rtol=1e-4, atol=1e-4)  # float32, four convolutions


def test_stride_of_bottlenecks_is_that_of_the_first_3x3(resnet50_v2):
    strided = [layer.name for layer in resnet50_v2.layers if getattr(layer, "strides", 1) == (2, 2)]
    units = [f"stage{stage}_block1" for stage in (2, 3, 4)]
    expected = {f"{unit}_{layer}" for unit in units for layer in ("conv2", "shortcut")}
    assert set(strided) == expected | {"stem_conv", "stem_pool"}


@pytest.mark.parametrize(
    ("name", "params", "costs"),
    slow_except(
        ["resnet50_v2"],
        [
            ("resnet50_v2", (25_568_360, 45_440), 3_482_255_360),
            ("resnet101_v2", (44_577_896, 97_664), 7_194_476_544),
            ("resnet152_v2", (60_236_904, 143_744), 10_906_697_728),
        ],
    ),
)
def test_keras_form_has_the_counts_of_keras_applications(name, params, costs):
    model = unweighted(name, form="keras")
    assert all_params(model) == params
    assert sum(multiply_adds(model, part) for part in ("stem", *STAGES, "logits")) == costs


@pytest.mark.parametrize(
    ("peer", "options"),
    [
        ("ResNet50V2", {"input_shape": (75, 75, 3), "classifier_activation": None}),
        # The same code and the same layout, repeated more often.
        *(
            pytest.param(
                f"ResNet{depth}V2",
                {"input_shape": (64, 64, 3), "include_top": False},
                marks=pytest.mark.slow,
            )
            for depth in (101, 152)
        ),
    ],
)
def test_keras_form_equals_keras_applications(peer, options):
    source = getattr(keras.applications, peer)(weights=None, **options)
    randomize(source)
    name = f"{peer[:-2].lower()}_v2"
    layout = registration(name).layouts["keras"]
    model = kerasnets.build(name, **layout.options, **options)
    copy_weights(source, model, layout)
    # The same operations; another padding of the same zeros may round differently.
    assert largest_difference(model, source, options["input_shape"][0]) < 1e-5


@pytest.mark.parametrize(
    ("peer", "name"), [("resnetv2_18", "resnet18_v2"), ("resnetv2_50", "resnet50_v2")]
)
def test_timm_form_has_the_logits_of_timm(peer, name, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(golden_state("timm", peer), path)
    options = registration(name).layouts["timm"].options
    model = kerasnets.build(name, weights=path, classifier_activation=None, **options)
    expected = golden_logits("timm", peer)
    difference = np.asarray(model(golden_images(224))) - expected
    # Rounding to float32; 4e-7 were measured.
    assert abs(difference).max() < 1e-5 * abs(expected).max()


def test_timms_weights_do_not_load_into_the_papers_form(tmp_path):
    save_file(golden_state("timm", "resnetv2_18"), tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="missing: stem_conv_bn.weight"):
        kerasnets.build("resnet18_v2", form="paper", weights=tmp_path / "weights.safetensors")


def test_keras_form_is_of_bottlenecks_alone():
    with pytest.raises(UserError, match="resnet18_v2: form='keras' has bottlenecks"):
        kerasnets.build("resnet18_v2", form="keras")
    with pytest.raises(
        UserError, match=r"form must be 'paper', 'keras' or 'timm'. Received: 'slim'"
    ):
        kerasnets.build("resnet50_v2", form="slim")


FORMS = [
    ("resnet18_v2", {}, 8),
    pytest.param("resnet18_v2", {"form": "timm"}, 8, marks=pytest.mark.slow),
    pytest.param("resnet50_v2", {}, 16, marks=pytest.mark.slow),
    ("resnet50_v2", {"form": "keras"}, 16),
]


@pytest.mark.parametrize(("name", "options", "blocks"), FORMS)
def test_small_stem_keeps_small_images_large(name, options, blocks):
    images = {"input_shape": (32, 32, 3)}
    large = unweighted(name, **images, **options)
    small = unweighted(name, stem="small", **images, **options)
    # 3x3 instead of 7x7.
    saved = (49 - 9) * 3 * 64
    assert all_params(small) == (all_params(large)[0] - saved, all_params(large)[1])
    assert shape_of(small, "stem_conv")[0] == 32
    assert shape_of(small, "final_act")[0] == 4


@pytest.mark.parametrize(("name", "options", "blocks"), FORMS)
def test_drop_path_grows_linearly_and_leaves_inference_alone(name, options, blocks):
    check_drop_path(name, blocks, input_shape=(32, 32, 3), stem="small", width=0.125, **options)


@pytest.mark.parametrize(("name", "options", "blocks"), FORMS)
def test_rematerialisation_changes_no_gradient(name, options, blocks):
    check_remat(
        name, blocks, input_shape=(32, 32, 3), stem="small", width=0.125, classes=10, **options
    )

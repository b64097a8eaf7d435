import math

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

import kerasnets
from kerasnets.inspection import multiply_adds
from kerasnets.models.build import unweighted
from kerasnets.registry import registration
from tests.golden import golden_images, golden_logits, golden_state
from tests.models.keras_applications import copy_weights, largest_difference, randomize
from tests.models.parts import all_params, shape_of, trainable
from tests.slow import slow_except


def test_maps_are_those_of_table_1():
    model = unweighted("mobilenet_v1", include_top=False)
    assert shape_of(model, "stem_conv_act") == (112, 112, 32)
    for end, shape in {
        "stage1_block1": (112, 112, 64),
        "stage2_block2": (56, 56, 128),
        "stage3_block2": (28, 28, 256),
        "stage4_block6": (14, 14, 512),
        "stage5_block1": (7, 7, 1024),
        "stage5_block2": (7, 7, 1024),
    }.items():
        assert shape_of(model, f"{end}_conv_act") == shape
    assert model.get_layer("stage5_block2_depthwise").strides == (1, 1)


@pytest.mark.parametrize(
    ("options", "counts", "cost"),
    [
        ({"width": 0.75}, (2_585_560, 16_416), 325_400_448),
        ({"width": 0.5}, (1_331_592, 10_944), 149_497_088),
        ({"width": 0.25}, (470_072, 5_472), 41_030_272),
        ({"input_shape": (192, 192, 3)}, (4_231_976, 21_888), 418_121_728),
        ({"width": 0.75, "input_shape": (160, 160, 3)}, (2_585_560, 16_416), 166_396_800),
        ({"width": 0.25, "input_shape": (128, 128, 3)}, (470_072, 5_472), 13_570_048),
        ({"shallow": True}, (2_887_976, 11_648), 307_323_392),
        ({"separable": False}, (29_294_088, 11_968), 4_867_293_184),
        ({"padding": "same", "activation": "relu6"}, (4_231_976, 21_888), 568_740_352),
    ],
)
def test_forms_have_their_counts(options, counts, cost):
    model = unweighted("mobilenet_v1", **options)
    assert all_params(model) == counts
    assert multiply_adds(model) == cost


def test_a_block_has_the_parameters_of_its_convolutions():
    model = unweighted("mobilenet_v1")
    block = 9 * 256 + 2 * 256 + 256 * 512 + 2 * 512
    assert trainable(model, "stage4_block1") == block


@pytest.mark.parametrize("options", [{}, {"shallow": True}, {"separable": False}])
def test_every_form_has_the_stages(options):
    model = kerasnets.features("mobilenet_v1", input_shape=(64, 64, 3), **options)
    shapes = [x.shape[1:] for x in model.output.values()]
    assert shapes == [(32, 32, 64), (16, 16, 128), (8, 8, 256), (4, 4, 512), (2, 2, 1024)]


def randomize_all(model):
    randomize(model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            # `randomize` takes all channels for a filter's inputs; it has one.
            layer.kernel.assign(layer.kernel * math.sqrt(layer.kernel.shape[2]))


@pytest.mark.parametrize(
    ("alpha", "size", "include_top"),
    # At 200 pixels there are maps of odd sides, 25 and 13.
    slow_except(
        [0.25],
        [
            (1.0, 224, True),
            (0.75, 32, False),
            (0.5, 128, True),
            (0.25, 200, True),
            (0.25, 33, False),
        ],
    ),
)
def test_keras_applications_agree(alpha, size, include_top):
    options = {"input_shape": (size, size, 3), "include_top": include_top}
    if include_top:
        options["classifier_activation"] = None
    source = keras.applications.MobileNet(weights=None, alpha=alpha, **options)
    randomize_all(source)
    layout = registration("mobilenet_v1").layouts["keras"]
    model = kerasnets.build("mobilenet_v1", width=alpha, **layout.options, **options)
    copy_weights(source, model, layout)
    # The same operations on the same numbers.
    assert largest_difference(model, source, size) < 1e-5


def test_padding_matters_at_stride_2():
    models = [
        kerasnets.build(
            "mobilenet_v1", input_shape=(32, 32, 3), padding=padding, classifier_activation=None
        )
        for padding in ("symmetric", "same")
    ]
    randomize_all(models[0])
    models[1].set_weights(models[0].get_weights())
    assert largest_difference(*models, 32) > 0.1


def test_initial_weights_are_those_of_the_release():
    model = kerasnets.build("mobilenet_v1", input_shape=(32, 32, 3))
    for layer in ("stage4_block2_depthwise", "stage4_block2_conv", "logits"):
        kernel = model.get_layer(layer).get_weights()[0]
        # Normal and cut at two deviations, which leaves 0.88 of the deviation.
        assert abs(kernel.std() / 0.09 - 0.88) < 0.04
        assert 0.17 < abs(kernel).max() <= 0.18


def test_depthwise_kernels_start_with_the_variance_of_their_nine_inputs():
    model = kerasnets.build("mobilenet_v1", input_shape=(32, 32, 3), kernel_initializer="he_2015")
    kernel = model.get_layer("stage4_block2_depthwise").get_weights()[0]
    # 4608 draws: the standard deviation is right within three hundredths.
    assert abs(kernel.std() / math.sqrt(2 / 9) - 1) < 0.04


def test_logits_are_those_of_timm(tmp_path):
    save_file(golden_state("timm", "mobilenetv1_100"), tmp_path / "weights.safetensors")
    options = registration("mobilenet_v1").layouts["timm"].options
    model = kerasnets.build(
        "mobilenet_v1",
        weights=tmp_path / "weights.safetensors",
        classifier_activation=None,
        **options,
    )
    expected = golden_logits("timm", "mobilenetv1_100")
    difference = np.asarray(model(golden_images(224))) - expected
    # Rounding to float32; 4e-7 were measured.
    assert abs(difference).max() < 1e-5 * abs(expected).max()

import inspect

import keras
import numpy as np
import pytest

import kerasnets
from kerasnets import UserError, build
from kerasnets.models.blocks import Style
from kerasnets.models.build import check_options, unweighted
from kerasnets.models.options import ARGUMENTS, options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (10, 10, 1)}, "lenet5: an input of 10x10 is too small; the smallest that works is 32x32"),
        ({"input_shape": (32, 32)}, r"input_shape must be \(height, width, channels\). Received: \(32, 32\)"),
        ({"input_shape": (32, -1, 1)}, "width of input_shape must be a positive integer or None"),
        ({"input_shape": (32, 32, None)}, "channels of input_shape must be a positive integer"),
        ({"classes": 0}, "classes must be a positive integer. Received: 0"),
        ({"classes": 2.5}, "classes must be a positive integer. Received: 2.5"),
        ({"pooling": "sum", "include_top": False}, "pooling must be None, 'avg' or 'max'. Received: 'sum'"),
        ({"pooling": "avg"}, "pooling is for include_top=False"),
        ({"classifier_activation": "softmin"}, "Received: 'softmin'"),
        ({"activation": "swish"}, "activation must be 'relu', .* Received: 'swish'"),
        ({"bn_scale": "yes"}, "bn_scale must be True or False. Received: 'yes'"),
        ({"norm_epsilon": -1.0}, r"norm_epsilon must be in \(0, 1\). Received: -1.0"),
        ({"norm_epsilon": 1e-3}, "lenet5: norm_epsilon has no effect where normalization is 'none'"),
        ({"norm_momentum": 0.9, "normalization": "layer"}, "norm_momentum has no effect where normalization is 'layer'"),
        ({"normalization": "instance"}, "lenet5: normalization='instance' would make zeros of all that c5 gives"),
        ({"input_shape": (None, None, 1)}, "lenet5: dense layers need an input of known height"),
        ({"kernel_initializer": "he_norml"}, "lenet5: kernel_initializer must be .* Received: 'he_norml'"),
        ({"kernel_initializer": {"class_name": "HeNormal", "config": {"sed": 1}}}, "Received: {'class_name': 'HeNormal'"),
        ({"width": 0.5}, "lenet5 takes no option 'width'"),
        ({"depth": 20}, "lenet5 takes no option 'depth'"),
        ({"activatoin": "tanh"}, "lenet5 takes no option 'activatoin'. The closest: activation"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        build("lenet5", **arguments)


@pytest.mark.parametrize(
    ("width", "message"), [("wide", "a number. Received: 'wide'"), (-1.0, "Received: -1.0")]
)
def test_widths_that_do_not_work_are_refused(width, message):
    with pytest.raises(UserError, match=message):
        build("resnet20_cifar", width=width)


def test_unknown_network_gets_the_closest():
    with pytest.raises(UserError, match="Unknown network 'resnet20'.*resnet20_cifar"):
        build("resnet20")


def test_options_of_the_head_need_the_top():
    with pytest.raises(UserError, match="dropout belongs to the classifier"):
        build("resnet20_cifar", include_top=False, dropout=0.5)


@pytest.mark.parametrize(
    ("network", "option", "message"),
    [
        (
            "resnet20_cifar",
            "widht",
            r"\. The closest: width\. It takes: .*\bwidth \(a number\)",
        ),
        ("resnet20_cifar", "xyz", r"'xyz'\. It takes: .*shortcut \('.*' or '.*'\), "),
        (
            "googlenet",
            "auxilary",
            r"The closest: auxiliary_heads\. .*_heads \(True or False\)\. Every network takes include_top, ",
        ),
        ("resnet20_cifar", "include_tops", r"The closest: include_top\. It takes: "),
        ("resnet20_cifar", "num_classes", r"'num_classes'\. It is called classes here\. It takes"),
        ("resnet20_cifar", "input_tensor", r"Call the model on the tensor: build\(\.\.\.\)\(x\)\."),
    ],
)
def test_an_unknown_option_is_answered_by_the_known_with_their_values(network, option, message):
    with pytest.raises(UserError, match=message) as caught:
        check_options(network, {option: 1})
    assert len(str(caught.value)) < 1000
    listed = str(caught.value).partition("It takes: ")[2]
    assert all(f"{name} ({values})" in listed for name, (values, _) in options(network).items())


def test_errors_name_every_argument_of_build():
    given = inspect.signature(build).parameters.values()
    assert set(ARGUMENTS) == {each.name for each in given if each.kind is each.KEYWORD_ONLY}


def test_a_variants_own_values_are_no_options():
    with pytest.raises(UserError, match="resnet20_cifar takes no option 'depth'"):
        build("resnet20_cifar", depth=32)


def test_top_and_pooling():
    images = np.zeros((2, 32, 32, 3), np.float32)
    assert build("resnet20_cifar", classes=7)(images).shape == (2, 7)
    assert build("resnet20_cifar", include_top=False)(images).shape == (2, 8, 8, 64)
    features = build("resnet20_cifar", include_top=False)
    for pooling, function in (("avg", np.mean), ("max", np.max)):
        pooled = build("resnet20_cifar", include_top=False, pooling=pooling)
        pooled.set_weights(features.get_weights())
        x = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype(np.float32)
        expected = function(np.array(features(x)), axis=(1, 2))
        np.testing.assert_allclose(pooled(x), expected, rtol=1e-5, atol=1e-5)


def test_logits_and_probabilities(rng):
    images = rng.standard_normal((2, 28, 28, 1)).astype(np.float32)
    logits = build("lenet5_modern", classifier_activation=None)
    probabilities = build("lenet5_modern")
    probabilities.set_weights(logits.get_weights())
    expected = keras.ops.softmax(logits(images))
    np.testing.assert_allclose(probabilities(images), expected, atol=1e-6)
    assert logits.name == "lenet5_modern"
    assert build("lenet5_modern", name="mine").name == "mine"


def test_any_size_where_the_head_allows_it(rng):
    model = build("resnet20_cifar", input_shape=(None, None, 1))
    for side in (16, 45):
        assert model(rng.standard_normal((1, side, side, 1))).shape == (1, 10)


def test_width_scales_every_convolution():
    half = build("resnet20_cifar", width=0.5)
    full = build("resnet20_cifar")
    for name in ("stem_conv", "stage2_block1_conv1", "stage3_block3_conv2"):
        assert half.get_layer(name).filters * 2 == full.get_layer(name).filters


@pytest.mark.parametrize("normalization", ["sync_batch", "layer", "instance", "group", "none"])
def test_normalization_is_an_option(normalization, rng):
    model = build("resnet20_cifar", normalization=normalization)
    assert np.isfinite(model(rng.standard_normal((1, 32, 32, 3)))).all()
    kinds = {type(layer).__name__ for layer in model.layers}
    expected = {"sync_batch": "BatchNormalization", "none": None}
    kind = expected.get(normalization, "GroupNormalization")
    assert {k for k in kinds if k.endswith("Normalization")} == ({kind} if kind else set())
    assert model.get_layer("stem_conv").use_bias == (normalization == "none")


@pytest.mark.parametrize("activation", ["prelu", "rrelu", "sigmoid", "tanh"])
def test_activation_is_an_option(activation, rng):
    model = build("resnet20_cifar", activation=activation)
    layer = model.get_layer("stage2_block1_conv1_act")
    name = getattr(layer, "activation", type(layer))
    expected = {"prelu": "PReLU", "rrelu": "RandomizedReLU"}.get(activation, activation)
    assert name.__name__ == expected


def test_channels_first_is_refused():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(UserError, match="channels_first"):
            build("lenet5")
    finally:
        keras.config.set_image_data_format("channels_last")


def test_networks_differ_from_seed_to_seed():
    keras.utils.set_random_seed(1)
    one = build("lenet5").get_weights()
    two = build("lenet5").get_weights()
    keras.utils.set_random_seed(1)
    again = build("lenet5").get_weights()
    assert not np.array_equal(one[0], two[0])
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_initializer_may_be_an_object_which_each_layer_has_its_own_of():
    given = keras.initializers.RandomNormal(stddev=0.5, seed=None)
    one, two = (
        layer.kernel
        for layer in build("resnet20_cifar", kernel_initializer=given).layers
        if layer.name in ("stage1_block1_conv1", "stage1_block1_conv2")
    )
    assert float(keras.ops.std(one)) == pytest.approx(0.5, rel=0.05)
    assert not np.array_equal(one, two)


def test_whole_numbers_may_be_numpys():
    shape = tuple(np.array([40, 40, 1]))
    model = build("lenet5_modern", classes=np.int64(3), input_shape=shape)
    assert (model.input_shape, model.output_shape) == ((None, 40, 40, 1), (None, 3))
    assert {type(side) for side in model.input_shape[1:]} == {int}


def test_initializers_of_kernels_can_be_replaced():
    replaced = []

    def initialize(initializer):
        replaced.append(initializer)
        return "zeros"

    model = build("highway19", initialize=initialize)
    kernels = [weight for weight in model.weights if weight.path.endswith("kernel")]
    assert len(kernels) == len(replaced)
    assert not any(np.any(kernel) for kernel in kernels)
    assert {type(each).__name__ for each in replaced} == {"FanInNormal"}
    assert np.any(build("highway19").get_layer("conv18").kernel)


def test_no_later_scope_draws_the_values_of_a_network_without(monkeypatch):
    def recorded(self, shape, dtype=None):
        drawn.append(shape)
        return original(self, shape, dtype)

    drawn, original = [], keras.initializers.Zeros.__call__
    monkeypatch.setattr(keras.initializers.Zeros, "__call__", recorded)
    with keras.StatelessScope():
        pass  # from now on Keras has a list of what to draw
    network = unweighted("lenet5_modern", kernel_initializer="zeros")
    assert network.get_layer("conv1").kernel.shape == (5, 5, 1, 6)
    with keras.StatelessScope():
        pass
    assert drawn == []
    build("lenet5_modern", kernel_initializer="zeros")
    assert (5, 5, 1, 6) in drawn


def test_lazy_subpackages():
    assert kerasnets.layers.ResidualAdd.__module__.startswith("kerasnets.layers")
    with pytest.raises(AttributeError, match="attribute '?nothing"):
        _ = kerasnets.nothing


def test_an_error_in_an_option_of_the_head_names_the_network():
    with pytest.raises(UserError, match=r"^lenet5_modern: dropout must be in \[0, 1\)"):
        unweighted("lenet5_modern", dropout=1.0)


@pytest.mark.parametrize(("kind", "groups"), [("layer", 1), ("instance", 48), ("group", 24)])
def test_groups_of_a_normalization(kind, groups):
    x = keras.Input((4, 4, 48))
    layer = keras.Model(x, Style(normalization=kind).normalize(x, name="x")).layers[-1]
    assert layer.groups == groups


@pytest.mark.parametrize(("kind", "expected"), [("batch", False), ("sync_batch", True)])
def test_only_sync_batch_is_synchronized(kind, expected):
    x = keras.Input((4, 4, 3))
    layer = keras.Model(x, Style(normalization=kind).normalize(x, name="x")).layers[-1]
    assert layer.synchronized is expected

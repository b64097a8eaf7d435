import dataclasses

import keras
import numpy as np
import pytest

import kerasnets
from kerasnets import UserError
from kerasnets.explanation.graph import named
from kerasnets.models.build import unweighted
from kerasnets.weights import save_weights
from tests.models.parts import all_params


def images(size, channels=3, count=2):
    shape = (count, size, size, channels)
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


@pytest.fixture
def resnet20():
    return kerasnets.build("resnet20_cifar", classifier_activation=None)


def test_features_are_the_stages_from_large_to_small():
    model = kerasnets.features("resnet18", input_shape=(64, 96, 3), width=0.25)
    maps = model(np.zeros((1, 64, 96, 3), "float32"))
    assert list(maps) == ["stem", "stage1", "stage2", "stage3", "stage4"]
    strides = [(64 // y.shape[1], 96 // y.shape[2]) for y in maps.values()]
    assert strides == [(s, s) for s in (2, 4, 8, 16, 32)]
    assert [y.shape[-1] for y in maps.values()] == [16, 16, 32, 64, 128]


def test_features_of_chosen_stages_leave_the_rest_out():
    model = kerasnets.features("resnet20_cifar", stages=["stage2"], name="backbone")
    assert list(model.output) == ["stage2"]
    assert model.name == "backbone"
    assert not [layer for layer in model.layers if layer.name.startswith("stage3")]
    whole = kerasnets.build("resnet20_cifar", include_top=False)
    whole.get_layer("stem_conv").kernel.assign(model.get_layer("stem_conv").kernel)
    stem = keras.Model(whole.input, whole.get_layer("stem_conv").output)
    ours = keras.Model(model.input, model.get_layer("stem_conv").output)
    np.testing.assert_array_equal(stem(images(32)), ours(images(32)))


def test_features_take_raw_pixels_with_preprocessing():
    model = kerasnets.features("resnet20_cifar")
    preprocessing = kerasnets.info("resnet20_cifar").preprocessing
    on_images = kerasnets.with_preprocessing(model, preprocessing)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), "uint8")
    scaled = (pixels / 255 - preprocessing.mean) / preprocessing.std
    expected = model(scaled.astype("float32"))
    for stage, maps in on_images(pixels).items():
        np.testing.assert_allclose(maps, expected[stage], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "stages", "message"),
    [
        ("resnet18", ["stage5"], "Unknown stage of resnet18 'stage5'. .*stage4"),
        ("resnet18", [], "resnet18 has no stages"),
        ("resnet", None, "Unknown network 'resnet'"),
    ],
)
def test_features_name_what_there_is(name, stages, message):
    with pytest.raises(UserError, match=message):
        kerasnets.features(name, stages=stages)


def test_freeze_keeps_weights_and_statistics_up_to_a_stage(resnet20):
    kerasnets.freeze(resnet20, until="stage2")
    trained = {layer.name.split("_")[0] for layer in resnet20.layers if layer.trainable_weights}
    assert trained == {"stage3", "logits"}
    before = {layer.name: layer.get_weights() for layer in resnet20.layers}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    resnet20.compile("sgd", loss, run_eagerly=True)
    resnet20.train_on_batch(images(32, count=4), np.arange(4))
    changed = {
        layer.name.split("_")[0]
        for layer in resnet20.layers
        for old, new in zip(before[layer.name], layer.get_weights(), strict=True)
        if (old != new).any()
    }
    assert changed == {"stage3", "logits"}


@pytest.mark.parametrize(
    ("until", "last", "first"),
    [
        ("stem", "stem_conv_bn", "stage1_block1_conv1"),
        ("stage1_block2", "stage1_block2_conv2_bn", "stage1_block3_conv1"),
        ("stage3_block1_conv1", "stage3_block1_conv1", "stage3_block1_conv1_bn"),
        ("logits", "logits", None),
    ],
)
def test_freeze_up_to_a_block_or_layer(resnet20, until, last, first):
    kerasnets.freeze(resnet20, until=until)
    names = [layer.name for layer in resnet20.layers if layer.weights]
    frozen = [layer.name for layer in resnet20.layers if layer.weights and not layer.trainable]
    assert frozen == names[: names.index(last) + 1]
    assert first is None or names[len(frozen)] == first


def test_a_renamed_network_has_its_stages():
    small = {"input_shape": (75, 75, 3), "width": 0.0625}
    models = [kerasnets.build("inception_v3", name=name, **small) for name in ("mine", None)]
    for model in models:
        kerasnets.freeze(model, until="stage4")
    frozen, own = ([layer.trainable for layer in model.layers] for model in models)
    assert frozen == own
    assert not all(frozen)
    assert named(models[0], "stage4", maps=True).name == named(models[1], "stage4", maps=True).name


def test_a_new_classifier_of_a_frozen_network_is_trained(resnet20):
    resnet20.trainable = False
    model = kerasnets.replace_head(resnet20, classes=5)
    assert [each.path for each in model.trainable_variables] == ["logits/kernel", "logits/bias"]
    nin = kerasnets.build("nin_cifar10", width=0.125, activation="prelu")
    nin.trainable = False
    assert len(kerasnets.replace_head(nin, classes=5).trainable_variables) == 3


def test_one_stage_is_given_by_its_name():
    assert list(kerasnets.features("resnet20_cifar", stages="stage2").output) == ["stage2"]


@pytest.mark.parametrize("argument", ["include_top", "pooling", "classes"])
def test_features_have_no_classifier(argument):
    with pytest.raises(UserError, match=f"features has no classifier, and takes no {argument}"):
        kerasnets.features("resnet20_cifar", **{argument: None})


def test_freeze_goes_by_names_in_a_renamed_model():
    model = kerasnets.build("resnet20_cifar", name="mine")
    kerasnets.freeze(model, until="stage1")
    assert not model.get_layer("stage1_block3_conv2").trainable
    assert model.get_layer("stage2_block1_conv1").trainable


def in_front(model):
    return kerasnets.with_preprocessing(model, kerasnets.preprocessing(model))


def between(model):
    """The scaling learned, and another classifier behind."""
    scaling = keras.layers.BatchNormalization(name="scaling")
    return keras.Sequential([keras.Input((32, 32, 3)), scaling, model, keras.layers.Dense(2)])


def twice(model):
    x = keras.Input((32, 32, 3))
    return keras.Model(x, between(model)(x), name="outside")


@pytest.mark.parametrize("wrapped", [in_front, between, twice])
@pytest.mark.parametrize("until", ["stage2", "stage3_block1", "stem_conv", "resnet20_cifar"])
def test_freeze_finds_the_network_inside_another_model(wrapped, until):
    plain, inner = (unweighted("resnet20_cifar", width=0.25) for _ in range(2))
    kerasnets.freeze(plain, until="logits" if until == "resnet20_cifar" else until)
    model = wrapped(inner)
    kerasnets.freeze(model, until=until)
    trained = [weight.path for weight in plain.trainable_weights]
    classifier = [] if wrapped is in_front else ["kernel", "bias"]
    found = [weight.path for weight in model.trainable_weights]
    assert found[: len(trained)] == trained
    assert [path.split("/")[-1] for path in found[len(trained) :]] == classifier


def test_freeze_says_the_stages_of_the_network_inside(resnet20):
    with pytest.raises(UserError, match=r"Unknown part of resnet20_cifar 'stage4'.*stage3"):
        kerasnets.freeze(in_front(resnet20), until="stage4")


def test_freeze_says_the_stages(resnet20):
    with pytest.raises(UserError, match=r"Unknown part of resnet20_cifar 'stage4'.*stage3"):
        kerasnets.freeze(resnet20, until="stage4")


def test_a_new_head_shares_the_backbone(resnet20):
    model = kerasnets.replace_head(resnet20, classes=3)
    assert model.output_shape == (None, 3)
    assert model.name == resnet20.name
    assert resnet20.output_shape == (None, 10)
    for layer in model.layers:
        shared = resnet20.get_layer(layer.name)
        assert (layer is shared) == (layer.name != "logits")
    pooled = keras.Model(resnet20.input, resnet20.get_layer("average_pool").output)(images(32))
    head = model.get_layer("logits")
    np.testing.assert_allclose(model(images(32)), head(pooled), rtol=1e-5, atol=1e-5)
    assert head.dtype_policy.name == "float32"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lenet5", {}),
        ("lenet5_modern", {}),
        ("nin_cifar10", {"width": 0.25}),
        ("nin_cifar10", {"width": 0.25, "activation": "prelu"}),
        ("alexnet", {"width": 0.125}),
        ("vgg11", {"width": 0.0625, "input_shape": (32, 32, 3)}),
        ("resnet18_v2", {"width": 0.25, "input_shape": (32, 32, 3), "dropout": 0.5}),
    ],
)
def test_every_kind_of_head_can_be_replaced(name, options):
    model = kerasnets.replace_head(kerasnets.build(name, **options), classes=13)
    built = kerasnets.build(name, classes=13, **options)
    assert model.output_shape == built.output_shape == (None, 13)
    assert all_params(model) == all_params(built)
    assert [layer.name for layer in model.layers] == [layer.name for layer in built.layers]
    x = images(model.input_shape[1], model.input_shape[3])
    np.testing.assert_allclose(np.sum(model(x), axis=1), 1.0, atol=1e-5)  # softmax is kept


def test_side_classifiers_are_replaced_too():
    options = {"width": 0.125, "auxiliary_heads": True}
    model = kerasnets.replace_head(kerasnets.build("googlenet", **options), classes=7)
    assert {name: logits.shape for name, logits in model.output.items()} == dict.fromkeys(
        ("predictions", "aux1", "aux2"), (None, 7)
    )
    assert all_params(model) == all_params(kerasnets.build("googlenet", classes=7, **options))


@pytest.mark.parametrize(
    ("options", "classes", "message"),
    [
        ({}, 0, "classes must be a positive integer. Received: 0"),
        ({}, True, "classes must be a positive integer. Received: True"),
        ({"include_top": False}, 5, "resnet20_cifar has no layer called 'logits'"),
    ],
)
def test_replace_head_checks_what_it_is_given(options, classes, message):
    with pytest.raises(UserError, match=message):
        kerasnets.replace_head(kerasnets.build("resnet20_cifar", **options), classes=classes)


def test_features_take_the_weights_of_a_whole_network(tmp_path):
    whole = kerasnets.build("resnet20_cifar", classes=7)
    save_weights(whole, tmp_path / "whole.safetensors")
    model = kerasnets.features("resnet20_cifar", weights=tmp_path / "whole.safetensors")
    x = images(32)
    backbone = keras.Model(whole.input, whole.get_layer("stage3_block3_act").output)
    np.testing.assert_allclose(model(x)["stage3"], backbone(x), rtol=1e-5, atol=1e-5)


def test_features_are_those_that_the_options_leave():
    small = {"stem": "small", "input_shape": (32, 32, 3), "width": 0.25}
    maps = kerasnets.features("shufflenet_v1", **small).output
    assert {stage: x.shape[1] for stage, x in maps.items()} == {
        "stage2": 16,
        "stage3": 8,
        "stage4": 4,
    }
    with pytest.raises(UserError, match="Unknown stage of shufflenet_v1 'stage1'.*stage2"):
        kerasnets.features("shufflenet_v1", stages=["stage1"], **small)


def test_features_end_in_what_is_computed_twice():
    options = {"input_shape": (32, 32, 3), "width": 0.25, "stem": "small", "remat": True}
    model = kerasnets.features("googlenet", **options)
    assert {x._keras_history.operation.name for x in model.output.values()} == {
        "conv1_act",
        "norm2",
        "inception3b_remat",
        "inception4e_remat",
        "inception5b_remat",
    }


def test_options_of_a_classifier_are_left_out_with_it(tmp_path):
    own = {"width": 0.25, "logits_bias": False}
    trained = kerasnets.build("resnet20_cifar", **own)
    trained.origin = dataclasses.replace(trained.origin, options=own)
    save_weights(trained, tmp_path / "own.safetensors")
    model = kerasnets.features("resnet20_cifar", weights=tmp_path / "own.safetensors")
    assert model.get_layer("stem_conv").filters == 4

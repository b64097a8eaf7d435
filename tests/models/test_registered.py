"""What holds for every registered network; a new one is tested by being registered."""

from __future__ import annotations

import functools
import inspect
import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasnets
from kerasnets import UserError
from kerasnets.models.blocks import Style
from kerasnets.models.densenet import densenet
from kerasnets.models.resnet_cifar import resnet_cifar
from kerasnets.private import variables_without_values
from kerasnets.registry import registration
from tests.docs.pages import generate
from tests.models.families import NAMES, SMALLEST, every_network
from tests.models.parts import DEPTHS, TABLES, fewer_blocks
from tests.slow import slow_except

# Whose blocks are of another kind than those of the smallest of their families.
OTHER_BLOCKS = ("alexnet", "googlenet", "highway19", "lenet5_modern", "resnet50", "densenet121")
# The tests of docs/ build the networks of the papers' tables anyhow.
COUNTED = {*SMALLEST, *(table.get("network", name) for name, table in generate.tables().items())}
# Where 32 pixels are too few; to find out takes seconds.
SMALLEST_SIDES = {"googlenet": 47, "inception_v3": 75, "inception_v4": 75} | dict.fromkeys(
    ("inception_resnet_v1", "inception_resnet_v2"), 75
)
# Options under which a training step reaches every weight: no block is dropped.
EVERY_BLOCK = {"resnet110_sd_cifar": {"drop_path_rate": 0.0}}


@functools.lru_cache(maxsize=2)
def small(name: str, **options) -> keras.Model:
    """The network as narrow and on as small an input as it goes, three classes, logits."""
    channels = kerasnets.info(name).input_shape[-1]
    arguments = {"classes": 3, "classifier_activation": None, **options}
    if "width" not in registration(name).fixed:
        arguments = {"width": 0.25, **arguments}
    side = SMALLEST_SIDES.get(name, 32) if "stem" not in options else 32
    try:
        return kerasnets.build(name, input_shape=(side, side, channels), **arguments)
    except UserError as error:
        side = int(re.search(r"smallest that works is (\d+)x", str(error))[1])
    return kerasnets.build(name, input_shape=(side, side, channels), **arguments)


@functools.lru_cache(maxsize=2)
def shallow(name: str, **options) -> keras.Model:
    """The network as `small` makes it, of two blocks a stage: all that its builder does."""
    with fewer_blocks(name):
        return small.__wrapped__(name, **options)


def images(model: keras.Model, count: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((count, *model.input_shape[1:])).astype(np.float32)


@pytest.mark.parametrize("name", slow_except(COUNTED, NAMES))
def test_counts_are_the_references(name):
    info = kerasnets.info(name)
    rows = generate.layers(name)
    assert sum(row.trainable for row in rows) == info.trainable_params
    assert sum(row.non_trainable for row in rows) == info.non_trainable_params
    assert sum(row.multiply_adds for row in rows) == info.multiply_adds
    assert rows[0].output_shape == info.input_shape
    assert rows[-1].output_shape == (info.classes,)
    shapes = {row.name: row.output_shape for row in rows}
    assert "logits" in shapes
    sides = [shapes[layer][0] for layer in registration(name).stages.values()]
    assert sides == sorted(sides, reverse=True)


@pytest.mark.parametrize("name", NAMES)
def test_head_layers_are_the_classifiers(name):
    features = keras.Input((2, 2, 4))
    entry = registration(name)
    with variables_without_values():  # VGG's values take half a gigabyte
        head = keras.Model(features, entry.head(features, entry.style, 3))
    assert tuple(layer.name for layer in head.layers if layer.weights) == entry.head_layers


@pytest.mark.parametrize("name", every_network())
def test_a_builder_called_alone_gives_what_build_gives(name):
    entry = registration(name)
    images = keras.Input(entry.info.input_shape, name="images")
    known = inspect.signature(entry.backbone).parameters
    # Values of the weights would take most of the time.
    with fewer_blocks(name), variables_without_values():
        variant = {key: value for key, value in entry.variant.items() if key in known}
        alone = keras.Model(images, entry.backbone(images, **variant))
        built = kerasnets.build(name, include_top=False)
    for layer, expected in zip(alone.layers, built.layers, strict=True):
        assert type(layer) is type(expected)
        assert layer.get_config() == expected.get_config()  # the name among others
    assert alone.output.shape == built.output.shape


def test_densenet_alone_has_121_batch_norms():
    images = keras.Input((224, 224, 3))
    with variables_without_values():
        model = keras.Model(images, densenet(images, depth=121))
    norms = [each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)]
    assert len(norms) == 121


def test_a_style_reaches_the_layers_of_a_builder_and_no_other():
    images = keras.Input((32, 32, 3))
    style = Style(activation="tanh", width=0.5)
    model = keras.Model(images, resnet_cifar(images, style, depth=20))
    assert model.get_layer("stem_conv_act").activation is keras.activations.tanh
    assert model.get_layer("stem_conv").filters == 8
    assert "stem_conv_bn" not in {layer.name for layer in model.layers}
    again = keras.Model(images, resnet_cifar(images, depth=20))
    assert again.get_layer("stem_conv_act").activation is keras.activations.relu


@pytest.mark.parametrize("name", every_network([*SMALLEST, *OTHER_BLOCKS]))
def test_a_training_step_reaches_every_weight(name):
    check_step(shallow(name, **EVERY_BLOCK.get(name, {})))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*DEPTHS, *TABLES, "inception_resnet_v1", "inception_resnet_v2"])
def test_a_training_step_reaches_every_weight_at_full_depth(name):
    check_step(small(name, **EVERY_BLOCK.get(name, {})))


def check_step(model):
    labels = np.array([0, 2, 1, 0])
    with tf.GradientTape() as tape:
        logits = model(images(model, 4), training=True)
        loss = tf.reduce_mean(
            keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        )
    assert np.isfinite(loss)
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None, variable.path
        values = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(values).all(), variable.path
        assert np.any(values != 0), variable.path


@pytest.mark.parametrize("name", every_network())
def test_saves_and_loads(name, tmp_path):
    model = shallow(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = images(model)
    np.testing.assert_array_equal(model(x), loaded(x))
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("name", every_network())
def test_runs_in_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = shallow.__wrapped__(name)
    finally:
        keras.config.set_dtype_policy("float32")
    result = model(images(model), training=True)
    assert result.dtype == tf.float32
    assert np.isfinite(result).all()
    # What gives the classes computes in float32.
    convolutions = [
        layer
        for layer in model.layers
        if "conv" in type(layer).__name__.lower() and layer.name != "class_maps"
    ]
    assert all(layer.compute_dtype == "bfloat16" for layer in convolutions)


@pytest.mark.parametrize("name", every_network())
def test_computes_in_float64_throughout(name):
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        with variables_without_values():
            model = shallow.__wrapped__(name)
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in model.layers} == {"float64"}
    assert {weight.dtype for weight in model.weights} <= {"float64", "int64", "uint32"}


def test_every_family_has_its_own_test_file():
    folder = pathlib.Path(__file__).parent
    families = {kerasnets.info(name).family for name in NAMES}
    missing = [family for family in families if not (folder / f"test_{family}.py").exists()]
    assert not missing

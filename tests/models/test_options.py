"""Options that every network takes, or refuses with the reason; new networks are tested too."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasnets
from kerasnets import UserError
from kerasnets.layers import Rematerialize, StochasticDepth
from kerasnets.models.build import unweighted
from kerasnets.registry import registration
from tests.models import parts
from tests.models.families import NAMES, every_network
from tests.models.test_registered import images, shallow

OPTIONS = {
    "dropout": 0.3,
    "activation": "prelu",
    "normalization": "group",
    "width": 0.25,
    "drop_path_rate": 0.3,
    "stem": "small",
    "remat": True,
}
RESIDUAL = {"resnet", "resnet_v2", "resnet_cifar", "resnet_v2_cifar", "stochastic_depth"}
RESIDUAL |= {"inception_resnet", "shufflenet"}
FOR_LARGE_IMAGES = {"alexnet", "densenet", "googlenet", "inception_v2", "inception_v3"}
FOR_LARGE_IMAGES |= {"inception_v4", "inception_resnet", "mobilenet", "resnet", "resnet_v2"}
FOR_LARGE_IMAGES |= {"shufflenet"}


def refused(name: str) -> set[str]:
    """What a network cannot have, from what its family is."""
    family = kerasnets.info(name).family
    options = set()
    if family not in RESIDUAL or name.startswith("plain"):
        options.add("drop_path_rate")
    if family not in FOR_LARGE_IMAGES and name != "nin":
        options.add("stem")
    if family == "lenet":
        options.add("remat")
    if name == "lenet5":
        options.add("width")
    return options


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_is_refused_with_the_reason(name):
    assert set(registration(name).fixed) == refused(name)
    for option in refused(name):
        with pytest.raises(UserError, match=rf"^{name} takes no option '{option}': [^.]{{20,}}\.$"):
            kerasnets.build(name, **{option: OPTIONS[option]})


@pytest.mark.parametrize("name", every_network())
def test_what_can_be_is_built_and_trains(name):
    options = {key: value for key, value in OPTIONS.items() if key not in refused(name)}
    random.seed(0)
    model = shallow.__wrapped__(name, **options)
    with parts.fewer_blocks(name):
        for option in options:
            globals()[f"check_{option}"](name, model)
    with tf.GradientTape() as tape:
        logits = model(images(model, 4), training=True)
        labels = np.array([0, 2, 1, 0])
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    gradients = tape.gradient(losses, [weight.value for weight in model.trainable_weights])
    assert np.isfinite(losses).all()
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), weight.path


def of_kind(model: keras.Model, kind: type) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def check_dropout(name: str, model: keras.Model) -> None:
    assert {layer.rate for layer in of_kind(model, keras.layers.Dropout)} == {0.3}


def check_activation(name: str, model: keras.Model) -> None:
    assert of_kind(model, keras.layers.PReLU)
    assert not of_kind(model, keras.layers.Activation)
    assert not of_kind(model, keras.layers.ReLU)


def check_normalization(name: str, model: keras.Model) -> None:
    assert of_kind(model, keras.layers.GroupNormalization)
    assert not of_kind(model, keras.layers.BatchNormalization)


def check_width(name: str, model: keras.Model) -> None:
    # A quarter of the filters is a sixteenth of the weights, but at the ends of the network.
    stem = {} if "stem" in refused(name) else {"stem": "small"}
    full = unweighted(name, input_shape=model.input_shape[1:], classes=3, **stem)
    assert model.count_params() < full.count_params() / 4


def check_drop_path_rate(name: str, model: keras.Model) -> None:
    rates = [layer.rate for layer in of_kind(model, StochasticDepth)]
    assert rates == sorted(rates)
    assert 0 < rates[0] < rates[-1] == 0.3


def check_stem(name: str, model: keras.Model) -> None:
    assert model.input_shape[1:3] == (32, 32)
    first = next(layer for layer in model.layers[1:] if layer.weights)
    assert first.output.shape[1:3] == (32, 32)
    stages = registration(name).stages.values()
    sides = [layer.output.shape[1] for layer in model.layers if layer.name in stages]
    # ShuffleNet's stage 2 begins with a stride.
    assert sides[0] == (16 if name == "shufflenet_v1" else 32)
    assert 2 <= sides[-1] <= 8


def check_remat(name: str, model: keras.Model) -> None:
    assert len(of_kind(model, Rematerialize)) >= 3


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "blocks", "options"),
    [
        ("highway10_mnist", 10, {"width": 0.5}),
        ("googlenet", 9, {"stem": "small"}),
        pytest.param("alexnet", 3, {"stem": "small"}, marks=slow),
        pytest.param("alexnet_owt", 3, {"stem": "small"}, marks=slow),
        pytest.param("highway19", 17, {}, marks=slow),
        pytest.param("inception_resnet_v1", 22, {"stem": "small"}, marks=slow),
        pytest.param("inception_resnet_v2", 43, {"stem": "small"}, marks=slow),
        pytest.param("inception_v2", 10, {"stem": "small"}, marks=slow),
        pytest.param("inception_v3", 11, {"stem": "small"}, marks=slow),
        pytest.param("inception_v4", 16, {"stem": "small"}, marks=slow),
        pytest.param("mobilenet_v1", 13, {"stem": "small"}, marks=slow),
        pytest.param("mobilenet_v1", 13, {"stem": "small", "separable": False}, marks=slow),
        pytest.param("nin", 4, {"stem": "small", "dropout": 0.0}, marks=slow),
        pytest.param("nin_cifar10", 3, {"dropout": 0.0}, marks=slow),
        pytest.param("plain20_cifar", 9, {}, marks=slow),
        pytest.param("shufflenet_v1", 16, {"stem": "small"}, marks=slow),
        pytest.param("vgg11_bn", 5, {}, marks=slow),
    ],
)
def test_rematerialisation_changes_no_gradient(name, blocks, options):
    if name != "highway10_mnist":
        options = {"width": 0.125, "input_shape": (32, 32, 3), **options}
    parts.check_remat(name, blocks, include_top=False, **options)

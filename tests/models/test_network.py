"""A network's origin survives whatever makes a model of it."""

import copy
import pickle

import keras
import numpy as np
import pytest

import kerasnets
from kerasnets.fast.rewriting import with_logits
from kerasnets.models.network import Network, rebuilt_like
from kerasnets.registry import WeightsOrigin

NETWORK = "resnet20_cifar"
# Unlike any network's own, so that a guess by the name would be found out.
ORIGIN = WeightsOrigin(
    network=NETWORK,
    preprocessing=kerasnets.Preprocessing(size=(32, 32), mean=(0.1, 0.2, 0.3), std=(0.5,) * 3),
    source="somewhere",
    options={"shortcut": "pad", "kernel_initializer": {"class_name": "Zeros", "config": {}}},
)


@pytest.fixture
def network():
    model = kerasnets.build(NETWORK, name="mine", width=0.25)
    model.origin = ORIGIN
    return model


def reloaded(model, path):
    model.save(path)
    return keras.saving.load_model(path)


COPIES = {
    "clone": lambda model, _: keras.models.clone_model(model),
    "clone of a clone": lambda model, _: keras.models.clone_model(keras.models.clone_model(model)),
    "clone by a function": lambda model, _: keras.models.clone_model(
        model, clone_function=lambda layer: type(layer).from_config(layer.get_config())
    ),
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "keras": lambda model, folder: reloaded(model, folder / "model.keras"),
    "json": lambda model, _: keras.models.model_from_json(model.to_json()),
    "inference": lambda model, _: kerasnets.for_inference(model),
    "inference on CPUs": lambda model, _: kerasnets.for_inference(model, device="cpu"),
    "another head": lambda model, _: kerasnets.replace_head(model, classes=3),
    "part": lambda model, _: rebuilt_like(model, model.input, model.layers[-2].output),
    "reloaded clone": lambda model, folder: reloaded(
        keras.models.clone_model(model), folder / "model.keras"
    ),
}


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_knows_its_origin(way, network, tmp_path):
    made = COPIES[way](network, tmp_path)
    assert made is not network
    assert isinstance(made, keras.Model)
    assert made.operations
    assert made.origin == ORIGIN
    assert kerasnets.preprocessing(made) == ORIGIN.preprocessing


@pytest.mark.parametrize("way", ["deepcopy", "keras", "pickle"])
def test_a_copy_computes_the_same(way, network, tmp_path):
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype("float32")
    made = COPIES[way](network, tmp_path)
    np.testing.assert_allclose(made(images), network(images), rtol=1e-5, atol=1e-6)


def test_features_and_networks_without_auxiliary_classifiers_know_their_origin():
    assert kerasnets.features(NETWORK).origin.network == NETWORK
    small = {"width": 0.0625, "input_shape": (96, 96, 3)}
    trained = kerasnets.build("googlenet_bn", auxiliary_heads=True, **small)
    alone = with_logits(trained)
    assert not isinstance(alone.output, dict)
    assert alone.origin == trained.origin


def test_a_network_inside_another_model_keeps_its_origin(network, tmp_path):
    on_images = kerasnets.with_preprocessing(network, ORIGIN.preprocessing)
    for copied in (keras.models.clone_model(on_images), reloaded(on_images, tmp_path / "a.keras")):
        assert copied.layers[-1].origin == ORIGIN


def test_other_models_have_no_origin(network):
    images = keras.Input((32, 32, 3))
    other = keras.Model(images, keras.layers.Conv2D(2, 3)(images), name="other")
    assert not isinstance(rebuilt_like(other, other.input, other.output), Network)
    with pytest.raises(kerasnets.UserError, match="'other' does not tell where its weights"):
        kerasnets.preprocessing(other)
    network.origin = None
    assert Network.from_config(network.get_config()).origin is None


def test_keras_takes_it_for_any_functional_model(network, tmp_path):
    """Also the older .h5 files, which know classes by their names alone."""
    lines = []
    network.summary(print_fn=lines.append)
    assert "mine" in "\n".join(lines)
    assert f"{type(network).__name__}" == "Functional"
    plain = kerasnets.build("vgg11", width=0.0625, input_shape=(32, 32, 3))
    again = reloaded(plain, tmp_path / "model.h5")
    images = np.random.default_rng(0).standard_normal((2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(again(images), plain(images), rtol=1e-5, atol=1e-6)

"""A network with published weights trains as its publisher's: epsilon, momentum, padding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets import build
from kerasnets.pretrained import load_weights
from kerasnets.pretrained.convert import convert_weights, project_tensors
from kerasnets.registry import registration
from kerasnets.weights import read_tensors, save_tensors, save_weights
from tests.models.keras_applications import largest_difference, randomize

# Epsilon and momentum of the publishers' batch norms, as their code has them; PyTorch's momentum
# is what is taken from the batch, 0.1 here.
PUBLISHERS = [
    ("mobilenet_v1", "timm", 1e-5, 0.9),
    ("mobilenet_v1", "keras", 1e-3, 0.99),
    ("resnet50", "keras", 1.001e-5, 0.99),
    ("resnet152", "keras", 1.001e-5, 0.99),
    ("resnet18", "torchvision", 1e-5, 0.9),
    ("resnet50_v2", "keras", 1.001e-5, 0.99),
    ("resnet50_v2", "timm", 1e-5, 0.9),
    ("densenet121", "keras", 1.001e-5, 0.99),
    ("densenet121", "torchvision", 1e-5, 0.9),
    ("densenet40_k12_cifar", "pytorchcv", 1e-5, 0.9),
    ("inception_v3", "torchvision", 1e-3, 0.9),
    ("inception_v3", "keras", 1e-3, 0.99),
    ("inception_v4", "timm", 1e-3, 0.9),
    ("inception_resnet_v2", "timm", 1e-3, 0.9),
    ("inception_resnet_v2", "keras", 1e-3, 0.99),
    ("googlenet_bn", "torchvision", 1e-3, 0.9),
    ("vgg16_bn", "torchvision", 1e-5, 0.9),
    ("vgg16_bn", "timm", 1e-5, 0.9),
    ("shufflenet_v1", "megvii", 1e-5, 0.9),
    ("resnet20_cifar", "akamaster", 1e-5, 0.9),
]


@pytest.mark.parametrize(("name", "project", "epsilon", "momentum"), PUBLISHERS)
def test_layouts_have_the_publishers_batch_norms(name, project, epsilon, momentum) -> None:
    entry = registration(name)
    options = entry.layouts[project].options
    assert entry.epsilon_of(project) == epsilon
    assert options.get("norm_momentum", entry.style.norm_momentum) == momentum


def norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    found = [each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)]
    assert found
    return found


@pytest.mark.parametrize(
    ("name", "theirs", "options"),
    [
        ("mobilenet_v1", "MobileNet", {"width": 0.25}),
        pytest.param("resnet50_v2", "ResNet50V2", {}, marks=pytest.mark.slow),
        pytest.param("densenet121", "DenseNet121", {}, marks=pytest.mark.slow),
    ],
)
def test_gradients_are_those_of_keras_applications(name, theirs, options, tmp_path) -> None:
    """With the statistics of a batch, and the moving statistics after it."""
    shared = {"input_shape": (32, 32, 3), "include_top": False, "pooling": "avg"}
    alpha = {"alpha": options["width"]} if options else {}
    peer = getattr(keras.applications, theirs)(weights=None, **shared, **alpha)
    randomize(peer)
    peer.save_weights(tmp_path / "peer.weights.h5")
    model = build(name, weights=tmp_path / "peer.weights.h5", **shared, **options)
    for ours, other in zip(norms(model), norms(peer), strict=True):
        assert (ours.epsilon, ours.momentum) == (other.epsilon, other.momentum)
        np.testing.assert_array_equal(ours.moving_variance, other.moving_variance)
    images = tf.random.stateless_uniform((4, 32, 32, 3), (1, 2), -1.0, 1.0)
    gradients = []
    for each in (model, peer):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(each(images, training=True)[:, ::3] ** 2)
        gradients.append(tape.gradient(loss, [x.value for x in each.trainable_variables]))
    for ours, other in zip(*gradients, strict=True):
        scale = np.abs(other).max()
        np.testing.assert_allclose(ours, np.reshape(other, ours.shape), atol=1e-3 * scale)
    for ours, other in zip(norms(model), norms(peer), strict=True):
        np.testing.assert_allclose(ours.moving_variance, other.moving_variance, rtol=1e-4)


NAME, SHAPE = "mobilenet_v1", {"width": 0.125, "input_shape": (32, 32, 3), "classes": 5}


@pytest.fixture(scope="module")
def of_timm(tmp_path_factory):
    """A file as timm publishes it, and a network of timm's epsilon with its weights.

    Some variances are of the size of the epsilons, where these count.
    """
    model = build(NAME, activation="relu6", norm_epsilon=1e-5, **SHAPE)
    randomize(model)
    for layer in norms(model):
        variance = layer.moving_variance.numpy()
        layer.moving_variance.assign(np.where(np.arange(len(variance)) % 4, variance, 1e-4))
    path = tmp_path_factory.mktemp("timm") / "weights.safetensors"
    save_tensors(path, project_tensors(model, registration(NAME), "timm"))
    return path, model


def test_the_epsilon_is_the_sources_and_nothing_is_folded(of_timm) -> None:
    path, source = of_timm
    model = build(NAME, weights=path, **SHAPE)
    assert {layer.epsilon for layer in norms(model)} == {1e-5}
    assert model.origin.options == {"activation": "relu6", "norm_epsilon": 1e-5}
    for one, other in zip(model.weights, source.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_epsilon_that_is_asked_for_gives_the_same_outputs(of_timm) -> None:
    path, source = of_timm
    model = build(NAME, weights=path, norm_epsilon=1e-3, **SHAPE)
    assert {layer.epsilon for layer in norms(model)} == {1e-3}
    assert model.origin.options["norm_epsilon"] == 1e-3
    # Variances that would be negative give the same sums all the same.
    assert largest_difference(model, source, 32) < 1e-4


@pytest.mark.parametrize("ending", [".safetensors", ".weights.h5", ".keras"])
@pytest.mark.parametrize("epsilon", [None, 1e-3])
def test_what_we_write_remembers_the_epsilon(ending, epsilon, of_timm, tmp_path) -> None:
    path, source = of_timm
    own = {} if epsilon is None else {"norm_epsilon": epsilon}
    model = build(NAME, weights=path, **own, **SHAPE)
    copy = tmp_path / f"copy{ending}"
    model.save(copy) if ending == ".keras" else save_weights(model, copy)
    again = build(NAME, weights=copy, **SHAPE)
    assert again.origin.options == {"activation": "relu6", "norm_epsilon": epsilon or 1e-5}
    assert {layer.epsilon for layer in norms(again)} == {epsilon or 1e-5}
    assert largest_difference(again, source, 32) < 1e-4
    if epsilon is None:
        # A network of the paper's epsilon takes them too, for inference.
        paper = build(NAME, activation="relu6", **SHAPE)
        load_weights(paper, copy)
        assert {layer.epsilon for layer in norms(paper)} == {1e-3}
        assert largest_difference(paper, source, 32) < 1e-4


def test_a_conversion_there_and_back_changes_nothing(of_timm, tmp_path) -> None:
    path, _ = of_timm
    options = {"network": NAME, "width": 0.125, "input_shape": (32, 32, 3)}
    convert_weights(path, tmp_path / "own.safetensors", **options)
    convert_weights(
        tmp_path / "own.safetensors", tmp_path / "theirs.safetensors", layout="timm", **options
    )
    expected = read_tensors(path)
    for name, array in read_tensors(tmp_path / "theirs.safetensors").items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_a_conversion_to_a_project_of_another_epsilon_keeps_the_outputs(tmp_path) -> None:
    model = build(NAME, activation="relu6", **SHAPE)  # the paper's epsilon, 1e-3
    randomize(model)
    save_weights(model, tmp_path / "own.safetensors")
    options = {"network": NAME, "width": 0.125, "input_shape": (32, 32, 3), "activation": "relu6"}
    convert_weights(
        tmp_path / "own.safetensors", tmp_path / "timm.safetensors", layout="timm", **options
    )
    theirs = build(NAME, weights=tmp_path / "timm.safetensors", **SHAPE)
    assert {layer.epsilon for layer in norms(theirs)} == {1e-5}
    assert largest_difference(theirs, model, 32) < 1e-4

import dataclasses
import json
import pickle

import keras
import numpy as np
import pytest
import safetensors.numpy

import kerasnets
from kerasnets import UserError, build
from kerasnets.models.resnet_cifar import pytorch_names
from kerasnets.pretrained import load_weights
from kerasnets.registry import Layout
from kerasnets.weights import read_tensors, save_weights
from kerasnets.weights.layouts import layout_tensors
from tests.weights.test_formats import save

PUBLISHED = Layout(names=pytorch_names)


@pytest.fixture(scope="module")
def network():
    return build("resnet20_cifar", classifier_activation=None)


@pytest.fixture(scope="module")
def published(network, tmp_path_factory):
    """A file as akamaster/pytorch_resnet_cifar10 writes it, with random statistics too."""
    rng = np.random.default_rng(7)
    tensors = {
        tensor.name: rng.uniform(0.1, 0.3, tensor.shape).astype(np.float32)
        for tensor in layout_tensors(network, PUBLISHED)
    }
    path = tmp_path_factory.mktemp("weights") / "resnet20.safetensors"
    safetensors.numpy.save_file(tensors, path)
    return path


def damaged(path, tmp_path, change):
    tensors = safetensors.numpy.load_file(path)
    change(tensors)
    changed = tmp_path / "changed.safetensors"
    safetensors.numpy.save_file(tensors, changed)
    return changed


def test_names_and_shapes_are_the_publishers(shared, network):
    real = read_tensors(shared / "weights" / "resnet20_cifar10.safetensors")
    real = {name: array.shape for name, array in real.items() if "num_batches" not in name}
    assert real == {tensor.name: tensor.shape for tensor in layout_tensors(network, PUBLISHED)}


def test_kernels_are_transposed(published):
    tensors = safetensors.numpy.load_file(published)
    model = build("resnet20_cifar", weights=published)
    kernel = model.get_layer("stage2_block1_conv1").kernel.numpy()
    expected = tensors["layer2.0.conv1.weight"]
    assert kernel.shape == (3, 3, 16, 32)
    for i, o in ((0, 0), (3, 17), (15, 31)):
        np.testing.assert_array_equal(kernel[:, :, i, o], expected[o, i])
    dense = model.get_layer("logits").kernel.numpy()
    np.testing.assert_array_equal(dense, tensors["linear.weight"].T)
    statistics = model.get_layer("stage1_block1_conv2_bn").moving_variance.numpy()
    np.testing.assert_array_equal(statistics, tensors["layer1.0.bn2.running_var"])


def test_flattened_features_change_their_order():
    """A dense layer after a flattened map: (C, H, W) in PyTorch, (H, W, C) in Keras."""
    model = build("lenet5_modern")
    layout = Layout(names=lambda layer: layer)
    tensors = {tensor.name: tensor for tensor in layout_tensors(model, layout)}
    weight = np.arange(120 * 400, dtype=np.float32).reshape(120, 400)
    kernel = np.zeros((400, 120), "float32")
    tensors["fc1.weight"].from_file(weight, kernel)
    maps = np.random.default_rng(0).standard_normal((5, 5, 16))
    expected = weight @ maps.transpose(2, 0, 1).ravel()
    np.testing.assert_allclose(maps.ravel() @ kernel, expected, rtol=1e-9)
    np.testing.assert_array_equal(tensors["fc1.weight"].to_file(kernel), weight)


def test_our_own_layout_round_trips(tmp_path):
    trained = build("lenet5", classifier_activation=None)
    save_weights(trained, tmp_path / "own.safetensors")
    loaded = build("lenet5", weights=tmp_path / "own.safetensors")
    for one, other in zip(trained.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert "c3/kernel" in read_tensors(tmp_path / "own.safetensors")


@pytest.mark.needs("torch")
def test_pytorch_pickle(published, tmp_path):
    import torch

    tensors = safetensors.numpy.load_file(published)
    state = {f"module.{name}": torch.from_numpy(array) for name, array in tensors.items()}
    torch.save({"state_dict": state, "best_prec1": 91.78}, tmp_path / "model.th")
    one = build("resnet20_cifar", weights=published).get_weights()
    other = build("resnet20_cifar", weights=tmp_path / "model.th").get_weights()
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.needs("torch")
def test_a_pickle_with_code_is_not_run(tmp_path):
    import torch

    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "attacked"), "w"))

    torch.save({"state_dict": Attack()}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match="its code was not run"):
        build("resnet20_cifar", weights=tmp_path / "bad.pth")
    assert not (tmp_path / "attacked").exists()


def test_without_torch_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "old.pth").write_bytes(pickle.dumps({"a": 1}, protocol=2))
    with pytest.raises(UserError, match=r"pip install 'kerasnets\[torch\]'"):
        build("resnet20_cifar", weights=tmp_path / "old.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Found an empty file"),
        (b"<!DOCTYPE html><html>404</html>", "Found a web page"),
        (b"GIF89a and so on", "Found b'GIF89a a'"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{not json      }", "is damaged"),
        (b"\xff\xff\xff\x00\x00\x00\x00\x00{}", "is damaged"),
    ],
)
def test_what_is_no_weight_file_is_told(tmp_path, content, message):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        build("resnet20_cifar", weights=path)


def test_a_truncated_file_is_told(published, tmp_path):
    path = tmp_path / "half.safetensors"
    path.write_bytes(published.read_bytes()[:-1000])
    with pytest.raises(UserError, match="is damaged"):
        build("resnet20_cifar", weights=path)


def test_a_missing_file_is_told():
    with pytest.raises(UserError, match="There is no weight file 'nowhere.pth'"):
        build("resnet20_cifar", weights="nowhere.pth")


def test_tensors_at_fault_are_named(published, tmp_path):
    path = damaged(published, tmp_path, lambda tensors: tensors.pop("layer1.0.bn1.bias"))
    with pytest.raises(UserError, match="1 tensors are missing: layer1.0.bn1.bias"):
        build("resnet20_cifar", weights=path)
    extra = {"layer9.weight": np.zeros(3, np.float32)}
    path = damaged(published, tmp_path, lambda tensors: tensors.update(extra))
    with pytest.raises(UserError, match="1 do not belong to it: layer9.weight"):
        build("resnet20_cifar", weights=path)


def test_a_file_for_other_classes_is_told(tmp_path):
    save_weights(build("resnet20_cifar", classes=5), tmp_path / "five.safetensors")
    message = r"logits/kernel has shape \(64, 5\), expected \(64, 10\).*"
    message += "is for 5 classes: classes=5 takes it, any other classes=N starts a new one"
    with pytest.raises(UserError, match=message):
        build("resnet20_cifar", weights=tmp_path / "five.safetensors")


def test_a_network_knows_what_the_weights_that_it_was_given_need(tmp_path):
    small = {"input_shape": (32, 32, 3), "include_top": False}
    path = tmp_path / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    save(keras.applications.VGG16(weights=None, **small), path)
    model = build("vgg16", **small)
    assert kerasnets.preprocessing(model).channel_order == "rgb"
    load_weights(model, path)
    assert kerasnets.preprocessing(model).channel_order == "bgr"
    loaded = build("vgg16", weights=path, **small).origin
    assert model.origin == dataclasses.replace(loaded, options={})


def test_what_a_network_is_saved_with_after_other_weights_is_its_own(tmp_path):
    small = {"width": 0.25, "input_shape": (64, 64, 3), "classifier_activation": None}
    theirs = build("mobilenet_v1", norm_epsilon=1e-5, **small)
    theirs.origin = dataclasses.replace(theirs.origin, options={"norm_epsilon": 1e-5})
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # An epsilon counts.
            layer.moving_variance.assign(keras.ops.full(layer.moving_variance.shape, 0.01))
    save_weights(theirs, tmp_path / "theirs.safetensors")
    model = build("mobilenet_v1", **small)
    assert load_weights(model, tmp_path / "theirs.safetensors") is None
    save_weights(model, tmp_path / "ours.safetensors")
    again = build("mobilenet_v1", weights=tmp_path / "ours.safetensors", **small)
    images = np.random.default_rng(0).standard_normal((2, 64, 64, 3)).astype("float32")
    np.testing.assert_allclose(again(images), theirs(images), rtol=1e-3)


def test_other_classes_that_are_asked_for_start_anew(published, caplog):
    """The backbone is the file's, the classifier random, and the log says so."""
    model = build("resnet20_cifar", classes=5, weights=published)
    assert "logits starts anew" in caplog.text
    tensors = safetensors.numpy.load_file(published)
    kernel = model.get_layer("stem_conv").kernel.numpy()
    np.testing.assert_array_equal(kernel, tensors["conv1.weight"].transpose(2, 3, 1, 0))
    head = model.get_layer("logits")
    assert head.kernel.shape == (64, 5)
    assert head.kernel.numpy().std() > 0
    assert "Deferred" not in str(model.get_config())


@pytest.mark.parametrize(
    ("name", "options", "last"),
    [
        ("lenet5", {}, "rbf"),
        ("nin_cifar10", {}, "class_maps"),
        ("alexnet_owt", {"dense_head": "conv", "width": 0.125}, "fc8"),
    ],
)
def test_a_classifier_of_any_name_starts_anew(name, options, last, tmp_path, caplog):
    trained = build(name, **options)
    save_weights(trained, tmp_path / "own.safetensors")
    model = build(name, classes=26, weights=tmp_path / "own.safetensors", **options)
    assert f"{last} starts anew" in caplog.text
    expected = {weight.path: weight.numpy() for weight in trained.weights}
    for layer in model.layers:
        for weight in layer.weights:
            if layer.name != last:
                np.testing.assert_array_equal(weight.numpy(), expected[weight.path])
    assert model.get_layer(last).weights[0].numpy().std() > 0


def test_without_the_top_a_files_classifier_is_left_out(published):
    whole = build("resnet20_cifar", weights=published)
    backbone = build("resnet20_cifar", include_top=False, weights=published)
    expected = {weight.path: weight.numpy() for weight in whole.weights}
    for weight in backbone.weights:
        np.testing.assert_array_equal(weight.numpy(), expected[weight.path])


def test_weights_without_a_classifier_are_told(tmp_path):
    save_weights(build("resnet20_cifar", include_top=False), tmp_path / "notop.safetensors")
    with pytest.raises(UserError, match="It has no classifier: include_top=False builds none"):
        build("resnet20_cifar", weights=tmp_path / "notop.safetensors")
    build("resnet20_cifar", classes=10, weights=tmp_path / "notop.safetensors")


@pytest.mark.parametrize("channels", [1, 4])
def test_other_input_channels(published, channels, caplog):
    """Gray pixels give what the same gray in every colour gives; more channels repeat."""
    colour = build("resnet20_cifar", weights=published).get_layer("stem_conv")
    other = build("resnet20_cifar", input_shape=(32, 32, channels), weights=published)
    kernel, expected = other.get_layer("stem_conv").kernel.numpy(), colour.kernel.numpy()
    np.testing.assert_allclose(
        kernel.sum(2), expected.sum(2), rtol=1e-5
    ) if channels == 1 else np.testing.assert_allclose(kernel[:, :, 3], 0.75 * expected[:, :, 0])
    assert f"for 3 input channels, the input has {channels}" in caplog.text


def test_another_networks_weights_leave_the_model_untouched(published):
    model = build("resnet32_cifar")
    before = model.get_weights()
    with pytest.raises(UserError, match="does not fit resnet32_cifar: 60 tensors are missing"):
        load_weights(model, published)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_networks_that_weights_do_fit_are_named(published, tmp_path):
    missing = "does not fit resnet32_cifar: 60 tensors are missing: [^;]*"
    with pytest.raises(UserError, match=rf"{missing}\. It fits resnet20_cifar\.$"):
        build("resnet32_cifar", weights=published)
    path = damaged(published, tmp_path, lambda tensors: tensors.pop("conv1.weight"))
    with pytest.raises(UserError, match=r"conv1.weight. No network of about its size fits it\.$"):
        build("resnet20_cifar", weights=path)


def test_header_of_our_files_is_plain_json(tmp_path):
    save_weights(build("lenet5"), tmp_path / "own.safetensors")
    content = (tmp_path / "own.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    assert json.loads(content[8 : 8 + size])["c1/kernel"]["shape"] == [5, 5, 1, 6]

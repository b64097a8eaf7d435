"""From one format to another, and to PyTorch and back."""

import types

import numpy as np
import pytest
import safetensors.numpy

from kerasnets import UserError, build
from kerasnets.cli.main import main
from kerasnets.pretrained.convert import convert_weights, project_tensors
from kerasnets.registry import registration
from kerasnets.weights import pytorch, save_weights
from tests.golden import manifest
from tests.models.keras_applications import randomize


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("alexnet_owt", {"width": 0.125}),
        ("vgg16_bn", {"width": 0.125}),
        ("resnet50_v1_5", {"width": 0.25}),
        pytest.param("densenet121", {}, marks=pytest.mark.slow),
        ("googlenet_bn", {"auxiliary_heads": True}),
        pytest.param(
            "inception_v3", {"auxiliary_heads": True, "width": 0.25}, marks=pytest.mark.slow
        ),
    ],
)
def test_through_torchvisions_layout_and_back(name: str, options: dict, tmp_path) -> None:
    """Bit for bit."""
    network = build(name, **options)
    randomize(network)
    paths = [tmp_path / file for file in ("own.safetensors", "theirs.safetensors", "back.keras")]
    save_weights(network, paths[0])
    convert_weights(paths[0], paths[1], network=name, layout="torchvision", **options)
    convert_weights(paths[1], paths[2], network=name, **options)
    loaded = build(name, weights=paths[2], **options)
    for one, other in zip(network.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize(
    "name",
    [
        *("resnet50", "googlenet"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("densenet121", "inception_v3")),
    ],
)
def test_what_pytorch_gets_is_what_torchvision_publishes(name: str) -> None:
    """All names, shapes and counters, so that a strict ``load_state_dict`` takes them."""
    ours = {"resnet50": "resnet50_v1_5", "googlenet": "googlenet_bn"}.get(name, name)
    entry = registration(ours)
    options = {"auxiliary_heads": True} if entry.auxiliary_heads else {}
    network = build(ours, kernel_initializer="zeros", **options)
    tensors = project_tensors(network, entry, "torchvision")
    expected = {
        key: tuple(shape) for key, shape in manifest("torchvision", name)["tensors"].items()
    }
    assert {key: array.shape for key, array in tensors.items()} == expected


@pytest.mark.slow
@pytest.mark.needs("torch")
def test_the_command_finds_the_network_and_the_classes(tmp_path, capsys) -> None:
    import torch

    network = build("resnet18", classes=7, width=1.0)
    save_weights(network, tmp_path / "seven.safetensors")
    main(["convert", str(tmp_path / "seven.safetensors"), str(tmp_path / "seven.pth")])
    assert "the weights of resnet18" in capsys.readouterr().out
    state = torch.load(tmp_path / "seven.pth", weights_only=True)
    assert state["fc.weight"].shape == (7, 512)
    assert state["bn1.num_batches_tracked"].dtype == torch.int64
    kernel = network.get_layer("stem_conv").kernel.numpy()
    np.testing.assert_array_equal(state["conv1.weight"].numpy(), kernel.transpose(3, 2, 0, 1))


@pytest.mark.parametrize(("name", "classes"), [("lenet5", 10), ("lenet5", 26)])
def test_a_classifier_of_any_name_tells_the_classes(name, classes, tmp_path) -> None:
    """LeNet-5's is called rbf and holds a row of codes for each class."""
    network = build(name, classes=classes)
    save_weights(network, tmp_path / "own.weights.h5")
    assert convert_weights(tmp_path / "own.weights.h5", tmp_path / "own.safetensors") == name
    loaded = build(name, classes=classes, weights=tmp_path / "own.safetensors")
    for one, other in zip(network.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        ("out.bin", {}, "The format is told by the file's ending"),
        ("out.pth", {}, "No PyTorch project that is known here has lenet5"),
        ("out.keras", {"layout": "torchvision"}, "Unknown layout of lenet5 'torchvision'"),
        ("out.keras", {"network": "lenet7"}, "Unknown network 'lenet7'"),
    ],
)
def test_what_cannot_be_written_is_told(target, arguments, message, tmp_path) -> None:
    save_weights(build("lenet5"), tmp_path / "own.safetensors")
    with pytest.raises(UserError, match=message):
        convert_weights(
            tmp_path / "own.safetensors", tmp_path / target, **{"network": "lenet5", **arguments}
        )
    assert not (tmp_path / target).exists()


@pytest.mark.parametrize(
    "error", [RuntimeError("[enforce fail] cut off\nframe #0"), OSError(28, "full")]
)
def test_a_pickle_that_cannot_be_written_is_told(error, tmp_path, monkeypatch) -> None:
    """PyTorch raises RuntimeError where the disk is full, with its stack behind the first line."""

    def save(*_):
        raise error

    torch = types.SimpleNamespace(from_numpy=lambda array: array, save=save)
    monkeypatch.setattr(pytorch, "_torch", lambda _: torch)
    with pytest.raises(UserError, match="out.pth' was not written: (.*cut off|full)") as found:
        pytorch.save(tmp_path / "out.pth", {})
    assert "\n" not in str(found.value)
    with pytest.raises(UserError, match="out.pth' was not written: there is no folder '.*none'"):
        pytorch.save(tmp_path / "none" / "out.pth", {})


def test_weights_of_unknown_networks_are_told(tmp_path) -> None:
    tensors = {"layer.weight": np.zeros((3, 4), "float32")}
    safetensors.numpy.save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="fits no network of about its size"):
        convert_weights(tmp_path / "x.safetensors", tmp_path / "y.keras")

"""Every format and layout that a network's weights come in."""

import pathlib
import re

import h5py
import keras
import numpy as np
import pytest

from kerasnets import UserError, build
from kerasnets.pretrained.convert import project_tensors
from kerasnets.registry import registration
from kerasnets.weights import save_weights
from tests.models.keras_applications import largest_difference, randomize
from tests.slow import slow_except

APPLICATIONS = {
    # Ours: theirs, size, options of ours.
    "vgg16": ("VGG16", 32, {"include_top": False}),
    "resnet50": ("ResNet50", 64, {}),
    "resnet50_v2": ("ResNet50V2", 64, {}),
    "densenet121": ("DenseNet121", 64, {}),
    "inception_v3": ("InceptionV3", 96, {}),
    "inception_resnet_v2": ("InceptionResNetV2", 96, {}),
    "mobilenet_v1": ("MobileNet", 64, {}),
}


ENDINGS = (".h5", ".weights.h5", ".keras")


def save(model: keras.Model, path: pathlib.Path) -> None:
    """As Keras does; ``.h5`` holds weights alone, as the files of keras.applications do."""
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    elif path.suffix == ".keras":
        model.save(path)
    else:
        model.save(path.with_name("model.h5"))
        with h5py.File(path.with_name("model.h5")) as source, h5py.File(path, "w") as target:
            for name in source["model_weights"]:
                source.copy(source["model_weights"][name], target)
            for name, value in source["model_weights"].attrs.items():
                target.attrs[name] = value


def application(name: str, size: int, include_top: bool) -> keras.Model:
    peer = getattr(keras.applications, name)(
        weights=None, include_top=include_top, input_shape=(size, size, 3)
    )
    randomize(peer)
    return peer


@pytest.mark.parametrize("name", slow_except(["resnet50"], APPLICATIONS))
def test_files_of_keras_applications(name: str, tmp_path) -> None:
    """Each of Keras' three formats, with the top and without."""
    theirs, size, options = APPLICATIONS[name]
    peer = application(theirs, size, options.get("include_top", True))
    options = {"input_shape": (size, size, 3), **options}
    for ending in ENDINGS:
        path = tmp_path / f"weights{ending}"
        save(peer, path)
        network = build(name, weights=path, **options)
        assert largest_difference(network, peer, size) < 1e-4, ending
        path.unlink()
    backbone = application(theirs, size, False)
    save(backbone, tmp_path / "notop.h5")
    options["include_top"] = False
    network = build(name, weights=tmp_path / "notop.h5", **options)
    assert largest_difference(network, backbone, size) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "theirs", "size"),
    [
        ("vgg16", "VGG16", 224),
        ("vgg19", "VGG19", 224),
        ("resnet101", "ResNet101", 64),
        ("resnet152", "ResNet152", 64),
        ("resnet101_v2", "ResNet101V2", 64),
        ("resnet152_v2", "ResNet152V2", 64),
        ("densenet169", "DenseNet169", 64),
        ("densenet201", "DenseNet201", 64),
    ],
)
def test_files_of_the_larger_keras_applications(name, theirs, size, tmp_path) -> None:
    peer = application(theirs, size, True)
    for ending in ENDINGS:
        path = tmp_path / f"weights{ending}"
        save(peer, path)
        network = build(name, weights=path, input_shape=(size, size, 3))
        assert largest_difference(network, peer, size) < 1e-4, ending
        path.unlink()


@pytest.mark.parametrize(
    "name",
    slow_except(
        ["lenet5", "shufflenet_v1"], ["lenet5", "resnet20_cifar", "alexnet", "shufflenet_v1"]
    ),
)
@pytest.mark.parametrize("ending", [*ENDINGS, ".safetensors"])
def test_our_networks_come_back_from_every_format(name: str, ending: str, tmp_path) -> None:
    options = {} if name in ("lenet5", "resnet20_cifar") else {"width": 0.125}
    network = build(name, **options)
    randomize(network)
    path = tmp_path / f"weights{ending}"
    (save_weights if ending == ".safetensors" else save)(network, path)
    loaded = build(name, weights=path, **options)
    for one, other in zip(network.weights, loaded.weights, strict=True):
        assert one.path == other.path
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_whole_model_in_the_older_format(tmp_path) -> None:
    network = build("resnet20_cifar")
    network.save(tmp_path / "model.h5")
    loaded = build("resnet20_cifar", weights=tmp_path / "model.h5")
    for one, other in zip(network.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.needs("torch")
def test_files_of_half_precision_load(tmp_path) -> None:
    import torch

    network, entry = build("resnet20_cifar"), registration("resnet20_cifar")
    for dtype in (torch.float16, torch.bfloat16):
        state = {
            name: torch.from_numpy(array).to(dtype)
            for name, array in project_tensors(network, entry, "akamaster").items()
        }
        torch.save(state, tmp_path / "half.pth")
        loaded = build("resnet20_cifar", weights=tmp_path / "half.pth")
        for one, other in zip(network.weights, loaded.weights, strict=True):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-2, atol=1e-6)


def test_keras_files_say_who_they_are_by_content(tmp_path) -> None:
    """Not by their names."""
    network = build("resnet20_cifar")
    network.save_weights(tmp_path / "x.weights.h5")
    (tmp_path / "x.weights.h5").rename(tmp_path / "x.pth")
    build("resnet20_cifar", weights=tmp_path / "x.pth")
    with pytest.raises(UserError, match="It fits plain20_cifar or resnet20_cifar"):
        build("resnet32_cifar", weights=tmp_path / "x.pth")


@pytest.mark.needs("torch")
def test_densenets_as_torchvision_has_published_them(tmp_path):
    """Their files are older than the rule that a module's name has no dots."""
    import torch

    options = {"input_shape": (32, 32, 3), "width": 0.125}
    network = build("densenet121", **options)
    randomize(network)
    tensors = project_tensors(network, registration("densenet121"), "torchvision")
    state = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)\.", r"\1.\2.", name): torch.from_numpy(array)
        for name, array in tensors.items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in state
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    loaded = build("densenet121", weights=tmp_path / "old.pth", **options)
    for one, other in zip(network.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())

"""Published layouts from files: the logits of the projects that publish them."""

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from kerasnets import build
from tests import golden

# Project, its network, ours.
GOLDENS = [
    ("torchvision", "alexnet", "alexnet_owt"),
    ("torchvision", "densenet121", "densenet121"),
    ("torchvision", "densenet169", "densenet169"),
    ("torchvision", "googlenet", "googlenet_bn"),
    ("torchvision", "inception_v3", "inception_v3"),
    ("torchvision", "resnet18", "resnet18"),
    ("torchvision", "resnet50", "resnet50_v1_5"),
    ("torchvision", "resnet101", "resnet101_v1_5"),
    ("torchvision", "vgg11", "vgg11"),
    ("torchvision", "vgg16", "vgg16"),
    ("torchvision", "vgg16_bn", "vgg16_bn"),
    ("torchvision", "vgg19", "vgg19"),
    ("timm", "inception_v3", "inception_v3"),
    ("timm", "inception_v4", "inception_v4"),
    ("timm", "mobilenetv1_100", "mobilenet_v1"),
    ("timm", "resnet18", "resnet18"),
    ("timm", "resnetv2_18", "resnet18_v2"),
    ("timm", "resnetv2_50", "resnet50_v2"),
    ("timm", "vgg16", "vgg16"),
    ("pytorchcv", "densenet40_k12_cifar10", "densenet40_k12_cifar"),
    ("pytorchcv", "densenet100_k12_bc_cifar10", "densenet_bc100_k12_cifar"),
    ("megvii", "shufflenet_v1_g3_1x", "shufflenet_v1"),
]


def test_every_golden_is_here() -> None:
    files = {(path.parent.name, path.stem) for path in golden.FOLDER.glob("*/*.npy")}
    assert files == {(project, theirs) for project, theirs, _ in GOLDENS}


@pytest.mark.slow
@pytest.mark.parametrize(("project", "theirs", "name"), GOLDENS)
@pytest.mark.parametrize(
    "ending", [".safetensors", pytest.param(".pth", marks=pytest.mark.needs("torch"))]
)
def test_logits(project: str, theirs: str, name: str, ending: str, tmp_path) -> None:
    check(project, theirs, name, tmp_path / f"weights{ending}")


@pytest.mark.parametrize(
    "ending", [".safetensors", pytest.param(".pth", marks=pytest.mark.needs("torch"))]
)
def test_logits_of_one(ending: str, tmp_path) -> None:
    check("torchvision", "resnet18", "resnet18", tmp_path / f"weights{ending}")


def check(project: str, theirs: str, name: str, path) -> None:
    state = golden.golden_state(project, theirs)
    if path.suffix == ".pth":
        import torch

        torch.save({key: torch.from_numpy(array) for key, array in state.items()}, path)
    else:
        save_file(state, path)
    network = build(name, weights=path, classifier_activation=None)
    path.unlink()  # half a gigabyte, some of them
    images = golden.golden_images(golden.manifest(project, theirs)["input_size"])
    logits = keras.ops.convert_to_numpy(network(images))
    expected = golden.golden_logits(project, theirs)
    assert np.abs(logits - expected).max() < 1e-4 * np.abs(expected).max()

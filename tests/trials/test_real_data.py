"""The figures that the project promises, on real data; run by `make trials`."""

from __future__ import annotations

import re
import tarfile

import pytest

pytestmark = [pytest.mark.realdata, pytest.mark.timeout(1800)]


@pytest.fixture(scope="session")
def unpacked(shared, tmp_path_factory):
    """Unpacks one of the archives."""
    folder = tmp_path_factory.mktemp("data")

    def unpack(name):
        with tarfile.open(shared / "data" / name) as archive:
            archive.extractall(folder, filter="data")
        return folder

    return unpack


def accuracy(text: str) -> float:
    return float(re.findall(r"test: top-1 ([\d.]+)%", text)[-1])


@pytest.mark.parametrize(
    "suffix", ["safetensors", pytest.param("th", marks=pytest.mark.needs("torch"))]
)
def test_a_published_resnet20_scores_as_it_did_in_pytorch(
    shared, unpacked, kerasnets_command, suffix
):
    data = unpacked("cifar10-jpeg.tar.xz") / "cifar10-jpeg"
    weights = shared / "weights" / f"resnet20_cifar10.{suffix}"
    result = kerasnets_command(
        "evaluate", "resnet20_cifar", "--weights", weights, "--data", f"folder:{data}"
    )
    # The original PyTorch code scores 81.03 % on these files.
    assert accuracy(result.stdout) == pytest.approx(81.03, abs=0.05), result.stderr


def test_option_a_has_zeros_on_both_sides(shared, unpacked, kerasnets_command):
    """The checkpoint's shapes do not tell; appended zeros give another accuracy."""
    data = unpacked("cifar10-jpeg.tar.xz") / "cifar10-jpeg"
    weights = shared / "weights" / "resnet20_cifar10.safetensors"
    result = kerasnets_command(
        "evaluate", "resnet20_cifar", "--weights", weights, "--data", f"folder:{data}",
        "--options", "zero_placement", "append",
    )  # fmt: skip
    assert accuracy(result.stdout) < 40, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("model", "least"), [("lenet5", 98.9), ("lenet5_modern", 99.2)])
def test_lenet_on_mnist(unpacked, kerasnets_command, tmp_path, model, least):
    data = unpacked("mnist-tfds.tar.xz")
    result = kerasnets_command(
        "train", "--model", model, "--data", "mnist", "--data-dir", data, cwd=tmp_path
    )
    assert accuracy(result.stderr) >= least, result.stderr


@pytest.mark.slow
def test_resnet20_climbs_in_three_epochs(unpacked, kerasnets_command, tmp_path):
    data = unpacked("cifar10-jpeg.tar.xz") / "cifar10-jpeg"
    result = kerasnets_command(
        "train", "--model", "resnet20_cifar", "--data", f"folder:{data}", "--epochs", "3",
        "--no-export", cwd=tmp_path, wait=1500,
    )  # fmt: skip
    assert accuracy(result.stderr) > 60, result.stderr


def test_lenet5_on_digits(kerasnets_command, tmp_path):
    result = kerasnets_command("train", cwd=tmp_path)
    assert accuracy(result.stderr) >= 98, result.stderr

"""PyTorch's files as people save them: what holds numbers loads, all else is told in one line."""

import pickle
import warnings

import keras
import numpy as np
import pytest

from kerasnets import UserError, build
from kerasnets.pretrained.convert import project_tensors
from kerasnets.registry import registration
from kerasnets.weights import read_tensors

pytestmark = pytest.mark.needs("torch")
NAME = "resnet20_cifar"
OPTIONS = {"width": 0.125}


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return build(NAME, **OPTIONS)


@pytest.fixture
def state(network) -> dict:
    """The network's weights as akamaster's files have them."""
    import torch

    tensors = project_tensors(network, registration(NAME), "akamaster")
    return {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}


def parameters(state: dict) -> object:
    import torch

    return {
        name: torch.nn.Parameter(tensor) if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


def buffers(state: dict) -> object:
    """Views of one storage, none of them contiguous."""
    import torch

    return {name: torch.stack([tensor, tensor], -1)[..., 0] for name, tensor in state.items()}


GOOD = {
    "tensors": lambda state: state,
    "parameters": parameters,
    "views": buffers,
    "double precision": lambda state: {name: tensor.double() for name, tensor in state.items()},
    "with the optimizer": lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 0.1}},
    "parallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
}


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("zipped", [True, False])
def test_what_people_save_loads(kind, zipped, network, state, tmp_path) -> None:
    import torch

    path = tmp_path / "weights.pth"
    torch.save(GOOD[kind](state), path, _use_new_zipfile_serialization=zipped)
    loaded = build(NAME, weights=path, **OPTIONS)
    for one, other in zip(network.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def replacing(make, name="conv1.weight"):
    """Another tensor under one name."""
    return lambda state: {**state, name: make(state[name])}


def quantized(tensor):
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)


class Code:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code was run')",)


BAD = {
    "sparse": (
        replacing(lambda tensor: tensor.to_sparse()),
        "conv1.weight is a sparse tensor, expected a dense one",
    ),
    "compressed rows": (
        replacing(lambda tensor: tensor.to_sparse_csr(), "linear.weight"),
        "linear.weight is a sparse tensor|was not read",
    ),
    "meta": (
        replacing(lambda tensor: tensor.to("meta")),
        "conv1.weight is a meta tensor, expected a dense one",
    ),
    "quantized": (replacing(quantized), "conv1.weight is a quantized tensor|was not read"),
    "whole numbers": (
        replacing(lambda tensor: tensor.int()),
        "1 hold no floating-point numbers: conv1.weight holds int32",
    ),
    "complex numbers": (
        replacing(lambda tensor: tensor.to(dtype=tensor.to_dense().dtype.to_complex())),
        "1 hold no floating-point numbers: conv1.weight holds complex64",
    ),
    "NaN": (
        replacing(lambda tensor: tensor * float("nan")),
        r"cannot be used: conv1.weight \(for stem_conv/kernel\) holds NaN, expected finite",
    ),
    "infinite numbers": (
        replacing(lambda tensor: tensor + float("inf"), "bn1.running_var"),
        r"cannot be used: bn1.running_var \(for stem_conv_bn/moving_variance\) holds infinite",
    ),
    "too large for float32": (
        replacing(lambda tensor: tensor.double() + 1e300),
        "cannot be used: conv1.weight .* holds infinite numbers",
    ),
    "a list": (lambda state: list(state.values()), "no dictionary of tensors by name, but a list"),
    "one tensor": (lambda state: state["conv1.weight"], "by name, but a Tensor"),
    "nothing": (lambda state: {}, "no dictionary of tensors by name, but a dict"),
    "another wrapping": (
        lambda state: {"epoch": 3, "net": {"weights": state}},
        "no dictionary of tensors by name, but a dict of epoch, net",
    ),
    "a module": (lambda state: __import__("torch").nn.Linear(2, 2), "its code was not run: "),
    "code": (lambda state: Code(), "its code was not run: "),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_used_is_told(kind, state, tmp_path) -> None:
    import torch

    change, message = BAD[kind]
    path = tmp_path / "weights.pth"
    torch.save(change(state), path)
    with pytest.raises(UserError, match=message) as caught:
        build(NAME, weights=path, **OPTIONS)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_any_damage_is_told(zipped, state, tmp_path) -> None:
    """Bytes turned in what says how the tensors lie: some tensors, or one line."""
    import torch

    path = tmp_path / "weights.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    draw, said = np.random.default_rng(5), []
    where = content.index(b"conv1.weight")
    for trial in range(60):
        broken = bytearray(content)
        for place in draw.integers(where, where + 3000, 1 + trial % 3):
            broken[place] ^= 1 << draw.integers(0, 8)
        path.write_bytes(broken if trial % 5 else broken[: draw.integers(2, len(broken))])
        try:
            read_tensors(path)
        except UserError as error:
            said.append(str(error))
    assert 20 < len(said) < 60
    assert not any("\n" in line or str(path) not in line for line in said)


@pytest.mark.parametrize("protocol", [0, 3, 5])
def test_pickles_that_torch_does_not_write_are_told(protocol, tmp_path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps({"conv1.weight": [1.0]}, protocol=protocol))
    with pytest.raises(UserError, match="is no weight file: expected safetensors, a PyTorch file"):
        build(NAME, weights=path, **OPTIONS)

import pytest

from kerasnets import UserError
from kerasnets.benchmark import config as module
from kerasnets.benchmark.config import BenchmarkConfig


def test_lists_take_commas_and_spaces():
    config = BenchmarkConfig(
        networks=("vgg16,resnet50",), what=("infer,train", "graph"), peers=("kerasnets",)
    ).resolved()
    assert config.networks == ("vgg16", "resnet50")
    assert config.jobs == ("eager", "graph", "xla", "exported", "train")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"networks": ("resnet5O",)}, "Unknown network 'resnet5O'"),
        ({"what": ("trian",)}, r"Unknown thing to measure \(--what\) 'trian'. The closest: train"),
        ({"peers": ("keras",)}, "Unknown peer 'keras'. The closest: keras.applications"),
        ({"rounds": 0}, "--rounds must be at least 1. Received: 0"),
        ({"batch_sizes": (16, 0)}, "--batch-sizes must be at least 1. Received: 0"),
        ({"networks": (",",)}, "--networks needs a value"),
    ],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(UserError, match=message):
        BenchmarkConfig(**values).resolved()


def test_a_peer_that_is_not_installed_is_named(monkeypatch):
    installed = module.installed
    monkeypatch.setattr(module, "installed", lambda name: name != "timm" and installed(name))
    with pytest.raises(UserError, match="'timm' needs timm, which is not installed"):
        BenchmarkConfig(peers=("timm",)).resolved()
    assert "timm" not in BenchmarkConfig().resolved().peers

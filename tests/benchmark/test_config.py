import pytest

from kerasnets import UserError
from kerasnets.benchmark.config import BenchmarkConfig, checked_networks


def test_lists_take_commas_and_spaces():
    config = BenchmarkConfig(what=("infer,train", "graph")).resolved()
    assert config.jobs == ("eager", "graph", "xla", "exported", "train")
    assert checked_networks(("vgg16,resnet50", "lenet5")) == ("vgg16", "resnet50", "lenet5")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"what": ("trian",)}, r"Unknown thing to measure \(--what\) 'trian'. The closest: train"),
        ({"rounds": 0}, "--rounds must be at least 1. Received: 0"),
        ({"batch_sizes": (16, 0)}, "--batch-sizes must be at least 1. Received: 0"),
        ({"what": (",",)}, "--what needs a value"),
    ],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(UserError, match=message):
        BenchmarkConfig(**values).resolved()


@pytest.mark.parametrize(
    ("names", "message"),
    [(("resnet5O",), "Unknown network 'resnet5O'"), ((",",), "Name a network")],
)
def test_wrong_networks_are_named(names, message):
    with pytest.raises(UserError, match=message):
        checked_networks(names)

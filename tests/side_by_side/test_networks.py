import keras
import pytest

import kerasnets
from benchmarks.side_by_side import networks


def test_every_network_with_a_peer_is_ours():
    for table in (
        networks._APPLICATIONS,
        networks._TORCHVISION,
        networks._NEAREST,
        networks._TIMM,
        networks._KERAS_HUB,
    ):
        assert set(table) <= set(kerasnets.list_models())


@pytest.mark.parametrize("name", networks._APPLICATIONS.values())
def test_keras_has_the_networks_of_the_table(name):
    assert callable(getattr(keras.applications, name))


def test_the_nearest_network_is_marked():
    assert networks.twin("resnet50", "torchvision") == networks.Twin("resnet50", same=False)
    assert networks.twin("resnet50_v1_5", "torchvision") == networks.Twin("resnet50")
    assert networks.twin("lenet5", "keras.applications") is None

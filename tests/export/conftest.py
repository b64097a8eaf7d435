"""What the tests of exports share: a small convolutional network and its SavedModel."""

from __future__ import annotations

import pytest

import kerasnets
from kerasnets.export import export


@pytest.fixture(scope="session")
def network():
    """A network of three classes with batch norms."""
    return kerasnets.build("resnet20_cifar", classes=3, classifier_activation=None)


@pytest.fixture(scope="session")
def preprocessing():
    return kerasnets.info("resnet20_cifar").preprocessing


@pytest.fixture(scope="session")
def version(network, preprocessing, tmp_path_factory):
    """The network's SavedModel."""
    return export(
        network, preprocessing, ("ant", "bee", "cat"), tmp_path_factory.mktemp("savedmodels")
    )

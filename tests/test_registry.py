import dataclasses

import pytest

import kerasnets
from kerasnets import registry
from kerasnets.errors import UserError


def test_list_models_sorts_numbers_by_value():
    names = kerasnets.list_models("resnet??_cifar") + kerasnets.list_models("resnet110_cifar")
    assert names[:4] == ["resnet20_cifar", "resnet32_cifar", "resnet44_cifar", "resnet56_cifar"]
    everything = kerasnets.list_models()
    assert everything.index("resnet56_cifar") < everything.index("resnet110_cifar")


def test_list_models_of_a_family():
    assert kerasnets.list_models(family="lenet") == ["lenet5", "lenet5_modern"]
    with pytest.raises(UserError, match="Unknown family 'lenets'. The closest: lenet"):
        kerasnets.list_models(family="lenets")


def test_info_is_frozen_and_complete():
    info = kerasnets.info("lenet5")
    assert (info.year, info.classes, info.input_shape) == (1998, 10, (32, 32, 1))
    assert info.params == 60_840
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.year = 1995


def test_unknown_name_gets_the_closest():
    with pytest.raises(UserError, match=r"Unknown network 'lenet-5'.*lenet5"):
        kerasnets.info("lenet-5")
    with pytest.raises(UserError, match="must be a string. Received: 5"):
        kerasnets.info(5)


def test_a_name_registers_once():
    entry = registry.registration("lenet5")
    paper = registry.Paper(title="", authors="", year=1998, url="")
    with pytest.raises(ValueError, match="Two networks are registered as 'lenet5'"):
        registry.register("lenet5", paper=paper, backbone=entry.backbone, head=entry.head)


def test_names_are_found_whatever_their_case():
    assert kerasnets.info("LeNet5") is kerasnets.info("lenet5")

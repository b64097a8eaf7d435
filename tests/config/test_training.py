import dataclasses
import json
import math
import pathlib

import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.config import TrainConfig, recipe
from kerasnets.config.options import as_word, parse_options
from kerasnets.config.training import (
    Extension,
    default_recipe,
    differences,
    for_task,
    from_json,
    to_json,
)


def test_configuration_round_trips():
    config = TrainConfig(
        model="resnet20_cifar",
        data="folder:images",
        recipe=recipe("resnet_cifar", epochs=3, milestones=(0.25, 0.5, 0.75)),
        data_dir=pathlib.Path("somewhere"),
        options={"shortcut": "projection"},
        seed=7,
        extensions=(Extension(after=2, old_epochs=2, new_epochs=3),),
    )
    assert from_json(to_json(config), "config.json") == config


def test_python_gives_names_paths_numbers_and_lists():
    given = TrainConfig(
        recipe="cosine",
        out="runs/a",
        weights=pathlib.Path("w.safetensors"),
        options={"width": 0.5, "input_shape": (64, 64, 3), "bn_scale": False, "stem": "small"},
        fast=["xla"],
    )
    assert given.recipe == recipe("cosine")
    assert (given.out, given.weights) == (pathlib.Path("runs/a"), "w.safetensors")
    assert parse_options(given.options) == {
        **{"width": 0.5, "input_shape": [64, 64, 3], "bn_scale": False, "stem": "small"}
    }
    assert given.fast == ("xla",)
    several = TrainConfig(recipe="cosine", task="multilabel").recipe
    assert several == for_task(recipe("cosine"), "multilabel") != recipe("cosine")
    assert as_word(np.int64(20)) == "20"
    assert from_json(to_json(given), "config.json") == given


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": 3}, "data must be a string. Received: 3"),
        ({"recipe": 3}, "recipe must be an object or None. Received: 3"),
        ({"recipe": "cosin"}, "Unknown recipe 'cosin'. The closest: cosine"),
        ({"options": 3}, "options must be an object. Received: 3"),
        ({"options": {"a": {1}}}, "An option's value must be a word, .* Received: {1}"),
        (
            {"log_to": "wandb"},
            "log_to must be a list of values, each 'tensorboard', 'wandb' or 'mlflow'. Rec",
        ),
    ],
)
def test_fields_of_another_type_are_told(changes, message):
    with pytest.raises(UserError, match=message):
        TrainConfig(**changes)


def test_damaged_configurations_are_told():
    text = to_json(TrainConfig().resolved())
    with pytest.raises(UserError, match="'config.json' is no configuration of a run"):
        from_json(text[:-20], "config.json")
    values = json.loads(text)
    extended = {"after": 2, "old_epochs": 2, "new_epochs": 0}
    for change in (
        {"seed": "one"},
        {"colour": 1},
        {"recipe": {"name": "x", "epochs": 0}},
        {"extensions": [extended]},
        {"extensions": [3]},
        {"extensions": {}},
    ):
        with pytest.raises(UserError):
            from_json(json.dumps({**values, **change}), "config.json")


def test_each_pair_of_network_and_data_has_a_recipe():
    assert default_recipe("lenet5", "digits").name == "lenet1998_digits"
    assert default_recipe("lenet5_modern", "digits").name == "digits"
    assert default_recipe("lenet5", "mnist").name == "lenet1998"
    assert default_recipe("resnet20_cifar", "cifar10").name == "resnet_cifar"
    assert TrainConfig(model="LeNet5").resolved().model == "lenet5"


def test_differences_name_the_fields():
    one = TrainConfig().resolved()
    other = dataclasses.replace(
        one, seed=1, recipe=dataclasses.replace(one.recipe, epochs=2), out=pathlib.Path("x")
    )
    assert differences(one, other) == {"seed": (0, 1), "epochs": (60, 2)}
    assert differences(one, one) == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, r"seed must be in \[0, 4294967295\]. Received: -1"),
        ({"seed": 2**32}, r"seed must be in \[0, 4294967295\]"),
        ({"save_minutes": 0.0}, "save_minutes must be more than 0. Received: 0.0"),
        ({"save_minutes": math.nan}, "save_minutes must be more than 0. Received: nan"),
    ],
)
def test_numbers_out_of_range_are_told(changes, message):
    with pytest.raises(UserError, match=message):
        TrainConfig(**changes)

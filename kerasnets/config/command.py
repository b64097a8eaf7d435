"""The command line that trains a configuration."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping

from kerasnets.config.recipe_fields import Recipe
from kerasnets.config.recipes import RECIPES
from kerasnets.config.training import TrainConfig, default_recipe, for_task

# Where it runs and what its recipe is called say nothing of what it computes.
# A fold is trained with the others.
_LEFT_OUT = (
    *("recipe", "out", "cluster", "worker", "extensions", "name", "source", "reported"),
    "fold",
)
# What the flag takes from a file.
_FILES = {"class_weights": "CLASS_WEIGHTS.json"}


def train_command(config: TrainConfig) -> str:
    """``kerasnets train ...``, which trains the same in a new run folder.

    A recipe of a file is written as what distinguishes it from the network's own. Weights of
    classes that came from a file are in the configuration, and wanted as one again.

    Args:
        config: A configuration, with its recipe or without.
    """
    words = ["kerasnets", "train", "--model", config.model, "--data", config.data]
    own = default_recipe(config.model, config.data, config.task)
    recipe = config.recipe or own
    base = for_task(RECIPES.get(recipe.name, own), config.task)
    usual = TrainConfig(model=config.model, data=config.data)
    words += ["--recipe", base.name, *_flags(recipe, base), *_flags(config, usual)]
    return shlex.join(words)


def _flags(changed: Recipe | TrainConfig, usual: Recipe | TrainConfig) -> list[str]:
    """The flags of the fields in which two dataclasses of one kind differ."""
    words = []
    for field in dataclasses.fields(changed):
        value, flag = getattr(changed, field.name), field.name.replace("_", "-")
        if field.name in _LEFT_OUT or value == getattr(usual, field.name):
            continue
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, Mapping) and field.name in _FILES:
            words += [f"--{flag}", _FILES[field.name]]
        elif isinstance(value, Mapping):
            words += [f"--{flag}", *(word for pair in value.items() for word in pair)]
        elif isinstance(value, tuple):
            words += [f"--{flag}", *map(str, value)]
        else:
            words += [f"--{flag}", str(value)]
    return words

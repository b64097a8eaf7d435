"""The commands: each a dataclass whose fields are its flags and whose `run` does the work.

Modules that load Keras or TensorFlow are imported inside `run`, so that help and lists are instant.
"""

from __future__ import annotations

import typing

from kerasnets.cli.commands.benchmark import Benchmark
from kerasnets.cli.commands.convert import Convert
from kerasnets.cli.commands.data import Data
from kerasnets.cli.commands.evaluate import Evaluate
from kerasnets.cli.commands.export import Export
from kerasnets.cli.commands.networks import Info, List, Summary
from kerasnets.cli.commands.predict import Predict
from kerasnets.cli.commands.recipes import Recipes
from kerasnets.cli.commands.serve import Serve
from kerasnets.cli.commands.train import Train


class Command(typing.Protocol):
    """What every command has."""

    def run(self) -> None:
        """Does the work."""


COMMANDS: dict[str, type[Command]] = {
    "train": Train,
    "evaluate": Evaluate,
    "predict": Predict,
    "export": Export,
    "convert": Convert,
    "data": Data,
    "serve": Serve,
    "list": List,
    "info": Info,
    "summary": Summary,
    "recipes": Recipes,
    "benchmark": Benchmark,
}
# What needs no TensorFlow.
INSTANT = (List, Info, Recipes)

"""``kerasnets recipes``."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tyro.conf import Positional

from kerasnets.cli.tables import show
from kerasnets.training.recipes import RECIPES, recipe


@dataclass(frozen=True)
class Recipes:
    """List the training recipes, or print one whole."""

    name: Positional[str | None] = None
    """Of one recipe."""

    def run(self) -> None:
        if self.name is None:
            rows = ((each.name, str(each.epochs), each.source) for each in RECIPES.values())
            show(("recipe", "epochs", "source"), rows, left=("recipe", "source"))
            return
        for key, value in dataclasses.asdict(recipe(self.name)).items():
            print(f"{key.replace('_', ' '):22}{value}")

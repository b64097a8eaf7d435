"""``kerasnets recipes``."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from tyro.conf import Positional

from kerasnets import registry
from kerasnets.cli.tables import show
from kerasnets.config.recipes import RECIPES, recipe
from kerasnets.plugins import load_plugins


@dataclass(frozen=True)
class Recipes:
    """List the training recipes, or print one."""

    name: Positional[str | None] = None
    """Recipe to print: a name, or a TOML or JSON file; all are listed if not given."""

    def run(self) -> None:
        if self.name is None:
            load_plugins()
            show(
                ("recipe", "epochs", "batch", "optimizer", "rate", "schedule", "source"),
                (
                    (
                        each.name,
                        each.epochs,
                        each.batch_size,
                        each.optimizer,
                        f"{each.learning_rate:g}",
                        each.schedule,
                        each.source.partition(":")[0],
                    )
                    for each in RECIPES.values()
                ),
                left=("recipe", "optimizer", "schedule", "source"),
            )
            return
        values = dataclasses.asdict(recipe(self.name))
        values["networks"] = ", ".join(trained_by(self.name)) or "none by default"
        for key, value in values.items():
            print(f"{key.replace('_', ' '):22}{_text(value)}")


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_text, value))
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def trained_by(name: str) -> list[str]:
    """The networks that take this recipe by default."""
    return [each for each in registry.list_models() if registry.info(each).recipe == name]

"""``kerasnets export``."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tyro.conf import Positional

from kerasnets import registry
from kerasnets.errors import UserError


@dataclass(frozen=True)
class Export:
    """Write a SavedModel that takes image files."""

    model: Positional[str]
    """Run folder, or the name of a network (then with --weights)."""
    to: pathlib.Path | None = None
    """Folder of the versions; savedmodels/NETWORK if not given."""
    weights: str | None = None
    """Weights of the network: a source of `kerasnets info NAME`, hf:OWNER/REPO, a file or a run."""
    labels: pathlib.Path | None = None
    """File with a class name on each line; numbers if not given."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the network, as NAME VALUE pairs."""

    def run(self) -> None:
        from kerasnets.export import export_network, export_run
        from kerasnets.training.networks import parse_options
        from kerasnets.training.run import Run

        if (pathlib.Path(self.model) / "config.json").is_file():
            run = Run.load(self.model)
            print(export_run(run, self.to or pathlib.Path("savedmodels", run.config.model)))
            return
        facts = registry.info(self.model)
        if self.weights is None:
            raise UserError(
                f"To export the network {facts.name} give --weights SOURCE; or give a run folder."
            )
        print(
            export_network(
                facts.name,
                self.weights,
                self.to or pathlib.Path("savedmodels", facts.name),
                labels=self.labels,
                **parse_options(self.options),
            )
        )

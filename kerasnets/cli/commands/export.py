"""``kerasnets export``."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tyro.conf import OmitArgPrefixes, Positional

from kerasnets import registry
from kerasnets.cli.runs import check_alone, is_run
from kerasnets.errors import UserError
from kerasnets.export.form import Form

# Arguments of `export_network` that no option of the network can be.
GIVEN = (
    "name", "weights", "folder", "labels", "form", "calibration", "data_dir", "include_top",
    "pooling", "classifier_activation",
)  # fmt: skip


@dataclass(frozen=True)
class Export:
    """Write a SavedModel that takes image files, or a file for phones and browsers."""

    model: Positional[str]
    """Run folder, or the name of a network (then with --weights)."""
    to: pathlib.Path | None = None
    """Folder of the versions; savedmodels/NETWORK if not given (litert/, onnx/)."""
    weights: str | None = None
    """Weights of the network: a source of `kerasnets info NAME`, hf:OWNER/REPO, a file or a run."""
    labels: pathlib.Path | None = None
    """File with a class name on each line; numbers if not given."""
    form: OmitArgPrefixes[Form] = field(default_factory=Form)
    calibration: str | None = None
    """Data whose training images give int8 its scales, as --data of train; of a run: its own."""
    data_dir: pathlib.Path | None = None
    """Where TFDS keeps its data."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the network, as NAME VALUE pairs."""

    def run(self) -> None:
        from kerasnets.config.options import parse_options
        from kerasnets.export import export_network, export_run
        from kerasnets.runs.run import Run

        if self.calibration and self.form.quantize == "none":
            raise UserError("--calibration goes with --quantize int8.")
        shared = {
            "form": self.form,
            "calibration": self.calibration,
            "data_dir": self.data_dir,
        }
        if is_run(self.model):
            check_alone(self, "weights", "labels", "options")
            run = Run.load(self.model)
            print(export_run(run, self.to or self.form.folder(run.config.model), **shared))
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
                self.to or self.form.folder(facts.name),
                labels=self.labels,
                **shared,
                **parse_options(self.options, GIVEN),
            )
        )

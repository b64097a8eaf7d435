"""``kerasnets export``."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass, field
from typing import Any

from tyro.conf import OmitArgPrefixes, Positional

from kerasnets import registry
from kerasnets.cli.checks import (
    check_alone,
    check_data,
    check_files,
    check_network,
    check_run,
    is_run,
)
from kerasnets.cli.flags import Options
from kerasnets.cli.loading import load_tensorflow
from kerasnets.config.options import parse_options
from kerasnets.errors import UserError
from kerasnets.export.form import FORMATS, Form, exporters
from kerasnets.export.names import FACTS
from kerasnets.export.versions import check_format
from kerasnets.files import check_writable, parse_json, read_text

# Arguments of `export_network` that no option of the network can be.
GIVEN = (
    "name", "weights", "folder", "labels", "form", "calibration", "data_dir", "include_top",
    "pooling", "classifier_activation",
)  # fmt: skip


@dataclass(frozen=True)
class Export:
    """Write a SavedModel that takes image files, or a LiteRT or ONNX file."""

    model: Positional[str]
    """Run folder, or the name of a network (then with --weights)."""
    to: pathlib.Path | None = None
    """Folder of the versions; savedmodels/NETWORK, litert/NETWORK or onnx/NETWORK if not given."""
    weights: str | None = None
    """Weights of the network: a source of `kerasnets info NAME`, hf:OWNER/REPO, a file or a run."""
    labels: pathlib.Path | None = None
    """File with a class name on each line; ImageNet's names for published weights, else the
    classes' indices, if not given."""
    form: OmitArgPrefixes[Form] = field(default_factory=Form)
    calibration: str | None = None
    """Data set whose training images calibrate int8; a run's own if not given."""
    data_dir: pathlib.Path | None = None
    """Folder in which TFDS keeps its data sets."""
    options: Options = field(default_factory=dict)
    """Options of the network as NAME VALUE pairs; `kerasnets info NETWORK` lists them."""

    def run(self) -> None:
        if self.calibration and self.form.quantize == "none":
            raise UserError("--calibration goes with --quantize int8.")
        given_a_run, options = is_run(self.model), parse_options(self.options, GIVEN)
        if given_a_run:
            check_alone(self, self.model, "weights", "labels", "options")
            name = check_run(self.model).config.model
        else:
            check_network(self.model, options, self.weights)
            name = registry.info(self.model).name
        folder = self.to or self.form.folder(name)
        check_writable(folder)
        check_format(folder, self.form.format)
        check_files(self.labels)
        if self.calibration:
            check_data(self.calibration)
        if self.weights is None and not given_a_run:
            raise UserError(
                f"To export the network {self.model} give --weights SOURCE; or give a run folder."
            )
        load_tensorflow(keras="tensorflow")
        from kerasnets.export import export_network, export_run
        from kerasnets.runs.run import Run

        run = Run.load(self.model) if given_a_run else None
        shared: dict[str, Any] = {
            "form": self.form,
            "calibration": self.calibration,
            "data_dir": self.data_dir,
        }
        if run:
            _tell(export_run(run, folder, **shared), self.form)
        elif self.weights:
            options |= {"labels": self.labels, **shared}
            _tell(export_network(name, self.weights, folder, **options), self.form)


def _tell(version: pathlib.Path, form: Form) -> None:
    """Prints where a version is, its size, how well it agrees, and what may come next."""
    exporter = exporters()[form.format]
    print(version)
    files = [path for path in version.rglob("*") if path.is_file()]
    print(f"size: {sum(path.stat().st_size for path in files) / 1e6:,.2f} MB")
    facts = parse_json(read_text(version / exporter.extras / FACTS))
    check = facts["check"]
    numbers = "largest_relative_difference_of_numbers"
    if isinstance(check, dict) and numbers in check:
        print(f"agreement: {check['inputs']} inputs, numbers within {check[numbers]:.1g} of them")
    elif isinstance(check, dict):
        print(
            f"agreement: the same class on {check['same_best_class']:.1%} of "
            f"{check['inputs']} inputs, probabilities within "
            f"{check['largest_difference_of_probabilities']:.1g}"
        )
    else:
        print(f"agreement: {check}")
    if form.quantize != "none":
        print(f"next: kerasnets evaluate {version.parent}" + " --data DATA" * ("data" not in facts))
    elif form.format in FORMATS:
        print(f"next: kerasnets predict {version.parent} IMAGE...")

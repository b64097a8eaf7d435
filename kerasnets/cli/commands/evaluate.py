"""``kerasnets evaluate``."""

from __future__ import annotations

import dataclasses
import pathlib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field

from tyro.conf import Positional

import kerasnets
from kerasnets import registry
from kerasnets.errors import UserError

if typing.TYPE_CHECKING:
    import keras

    from kerasnets.data.sources import Dataset
    from kerasnets.inputs import Preprocessing


@dataclass(frozen=True)
class Evaluate:
    """Measure a run or a network with weights on a split."""

    model: Positional[str]
    """Run folder, or the name of a network (then with --weights and --data)."""
    weights: str | None = None
    """Weights of the network: a source of `kerasnets info NAME`, hf:OWNER/REPO, a file or a run."""
    data: str | None = None
    """digits, a TFDS name such as mnist, tfds:NAME, or folder:PATH; of a run: its own."""
    split: str | None = None
    """train, validation or test; the held-out one if not given."""
    data_dir: pathlib.Path | None = None
    """Where TFDS keeps its data."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the network, as NAME VALUE pairs."""
    batch_size: int = 250
    """Images at a time."""
    out: pathlib.Path | None = None
    """Folder for metrics.json, confusion.csv and confusion.png."""

    def run(self) -> None:
        from kerasnets.data.pipeline import read
        from kerasnets.files import make_folder
        from kerasnets.training.evaluation import evaluate
        from kerasnets.training.run import write_report

        if self.batch_size < 1:
            raise UserError(f"--batch-size must be at least 1. Received: {self.batch_size}.")
        network, preprocessing, dataset = self._subject()
        name = self.split or dataset.held_out
        split = read(dataset.split(name), preprocessing, network.input_shape[-1])
        metrics = evaluate(network, split, preprocessing, name=name, batch_size=self.batch_size)
        print(metrics)
        if self.out:
            write_report(make_folder(self.out), metrics, dataset.class_names)
            print(f"Written to {self.out}: metrics.json, confusion.csv, confusion.png.")

    def _subject(self) -> tuple[keras.Model, Preprocessing, Dataset]:
        from kerasnets.data import load
        from kerasnets.models.build import build
        from kerasnets.training.networks import parse_options
        from kerasnets.training.run import Run, load_data

        if (pathlib.Path(self.model) / "config.json").is_file():
            run = Run.load(self.model)
            config = run.config
            if self.data is not None:
                config = dataclasses.replace(config, data=self.data, data_dir=self.data_dir)
            dataset = load_data(config)
            run.check_classes(dataset)
            return run.network(), run.preprocessing, dataset
        facts = registry.info(self.model)
        if self.weights is None or self.data is None:
            raise UserError(
                f"To evaluate the network {facts.name} give --weights SOURCE and --data DATA; "
                "or give a run folder."
            )
        # Opening the file first tells of a wrong path before the data is read.
        network = build(
            facts.name,
            weights=self.weights,
            classifier_activation=None,
            **parse_options(self.options),
        )
        dataset = load(self.data, data_dir=self.data_dir)
        return network, kerasnets.preprocessing(network), dataset

"""``kerasnets evaluate``."""

from __future__ import annotations

import dataclasses
import pathlib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tyro.conf import Positional

import kerasnets
from kerasnets import registry
from kerasnets.cli.runs import check_alone, is_run
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
    """digits, a TFDS name such as mnist, folder:PATH, or another source; of a run: its own."""
    split: str | None = None
    """train, validation or test; the held-out one if not given."""
    data_dir: pathlib.Path | None = None
    """Where TFDS keeps its data; of a run: its own."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the network, as NAME VALUE pairs."""
    batch_size: int | None = None
    """Images, or crops, at a time; as many as need 1 GiB for their activations if not given."""
    crops: Literal["centre", "ten", "144", "dense"] = "centre"
    """The centre, AlexNet's ten, GoogLeNet's 144, or whole images, where the network takes any."""
    scales: tuple[int, ...] = ()
    """Short sides of whole images, in pixels; that of the network's preprocessing if not given."""
    labels: pathlib.Path | None = None
    """File of lines NAME,NUMBER: the network's number of each of the data set's classes."""
    real: pathlib.Path | None = None
    """ImageNet's ReaL labels, real.json, for its validation images."""
    out: pathlib.Path | None = None
    """Folder for the figures, the tables and the pictures."""

    def run(self) -> None:
        from kerasnets.data.pipeline import read
        from kerasnets.evaluation.evaluator import evaluate, without_auxiliary_classifiers
        from kerasnets.evaluation.labels import real_labels, relabelled
        from kerasnets.evaluation.report import FILES, write_report
        from kerasnets.files import check_writable, make_folder

        self._check()
        if self.out:
            check_writable(self.out)
        network, preprocessing, dataset = self._subject()
        network = without_auxiliary_classifiers(network)
        channels, classes = network.input_shape[-1], network.output_shape[-1]
        name = self.split or dataset.held_out
        split, names = dataset.split(name), dataset.class_names
        if self.labels:
            split, names = relabelled(split, names, self.labels, classes)
        real = real_labels(self.real, split) if self.real else None
        # Other crops need the margins of the images.
        seen = read(split, preprocessing, channels) if self.crops == "centre" else split
        metrics = evaluate(
            network,
            seen,
            preprocessing,
            name=name,
            batch_size=self.batch_size,
            crops=self.crops,
            scales=self.scales,
            real=real,
        )
        print(metrics)
        if self.out:
            names = (*names, *map(str, range(len(names), classes)))
            write_report(make_folder(self.out), metrics, names, split, preprocessing, channels)
            print(f"Written to {self.out}: {', '.join(FILES)}.")

    def _check(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise UserError(f"--batch-size must be at least 1. Received: {self.batch_size}.")
        if self.scales and self.crops != "dense":
            raise UserError("--scales goes with --crops dense.")
        if any(scale < 1 for scale in self.scales):
            raise UserError(f"--scales must be at least 1 pixel. Received: {self.scales}.")

    def _subject(self) -> tuple[keras.Model, Preprocessing, Dataset]:
        from kerasnets.config.options import parse_options
        from kerasnets.data import load
        from kerasnets.evaluation.evaluator import any_size
        from kerasnets.models.build import build
        from kerasnets.runs.run import Run, load_data

        if is_run(self.model):
            check_alone(self, "weights", "options")
            run = Run.load(self.model)
            given = {"data": self.data, "data_dir": self.data_dir}
            given = {name: value for name, value in given.items() if value is not None}
            config = dataclasses.replace(run.config, **given)
            dataset = load_data(config)
            if not self.labels:
                run.check_classes(dataset)
            whole = any_size(config.model) if self.crops == "dense" else {}
            return run.network(**whole), run.preprocessing, dataset
        facts = registry.info(self.model)
        if self.weights is None or self.data is None:
            raise UserError(
                f"To evaluate the network {facts.name} give --weights SOURCE and --data DATA; "
                "or give a run folder."
            )
        whole = any_size(facts.name) if self.crops == "dense" else {}
        given = ("weights", "classifier_activation", "include_top", "pooling")
        # Opening the file first tells of a wrong path before the data is read.
        network = build(
            facts.name,
            weights=self.weights,
            classifier_activation=None,
            **whole,
            **parse_options(self.options, (*given, *whole)),
        )
        dataset = load(self.data, data_dir=self.data_dir)
        return network, kerasnets.preprocessing(network), dataset

"""``kerasnets evaluate``."""

from __future__ import annotations

import pathlib
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

from tyro.conf import Positional

import kerasnets
from kerasnets import registry
from kerasnets.cli.checks import (
    check_alone,
    check_data,
    check_files,
    check_network,
    check_run,
    is_export,
    is_run,
)
from kerasnets.cli.flags import Options
from kerasnets.cli.loading import load_tensorflow
from kerasnets.cli.models import GIVEN
from kerasnets.config.options import parse_options
from kerasnets.errors import UserError
from kerasnets.files import check_writable, make_folder
from kerasnets.tasks import TASKS, task_of

if typing.TYPE_CHECKING:
    import keras

    from kerasnets.data.sources import Dataset
    from kerasnets.inputs import Preprocessing

# Sides of the pictures of an export's mistakes, in pixels.
PICTURE = 160


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a run, an export, or a network with weights, on a split."""

    model: Positional[str]
    """Run folder, export or model's URL; or the name of a network (with --weights and --data)."""
    weights: str | None = None
    """Weights of the network: a source of `kerasnets info NAME`, hf:OWNER/REPO, a file or a run."""
    data: str | None = None
    """Data set: digits, a TFDS name, folder:PATH or another source; the run's own if not given."""
    split: str | None = None
    """Split: train, validation or test; the held-out one if not given."""
    data_dir: pathlib.Path | None = None
    """Folder in which TFDS keeps its data sets; a run's own if not given."""
    options: Options = field(default_factory=dict)
    """Options of the network as NAME VALUE pairs; `kerasnets info NETWORK` lists them."""
    batch_size: int | None = None
    """Images, or crops, at a time; as many as need 1 GiB for their activations if not given."""
    crops: Literal["centre", "ten", "144", "dense"] = "centre"
    """Crops: centre, AlexNet's ten, GoogLeNet's 144, or dense for whole images of any size."""
    scales: tuple[int, ...] = ()
    """Short sides of whole images, in pixels; the network's own if not given."""
    labels: pathlib.Path | None = None
    """File of lines NAME,INDEX: the network's index of each of the data set's classes."""
    real: pathlib.Path | None = None
    """File of ImageNet's ReaL labels, real.json, for its validation images."""
    out: pathlib.Path | None = None
    """Folder to which the figures, tables and pictures are written."""

    def run(self) -> None:
        self._check_figures()
        if is_export(self.model):
            return self._measure_export()
        self._check()
        load_tensorflow()
        from kerasnets.data.pipeline import read
        from kerasnets.evaluation.labels import real_labels, relabelled
        from kerasnets.evaluation.tasks import evaluate_task, write_report
        from kerasnets.fast.rewriting import with_logits

        network, preprocessing, dataset = self._subject()
        network = with_logits(network)
        channels, classes = network.input_shape[-1], network.output_shape[-1]
        name = self.split or dataset.held_out
        split, names = dataset.split(name), dataset.class_names
        if self.labels:
            split, names = relabelled(split, names, self.labels, classes)
        real = real_labels(self.real, split) if self.real else None
        # Other crops need the margins of the images.
        seen = read(split, preprocessing, channels) if self.crops == "centre" else split
        run = check_run(self.model) if is_run(self.model) else None
        task = run.task if run else TASKS["classification"]
        metrics = evaluate_task(
            task,
            network,
            seen,
            preprocessing,
            name=name,
            batch_size=self.batch_size,
            crops=self.crops,
            scales=self.scales,
            real=real,
            thresholds=run.thresholds if run else (),
        )
        print(metrics)
        if self.out:
            names = (*names, *map(str, range(len(names), classes)))
            folder = make_folder(self.out)
            files = write_report(task, folder, metrics, names, split, preprocessing, channels)
            print(f"Written to {self.out}: {', '.join(files)}.")
        return None

    def _measure_export(self) -> None:
        """Prints what the answers of an export are worth, and what it has cost to export it."""
        for flag in ("weights", "options", "batch_size", "scales"):
            if getattr(self, flag):
                raise UserError(
                    f"--{flag.replace('_', '-')} is for runs and networks; {self.model!r} is an "
                    "export."
                )
        if self.crops != "centre":
            raise UserError(f"--crops is for runs and networks; {self.model!r} is an export.")
        if self.data:
            check_data(self.data)
        load_tensorflow("none")
        from kerasnets.data import load
        from kerasnets.evaluation.labels import real_labels
        from kerasnets.evaluation.tasks import write_report
        from kerasnets.inputs import Preprocessing
        from kerasnets.prediction.measuring import measured, with_labels_of
        from kerasnets.prediction.models import open_model

        model = open_model(self.model)
        task = task_of(str(model.facts.get("task", "classification")))
        for flag in ("real", "labels"):
            if getattr(self, flag):
                task.check(flag)
        data = self.data or model.facts.get("data")
        if data is None:
            raise UserError(f"{self.model!r} does not tell its data: give --data DATA.")
        own = data == model.facts.get("data")
        # Exports of earlier versions know the fractions alone.
        known = model.facts.get("splitting", model.facts.get("fractions", {})) if own else {}
        dataset = load(data, data_dir=self.data_dir, task=task.name, **known)
        name = self.split or dataset.held_out
        split, names = with_labels_of(model, dataset, dataset.split(name), self.labels)
        real = real_labels(self.real, split) if self.real else None
        metrics = measured(model, split, names, name=name, real=real)
        print(metrics)
        before, now = model.facts.get("metrics") or {}, metrics.summary()
        same = (before.get("split"), before.get("images")) == (name, split.size)
        if own and same and "top1" in now:
            cost = before["top1"] - now["top1"]
            print(
                f"before export: top-1 {before['top1']:.2%}; the export costs {100 * cost:.2f} "
                "percentage points"
            )
        if self.out:
            # As large as they can be seen, since networks differ.
            shown = Preprocessing(size=(PICTURE, PICTURE))
            folder = make_folder(self.out)
            files = write_report(task, folder, metrics, names, split, shown, 3)
            print(f"Written to {self.out}: {', '.join(files)}.")

    def _check_figures(self) -> None:
        """Refuses flags that are wrong for any kind of model."""
        if self.batch_size is not None and self.batch_size < 1:
            raise UserError(f"--batch-size must be at least 1. Received: {self.batch_size}.")
        if self.scales and self.crops != "dense":
            raise UserError("--scales goes with --crops dense.")
        if any(scale < 1 for scale in self.scales):
            raise UserError(f"--scales must be at least 1 pixel. Received: {self.scales}.")
        if self.out:
            check_writable(self.out)
        check_files(self.labels, self.real)

    def _check(self) -> None:
        if is_run(self.model):
            check_alone(self, self.model, "weights", "options")
            run = check_run(self.model)
            for flag in ("real", "labels"):
                if getattr(self, flag):
                    run.task.check(flag)
            if self.crops != "centre":
                run.task.check("crops")
            check_data(self.data or run.config.data, run.config.task)
        elif self.weights is None or self.data is None:
            raise UserError(
                f"To evaluate the network {registry.info(self.model).name} give --weights SOURCE "
                "and --data DATA; or give a run folder."
            )
        else:
            check_data(self.data)
            check_network(self.model, parse_options(self.options, GIVEN), self.weights)

    def _subject(self) -> tuple[keras.Model, Preprocessing, Dataset]:
        from kerasnets.data import load
        from kerasnets.evaluation.evaluator import any_size
        from kerasnets.pretrained.build import build
        from kerasnets.runs.run import Run, load_data, on_data

        run = Run.load(self.model) if is_run(self.model) else None
        name = run.config.model if run else self.model
        whole: dict[str, Any] = any_size(name) if self.crops == "dense" else {}
        if run:
            dataset = load_data(on_data(run.config, self.data, self.data_dir))
            if not self.labels:
                run.check_classes(dataset)
            return run.network(**whole), run.preprocessing, dataset
        # Opening the file first tells of a wrong path before the data is read.
        network = build(
            name,
            weights=self.weights,
            classifier_activation=None,
            **whole,
            **parse_options(self.options, (*GIVEN, *whole)),
        )
        dataset = load(str(self.data), data_dir=self.data_dir)
        return network, kerasnets.preprocessing(network), dataset

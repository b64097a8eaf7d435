"""The commands: each a dataclass whose fields are its flags and whose `run` does the work.

Modules that load Keras or TensorFlow are imported inside `run`, so that help and lists are instant.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import logging
import pathlib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field

from tyro.conf import AvoidSubcommands, OmitArgPrefixes, Positional

from kerasnets import registry
from kerasnets.cli.tables import show
from kerasnets.errors import UserError
from kerasnets.training.config import TrainConfig, default_recipe
from kerasnets.training.recipes import RECIPES, recipe

if typing.TYPE_CHECKING:
    import keras

    from kerasnets.data.sources import Dataset
    from kerasnets.preprocessing import Preprocessing

log = logging.getLogger("kerasnets")


class Command(typing.Protocol):
    """What every command has."""

    def run(self) -> None:
        """Does the work."""


@dataclass(frozen=True)
class Train:
    """Train a network, evaluate it on the held-out split, draw the curves and export it.

    Without flags: LeNet-5 on the handwritten digits that come with scikit-learn.
    """

    config: OmitArgPrefixes[AvoidSubcommands[TrainConfig]]
    resume: bool = False
    """Go on where the run in --out (or the latest run of this network and data) stopped."""
    export: bool = True
    """Write a SavedModel at the end."""
    savedmodels: pathlib.Path = pathlib.Path("savedmodels")
    """Where SavedModels are written, as NAME/VERSION."""

    @classmethod
    def defaults(cls, arguments: list[str]) -> Train:
        """The flags' defaults, which depend on the recipe, the network, the data, or the run."""
        known = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
        for name in ("model", "data", "recipe", "out"):
            known.add_argument(f"--{name}")
        known.add_argument("--resume", action="store_true")
        try:
            given, _ = known.parse_known_args(arguments)
        except argparse.ArgumentError as error:
            raise UserError(str(error)) from None
        config = TrainConfig()
        model, data = given.model or config.model, given.data or config.data
        chosen = recipe(given.recipe) if given.recipe else default_recipe(model, data)
        config = dataclasses.replace(config, model=model, data=data, recipe=chosen)
        if given.resume:
            config = _resumed(config, given.out)
        return cls(config=config)

    def run(self) -> None:
        from kerasnets.training.callbacks import Interrupted
        from kerasnets.training.trainer import train

        try:
            run = train(self.config, resume=self.resume)
        except Interrupted as stop:
            log.info("Stopped after step %d; everything is saved. Go on with:", stop.step)
            log.info("  kerasnets train --out %s --resume", stop.folder)
            raise KeyboardInterrupt from None
        log.info("The run is in %s: curves.png, confusion.png, metrics.json.", run.folder)
        if not self.export:
            return
        from kerasnets.export import export_run

        exported = export_run(run, self.savedmodels / run.config.model)
        log.info("Exported to %s. Next, ask it about an image:", exported)
        log.info("  kerasnets predict %s IMAGE", exported.parent)


def _resumed(config: TrainConfig, out: str | None) -> TrainConfig:
    """The configuration that the run to resume was started with."""
    from kerasnets.training.run import Run, run_folder

    config = dataclasses.replace(config, out=pathlib.Path(out) if out else None)
    return Run.load(run_folder(config, resume=True)).config


@dataclass(frozen=True)
class Evaluate:
    """Measure a run or a network with weights on a split."""

    model: Positional[str]
    """Run folder, or the name of a network (then with --weights and --data)."""
    weights: pathlib.Path | None = None
    """Weight file of the network."""
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
        from kerasnets.training.run import Run, load_data, parse_options

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
                f"To evaluate the network {facts.name} give --weights FILE and --data SOURCE; "
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
        return network, facts.preprocessing, dataset


@dataclass(frozen=True)
class Predict:
    """Name what is on image files, by a SavedModel or a run."""

    model: Positional[pathlib.Path]
    """SavedModel, folder of its versions, or run folder."""
    images: Positional[tuple[pathlib.Path, ...]]
    """Image files."""
    top: int = 3
    """How many classes to name for each image, up to five."""
    json: bool = False
    """Print one JSON object for each image."""

    def run(self) -> None:
        if not self.images:
            raise UserError("Give one image file at least: kerasnets predict MODEL IMAGE...")
        if not 1 <= self.top <= 5:
            raise UserError(f"--top must be 1 to 5. Received: {self.top}.")
        from kerasnets.serving import predict

        for found in predict(self.model, self.images):
            best = list(zip(found.classes, found.scores, strict=True))[: self.top]
            if self.json:
                answer = [{"class": name, "score": score} for name, score in best]
                print(json.dumps({"image": str(found.image), "top": answer}))
            else:
                print(f"{found.image}:", ", ".join(f"{name} {score:.2%}" for name, score in best))


@dataclass(frozen=True)
class Export:
    """Write a SavedModel that takes image files."""

    model: Positional[str]
    """Run folder, or the name of a network (then with --weights)."""
    to: pathlib.Path | None = None
    """Folder of the versions; savedmodels/NETWORK if not given."""
    weights: pathlib.Path | None = None
    """Weight file of the network."""
    labels: pathlib.Path | None = None
    """File with a class name on each line; numbers if not given."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the network, as NAME VALUE pairs."""

    def run(self) -> None:
        from kerasnets.export import export_network, export_run
        from kerasnets.training.run import Run, parse_options

        if (pathlib.Path(self.model) / "config.json").is_file():
            run = Run.load(self.model)
            print(export_run(run, self.to or pathlib.Path("savedmodels", run.config.model)))
            return
        facts = registry.info(self.model)
        if self.weights is None:
            raise UserError(
                f"To export the network {facts.name} give --weights FILE; or give a run folder."
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


@dataclass(frozen=True)
class List:
    """List the networks."""

    pattern: Positional[str] = "*"
    """Which names, with * and ? as in file names."""
    family: str | None = None
    """Only this family."""

    def run(self) -> None:
        facts = [registry.info(name) for name in registry.list_models(self.pattern, self.family)]
        if not facts:
            raise UserError(f"No network's name matches {self.pattern!r}; see kerasnets list.")
        show(
            ("network", "year", "parameters", "multiply-adds", "input", "what it is"),
            (
                (
                    each.name,
                    str(each.year),
                    each.trainable_params,
                    each.multiply_adds,
                    "x".join(map(str, each.input_shape)),
                    each.description,
                )
                for each in facts
            ),
            left=("network", "what it is"),
        )


@dataclass(frozen=True)
class Info:
    """Say what is known of a network."""

    name: Positional[str]
    """Of the network."""

    def run(self) -> None:
        facts = dataclasses.asdict(registry.info(self.name))
        sources = facts.pop("weights")
        for key, value in (facts | {"preprocessing": _words(facts["preprocessing"])}).items():
            shown = f"{value:,}" if isinstance(value, int) and key != "year" else value
            print(f"{key.replace('_', ' '):22}{shown}")
        for source in sources:
            print(f"{'weights':22}{_words(source)}")


def _words(values: Mapping[str, object]) -> str:
    return ", ".join(
        f"{key.replace('_', ' ')} {value}" for key, value in values.items() if value is not None
    )


@dataclass(frozen=True)
class Summary:
    """Print a network's layers as a table to hold against the paper's."""

    name: Positional[str]
    """Of the network."""
    input_shape: tuple[int, int, int] | None = None
    """Height, width and channels; the paper's if not given."""
    classes: int | None = None
    """Of the classifier; the paper's if not given."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the network, as NAME VALUE pairs."""
    csv: pathlib.Path | None = None
    """Write the table to this file too."""
    png: pathlib.Path | None = None
    """Draw the architecture into this file."""

    def run(self) -> None:
        from kerasnets.inspection import layer_table, save_drawing
        from kerasnets.models.build import build
        from kerasnets.training.run import parse_options

        model = build(
            self.name,
            input_shape=self.input_shape,
            classes=self.classes,
            **parse_options(self.options),
        )
        facts, rows = registry.info(self.name), layer_table(model)
        trainable = sum(row.trainable for row in rows)
        fixed = sum(row.non_trainable for row in rows)
        operations = sum(row.multiply_adds for row in rows)
        header = (
            "layer", "kind", "kernel/stride", "output", "trainable", "fixed", "multiply-adds",
            "receptive field",
        )  # fmt: skip
        cells = [_summary_cells(row) for row in rows]
        print(f"{facts.name}: {facts.description}\n{facts.authors} {facts.year}: {facts.title}")
        footer = ("total", "", "", "", trainable, fixed, operations, "")
        show(header, cells, left=("layer", "kind"), footer=footer)
        if self.csv:
            from kerasnets.files import whole

            with whole(self.csv) as partial, partial.open("w", newline="") as file:
                csv.writer(file).writerows([header, *cells])
        if self.png:
            title = f"{facts.name}: {trainable:,} parameters, {operations:,} multiply-adds"
            save_drawing(self.png, rows, title)


def _summary_cells(row: object) -> tuple[object, ...]:
    kernel = "x".join(map(str, row.kernel)) if row.kernel else ""
    field_of_view = "image" if row.receptive_field is None else row.receptive_field
    return (
        row.name,
        row.kind,
        f"{kernel}/{row.strides}" if kernel else "",
        "x".join("?" if side is None else str(side) for side in row.output_shape),
        row.trainable or None,
        row.non_trainable or None,
        row.multiply_adds or None,
        field_of_view,
    )


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

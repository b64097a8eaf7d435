"""``kerasnets list``, ``info``, ``summary`` and ``draw``: what is known of the networks."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Optional

from tyro.conf import Positional

from kerasnets import registry
from kerasnets.cli.checks import check_alone, check_network, is_run
from kerasnets.cli.flags import Options
from kerasnets.cli.loading import load_tensorflow
from kerasnets.cli.quantities import COUNT, quantity
from kerasnets.cli.tables import Format, show, written
from kerasnets.config.options import parse_options
from kerasnets.errors import UserError
from kerasnets.files import write_text
from kerasnets.inspection.drawing.levels import Level, check_level
from kerasnets.plotting import check_picture

if TYPE_CHECKING:
    import keras

    from kerasnets.inspection import LayerRow


@dataclass(frozen=True)
class List:
    """List the networks."""

    pattern: Positional[str] = "*"
    """Pattern of the names, with * and ? as in file names."""
    family: Optional[str] = None  # noqa: UP045  # tyro loads typeguard for `str | None`
    """Family whose networks are listed; all if not given."""
    max_params: Optional[str] = None  # noqa: UP045
    """Most trainable parameters, such as 5M."""
    max_multiply_adds: Optional[str] = None  # noqa: UP045
    """Most multiply-adds for one image, such as 600M or 2G."""
    has_weights: bool = False
    """List only networks with published weights."""
    sort: Literal["name", "accuracy", "params", "multiply-adds", "year"] = "name"
    """Order: accuracy (of the default weights) descending, the others ascending."""

    def run(self) -> None:
        facts = [registry.info(name) for name in registry.list_models(self.pattern, self.family)]
        if not facts:
            raise UserError(f"No network's name matches {self.pattern!r}; see kerasnets list.")
        facts = self._chosen(facts)
        if not facts:
            raise UserError("No network is left; give larger limits, or see kerasnets list.")
        show(
            ("network", "year", "parameters", "multiply-adds", "input", "top-1", "what it is"),
            (
                (
                    each.name,
                    str(each.year),
                    each.trainable_params,
                    each.multiply_adds,
                    "x".join(map(str, each.input_shape)),
                    _published(each),
                    each.description,
                )
                for each in facts
            ),
            left=("network", "what it is"),
        )

    def _chosen(self, facts: list[registry.ModelInfo]) -> list[registry.ModelInfo]:
        """Those within the limits, in the order that was asked for."""
        limits = (
            ("--max-params", self.max_params, "trainable_params"),
            ("--max-multiply-adds", self.max_multiply_adds, "multiply_adds"),
        )
        for flag, given, count in limits:
            if given is not None:
                most = quantity(given, COUNT, flag)
                facts = [each for each in facts if getattr(each, count) <= most]
        if self.has_weights:
            facts = [each for each in facts if each.weights]
        return facts if self.sort == "name" else sorted(facts, key=_ORDERS[self.sort])


def _accuracy(facts: registry.ModelInfo) -> tuple[bool, float]:
    """Sorts the best first, and what is measured on ImageNet before what is on CIFAR-10."""
    if not facts.weights:
        return True, math.inf
    best = facts.weights[0]
    return not best.data.endswith("ImageNet-1k"), -best.top1


_ORDERS: dict[str, Callable[[registry.ModelInfo], Any]] = {
    "accuracy": _accuracy,
    "params": lambda facts: facts.trainable_params,
    "multiply-adds": lambda facts: facts.multiply_adds,
    "year": lambda facts: facts.year,
}


def _published(facts: registry.ModelInfo) -> str | None:
    """The accuracy of the best weights, in %, and on what where that is not ImageNet."""
    if not facts.weights:
        return None
    best = facts.weights[0]
    data = best.data.rpartition(", ")[2]
    return f"{best.top1:.2f}" if data == "ImageNet-1k" else f"{data} {best.top1:.2f}"


@dataclass(frozen=True)
class Info:
    """Print the facts about a network or a run."""

    name: Positional[str]
    """Name of a network, as `kerasnets list` has it, or a run folder."""

    def run(self) -> None:
        if is_run(self.name):
            _print_facts(_run_facts(self.name))
            return
        from kerasnets.models.options import options

        facts = registry.info(self.name)
        _print_facts({**dataclasses.asdict(facts), "preprocessing": facts.preprocessing})
        print("\nOptions, as in --options width 0.5:")
        show(
            ("name", "value", "default"),
            ((name, *map(str, found)) for name, found in options(self.name).items()),
            left=("name", "value", "default"),
        )
        if facts.weights:
            print("\nPublished weights, the default first:")
            show(
                ("--weights", "top-1", "top-5", "trained on", "input", "licence"),
                map(_source_cells, facts.weights),
                left=("--weights", "trained on", "input", "licence"),
            )


def _print_facts(facts: Mapping[str, object]) -> None:
    for key, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) and key != "year" else value
        print(f"{key.replace('_', ' '):22}{shown}")


def _run_facts(folder: str) -> dict[str, object]:
    from kerasnets.runs.run import Run

    run = Run.load(folder)
    return {
        "network": run.config.model,
        "options": run.config.options or "none",
        "data": run.config.data,
        "recipe": run.recipe.name,
        "epochs": run.recipe.epochs,
        "extended": "; ".join(
            f"after epoch {each.after}, from {each.old_epochs} to {each.new_epochs} epochs"
            for each in run.config.extensions
        )
        or "never",
        "state": "finished" if run.finished else "not finished; train --resume goes on",
        "input_shape": run.input_shape,
        "classes": len(run.class_names),
        "preprocessing": run.preprocessing,
        **{key: f"{value:.4g}" for key, value in run.metrics().items() if type(value) is float},
    }


def _source_cells(source: registry.WeightSource) -> tuple[object, ...]:
    return (
        source.tag,
        f"{source.top1:.2f}",
        source.top5 and f"{source.top5:.2f}",
        source.data,
        str(source.preprocessing),
        source.licence,
    )


@dataclass(frozen=True)
class _Subject:
    """A network or a run to look at."""

    name: Positional[str]
    """Name of a network, as `kerasnets list` has it, or a run folder."""
    input_shape: tuple[int, int, int] | None = None
    """Height, width and channels of the images; the paper's if not given."""
    classes: int | None = None
    """Number of classes; the paper's if not given."""
    options: Options = field(default_factory=dict)
    """Options of the network as NAME VALUE pairs; `kerasnets info NETWORK` lists them."""

    def _model(self) -> tuple[str, keras.Model]:
        """The network's name, and the network."""
        options = parse_options(self.options, ("input_shape", "classes"))
        if is_run(self.name):
            check_alone(self, self.name, "input_shape", "classes", "options")
            load_tensorflow()
            from kerasnets.runs.run import Run

            run = Run.load(self.name)
            return run.config.model, run.network()
        check_network(self.name, options)
        load_tensorflow()
        from kerasnets.models.build import unweighted

        arguments = {"input_shape": self.input_shape, "classes": self.classes, **options}
        return self.name, unweighted(self.name, **arguments)


@dataclass(frozen=True)
class Summary(_Subject):
    """Print a network's layers as a table, to compare with its paper."""

    format: Format = "text"
    """Form of the table."""
    out: pathlib.Path | None = None
    """File to which the table is written instead."""

    def run(self) -> None:
        if self.out and not self.out.absolute().parent.is_dir():
            raise UserError(f"There is no folder {str(self.out.parent)!r} for --out.")
        name, model = self._model()
        from kerasnets.inspection import layer_table

        facts, rows = registry.info(name), layer_table(model)
        header = (
            "layer", "kind", "kernel/stride", "output", "weights", "biases", "fixed",
            "multiply-adds", "activation bytes", "receptive field",
        )  # fmt: skip
        cells = [_summary_cells(row) for row in rows]
        totals = [
            sum(cell or 0 for cell in column) for column in list(zip(*cells, strict=True))[4:9]
        ]
        footer = ("total", "", "", "", *totals, "")
        table = written(self.format, header, cells, left=("layer", "kind"), footer=footer)
        if self.format == "text":
            trainable = sum(row.trainable for row in rows)
            title = (
                f"{facts.name}: {facts.description}\n{facts.authors} {facts.year}: {facts.title}\n"
                f"{trainable:,} trainable parameters"
            )
            table = f"{title}\n\n{table}\n"
        if self.out:
            write_text(self.out, f"{table}\n")
            print(f"Written to {self.out}.")
        else:
            print(table)


def _summary_cells(row: LayerRow) -> tuple[Any, ...]:
    kernel = "x".join(map(str, row.kernel)) if row.kernel else ""
    field_of_view = "image" if row.receptive_field is None else row.receptive_field
    return (
        row.name,
        row.kind,
        f"{kernel}/{row.strides}" if kernel else "",
        "x".join("?" if side is None else str(side) for side in row.output_shape),
        row.trainable - row.biases or None,
        row.biases or None,
        row.non_trainable or None,
        row.multiply_adds or None,
        row.activation_bytes,
        field_of_view,
    )


@dataclass(frozen=True)
class Draw(_Subject):
    """Draw a network, or one of its blocks, as a graph with its shapes."""

    level: Level = "block"
    """What is a box: docs/drawings.md shows each level."""
    block: str | None = None
    """Block or stage to draw alone, such as inception3a, stage2_block1 or stage1."""
    out: pathlib.Path = pathlib.Path("drawing.svg")
    """Picture to write: .png, .svg or .pdf."""

    def run(self) -> None:
        check_level(self.level, self.block)
        check_picture(self.out)
        _, model = self._model()
        from kerasnets.inspection.drawing.draw import draw

        draw(model, self.out, self.level, self.block)
        print(f"Written to {self.out}.")

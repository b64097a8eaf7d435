"""The facts of a trained network, as READMEs and model cards need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kerasnets.config.command import train_command
from kerasnets.config.training import TrainConfig
from kerasnets.errors import UserError
from kerasnets.inputs import Preprocessing
from kerasnets.pretrained.sources import find
from kerasnets.registry import ModelInfo, WeightSource, info
from kerasnets.runs.environment import PACKAGES, read_environment
from kerasnets.runs.run import Run
from kerasnets.tasks import Task, TaskName

# Classes that are named; the others are counted.
NAMED = 20


class Kind(NamedTuple):
    """A figure of an evaluation.

    Attributes:
        key: Its name in ``metrics.json``.
        shown: What it is called here.
        metric: What the hub calls such figures.
        called: What the hub's tables call this one.
        form: Its format.
    """

    key: str
    shown: str
    metric: str
    called: str
    form: str = ".2%"


KINDS: dict[TaskName, tuple[Kind, ...]] = {
    "classification": (
        Kind("top1", "top-1", "accuracy", "accuracy"),
        Kind("top5", "top-5", "accuracy", "top-5 accuracy"),
    ),
    "multilabel": (
        Kind("mean_average_precision", "mean average precision", "mean_average_precision", "mAP"),
        Kind("macro_f1", "macro F1", "f1", "macro F1"),
        Kind("micro_f1", "micro F1", "f1", "micro F1"),
    ),
    "regression": (
        Kind("mae", "mean absolute error", "mae", "mean absolute error", ".4g"),
        Kind("rmse", "root of the mean squared error", "rmse", "RMSE", ".4g"),
        Kind("r2", "R2", "r_squared", "R2", ".4f"),
    ),
}
SAYS: dict[TaskName, str] = {
    "classification": "It names one of {} classes: {}.",
    "multilabel": "It says which of {} classes are in an image: {}.",
    "regression": "It gives {} of an image: {}.",
}


@dataclass(frozen=True)
class Figure:
    """A figure of an evaluation with its value; it reads as it is shown."""

    kind: Kind
    value: float

    def __str__(self) -> str:
        return f"{self.value:{self.kind.form}}"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is known of a trained network.

    Attributes:
        network: Its name.
        task: What it was trained for.
        class_names: Names of the classes, by label; for regression, of the numbers.
        input_shape: Its input, (height, width, channels).
        preprocessing: What an image goes through before.
        data: What it was trained on, where that is known.
        metrics: The figures of its evaluation; none where there was none.
        recipe: Name and source of the recipe that it was trained by, as far as they are known.
    """

    network: str
    task: Task
    class_names: tuple[str, ...]
    input_shape: tuple[int | None, ...]
    preprocessing: Preprocessing
    data: str | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def facts(self) -> ModelInfo | None:
        """What is known of the network by its name; nothing of a network of somebody's own."""
        try:
            return info(self.network)
        except UserError:
            return None

    @property
    def says(self) -> str:
        """A sentence on its answers."""
        names, count = self.class_names, len(self.class_names)
        listed = ", ".join(names[:NAMED])
        listed += f" and {count - NAMED:,} more" if count > NAMED else ""
        number = f"{count} numbers" if count > 1 else "a number"
        return SAYS[self.task.name].format(
            number if self.task.name == "regression" else count, listed
        )

    @property
    def figures(self) -> list[Figure]:
        """The figures of the evaluation that are worth showing."""
        found = [(kind, self.metrics.get(kind.key)) for kind in KINDS[self.task.name]]
        return [Figure(kind, value) for kind, value in found if isinstance(value, float)]

    @property
    def seen(self) -> str:
        """What happens to an image before the network sees it, in sentences."""
        height, width, channels = self.input_shape
        before, size = self.preprocessing, f"{height}x{width}"
        how = f" ({before.interpolation})"
        fit = {
            "crop": f"The short side of an image is resized to {before.resize_to} pixels{how}, "
            f"the centre of {size} is cut out.",
            "stretch": f"An image is resized to {size} pixels{how}.",
            "pad": f"An image is resized to {before.resize_to} pixels{how}, and centred on black "
            f"of {size}.",
        }[before.fit]
        colours = "grayscale" if channels == 1 else before.channel_order.upper()
        mean, std = (
            " ".join(f"{255 * value:.4g}" for value in dict.fromkeys(values))
            for values in (before.mean, before.std)
        )
        return (
            f"{fit} From the pixels, {colours} in 0 to 255, the mean ({mean}) is subtracted; the "
            f"rest is divided by {std}."
        )


@dataclass(frozen=True, kw_only=True)
class RunCard(Card):
    """What is known of a run.

    Attributes:
        epochs: The epochs that it was trained.
        watched: Whether a validation split decided how it went on.
        start: What it was trained from, in words.
        command: The command that trains it again.
        versions: The software that trained it, in a sentence.
    """

    epochs: int
    watched: bool
    start: str
    command: str
    versions: str


def card_of_run(run: Run) -> RunCard:
    """What is known of a finished run."""
    recipe = run.trained_recipe
    return RunCard(
        network=info(run.config.model).name,
        task=run.task,
        class_names=run.class_names,
        input_shape=run.input_shape,
        preprocessing=run.preprocessing,
        data=run.config.data,
        metrics=run.metrics(),
        recipe={"name": recipe.name, "source": recipe.source},
        epochs=run.trained_epochs,
        watched=run.recipe.watches_validation,
        start=_start(run.config),
        command=train_command(run.config),
        versions=_versions(run),
    )


def published_start(config: TrainConfig) -> WeightSource | None:
    """The published weights that a training started from, if it did."""
    return find(config.model, config.weights) if config.weights else None


def _start(config: TrainConfig) -> str:
    source = published_start(config)
    if source:
        return f"`{source.tag}` (licence {source.licence}, {source.data})"
    if config.weights or config.init_from:
        return f"the weights `{config.weights or config.init_from}`"
    return "random weights"


def _versions(run: Run) -> str:
    sessions = read_environment(run.folder)
    if not sessions:
        return ""
    last = sessions[-1]
    words = [f"{name} {last[name]}" for name in ("kerasnets", *PACKAGES) if name in last]
    return f"With {', '.join(words)}."

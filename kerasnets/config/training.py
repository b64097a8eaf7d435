"""The configuration of a training run, which is written into its folder."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from kerasnets.config.class_weights import check_class_weights
from kerasnets.config.options import as_word
from kerasnets.config.recipe_fields import Fraction, Recipe
from kerasnets.errors import UserError
from kerasnets.fast.tricks import TrainingTrick, check
from kerasnets.files import parse_json
from kerasnets.registry import info
from kerasnets.tasks import TASKS, TaskName
from kerasnets.values import Range, check_fields, from_plain


@dataclass(frozen=True, kw_only=True)
class Extension:
    """Where a run was given another number of epochs."""

    after: Annotated[int, Range(0)]
    """Number of epochs that it had trained."""
    old_epochs: Annotated[int, Range(1)]
    """Number of epochs that it was to have until then."""
    new_epochs: Annotated[int, Range(1)]
    """Number of epochs that it was to have from then on."""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run."""

    model: str = "lenet5"
    """Network to train: a name from `kerasnets list`."""
    task: TaskName = "classification"
    """Task: classification, one class for each image; multilabel, several; regression, numbers."""
    data: str = "digits"
    """Data set: digits, a TFDS name such as mnist, folder:PATH, or another of docs/data.md."""
    recipe: Recipe | None = None
    """Recipe to train by; the network's or the data set's own if not given."""
    data_dir: pathlib.Path | None = None
    """Folder in which TFDS keeps its data sets."""
    test_fraction: Fraction = 0.2
    """Fraction of the images held out for testing where a folder has no splits."""
    folds: Annotated[int | None, Range(2)] = None
    """Folds of a cross-validation: as many runs, each measured on the images that it left out."""
    fold: Annotated[int | None, Range(1)] = None
    """Which fold the run leaves out, from 1; a cross-validation records it."""
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Options of the network as NAME VALUE pairs, such as `activation sigmoid input_shape
    [64,64,3]`; `kerasnets info NETWORK` lists them."""
    weights: str | None = None
    """Weights to start from: a source of `kerasnets info`, hf:OWNER/REPO, a file or a run."""
    init_from: pathlib.Path | None = None
    """Run folder of another network, from which the layers that fit are copied."""
    teacher: str | None = None
    """Teacher for knowledge distillation: a run folder, or a network with ImageNet weights."""
    teacher_weight: Annotated[float, Range(0, 1, "(]")] = 0.5
    """Weight of the teacher's probabilities in the loss; the labels have the rest."""
    teacher_temperature: Annotated[float, Range(0, ends="()")] = 4.0
    """Distillation temperature; higher values give softer target probabilities."""
    out: pathlib.Path | None = None
    """Run folder; a new one under runs/ if not given."""
    class_weights: Mapping[str, float] | Literal["balanced"] | None = None
    """Weight of each class in the training's loss: balanced, for classes of different sizes, or
    the weights by name; all are 1 if not given."""
    bad_images: Literal["error", "skip"] = "error"
    """What an unreadable training image does: error stops, skip leaves out up to 1 % of them."""
    seed: Annotated[int, Range(0, 2**32 - 1, "[]")] = 0
    """Seed of the initial weights, the order of the images and the augmentation."""
    sync_batch_norm: bool = False
    """Compute batch-norm statistics over all devices instead of on each device alone."""

    devices: str = "auto"
    """Devices that share every batch: auto, cpu, gpu, or some of them, such as gpu:0,1."""
    cluster: str | None = None
    """Addresses of all workers, HOST:PORT,HOST:PORT,...; taken from TF_CONFIG if not given."""
    worker: int | None = None
    """Index of this process in --cluster, from 0; worker 0 writes the run."""
    fast: tuple[TrainingTrick, ...] = ("auto",)
    """What makes a step faster: auto, none, xla, or some of batch_norm, optimizer, winograd."""
    save_minutes: Annotated[float, Range(0, ends="()")] = 10.0
    """Minutes between checkpoints; one is written after each epoch too."""
    save_steps: Annotated[int | None, Range(1)] = None
    """Steps between checkpoints, in addition to save_minutes."""
    log_to: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ("tensorboard",)
    """Trackers that the curves are written to, in addition to history.csv."""

    extensions: tuple[Extension, ...] = ()
    """How the run was extended, in order; `train` records it."""

    def __post_init__(self) -> None:
        self._convert()
        check_fields(self)
        if self.fold is not None and self.fold > (self.folds or 0):
            raise UserError(f"fold must be at most folds. Received: {self.fold} of {self.folds}.")
        if isinstance(self.class_weights, Mapping):
            check_class_weights(self.class_weights)
        check(self.fast, "training")

    def _convert(self) -> None:
        """What Python has in the place of a command line's words: names, paths, numbers, lists."""
        changed: dict[str, Any] = {
            name: pathlib.Path(value)
            for name in ("data_dir", "init_from", "out")
            if isinstance(value := getattr(self, name), str)
        }
        for name in ("weights", "teacher"):
            if isinstance(value := getattr(self, name), os.PathLike):
                changed[name] = os.fspath(value)
        if isinstance(self.recipe, str):
            from kerasnets.config.recipes import recipe

            found = recipe(self.recipe)
            changed["recipe"] = for_task(found, self.task) if self.task in TASKS else found
        if isinstance(self.options, Mapping):
            changed["options"] = {name: as_word(value) for name, value in self.options.items()}
        lists = ("fast", "log_to", "extensions")
        changed |= {n: tuple(each) for n in lists if isinstance(each := getattr(self, n), list)}
        for name, value in changed.items():
            object.__setattr__(self, name, value)

    @property
    def extended_after(self) -> int:
        """Number of epochs that the run had trained when it was last extended, 0 if never."""
        return self.extensions[-1].after if self.extensions else 0

    def resolved(self) -> TrainConfig:
        """The same run with every default written out.

        Raises:
            UserError: When the network or the recipe is not known, or does not go with the task.
        """
        name = info(self.model).name
        chosen = self.recipe or default_recipe(name, self.data, self.task)
        TASKS[self.task].check_settings(chosen, self)
        return dataclasses.replace(self, model=name, recipe=chosen)


def default_recipe(model: str, data: str, task: TaskName = "classification") -> Recipe:
    """The recipe that a run takes when none is named.

    It is the network's own for this data set, or the data set's own, or the network's own; with
    the loss of the task.
    """
    from kerasnets.config.recipes import RECIPES, recipe

    own = info(model).recipe
    names = (f"{own}_{data}", data, own)
    return for_task(recipe(next((name for name in names if name in RECIPES), own)), task)


def for_task(recipe: Recipe, task: TaskName) -> Recipe:
    """The recipe with the task's own loss, where it has that of another one."""
    losses = TASKS[task].losses
    return recipe if recipe.loss in losses else dataclasses.replace(recipe, loss=losses[0])


def to_json(config: TrainConfig) -> str:
    """The configuration as a readable file."""
    return json.dumps(dataclasses.asdict(config), indent=2, default=str) + "\n"


def from_json(text: str, where: str) -> TrainConfig:
    """The configuration that `to_json` wrote.

    Args:
        text: Content of the file.
        where: Path of the file, for the error.

    Raises:
        UserError: When the file is damaged or holds unknown fields.
    """
    try:
        values = parse_json(text)
        if isinstance(values, dict):
            values = with_new_names(values)
        config = from_plain(TrainConfig, values, "a configuration")
        if config.recipe is None:
            raise ValueError("recipe must be an object. Received: None.")
    except ValueError as error:
        raise UserError(f"{where!r} is no configuration of a run: {error}") from error
    return config


def with_new_names(values: Mapping[str, object]) -> dict[str, object]:
    """The fields of a configuration that an earlier version may have written, as they are now."""
    xla = {"fast": ["xla"]} if values.get("xla") is True else {}
    return {name: value for name, value in values.items() if name != "xla"} | xla


# Where and how a run computes and writes may change when it goes on; what it computes may not.
FREE = frozenset(
    {
        *("out", "devices", "cluster", "worker", "fast", "save_minutes", "save_steps", "log_to"),
        "extensions",
    }
)


def differences(one: TrainConfig, other: TrainConfig) -> dict[str, tuple[object, object]]:
    """The values of the fields in which two runs differ, by name, those of the recipe included."""
    left, right = dataclasses.asdict(one), dataclasses.asdict(other)
    left |= left.pop("recipe") or {}
    right |= right.pop("recipe") or {}
    return {
        key: (left[key], right.get(key))
        for key in left
        if key not in FREE and left[key] != right.get(key)
    }

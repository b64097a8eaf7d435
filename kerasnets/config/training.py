"""What one training run is: a typed, frozen description that is written into its folder."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import typeguard

from kerasnets.config.recipes import RECIPES, Recipe, recipe
from kerasnets.errors import UserError
from kerasnets.fast.tricks import TrainingTrick, check
from kerasnets.registry import info


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run."""

    model: str = "lenet5"
    """Network to train, a name from `kerasnets list`."""
    data: str = "digits"
    """digits, a TFDS name such as mnist, folder:PATH, or another source of docs/data.md."""
    recipe: Recipe | None = None
    """How to train; the network's or the data set's own recipe if not given."""
    data_dir: pathlib.Path | None = None
    """Where TFDS keeps its data."""
    test_fraction: float = 0.2
    """Share of the images held out where a folder has no splits."""
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Options of the network, NAME VALUE pairs: `activation sigmoid`, `input_shape [64,64,3]`."""
    weights: str | None = None
    """Weights to start from: a source of `kerasnets info`, hf:OWNER/REPO, a file or a run."""
    init_from: pathlib.Path | None = None
    """Run folder of another network, to copy the layers from that fit."""
    out: pathlib.Path | None = None
    """Run folder; a new one under runs/ if not given."""
    bad_images: Literal["error", "skip"] = "error"
    """At a training image that cannot be read: stop, or train without it, up to 1 % of them."""
    seed: int = 0
    """Of initial weights, order and augmentation."""
    sync_batch_norm: bool = False
    """Batch norms see the images of all devices together instead of each its own."""

    devices: str = "auto"
    """auto, cpu, gpu, or some of them, gpu:0,1. Each takes its part of every batch."""
    cluster: str | None = None
    """Addresses of the workers, HOST:PORT,HOST:PORT,...; TF_CONFIG says it too."""
    worker: int | None = None
    """This process among those of --cluster, from 0, which writes the run."""
    fast: tuple[TrainingTrick, ...] = ("auto",)
    """What makes a step faster: auto, none, xla, or some of batch_norm, optimizer, winograd."""
    save_minutes: float = 10.0
    """Time between checkpoints; there is one after each epoch too."""
    save_steps: int | None = None
    """Steps between checkpoints, beside save_minutes."""
    log_to: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ("tensorboard",)
    """Where the curves are written beside history.csv."""

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed must be 0 to {2**32 - 1}. Received: {self.seed}.")
        check(self.fast, "training")
        # Put so that what is no number is refused too.
        if not self.save_minutes > 0:
            raise UserError(f"save_minutes must be more than 0. Received: {self.save_minutes}.")
        if self.save_steps is not None and self.save_steps < 1:
            raise UserError(f"save_steps must be at least 1. Received: {self.save_steps}.")

    def resolved(self) -> TrainConfig:
        """The same run with every default written out.

        Raises:
            UserError: When the network or the recipe is not known.
        """
        name = info(self.model).name
        chosen = self.recipe or default_recipe(name, self.data)
        return dataclasses.replace(self, model=name, recipe=chosen)


def default_recipe(model: str, data: str) -> Recipe:
    """The recipe that a run takes when none is named.

    The network's own for this data set, the data set's own, or the network's own.
    """
    own = info(model).recipe
    names = (f"{own}_{data}", data, own)
    return recipe(next((name for name in names if name in RECIPES), own))


def to_json(config: TrainConfig) -> str:
    """The configuration as a readable file."""
    return json.dumps(dataclasses.asdict(config), indent=2, default=str) + "\n"


def from_json(text: str, where: str) -> TrainConfig:
    """The configuration that `to_json` wrote.

    Args:
        text: The file's content.
        where: The file's path, for the error.

    Raises:
        UserError: When it is damaged or holds unknown fields.
    """
    try:
        values = with_new_names(_object(json.loads(text), "it"))
        values["recipe"] = _typed(Recipe, _object(values["recipe"], "recipe"))
        return _typed(TrainConfig, values)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{where!r} is no configuration of a run: {error}") from error


def with_new_names(values: Mapping[str, object]) -> dict[str, object]:
    """The fields of a configuration that an earlier version may have written, as they are now."""
    xla = {"fast": ["xla"]} if values.get("xla") is True else {}
    return {name: value for name, value in values.items() if name != "xla"} | xla


def _object(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be an object. Received: {json.dumps(value)[:40]}")
    return value


def _typed(cls: type, values: Mapping[str, object]) -> object:
    """An instance of a dataclass from JSON values: lists become tuples, strings paths."""
    hints = typing.get_type_hints(cls)
    converted = {}
    for key, value in values.items():
        hint = hints[key]
        if isinstance(value, list):
            value = tuple(value)
        if isinstance(value, str) and hint == pathlib.Path | types.NoneType:
            value = pathlib.Path(value)
        try:
            converted[key] = typeguard.check_type(value, hint)
        except typeguard.TypeCheckError as error:
            raise TypeError(f"{key}: {error}") from error
    return cls(**converted)


# Where and how a run computes and writes may change when it goes on; what it computes may not.
FREE = frozenset(
    {"out", "devices", "cluster", "worker", "fast", "save_minutes", "save_steps", "log_to"}
)


def differences(one: TrainConfig, other: TrainConfig) -> list[str]:
    """Names of the fields in which two runs differ, those of the recipe included."""
    left, right = dataclasses.asdict(one), dataclasses.asdict(other)
    left |= left.pop("recipe") or {}
    right |= right.pop("recipe") or {}
    return [key for key in left if key not in FREE and left[key] != right.get(key)]

"""The space of a search: which values of a recipe, or options of a network, vary, and how."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import tomllib
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasnets.config.options import as_word, parse_options
from kerasnets.config.recipe_fields import Recipe, fields
from kerasnets.config.training import TrainConfig
from kerasnets.errors import UserError, unknown
from kerasnets.files import read_text
from kerasnets.models.build import check_options
from kerasnets.runs.run import chosen_recipe
from kerasnets.values import check, check_fields, from_plain

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# Names of a recipe, and what would change the images that trials are compared on.
_FIXED = ("name", "source", "reported", "validation_fraction")
_OPTION = "options."


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What one value may be: within a range, or one of some choices."""

    low: float | None = None
    """Lower end of the range, which is in it."""
    high: float | None = None
    """Upper end of the range, which is in it."""
    log: bool = False
    """Whether the logarithm is drawn evenly: for what counts in factors, as learning rates do."""
    step: float | None = None
    """Distance of the values that are tried, from the lower end on; any value if not given."""
    choices: tuple[Any, ...] = ()
    """The values to choose from, in the place of a range."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.choices:
            if (self.low, self.high, self.step, self.log) != (None, None, None, False):
                raise UserError("it must be a range or have choices, not both.")
            return
        if self.low is None or self.high is None:
            raise UserError("it must have low and high, or choices.")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UserError(f"low must be below high. Received: low={self.low}, high={self.high}.")
        if self.log and (self.low <= 0 or self.step is not None):
            raise UserError("log goes with a low above 0, and without step.")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise UserError(f"step must be within the range. Received: {self.step}.")

    @property
    def extremes(self) -> tuple[Any, ...]:
        """The ends of the range, or all choices: where these are allowed, all between are."""
        return self.choices or (self.low, self.high)

    def plain(self) -> dict[str, Any]:
        """As a file holds it."""
        default = Parameter(choices=(0,))
        found = {key: value for key, value in vars(self).items() if value != vars(default)[key]}
        return found | ({"choices": list(self.choices)} if self.choices else {})


@dataclass(frozen=True)
class Space:
    """What a search varies.

    Attributes:
        parameters: By name: a field of `Recipe`, or ``options.NAME`` for an option of the network.
    """

    parameters: Mapping[str, Parameter]

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {name: each.plain() for name, each in self.parameters.items()}

    def check(self, config: TrainConfig) -> None:
        """Refuses what the recipe or the network does not have, and values that it does not take.

        Raises:
            UserError: For the first of them.
        """
        hints = typing.get_type_hints(Recipe, include_extras=True)
        given = parse_options(config.options)
        for name, parameter in self.parameters.items():
            option = name.removeprefix(_OPTION)
            if option == name and name not in _varying():
                raise unknown("value of a recipe to vary", name, _varying())
            step = parameter.step
            if step is not None and _whole(name, parameter) and step != int(step):
                raise UserError(
                    f"{name}: step must be a whole number. Received: {step}. A range of an option "
                    "is one of fractions where an end is written so, 0.0 for 0."
                )
            for value in parameter.extremes:
                if option != name:
                    check_options(config.model, {**given, option: value})
                else:
                    check(_hashable(value), hints[name], name)

    def distributions(self) -> dict[str, BaseDistribution]:
        """The same as Optuna has it."""
        return {name: _distribution(name, each) for name, each in self.parameters.items()}

    def applied(self, config: TrainConfig, drawn: Mapping[str, Any]) -> TrainConfig:
        """A configuration with the values of a trial.

        Args:
            config: The configuration of all trials.
            drawn: What Optuna has drawn, by name.

        Raises:
            UserError: When the values do not go together.
        """
        options, values = dict(config.options), {}
        for name, value in drawn.items():
            if isinstance(value, str) and value not in self.parameters[name].choices:
                value = _hashable(json.loads(value))
            if name.startswith(_OPTION):
                options[name.removeprefix(_OPTION)] = as_word(value)
            else:
                values[name] = value
        recipe = dataclasses.replace(chosen_recipe(config), **values)
        return dataclasses.replace(config, options=options, recipe=recipe)


def space(given: str, config: TrainConfig) -> Space:
    """The space of a TOML file, or a preset, checked for a configuration.

    Args:
        given: Name of one of `PRESETS`, or path of a file ending in ``.toml``. Its keys are fields
            of `Recipe`; those of its table ``options`` are options of the network. Each is a table
            of the fields of `Parameter`.
        config: What is trained, with its recipe.

    Raises:
        UserError: When there is no such preset or file, or it holds what cannot be varied.
    """
    if given.endswith(".toml"):
        found = _from_file(pathlib.Path(given))
    elif given in PRESETS:
        found = Space(PRESETS[given](chosen_recipe(config)))
    else:
        raise unknown("space (a preset, or a file that ends in .toml)", given, PRESETS)
    try:
        found.check(config)
    except UserError as error:
        raise UserError(f"The space {given!r}: {error}") from error
    return found


def _from_file(path: pathlib.Path) -> Space:
    text = read_text(path)
    try:
        tables = tomllib.loads(text)
        options = check(tables.pop("options", {}), dict[str, Any], "options")
        tables |= {f"{_OPTION}{name}": table for name, table in options.items()}
        if not tables:
            raise UserError("it varies nothing.")
        return Space({name: _parameter(name, table) for name, table in tables.items()})
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{str(path)!r} is no TOML: {error}.") from error
    except UserError as error:
        raise UserError(f"{str(path)!r} is no space: {error}") from error


def _parameter(name: str, table: object) -> Parameter:
    try:
        values: Any = check(table, dict[str, Any], "it")
        return from_plain(Parameter, values, "a range")
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


def _optimization(recipe: Recipe) -> dict[str, Parameter]:
    """The rate around the recipe's own; a decoupled decay is usually a larger number."""
    rate = recipe.learning_rate
    low, high = (1e-3, 0.3) if recipe.optimizer == "adamw" else (1e-6, 3e-3)
    return {
        "learning_rate": Parameter(low=rate / 30, high=rate * 10, log=True),
        "weight_decay": Parameter(low=low, high=high, log=True),
    }


def _augmentation(recipe: Recipe) -> dict[str, Parameter]:
    """How strongly the images, and where the loss takes it the labels, are changed."""
    found = {
        "randaugment": Parameter(low=0, high=3),
        "randaugment_magnitude": Parameter(low=3.0, high=10.0),
        "random_erasing": Parameter(low=0.0, high=0.5),
    }
    if recipe.loss == "cross_entropy":
        found["label_smoothing"] = Parameter(low=0.0, high=0.2)
        if not recipe.cutmix:
            found["mixup"] = Parameter(low=0.0, high=0.4)
    return found


PRESETS: dict[str, Callable[[Recipe], dict[str, Parameter]]] = {
    "optimization": _optimization,
    "augmentation": _augmentation,
}


def _varying() -> list[str]:
    return [name for name in fields() if name not in _FIXED]


def _distribution(name: str, each: Parameter) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if each.choices:
        # Optuna keeps no lists.
        return CategoricalDistribution(
            [json.dumps(value) if isinstance(value, list) else value for value in each.choices]
        )
    low, high = float(each.low or 0), float(each.high or 0)
    if _whole(name, each):
        return IntDistribution(int(low), int(high), log=each.log, step=int(each.step or 1))
    return FloatDistribution(low, high, log=each.log, step=each.step)


def _whole(name: str, each: Parameter) -> bool:
    """Whether a range is of whole numbers: a recipe's field tells, an option's is as written."""
    if name.startswith(_OPTION):
        return all(isinstance(value, int) for value in (each.low, each.high))
    try:
        check(0.5, typing.get_type_hints(Recipe)[name], name)
    except UserError:
        return True
    return False


def _hashable(value: Any) -> Any:
    """A recipe's lists are tuples."""
    return tuple(value) if isinstance(value, list) else value

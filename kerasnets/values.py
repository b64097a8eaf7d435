"""Checks a value against a type annotation, and says what is wrong in words that a user reads."""

from __future__ import annotations

import dataclasses
import math
import numbers
import pathlib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, TypeVar

from kerasnets.errors import UserError, shown, unknown

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """The finite values that a number may have; `ends` says which ends are among them."""

    low: float
    high: float = math.inf
    ends: Literal["[)", "[]", "(]", "()"] = "[)"

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.ends[0] == "[" else value > self.low
        below = value <= self.high if self.ends[1] == "]" else value < self.high
        return above and below

    def __str__(self) -> str:
        if self.high == math.inf:
            return f"{'at least' if self.ends[0] == '[' else 'more than'} {self.low}"
        return f"in {self.ends[0]}{self.low}, {self.high}{self.ends[1]}"


def check(value: Any, annotation: Any, name: str) -> Any:
    """Returns the value if it is of its type and within its range.

    Args:
        value: Any value; a bool is no number.
        annotation: Type of the value; ``Annotated[float, Range(0, 1)]`` limits it.
        name: What the value is called, for the error.

    Raises:
        UserError: When the value does not fit.
    """
    import typeguard  # loads asyncio, which takes 0.2 s

    limited = typing.get_origin(annotation) is typing.Annotated
    plain, *limits = typing.get_args(annotation) if limited else (annotation,)
    every = typeguard.CollectionCheckStrategy.ALL_ITEMS
    try:
        if isinstance(value, bool) and not _takes_bool(plain):
            raise typeguard.TypeCheckError("is a bool")
        typeguard.check_type(value, plain, collection_check_strategy=every)
    except typeguard.TypeCheckError:
        raise UserError(f"{name} must be {words(plain)}. Received: {shown(value)}.") from None
    for limit in limits:
        if isinstance(limit, Range) and value is not None and value not in limit:
            raise UserError(f"{name} must be {limit}. Received: {value}.")
    return value


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number, one of NumPy's too; a bool is none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def check_fields(instance: Any, *names: str) -> None:
    """Raises a `UserError` where a field of a dataclass does not fit its annotation.

    Args:
        instance: The dataclass.
        *names: Names of the fields to check; all if none is given.
    """
    hints = typing.get_type_hints(type(instance), include_extras=True)
    for name in names or hints:
        check(getattr(instance, name), hints[name], name)


def from_plain(cls: type[T], values: Mapping[str, Any], what: str) -> T:
    """A dataclass from what JSON and TOML can hold: lists become tuples, strings paths.

    Args:
        cls: The dataclass, whose fields may be dataclasses.
        values: The values of its fields by name.
        what: What the dataclass describes, for the error.

    Raises:
        UserError: When a field is not known, or is missing, or its value is of another type.
    """
    hints = typing.get_type_hints(cls)
    converted = {}
    for key, value in check(values, dict[str, Any], what).items():
        if key not in hints:
            raise unknown(f"value of {what}", key, hints)
        converted[key] = check(_converted(value, hints[key], key), hints[key], key)
    try:
        return cls(**converted)
    except TypeError as error:
        raise UserError(f"{what} is incomplete: {error}.") from error


def _converted(value: Any, hint: Any, name: str) -> Any:
    if isinstance(value, list):
        kind: Any = next(iter(typing.get_args(hint)), None)
        plain = dataclasses.is_dataclass(kind)
        return tuple(from_plain(kind, each, name) if plain else each for each in value)
    for kind in _choices(hint):
        if kind is pathlib.Path and isinstance(value, str):
            return pathlib.Path(value)
        if dataclasses.is_dataclass(kind) and value is not None:
            return from_plain(kind, value, name)
    return value


def words(annotation: Any) -> str:
    """A type as a user reads it: ``'a' or 'b'``, ``a whole number or None``."""
    if typing.get_origin(annotation) is Literal:
        return _either(repr(choice) for choice in typing.get_args(annotation))
    if len(_choices(annotation)) > 1:
        return _either(words(choice) for choice in _choices(annotation))
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if dataclasses.is_dataclass(annotation) or origin in (dict, Mapping):
        return "an object"
    if origin is tuple and inner[1:] == (...,):
        return f"a list of values, each {words(inner[0])}"
    names = {
        int: "a whole number",
        float: "a number",
        str: "a string",
        bool: "True or False",
        dict: "an object",
        types.NoneType: "None",
    }
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return names.get(annotation, f"a {annotation.__name__}")
    return str(annotation).replace("typing.", "")


def _either(choices: typing.Iterable[str]) -> str:
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The types of a union; of any other type itself."""
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else (annotation,)


def _takes_bool(annotation: Any) -> bool:
    kinds = _choices(annotation)
    return any(kind in (bool, object, Any) or typing.get_origin(kind) is Literal for kind in kinds)

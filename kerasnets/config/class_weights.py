"""The weights of classes in the loss: read from a file, and put in the order of the labels."""

from __future__ import annotations

import csv
import io
import math
import pathlib
import tomllib
from collections.abc import Mapping, Sequence

from kerasnets.errors import UserError, shown, unknown
from kerasnets.files import parse_json, read_text
from kerasnets.values import check


def read_class_weights(path: pathlib.Path) -> dict[str, float]:
    """The weight of each class, by its name.

    Args:
        path: A JSON or TOML file of ``NAME: WEIGHT``, or a CSV file of lines ``NAME,WEIGHT``, with
            or without the header ``class,weight``.

    Raises:
        UserError: When it cannot be read, or a weight is none.
    """
    if path.suffix not in (".csv", ".json", ".toml"):
        raise UserError(
            f"Class weights are 'balanced' or a file .csv, .json or .toml. Received: {str(path)!r}."
        )
    text = read_text(path)
    try:
        if path.suffix == ".csv":
            values = _csv(text)
        else:
            values = parse_json(text) if path.suffix == ".json" else tomllib.loads(text)
        return check_class_weights(check(values, dict[str, float], "the file"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{str(path)!r} holds no class weights: {error}") from error


def _csv(text: str) -> dict[str, float]:
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    if rows and [cell.strip().lower() for cell in rows[0]] == ["class", "weight"]:
        rows = rows[1:]
    found: dict[str, float] = {}
    for row in rows:
        if len(row) != 2:
            raise UserError(f"a line must be NAME,WEIGHT. Received: {shown(','.join(row))}.")
        name = row[0].strip()
        if name in found:
            raise UserError(f"the class {name!r} stands in it twice.")
        try:
            found[name] = float(row[1])
        except ValueError:
            raise UserError(f"{name!r} must have a number. Received: {row[1]!r}.") from None
    return found


def check_class_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """The weights as numbers.

    Raises:
        UserError: When there are none, or one is no positive number.
    """
    if not weights:
        raise UserError("Class weights must name the classes. Received: none.")
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight > 0):
            raise UserError(f"The weight of {name!r} must be more than 0. Received: {weight}.")
    return {name: float(weight) for name, weight in weights.items()}


def by_label(weights: Mapping[str, float], class_names: Sequence[str]) -> tuple[float, ...]:
    """The weights in the order of the classes.

    Raises:
        UserError: When one is of no class, or a class has none.
    """
    for name in weights:
        if name not in class_names:
            raise UserError(f"Class weights: {unknown('class', name, class_names)}")
    missing = [name for name in class_names if name not in weights]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise UserError(
            f"Class weights: no weight for {', '.join(map(repr, missing[:5]))}{more}. Expected "
            f"one for each of the {len(class_names)} classes."
        )
    return tuple(weights[name] for name in class_names)

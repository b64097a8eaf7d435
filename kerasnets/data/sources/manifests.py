"""Data sets listed in a file: CSV or JSON lines of path, label and, if there are any, split.

The label is one class; or several, in one cell or in a column of 0 and 1 for each class; or one or
more numbers.
"""

from __future__ import annotations

import csv
import io
import math
import os
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from kerasnets.data.records import Paths
from kerasnets.data.sources.base import (
    ALL,
    SPLIT_NAMES,
    SPLITS,
    Dataset,
    Split,
    our_name,
    register_source,
)
from kerasnets.data.sources.paths import expanded, is_file, read_text
from kerasnets.errors import UserError, shown
from kerasnets.files import parse_json
from kerasnets.tasks import TaskName

# May stand beside the manifest: the names of the classes by label, a line each.
CLASS_LIST = "classes.txt"
# Numbers that are labels count the classes; a date or an identifier is no such number.
MOST_CLASSES = 100_000
# The columns of labels, and what divides several in one cell: the first that is found.
LABELS = ("label", "labels")
SEPARATORS = ("|", ";", ",")

# Where cells without a column would be: no column is called so.
MORE = "\0"

Row: TypeAlias = Mapping[str, object]


def manifest(
    given: str, data_dir: str | os.PathLike | None = None, *, task: TaskName = "classification"
) -> Dataset:
    """The data set that a manifest lists; its paths are relative to the manifest's folder.

    Classes are names, or numbers from 0. A file ``classes.txt`` beside the manifest says which
    there are; otherwise they are those that occur. Several of an image stand in the column
    ``label`` or ``labels``, divided by ``|``, ``;`` or ``,`` or as a list of JSON; an empty cell
    is none. Without such a column each other column is a class, of 0 and 1. For regression the
    number is in the column ``label``, or each other column is a number.

    Raises:
        UserError: When a line lacks a column, or its label or split is not known.
    """
    path = expanded(given)
    text = read_text(path)
    rows = list(rows_of(path, io.StringIO(text, newline=""), ("path",)))
    if not rows:
        raise UserError(f"{path!r} lists no images.")
    class_names, labels = _READERS[task](path, rows)
    root = posixpath.dirname(path)
    paths = np.array([posixpath.join(root, str(row["path"])) for row in rows], object)
    splits = {ALL: Split(Paths(paths), labels)}
    named = [row.get("split") for row in rows]
    if any(named):
        splits = _divided(path, splits[ALL], named)
        if task != "regression":
            _check_classes(path, class_names, splits)
    return Dataset(f"manifest:{given}", class_names, splits)


def _divided(path: str, everything: Split, named: list[object]) -> dict[str, Split]:
    """The images of each split, which the rows name."""
    for row, split in enumerate(named, start=1):
        if not isinstance(split, str) or not our_name(split):
            known = ", ".join(SPLIT_NAMES)
            raise UserError(f"{path!r}, image {row}: split must be {known}. Received: {split!r}.")
    of_row = np.array([our_name(str(split)) for split in named])
    places = {split: np.flatnonzero(of_row == split) for split in SPLITS}
    return {split: everything.take(place) for split, place in places.items() if place.size}


def rows_of(path: str, lines: Iterable[str], columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a manifest, each of which has these columns.

    Args:
        path: The manifest, whose ending tells its form.
        lines: Its lines.
        columns: Names of the columns.

    Raises:
        UserError: When a row lacks one, or a line is damaged.
    """
    if path.endswith((".jsonl", ".ndjson", ".json")):
        rows = _json_lines(path, lines)
    else:
        rows = _csv_rows(path, lines)
    for number, row in enumerate(rows, start=1):
        for column in columns:
            _check_column(path, number, row, column)
        yield row


def _check_column(path: str, number: int, row: Row, column: str, more: str = "") -> None:
    """Raises a `UserError` where a row has nothing in a column."""
    if _stripped(row.get(column)) in (None, ""):
        raise UserError(
            f"{path!r}, image {number}: no {column!r}. "
            f"Found: {', '.join(map(str, row)) or 'nothing'}.{more}"
        )


def _csv_rows(path: str, lines: Iterable[str]) -> Iterator[Row]:
    reader = csv.DictReader(lines, restkey=MORE)
    try:
        for number, row in enumerate(reader, start=1):
            if MORE in row:
                raise UserError(
                    f"{path!r}, image {number}: more cells than the header has, "
                    f"{shown(row[MORE])}. A cell with a comma in it must be in quotes."
                )
            yield row
    except csv.Error as error:
        # The line that failed is not counted yet.
        raise UserError(f"{path!r}, line {reader.line_num + 1} is no CSV: {error}.") from error


def _json_lines(path: str, lines: Iterable[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            raise UserError(f"{path!r}, line {number} is no JSON: {error}.") from error
        if not isinstance(row, dict):
            raise UserError(
                f"{path!r}, line {number}: expected an object. Received: {line.strip()[:40]}."
            )
        yield row


def _class_list(path: str) -> tuple[str, ...] | None:
    """The classes of a file beside the manifest; ``None`` where there is none."""
    class_list = posixpath.join(posixpath.dirname(path), CLASS_LIST)
    if not is_file(class_list):
        return None
    lines = (line.strip() for line in read_text(class_list).splitlines())
    return tuple(line for line in lines if line)


def _labels(path: str, rows: Sequence[Row]) -> tuple[tuple[str, ...], np.ndarray]:
    """The class names and each row's one label."""
    hint = " Several labels need --task multilabel." if _marks(rows[0]) else ""
    given, listed = [_stripped(row.get("label")) for row in rows], _class_list(path)
    _refuse_several(path, given, listed or ())
    for number, row in enumerate(rows, start=1):
        _check_column(path, number, row, "label", hint)
    # Classes may be called by numbers.
    named = listed is not None and {str(label) for label in given} <= set(listed)
    integers = None if named else _integers(given)
    if listed is None and integers is not None and max(integers) >= MOST_CLASSES:
        raise UserError(
            f"{path!r} has the label {max(integers)}: without {CLASS_LIST}, labels that are "
            f"numbers count the classes from 0, of which there are {MOST_CLASSES:,} at most."
        )
    if listed is not None:
        names = listed
    elif integers is not None:
        names = tuple(map(str, range(max(integers) + 1)))
    else:
        names = tuple(sorted({str(label) for label in given}))
    index = {name: label for label, name in enumerate(names)}
    labels = integers or [index.get(str(label), -1) for label in given]
    for row, (label, found) in enumerate(zip(given, labels, strict=True), start=1):
        if not 0 <= found < len(names):
            raise UserError(
                f"{path!r}, image {row}: the label {label!r} is none of the {len(names)} classes."
            )
    if len(names) < 2:
        raise UserError(f"{path!r} must list two classes at least. Found: {', '.join(names)}.")
    return names, np.array(labels, np.int32)


def _stripped(label: object) -> object:
    """The label as it is meant: spaces around it are none of its name."""
    return label.strip() if isinstance(label, str) else label


def _refuse_several(path: str, given: list[object], listed: Collection[str]) -> None:
    """Raises a `UserError` where a cell holds several labels, which would become one class.

    A name may have a comma in it: only where a part of it is a label elsewhere are they several.
    """
    alone = {str(label) for label in given} | set(listed)
    for row, label in enumerate(given, start=1):
        several = isinstance(label, list)
        for separator in SEPARATORS:
            parts = _parts(label, separator)
            several |= len(parts) > 1 and (separator != "," or bool(alone.intersection(parts)))
        if several and label not in listed:
            raise UserError(
                f"{path!r}, image {row}: {shown(label)} are several labels. Give --task "
                f"multilabel; if it is the name of one class, list the classes in {CLASS_LIST}."
            )


def _parts(label: object, separator: str) -> list[str]:
    """The labels in a cell."""
    parts = label if isinstance(label, list) else str(label).split(separator)
    return [str(part).strip() for part in parts if str(part).strip()]


def _several(path: str, rows: Sequence[Row]) -> tuple[tuple[str, ...], np.ndarray]:
    """The class names, and for each row and class whether the row has it, 0 or 1."""
    column = next((name for name in LABELS if name in rows[0]), None)
    if column is None:
        return _of_columns(path, rows, _mark)
    cells = [row.get(column) for row in rows]
    for number, cell in enumerate(cells, start=1):
        if cell is None:
            raise UserError(f"{path!r}, image {number}: no {column!r}.")
    used = (each for each in SEPARATORS if any(isinstance(c, str) and each in c for c in cells))
    separator = next(used, SEPARATORS[0])
    found = [_parts(cell, separator) for cell in cells]
    listed = _class_list(path)
    if listed is None:
        _refuse_mixed(path, cells, found)
    names = listed or tuple(sorted({part for parts in found for part in parts}))
    if not names:
        raise UserError(f"{path!r}: no image has a label in the column {column!r}.")
    index = {name: place for place, name in enumerate(names)}
    labels = np.zeros((len(rows), len(names)), np.float32)
    for row, parts in enumerate(found):
        for part in parts:
            if part not in index:
                raise UserError(
                    f"{path!r}, image {row + 1}: the label {part!r} is none of the {len(names)} "
                    "classes."
                )
            labels[row, index[part]] = 1
    return names, labels


def _refuse_mixed(path: str, cells: Sequence[object], found: Sequence[Sequence[str]]) -> None:
    """Raises a `UserError` where another separator divides a cell: its labels would be one."""
    alone = {part for parts in found for part in parts}
    for row, (cell, parts) in enumerate(zip(cells, found, strict=True), start=1):
        for label in parts if isinstance(cell, str) else ():
            for separator in SEPARATORS:
                inner = _parts(label, separator)
                if len(inner) > 1 and alone.intersection(inner):
                    raise UserError(
                        f"{path!r}, image {row}: {label!r} is divided by {separator!r}, labels of "
                        "other images are not; divide all alike. If it is the name of one class, "
                        f"list the classes in {CLASS_LIST}."
                    )


def _numbers(path: str, rows: Sequence[Row]) -> tuple[tuple[str, ...], np.ndarray]:
    """What the numbers are, and each row's."""
    return _of_columns(path, rows, _number, LABELS[:1] if LABELS[0] in rows[0] else None)


def _marks(row: Row) -> tuple[str, ...]:
    """The columns that hold labels where there is no column ``label``."""
    if any(name in row for name in LABELS):
        return ()
    return tuple(str(name) for name in row if name not in ("path", "split"))


def _of_columns(
    path: str,
    rows: Sequence[Row],
    read: Callable[[object], float],
    names: tuple[str, ...] | None = None,
) -> tuple[tuple[str, ...], np.ndarray]:
    """The names of columns, and what they hold, (rows, columns)."""
    names = names or _marks(rows[0])
    if not names:
        raise UserError(f"{path!r}: no column of labels. Found: {', '.join(map(str, rows[0]))}.")
    labels = np.zeros((len(rows), len(names)), np.float32)
    for row, values in enumerate(rows):
        for place, name in enumerate(names):
            try:
                labels[row, place] = read(values.get(name))
            except (ValueError, TypeError) as error:
                raise UserError(
                    f"{path!r}, image {row + 1}: {name} must be {error}. "
                    f"Received: {shown(values.get(name))}."
                ) from None
    return names, labels


def _mark(value: object) -> float:
    if str(value).strip().lower() in ("0", "0.0", "false"):
        return 0.0
    if str(value).strip().lower() in ("1", "1.0", "true"):
        return 1.0
    raise ValueError("0 or 1")


def _number(value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError("a number")
    return number


def _integers(labels: list[object]) -> list[int] | None:
    """The labels, if all are integers; ``1_0`` is a name."""
    if all(re.fullmatch(r"\s*-?[0-9]+\s*", str(label)) for label in labels):
        return [int(str(label)) for label in labels]
    return None


def _check_classes(path: str, names: tuple[str, ...], splits: Mapping[str, Split]) -> None:
    """Raises a `UserError` where a split has classes that the training images lack."""
    if "train" not in splits:
        return
    seen = _classes_of(splits["train"])
    for split, images in splits.items():
        unseen = sorted(_classes_of(images) - seen)
        if unseen:
            classes = ", ".join(names[label] for label in unseen[:5])
            raise UserError(f"{path!r}: the classes {classes} are in {split} and not in train.")


def _classes_of(split: Split) -> set[int]:
    """The classes that images of a split have."""
    labels = split.labels
    return set((labels if split.one_class else np.flatnonzero(labels.any(axis=0))).tolist())


_READERS = {"classification": _labels, "multilabel": _several, "regression": _numbers}

register_source("manifest", manifest, "manifest:FILE")

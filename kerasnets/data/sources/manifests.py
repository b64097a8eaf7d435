"""Data sets listed in a file: CSV or JSON lines of path, label and, if there are any, split."""

from __future__ import annotations

import csv
import io
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence

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
from kerasnets.errors import UserError
from kerasnets.files import parse_json

# May stand beside the manifest: the names of the classes by label, a line each.
CLASS_LIST = "classes.txt"


def manifest(given: str, data_dir: str | os.PathLike | None = None) -> Dataset:
    """The data set that a manifest lists; its paths are relative to the manifest's folder.

    Labels are names, or numbers from 0. A file ``classes.txt`` beside the manifest says which
    classes there are; otherwise they are those that occur.

    Raises:
        UserError: When a line lacks a column, or its label or split is not known.
    """
    path = expanded(given)
    text = read_text(path)
    rows = list(rows_of(path, io.StringIO(text, newline=""), ("path", "label")))
    if not rows:
        raise UserError(f"{path!r} lists no images.")
    class_names, labels = _labels(path, [row["label"] for row in rows])
    root = posixpath.dirname(path)
    paths = np.array([posixpath.join(root, str(row["path"])) for row in rows], object)
    splits = {ALL: Split(Paths(paths), labels)}
    named = [row.get("split") for row in rows]
    if any(named):
        splits = _divided(path, splits[ALL], named)
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


def rows_of(
    path: str, lines: Iterable[str], columns: Sequence[str]
) -> Iterator[Mapping[str, object]]:
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
            if row.get(column) in (None, ""):
                raise UserError(
                    f"{path!r}, image {number}: no {column!r}. "
                    f"Found: {', '.join(map(str, row)) or 'nothing'}."
                )
        yield row


def _csv_rows(path: str, lines: Iterable[str]) -> Iterator[Mapping[str, object]]:
    reader = csv.DictReader(lines)
    try:
        yield from reader
    except csv.Error as error:
        # The line that failed is not counted yet.
        raise UserError(f"{path!r}, line {reader.line_num + 1} is no CSV: {error}.") from error


def _json_lines(path: str, lines: Iterable[str]) -> Iterator[Mapping[str, object]]:
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


def _labels(path: str, given: list[object]) -> tuple[tuple[str, ...], np.ndarray]:
    """The class names and each row's label."""
    class_list = posixpath.join(posixpath.dirname(path), CLASS_LIST)
    integers = _integers(given)
    if is_file(class_list):
        names = tuple(line for line in read_text(class_list).splitlines() if line)
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


def _integers(labels: list[object]) -> list[int] | None:
    """The labels, if all are integers."""
    try:
        return [int(str(label)) for label in labels]
    except ValueError:
        return None


def _check_classes(path: str, names: tuple[str, ...], splits: Mapping[str, Split]) -> None:
    """Raises a `UserError` where a split has classes that the training images lack."""
    if "train" not in splits:
        return
    seen = set(splits["train"].labels.tolist())
    for split, images in splits.items():
        unseen = sorted(set(images.labels.tolist()) - seen)
        if unseen:
            classes = ", ".join(names[label] for label in unseen[:5])
            raise UserError(f"{path!r}: the classes {classes} are in {split} and not in train.")


register_source("manifest", manifest, "manifest:FILE")

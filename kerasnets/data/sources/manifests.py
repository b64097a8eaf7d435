"""Data sets listed in a file: CSV or JSON lines of path, label and, if there are any, split."""

from __future__ import annotations

import csv
import io
import json
import os
import posixpath
from collections.abc import Iterator, Mapping

import numpy as np

from kerasnets.data.sources.base import SPLIT_FOLDERS, SPLITS, Dataset, Split
from kerasnets.data.sources.folders import is_remote
from kerasnets.data.sources.holding_out import with_test
from kerasnets.errors import UserError

# May stand beside the manifest: the names of the classes by label, a line each.
CLASS_LIST = "classes.txt"


def manifest(name: str, path: str, test_fraction: float) -> Dataset:
    """The data set that a manifest lists; its paths are relative to the manifest's folder.

    Labels are names, or numbers from 0. A file ``classes.txt`` beside the manifest says which
    classes there are; otherwise they are those that occur.

    Raises:
        UserError: When a line lacks a column, or its label or split is not known.
    """
    path = path if is_remote(path) else os.path.expanduser(path)
    root = posixpath.dirname(path)
    rows = list(_rows(path))
    if not rows:
        raise UserError(f"{path!r} lists no images.")
    class_names, labels = _labels(path, [row["label"] for row in rows])
    paths = np.array([posixpath.join(root, str(row["path"])) for row in rows], object)
    everything = Split(paths, labels, "path")
    given = [row.get("split") for row in rows]
    if not any(given):
        splits = with_test(everything, test_fraction, name)
        return Dataset(name, class_names, (None, None, None), splits)
    for line, split in enumerate(given, start=1):
        if not isinstance(split, str) or split not in SPLIT_FOLDERS:
            known = ", ".join(SPLIT_FOLDERS)
            raise UserError(f"{path!r}, image {line}: split must be {known}. Received: {split!r}.")
    of_row = np.array([SPLIT_FOLDERS[split] for split in given])
    splits = {
        split: everything.take(np.flatnonzero(of_row == split))
        for split in SPLITS
        if (of_row == split).any()
    }
    _check_classes(path, class_names, splits)
    return Dataset(name, class_names, (None, None, None), splits)


def _rows(path: str) -> Iterator[Mapping[str, object]]:
    """The manifest's rows, each with a path and a label."""
    text = read_text(path)
    if path.endswith((".jsonl", ".ndjson", ".json")):
        rows = _json_lines(path, text)
    else:
        rows = _csv_rows(path, text)
    for number, row in enumerate(rows, start=1):
        for column in ("path", "label"):
            if row.get(column) in (None, ""):
                raise UserError(
                    f"{path!r}, image {number}: no {column!r}. "
                    f"Found: {', '.join(map(str, row)) or 'nothing'}."
                )
        yield row


def _csv_rows(path: str, text: str) -> Iterator[Mapping[str, object]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        yield from reader
    except csv.Error as error:
        # The line that failed is not counted yet.
        raise UserError(f"{path!r}, line {reader.line_num + 1} is no CSV: {error}.") from error


def _json_lines(path: str, text: str) -> Iterator[Mapping[str, object]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path!r}, line {number} is no JSON: {error}.") from error
        if not isinstance(row, dict):
            raise UserError(f"{path!r}, line {number}: expected an object. Received: {line[:40]}.")
        yield row


def read_text(path: str) -> str:
    """The text of a file, here or on a file system that TensorFlow knows.

    Raises:
        UserError: When it cannot be read.
    """
    try:
        if not is_remote(path):
            with open(path, encoding="utf-8", newline="") as file:
                return file.read()
        import tensorflow as tf

        try:
            return tf.io.gfile.GFile(path).read()
        except tf.errors.OpError as error:
            raise UserError(f"{path!r} cannot be read: {error.message}") from error
    except OSError as error:
        raise UserError(f"{path!r} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path!r} cannot be read: {error}.") from error


def _labels(path: str, given: list[object]) -> tuple[tuple[str, ...], np.ndarray]:
    """The class names and each row's label."""
    class_list = posixpath.join(posixpath.dirname(path), CLASS_LIST)
    numbers = [_number(label) for label in given]
    are_numbers = None not in numbers
    if _exists(class_list):
        names = tuple(line for line in read_text(class_list).splitlines() if line)
    elif are_numbers:
        names = tuple(map(str, range(max(numbers) + 1)))
    else:
        names = tuple(sorted({str(label) for label in given}))
    index = {name: number for number, name in enumerate(names)}
    labels = numbers if are_numbers else [index.get(str(label), -1) for label in given]
    for row, (label, number) in enumerate(zip(given, labels, strict=True), start=1):
        if not 0 <= number < len(names):
            raise UserError(
                f"{path!r}, image {row}: the label {label!r} is none of the {len(names)} classes."
            )
    if len(names) < 2:
        raise UserError(f"{path!r} must list two classes at least. Found: {', '.join(names)}.")
    return names, np.array(labels, np.int32)


def _number(label: object) -> int | None:
    try:
        return int(str(label))
    except ValueError:
        return None


def _exists(path: str) -> bool:
    if not is_remote(path):
        return os.path.isfile(path)
    import tensorflow as tf

    return tf.io.gfile.exists(path)


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

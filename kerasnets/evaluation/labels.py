"""Labels from files: ImageNet ReaL, and class indices that differ from the data set's."""

from __future__ import annotations

import csv
import dataclasses
import os
import pathlib
import re

import numpy as np

from kerasnets.data.sources import Split
from kerasnets.errors import UserError
from kerasnets.files import parse_json

# The number in the name of a validation image, ILSVRC2012_val_00000001.JPEG.
NUMBER = re.compile(r"ILSVRC2012_val_(\d{8})")


def real_labels(path: str | os.PathLike, split: Split) -> list[list[int]]:
    """The ReaL labels of each image of ILSVRC-2012's validation split, maybe none.

    Args:
        path: ``real.json`` of Beyer et al. 2020 (github.com/google-research/reassessed-imagenet):
            a list of class indices for each of the 50,000 images, in the order of their names.
        split: Split of image files that have their published names.

    Raises:
        UserError: When the file is damaged, or an image's name has no number.
    """
    try:
        lists = parse_json(pathlib.Path(path).read_text(encoding="utf-8"))
        if not all(isinstance(number, int) for classes in lists for number in classes):
            raise TypeError("it is no list of lists of class numbers")
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{str(path)!r} has no ReaL labels: {error}.") from error
    return [lists[_number(split, index, len(lists))] for index in range(split.size)]


def _number(split: Split, index: int, count: int) -> int:
    """The number of a validation image, from 0."""
    found = NUMBER.search(split.name(index))
    if found is None or not 1 <= int(found[1]) <= count:
        raise UserError(
            f"ReaL labels go by the numbers in file names, ILSVRC2012_val_00000001.JPEG to "
            f"{count:08d}. Found: {split.name(index)}."
        )
    return int(found[1]) - 1


def relabelled(
    split: Split, class_names: tuple[str, ...], path: str | os.PathLike, classes: int
) -> tuple[Split, tuple[str, ...]]:
    """The split with the network's class indices, and the network's class names.

    Args:
        split: Split with the data set's class indices.
        class_names: Class names of the data set.
        path: A text file: a line ``NAME,INDEX`` for each class of the data set, with its index in
            the network; or a line ``NAME`` for each class of the network, in its order.
        classes: Number of the network's classes.

    Returns:
        The split, and a name for each class of the network: its index where the file has none.

    Raises:
        UserError: When the file lacks a valid index for one of the data set's classes.
    """
    numbers = _read(path)
    missing = [name for name in class_names if name not in numbers]
    if missing:
        raise UserError(
            f"{str(path)!r} has no line for {len(missing)} of the data set's classes: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}."
        )
    for name, number in numbers.items():
        if not 0 <= number < classes:
            raise UserError(
                f"{str(path)!r} gives {name!r} the number {number}; the network has the classes "
                f"0 to {classes - 1}."
            )
    table = np.array([numbers[name] for name in class_names], np.int32)
    names = {number: name for name, number in numbers.items()}
    return (
        dataclasses.replace(split, labels=table[split.labels]),
        tuple(names.get(number, str(number)) for number in range(classes)),
    )


def _read(path: str | os.PathLike) -> dict[str, int]:
    """Numbers by name, of either kind of file."""
    try:
        with pathlib.Path(path).open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{str(path)!r} cannot be read: {error}.") from error
    lengths = {len(row) for row in rows}
    if lengths == {1}:
        return {row[0].strip(): number for number, row in enumerate(rows)}
    try:
        return {name.strip(): int(number) for name, number in rows}
    except ValueError as error:
        raise UserError(
            f"{str(path)!r} must have a line NAME,NUMBER for each class, or a line NAME for each "
            f"class of the network: {error}."
        ) from error

"""Data sets by one word: ``digits``, a TFDS name, ``folder:PATH``."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping

import numpy as np

from kerasnets.data.sources.base import SPLIT_FOLDERS, Dataset, Split
from kerasnets.errors import UserError, unknown

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif"})
# Encoded images of a TFDS data set are held in memory.
TFDS_LIMIT_BYTES = 8 * 2**30


def load(
    source: str,
    *,
    data_dir: str | os.PathLike | None = None,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
) -> Dataset:
    """Loads a data set by one word.

    Args:
        source: ``"digits"`` (inside scikit-learn, no download); ``"folder:PATH"`` with
            ``PATH/{train,val|validation|test}/CLASS/*`` or ``PATH/CLASS/*``; ``"tfds:NAME"`` or
            just the name of a TFDS data set, such as ``"mnist"``.
        data_dir: Where TFDS keeps its data; its own default otherwise.
        test_fraction: Share of the images that is held out where a folder has no splits, in
            (0, 1).
        validation_fraction: Share of the training images that becomes ``validation`` where the
            source has none, in [0, 1).

    Raises:
        UserError: When there is no such source, or it holds nothing to learn from.
    """
    for name, value in (
        ("test_fraction", test_fraction),
        ("validation_fraction", validation_fraction),
    ):
        if not 0 <= value < 1:
            raise UserError(f"{name} must be in [0, 1). Received: {value}.")
    kind, _, rest = source.partition(":")
    if source == "digits":
        dataset = _digits()
    elif kind == "folder":
        dataset = _folder(source, pathlib.Path(rest).expanduser(), test_fraction)
    elif kind == "tfds" and rest:
        dataset = _tfds(rest, data_dir)
    elif rest or os.sep in source or not source:
        raise UserError(
            f"Unknown data set {source!r}. Expected digits, a TFDS name such as mnist, tfds:NAME, "
            "or folder:PATH."
        )
    else:
        dataset = _tfds(source, data_dir)
    return _with_validation(dataset, validation_fraction)


def _with_validation(dataset: Dataset, fraction: float) -> Dataset:
    """Holds some training images out for validation where the source does not."""
    if fraction == 0 or "validation" in dataset.splits or "train" not in dataset.splits:
        return dataset
    train = dataset.splits["train"]
    kept, held = _stratified(train.labels, fraction, dataset.name)
    splits = {"train": train.take(kept), "validation": train.take(held)}
    rest = {name: split for name, split in dataset.splits.items() if name != "train"}
    return dataclasses.replace(dataset, splits={**splits, **rest})


def _stratified(labels: np.ndarray, fraction: float, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rest and of a `fraction` of each class; always the same ones."""
    from sklearn.model_selection import train_test_split

    try:
        kept, held = train_test_split(
            np.arange(len(labels)), test_size=fraction, random_state=0, stratify=labels
        )
    except ValueError as error:
        raise UserError(
            f"{name}: {fraction:.0%} of {len(labels)} images cannot be held out: {error}"
        ) from error
    return np.sort(kept), np.sort(held)


def _digits() -> Dataset:
    """1,797 handwritten digits of 8x8 pixels (UCI, in scikit-learn), a quarter held out."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    everything = Split(images, digits.target.astype(np.int32), "array")
    train, test = _stratified(everything.labels, 0.25, "digits")
    return Dataset(
        name="digits",
        class_names=tuple(str(digit) for digit in range(10)),
        image_shape=(8, 8, 1),
        splits={"train": everything.take(train), "test": everything.take(test)},
    )


def _folder(name: str, root: pathlib.Path, test_fraction: float) -> Dataset:
    """An image folder, with or without a level of splits."""
    if not root.is_dir():
        raise UserError(f"There is no folder {str(root)!r}.")
    folders = _subfolders(root)
    found = {SPLIT_FOLDERS[path.name]: path for path in folders if path.name in SPLIT_FOLDERS}
    if not found:
        everything, class_names = _class_folders(root)
        train, test = _stratified(everything.labels, test_fraction, name)
        splits = {"train": everything.take(train), "test": everything.take(test)}
    else:
        read = {split: _class_folders(path) for split, path in found.items()}
        class_names = _same_classes(read, found)
        splits = {
            split: read[split][0] for split in ("train", "validation", "test") if split in read
        }
    return Dataset(name, class_names, (None, None, None), splits)


def _subfolders(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _class_folders(folder: pathlib.Path) -> tuple[Split, tuple[str, ...]]:
    """The images of ``FOLDER/CLASS/*`` and the class names."""
    classes = _subfolders(folder)
    paths, labels = [], []
    for label, path in enumerate(classes):
        images = sorted(
            os.fspath(file) for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES
        )
        if not images:
            raise UserError(
                f"The class folder {str(path)!r} holds no images "
                f"({', '.join(sorted(IMAGE_SUFFIXES))})."
            )
        paths += images
        labels += [label] * len(images)
    if len(classes) < 2:
        raise UserError(
            f"{str(folder)!r} must hold a folder of images for each class, two at least. "
            f"Found: {', '.join(path.name for path in classes) or 'none'}."
        )
    names = tuple(path.name for path in classes)
    return Split(np.array(paths), np.array(labels, np.int32), "path"), names


def _same_classes(
    read: Mapping[str, tuple[Split, tuple[str, ...]]], folders: Mapping[str, pathlib.Path]
) -> tuple[str, ...]:
    """The class names, which must be the same in every split."""
    (first, (_, names)), *others = read.items()
    for split, (_, other) in others:
        if other != names:
            differ = sorted(set(names) ^ set(other))
            raise UserError(
                f"The classes of {str(folders[first])!r} and {str(folders[split])!r} differ: "
                f"{', '.join(differ[:5])}."
            )
    return names


def _tfds(name: str, data_dir: str | os.PathLike | None) -> Dataset:
    """A data set of tensorflow-datasets, its encoded images held in memory."""
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (tfds.core.registered.DatasetNotFoundError, ValueError) as error:
        raise _unknown_dataset(name, tfds.list_builders()) from error
    features = builder.info.features
    if not {"image", "label"} <= set(features) or not hasattr(features["label"], "names"):
        raise UserError(
            f"tfds:{name} is no data set of labelled images; its features are "
            f"{', '.join(features)}. Expected image and label."
        )
    try:
        builder.download_and_prepare()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"tfds:{name} is not in {builder.data_dir} and could not be prepared there: "
            f"{type(error).__name__}: {reason}"
        ) from error
    size = sum(split.num_bytes for split in builder.info.splits.values())
    if size > TFDS_LIMIT_BYTES:
        raise UserError(
            f"tfds:{name} takes {size / 2**30:.0f} GiB; data sets up to "
            f"{TFDS_LIMIT_BYTES // 2**30} GiB are held in memory. Unpack it as image files and "
            "use folder:PATH."
        )
    splits = {
        split: _read_tfds(builder, split)
        for split in ("train", "validation", "test")
        if split in builder.info.splits
    }
    if "train" not in splits:
        raise UserError(f"tfds:{name} has no split 'train', only {', '.join(builder.info.splits)}.")
    return Dataset(name, tuple(features["label"].names), features["image"].shape, splits)


def _read_tfds(builder: object, split: str) -> Split:
    import tensorflow_datasets as tfds

    encoded = builder.as_dataset(
        split=split,
        decoders={"image": tfds.decode.SkipDecoding()},
        read_config=tfds.ReadConfig(interleave_cycle_length=1),
        shuffle_files=False,
    )
    examples = [(each["image"], each["label"]) for each in encoded.as_numpy_iterator()]
    records = np.array([image for image, _ in examples], dtype=object)
    labels = np.array([label for _, label in examples], np.int32)
    return Split(records, labels, "bytes")


def _unknown_dataset(name: str, known: list[str]) -> UserError:
    error = unknown("data set", name, ["digits", *known])
    if pathlib.Path(name).exists():
        return UserError(f"{error} For images in a folder write folder:{name}.")
    return error

"""Predictions on image files, by a SavedModel or by a run."""

from __future__ import annotations

import logging
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from kerasnets.data.bad_images import ERRORS, image_reason
from kerasnets.data.reasons import one_line
from kerasnets.errors import UserError
from kerasnets.export.names import ANSWER
from kerasnets.export.signatures import classifier
from kerasnets.export.versions import numbered
from kerasnets.lazy import check_backend
from kerasnets.prediction.prediction import (
    Prediction,
    check_images,
    image_files,
    model_kind,
    read_image,
)
from kerasnets.runs.run import Run

log = logging.getLogger("kerasnets")
Classifier = Callable[[Any], Mapping[str, Any]]


def predict(model: str | os.PathLike, images: Sequence[str | os.PathLike]) -> list[Prediction]:
    """Predictions on image files, in their order.

    Args:
        model: A SavedModel, the folder of its versions (the newest that can be loaded is used),
            or a run folder.
        images: Image files.

    Raises:
        UserError: When there is no such model, or an image cannot be read; the message names it.
    """
    paths = image_files(images)
    check_images(paths)
    classify = load_classifier(model)
    return [_predict_one(classify, path) for path in paths]


def load_classifier(model: str | os.PathLike) -> Classifier:
    """The function from image files to answers of a SavedModel or a run.

    Raises:
        UserError: When the folder is neither, or what is in it cannot be loaded.
    """
    folder = pathlib.Path(model)
    kind = model_kind(folder)
    if kind == "versions":
        return _of_newest(folder)
    if kind == "savedmodel":
        return _serving_default(folder, _load(folder))
    check_backend("tensorflow")
    run = Run.load(folder)
    return classifier(run.network(), run.preprocessing, run.class_names)


def _of_newest(folder: pathlib.Path) -> Classifier:
    """The function of the newest version that can be loaded, as the server takes it."""
    for number, path in reversed(numbered(folder).items()):
        try:
            loaded = _load(path)
        except UserError as error:
            log.warning("version %d is passed over: %s", number, error)
            continue
        return _serving_default(path, loaded)
    raise UserError(f"No version in {str(folder)!r} can be loaded.")


def _load(folder: pathlib.Path) -> Any:
    try:
        return tf.saved_model.load(folder)
    # A broken SavedModel can make TensorFlow raise anything.
    except Exception as error:
        raise UserError(f"{str(folder)!r} is a damaged SavedModel: {one_line(error)}") from error


def _serving_default(folder: pathlib.Path, loaded: Any) -> Classifier:
    signature = loaded.signatures.get("serving_default")
    if signature is None or not set(ANSWER) <= set(signature.structured_outputs):
        raise UserError(
            f"{str(folder)!r} was not exported by kerasnets: its signature serving_default "
            f"must give {', '.join(ANSWER)}."
        )
    # The signature's function does not keep the model it belongs to alive.
    return lambda image_bytes, keep=loaded: signature(image_bytes=image_bytes)


def _predict_one(classify: Classifier, path: pathlib.Path) -> Prediction:
    image = read_image(path)
    try:
        outputs = classify(tf.constant([image]))
    except ERRORS as error:
        raise UserError(
            f"{str(path)!r} cannot be read as an image: {image_reason(error)}."
        ) from error
    return Prediction.of(path, {name: outputs[name].numpy()[0] for name in ANSWER})

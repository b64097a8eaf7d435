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
from kerasnets.export.names import ANSWER, EXPLANATION, NUMBERS
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
    if kind != "run":
        found, loaded = _loaded(folder)
        given = getattr(loaded.signatures.get("serving_default"), "structured_outputs", ())
        outputs = NUMBERS if NUMBERS[-1] in given else ANSWER
        return _signature(found, loaded, "serving_default", outputs)
    check_backend("tensorflow")
    run = Run.load(folder)
    network, seen, names = run.network(), run.preprocessing, run.class_names
    return classifier(network, seen, names, run.task, run.thresholds)


def load_explainer(folder: pathlib.Path) -> Classifier:
    """The function from image files to the explanations, `EXPLANATION`, of a SavedModel.

    Raises:
        UserError: When it cannot be loaded, or was exported before there were explanations.
    """
    return _signature(*_loaded(folder), "explain", EXPLANATION)


def _loaded(folder: pathlib.Path) -> tuple[pathlib.Path, Any]:
    """A SavedModel, or the newest version that can be loaded, as the server takes it."""
    if (folder / "saved_model.pb").is_file():
        return folder, _load(folder)
    for number, path in reversed(numbered(folder).items()):
        try:
            loaded = _load(path)
        except UserError as error:
            log.warning("version %d is passed over: %s", number, error)
            continue
        return path, loaded
    raise UserError(f"No version in {str(folder)!r} can be loaded.")


def _load(folder: pathlib.Path) -> Any:
    try:
        return tf.saved_model.load(folder)
    # A broken SavedModel can make TensorFlow raise anything.
    except Exception as error:
        raise UserError(f"{str(folder)!r} is a damaged SavedModel: {one_line(error)}") from error


def _signature(
    folder: pathlib.Path, loaded: Any, name: str, outputs: tuple[str, ...]
) -> Classifier:
    signature = loaded.signatures.get(name)
    if signature is None or not set(outputs) <= set(signature.structured_outputs):
        raise UserError(
            f"{str(folder)!r} has no signature {name} that gives {', '.join(outputs)}; export the "
            "network with this version of kerasnets."
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
    return Prediction.of(path, {name: each.numpy()[0] for name, each in outputs.items()})

"""What can be exported: a finished run, or a network with a weight file."""

from __future__ import annotations

import dataclasses
import logging
import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from kerasnets.data import evaluation_batches, load
from kerasnets.data.bad_images import (
    BAD_IMAGES,
    naming_bad_images,
    read_list,
    without_bad_images,
)
from kerasnets.errors import UserError
from kerasnets.export.form import Form
from kerasnets.export.writer import export
from kerasnets.fast.rewriting import predictions_of
from kerasnets.pretrained.build import build
from kerasnets.pretrained.classes import class_names
from kerasnets.pretrained.sources import preprocessing
from kerasnets.runs.run import load_data, on_data, splitting

if TYPE_CHECKING:
    import keras

    from kerasnets.config.training import TrainConfig
    from kerasnets.data import Split
    from kerasnets.inputs import Preprocessing
    from kerasnets.runs.run import Run

log = logging.getLogger("kerasnets")

# Images of the training split that give int8 its scales.
CALIBRATION_IMAGES = 200


def export_run(
    run: Run,
    folder: str | os.PathLike,
    *,
    form: Form | None = None,
    calibration: str | None = None,
    data_dir: str | os.PathLike | None = None,
) -> pathlib.Path:
    """Exports the network of a finished run as the next version in `folder`; returns its folder.

    Args:
        run: A finished run.
        folder: Folder of the versions.
        form: Format, precision and the like; an optimised SavedModel by default.
        calibration: Data whose training images give int8 its scales; the run's by default.
        data_dir: Where TFDS keeps its data; the run's folder by default.

    Raises:
        UserError: When the run has not finished, or the folder cannot be written.
    """
    network = run.network()
    config = on_data(run.config, calibration, data_dir)
    pixels = calibration_pixels(
        form, lambda: _training_images(run, config), network, run.preprocessing
    )
    facts = {
        "data": run.config.data,
        "splitting": splitting(run.config),
        "recipe": dataclasses.asdict(run.trained_recipe),
        "metrics": run.metrics(),
    }
    return export(
        network,
        run.preprocessing,
        run.class_names,
        folder,
        form=form,
        task=run.task,
        thresholds=run.thresholds,
        calibration=pixels,
        facts=facts,
    )


def _training_images(run: Run, config: TrainConfig) -> Split:
    """What gives int8 its scales: none of the images that the run held out, or could not read."""
    split = load_data(config).split("train")
    bad = read_list(run.folder / BAD_IMAGES) if config.data == run.config.data else None
    return without_bad_images(split, run.input_shape[-1], bad)[0] if bad else split


def export_network(
    name: str,
    weights: str | os.PathLike,
    folder: str | os.PathLike,
    *,
    labels: str | os.PathLike | None = None,
    form: Form | None = None,
    calibration: str | None = None,
    data_dir: str | os.PathLike | None = None,
    **options,
) -> pathlib.Path:
    """Exports a network with weights as the next version in `folder`.

    Args:
        name: Name of the network.
        weights: Weights as `kerasnets.build` takes them.
        folder: Folder of the versions.
        labels: A file with a class name on each line; by default ImageNet's names for published
            weights, else the classes' indices.
        form: Format, precision and the like; an optimised SavedModel by default.
        calibration: Data whose training images give int8 its scales.
        data_dir: Where TFDS keeps its data.
        **options: Options of the network.

    Returns:
        The folder of the new version.

    Raises:
        UserError: When something does not fit, or the folder cannot be written.
    """
    network = build(name, weights=weights, classifier_activation=None, **options)
    names = _class_names(name, weights, network) if labels is None else _read_labels(labels)
    before = preprocessing(network)
    images = (lambda: load(calibration, data_dir=data_dir).split("train")) if calibration else None
    pixels = calibration_pixels(form, images, network, before)
    return export(network, before, names, folder, form=form, calibration=pixels)


def _read_labels(path: str | os.PathLike) -> tuple[str, ...]:
    """The names of a file with one on each line."""
    try:
        return tuple(pathlib.Path(path).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{str(path)!r} is no readable file of labels: {error}") from error


def _class_names(name: str, weights: str | os.PathLike, network: keras.Model) -> tuple[str, ...]:
    """ImageNet's names for published weights, where they can be had; else the indices."""
    classes = predictions_of(network).shape[-1]
    try:
        names = class_names(name, weights, classes)
    except UserError as error:
        log.warning("Classes are called by their indices; --labels FILE has names. %s", error)
        names = None
    return names or tuple(str(label) for label in range(classes))


def calibration_pixels(
    form: Form | None,
    images: Callable[[], Split] | None,
    network: keras.Model,
    before: Preprocessing,
) -> np.ndarray | None:
    """Training images as the network's export takes them, (N, H, W, C); ``None`` but for int8.

    Args:
        form: Form of the export.
        images: Gives the training images, where there are any.
        network: Network to be exported.
        before: Preprocessing of the network.

    Raises:
        UserError: When there are none, or an image cannot be read; the message names it.
    """
    if form is None or form.quantize == "none":
        return None
    if images is None:
        raise UserError("--quantize int8 needs --calibration DATA, whose images give the scales.")
    split = images()
    split = split.take(np.linspace(0, split.size - 1, CALIBRATION_IMAGES).astype(int))
    channels = network.input_shape[-1]
    batches = evaluation_batches(split, before, channels, batch_size=CALIBRATION_IMAGES)
    with naming_bad_images([split], channels):
        return next(iter(batches))[0].numpy().astype("float32")

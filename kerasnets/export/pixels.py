"""What the formats for devices share: Keras' own exporters, on raw pixels.

They take ``images`` (N, H, W, C) float32, raw pixels of the network's size in 0 to 255, and give
``logits`` and ``probabilities`` (N, classes), or ``values`` where they are numbers. LiteRT is fixed
to one image; in int8 it takes uint8.
"""

from __future__ import annotations

import contextlib
import io
import pathlib

import keras
import numpy as np

from kerasnets.export.checks import Answer, compare, random_pixels
from kerasnets.export.form import Job
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.tasks import TASKS, Task


def on_pixels(
    network: keras.Model, preprocessing: Preprocessing, task: Task = TASKS["classification"]
) -> keras.Model:
    """A model from raw pixels, (N, H, W, C) float32, to logits and the task's answers."""
    images = keras.Input(network.input_shape[1:], name="images")
    logits = with_preprocessing(network, preprocessing)(images)
    answer = keras.layers.Activation(task.activation, dtype="float32", name=task.answers)
    return keras.Model(images, {"logits": logits, task.answers: answer(logits)})


def write(
    model: keras.Model, path: pathlib.Path, format: str, *, batch: int | None, **options: object
) -> None:
    """Writes a model by Keras' exporter, without what the converters print.

    Args:
        model: See `on_pixels`.
        path: Path of the file.
        format: A format of `keras.Model.export`.
        batch: Number of images that the file takes at once; any number if ``None``.
        **options: Options of Keras' exporter.
    """
    shape = (batch, *model.input_shape[1:])
    signature = [keras.InputSpec(shape=shape, dtype="float32", name="images")]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        model.export(str(path), format=format, verbose=False, input_signature=signature, **options)


def compare_on_pixels(job: Job, answer: Answer) -> dict[str, object]:
    """How far apart a network and its export are: on the calibration images, or random pixels.

    Args:
        job: What was exported.
        answer: From raw pixels to the export's logits.
    """
    pixels, precision = job.calibration, job.form.quantize
    if pixels is None:
        pixels, precision = random_pixels(job.network), job.form.precision
    expected = with_preprocessing(job.network, job.preprocessing)(pixels, training=False)
    return compare(np.asarray(expected), answer(pixels), precision, job.task)

"""Where in an image a model of any kind finds a class, by its answers alone."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from PIL import Image

from kerasnets.explanation.occluding import falls
from kerasnets.prediction.prediction import Answer, ImageModel, Unreadable
from kerasnets.prediction.predictor import answers
from kerasnets.prediction.sources import Item
from kerasnets.tasks import TASKS, task_of

# Pixels of the shorter side of what a model is asked about: no less than networks take, and few
# enough for some hundred answers.
MOST = 360


def check_explained(model: ImageModel) -> None:
    """Refuses a model that was trained for another task than to tell one class."""
    task_of(str(model.facts.get("task", "classification"))).check("explain")


def told(model: ImageModel, items: Iterable[Item]) -> Iterator[Answer]:
    """The answers on images, of one class each.

    Raises:
        UserError: When an image cannot be read, or the model answers for another task.
    """
    for batch in answers(model, items):
        for item, answer in batch:
            if isinstance(answer, Unreadable):
                raise answer.error(item.name)
            # A server does not tell its task before.
            if answer.numbers or answer.present is not None:
                TASKS["regression" if answer.numbers else "multilabel"].check("explain")
            yield answer


def occlusion(model: ImageModel, pixels: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """How far the probabilities of classes fall where a square hides the image.

    See `kerasnets.explanation.occluding.falls`.

    Args:
        model: A model of one class.
        pixels: (H, W, 3) uint8.
        labels: Indices of the classes.

    Returns:
        (labels, H, W) with both signs, in probability.

    Raises:
        UserError: When the model gives no answers.
    """

    def probabilities(images: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        items = (Item("the image", _file(image)) for image in images)
        return (answer.probabilities[list(labels)] for answer in told(model, items))

    return falls(probabilities, pixels)


def _file(image: np.ndarray) -> bytes:
    """An image file of pixels; BMP loses nothing and takes no time."""
    file = io.BytesIO()
    Image.fromarray(np.uint8(np.rint(image))).save(file, "BMP")
    return file.getvalue()

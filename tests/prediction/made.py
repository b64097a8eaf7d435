"""A model whose answers can be reckoned by hand, and image files for it."""

from __future__ import annotations

import io
import pathlib

import numpy as np
from PIL import Image

from kerasnets.prediction import Answer, ImageModel, Unreadable


class Brightness(ImageModel):
    """Three classes, whose probabilities are those of the first pixel's colours."""

    class_names = ("red", "grün", "blue, or so")
    batch_size = 4

    def __init__(self) -> None:
        self.asked = 0
        self.name = "brightness"

    def identity(self):
        return self.name

    def answer(self, images):
        self.asked += len(images)
        return [self._answer(image) for image in images]

    def _answer(self, image: bytes):
        try:
            pixel = np.array(Image.open(io.BytesIO(image)).convert("RGB"))[0, 0]
        except (OSError, SyntaxError):
            return Unreadable("it is damaged")
        return Answer.of((pixel / pixel.sum()).astype(np.float32), Brightness.class_names)


def photographs(folder: pathlib.Path, count: int, bad: tuple[int, ...] = ()) -> pathlib.Path:
    """A folder of small images, some of which cannot be read."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:04} ä.png"
        colour = (1 + number % 200, 50, 1 + 7 * number % 100)
        Image.new("RGB", (2, 2), colour).save(path)
        if number in bad:
            path.write_bytes(path.read_bytes()[:30])
    return folder

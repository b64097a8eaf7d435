"""Answers by a LiteRT file, without TensorFlow."""

from __future__ import annotations

import hashlib
import os
import pathlib
import threading
import zipfile
from collections.abc import Sequence

import numpy as np

from kerasnets.errors import UserError
from kerasnets.export.names import FACTS, LABELS
from kerasnets.lazy import installed, notes_withheld
from kerasnets.prediction.description import description
from kerasnets.prediction.pixels import fitted
from kerasnets.prediction.prediction import Answer, ImageModel, Unreadable

BATCH = 16


class LiteRT(ImageModel):
    """A LiteRT file of ours, which takes one image of raw pixels at a time.

    Raises:
        UserError: When it cannot be loaded, is another program's, or ai-edge-litert is missing.
    """

    batch_size = BATCH

    def __init__(self, path: pathlib.Path) -> None:
        if not installed("ai_edge_litert"):
            raise UserError("A LiteRT file needs ai-edge-litert: pip install 'kerasnets[litert]'.")
        from ai_edge_litert.interpreter import Interpreter

        self.description = description(path, _texts(path))
        self.class_names, self.facts = self.description.class_names, self.description.facts
        content = path.read_bytes()
        self.path = self._path = path
        try:
            with notes_withheld():
                interpreter = Interpreter(model_content=content, num_threads=os.cpu_count())
                interpreter.allocate_tensors()
                self._run = interpreter.get_signature_runner("serving_default")
                taken = self._run.get_input_details()["images"]
        except (ValueError, KeyError, RuntimeError) as error:
            raise UserError(f"{str(path)!r} is no LiteRT file of kerasnets: {error}.") from error
        self._interpreter, self._dtype = interpreter, taken["dtype"]
        self._channels = int(taken["shape"][-1])
        # An interpreter computes one image at a time.
        self._lock = threading.Lock()

    def identity(self) -> str:
        """See `ImageModel`."""
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def answer(self, images: Sequence[bytes]) -> list[Answer | Unreadable]:
        """See `ImageModel`; files are decoded while another thread computes."""
        return [self._answer(image) for image in images]

    def _answer(self, image: bytes) -> Answer | Unreadable:
        pixels = fitted(image, self._channels, self.description.preprocessing)
        if isinstance(pixels, Unreadable):
            return pixels
        with self._lock:
            found = self._run(images=pixels[np.newaxis].astype(self._dtype))["logits"]
        return self.description.answers(found)[0]


def _texts(path: pathlib.Path) -> dict[str, str]:
    """The texts in the ZIP archive behind a LiteRT file, where labels usually are."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = set(archive.namelist()) & {LABELS, FACTS}
            return {name: archive.read(name).decode() for name in inside}
    except zipfile.BadZipFile:
        return {}

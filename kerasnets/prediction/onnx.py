"""Answers by an ONNX file, without TensorFlow."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Sequence

import numpy as np

from kerasnets.errors import UserError
from kerasnets.lazy import installed
from kerasnets.prediction.description import description
from kerasnets.prediction.pixels import fitted
from kerasnets.prediction.prediction import Answer, ImageModel, Unreadable

BATCH = 16


class ONNX(ImageModel):
    """An ONNX file of ours, which takes batches of raw pixels.

    Raises:
        UserError: When it cannot be loaded, is another program's, or onnxruntime is missing.
    """

    batch_size = BATCH

    def __init__(self, path: pathlib.Path) -> None:
        if not installed("onnxruntime"):
            raise UserError("An ONNX file needs onnxruntime: pip install 'kerasnets[onnx]'.")
        import onnxruntime

        content = path.read_bytes()
        self.path = self._path = path
        try:
            self._session = onnxruntime.InferenceSession(
                content, providers=onnxruntime.get_available_providers()
            )
        # onnxruntime's errors share no class of their own.
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{str(path)!r} is no ONNX file: {reason}.") from error
        texts = self._session.get_modelmeta().custom_metadata_map
        self.description = description(path, texts)
        self.class_names, self.facts = self.description.class_names, self.description.facts
        taken = {each.name: each for each in self._session.get_inputs()}
        given = {each.name for each in self._session.get_outputs()}
        if "images" not in taken or "logits" not in given:
            raise UserError(
                f"{str(path)!r} is no ONNX file of kerasnets, from images to logits. It "
                f"takes {', '.join(taken)} and gives {', '.join(sorted(given))}."
            )
        self._channels = int(taken["images"].shape[-1])

    def identity(self) -> str:
        """See `ImageModel`."""
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def answer(self, images: Sequence[bytes]) -> list[Answer | Unreadable]:
        """See `ImageModel`."""
        before = self.description.preprocessing
        pixels = [fitted(image, self._channels, before) for image in images]
        readable = [each for each in pixels if isinstance(each, np.ndarray)]
        if not readable:
            return [each for each in pixels if isinstance(each, Unreadable)]
        batch = np.stack(readable).astype(np.float32)
        logits = np.asarray(self._session.run(["logits"], {"images": batch})[0])
        found = iter(self.description.answers(logits))
        return [each if isinstance(each, Unreadable) else next(found) for each in pixels]

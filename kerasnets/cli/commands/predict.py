"""``kerasnets predict``."""

from __future__ import annotations

import json
import pathlib
from dataclasses import dataclass

from tyro.conf import Positional

from kerasnets.errors import UserError


@dataclass(frozen=True)
class Predict:
    """Name what is on image files, by a SavedModel or a run."""

    model: Positional[pathlib.Path]
    """SavedModel, folder of its versions, or run folder."""
    images: Positional[tuple[pathlib.Path, ...]]
    """Image files."""
    top: int = 3
    """How many classes to name for each image, up to five."""
    json: bool = False
    """Print one JSON object for each image."""

    def run(self) -> None:
        if not self.images:
            raise UserError("Give one image file at least: kerasnets predict MODEL IMAGE...")
        if not 1 <= self.top <= 5:
            raise UserError(f"--top must be 1 to 5. Received: {self.top}.")
        from kerasnets.serving import predict

        for found in predict(self.model, self.images):
            best = list(zip(found.classes, found.scores, strict=True))[: self.top]
            if self.json:
                answer = [{"class": name, "score": score} for name, score in best]
                print(json.dumps({"image": str(found.image), "top": answer}))
            else:
                print(f"{found.image}:", ", ".join(f"{name} {score:.2%}" for name, score in best))

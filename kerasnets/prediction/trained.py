"""Answers by the network of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from kerasnets.export.signatures import signatures
from kerasnets.lazy import check_backend
from kerasnets.prediction.prediction import Answer, ImageModel, Unreadable
from kerasnets.prediction.savedmodel import BATCH, answered_by_graph, embedded_by_graph
from kerasnets.runs.run import Run


class TrainedModel(ImageModel):
    """The network of a finished run."""

    batch_size = BATCH

    def __init__(self, run: Run) -> None:
        check_backend("tensorflow")
        self.path = self._weights = run.weights_path
        self.class_names = run.class_names
        self.facts = {"task": run.task.name}
        found = signatures(
            run.network(), run.preprocessing, run.class_names, run.task, run.thresholds
        )
        self._classify, self._features = (
            tf.function(found[name].function, input_signature=found[name].inputs)
            for name in ("serving_default", "features")
        )

    def identity(self) -> str:
        """See `ImageModel`."""
        with self._weights.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def answer(self, images: Sequence[bytes]) -> list[Answer | Unreadable]:
        """See `ImageModel`."""
        return answered_by_graph(self._classify, images)

    def vectors(self, images: Sequence[bytes]) -> list[np.ndarray | Unreadable]:
        """See `ImageModel`."""
        return embedded_by_graph(self._features, images)

"""Answers by a SavedModel, or by the newest version that can be loaded."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasnets.data.bad_images import ERRORS, image_reason
from kerasnets.data.reasons import one_line
from kerasnets.errors import UserError
from kerasnets.export.names import ANSWER, EXPLANATION, FACTS, LABELS, NUMBERS
from kerasnets.export.versions import numbered
from kerasnets.files import parse_json
from kerasnets.prediction.prediction import Answer, ImageModel, Unreadable

log = logging.getLogger("kerasnets")
# From image files, (N,) string, to outputs by name.
Graph = Callable[[Any], Mapping[str, Any]]
BATCH = 32


class SavedModel(ImageModel):
    """A SavedModel of ours, asked by its signature ``serving_default``.

    Args:
        folder: The SavedModel, or the folder of its versions.

    Raises:
        UserError: When none can be loaded, or it is another program's.
    """

    batch_size = BATCH

    def __init__(self, folder: pathlib.Path) -> None:
        path, loaded = _loaded(folder)
        given = getattr(loaded.signatures.get("serving_default"), "structured_outputs", ())
        outputs = NUMBERS if NUMBERS[-1] in given else ANSWER
        self._classify = _signature(path, loaded, "serving_default", outputs)
        self.class_names = None
        # Others' SavedModels need not have them.
        with contextlib.suppress(OSError, ValueError):
            extras = path / "assets.extra"
            self.class_names = tuple((extras / LABELS).read_text(encoding="utf-8").splitlines())
            self.facts = parse_json((extras / FACTS).read_text(encoding="utf-8"))
        self.path = self._path = path
        self._loaded = loaded

    def identity(self) -> str:
        """See `ImageModel`."""
        # The fingerprint tells the variables too; SavedModels of old versions have none.
        mark = self._path / "fingerprint.pb"
        mark = mark if mark.is_file() else self._path / "saved_model.pb"
        return hashlib.sha256(mark.read_bytes()).hexdigest()

    def answer(self, images: Sequence[bytes]) -> list[Answer | Unreadable]:
        """See `ImageModel`."""
        return answered_by_graph(self._classify, images)

    def vectors(self, images: Sequence[bytes]) -> list[np.ndarray | Unreadable]:
        """See `ImageModel`."""
        return embedded_by_graph(self._features, images)

    @functools.cached_property
    def _features(self) -> Graph:
        return _signature(self._path, self._loaded, "features", ("features",))


def answered_by_graph(classify: Graph, images: Sequence[bytes]) -> list[Answer | Unreadable]:
    """The answers on image files of the function of the signature ``serving_default``."""
    rows = _rows(classify, images)
    return [each if isinstance(each, Unreadable) else Answer.named(each) for each in rows]


def embedded_by_graph(features: Graph, images: Sequence[bytes]) -> list[np.ndarray | Unreadable]:
    """The vectors of image files, of the function of the signature ``features``."""
    rows = _rows(features, images)
    return [each if isinstance(each, Unreadable) else each["features"] for each in rows]


def _rows(graph: Graph, images: Sequence[bytes]) -> list[dict[str, np.ndarray] | Unreadable]:
    """The outputs of a graph for each image; it refuses a batch for one bad file in it."""
    if not images:
        return []
    try:
        outputs = graph(tf.constant(list(images), tf.string))
    except ERRORS as error:
        if len(images) == 1:
            return [Unreadable(image_reason(error))]
        half = len(images) // 2
        return [each for part in (images[:half], images[half:]) for each in _rows(graph, part)]
    columns = [np.asarray(each) for each in outputs.values()]
    return [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]


def load_explainer(folder: pathlib.Path) -> Graph:
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


def _signature(folder: pathlib.Path, loaded: Any, name: str, outputs: tuple[str, ...]) -> Graph:
    signature = loaded.signatures.get(name)
    if signature is None or not set(outputs) <= set(signature.structured_outputs):
        raise UserError(
            f"{str(folder)!r} has no signature {name} that gives {', '.join(outputs)}; export the "
            "network with this version of kerasnets."
        )
    # The signature's function does not keep the model it belongs to alive.
    return lambda image_bytes, keep=loaded: signature(image_bytes=image_bytes)

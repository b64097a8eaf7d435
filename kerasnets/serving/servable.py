"""One version of a model, loaded."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import os
import pathlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at import

from kerasnets.data.marks import format_of
from kerasnets.serving import image_size
from kerasnets.serving.batching import Batcher
from kerasnets.serving.config import ServerConfig
from kerasnets.serving.json_examples import byte_strings
from kerasnets.serving.json_tensors import Tensors, strings, too_many
from kerasnets.serving.status import RequestError, invalid

WARMUP = "assets.extra/tf_serving_warmup_requests"
LABELS = "assets.extra/labels.txt"
# Who has these classes can be given a drawing: "7", "digit 7".
DIGITS = list("0123456789")


class Servable:
    """A loaded SavedModel with a queue for each of its signatures.

    Raises:
        Exception: Whatever TensorFlow raises on a broken SavedModel.
    """

    def __init__(
        self,
        model: str,
        version: int,
        folder: pathlib.Path,
        pool: concurrent.futures.Executor,
        config: ServerConfig,
    ):
        self.model = model
        self.version = version
        self.place = place_of(folder)
        self.signatures = _read_signatures(folder / "saved_model.pb")
        self.input_types = {
            name: {key: tf.as_dtype(info.dtype).name for key, info in signature.inputs.items()}
            for name, signature in self.signatures.items()
        }
        self.abilities = {
            "version": version,
            "explains": "explain" in self.signatures,
            "digits": [re.sub(r"\D", "", name) for name in _class_names(folder)] == DIGITS,
        }
        self._loaded: Any = tf.saved_model.load(folder)
        self._max_pixels = config.max_pixels
        self._max_rows = config.max_queue
        self._batchers = {}
        for name in self._loaded.signatures:
            run = functools.partial(self._run, name)
            batched = _is_batched(self.signatures[name])
            self._batchers[name] = Batcher(run, pool, config, batched=batched)
        self._warm_up(folder / WARMUP)

    @property
    def queued(self) -> int:
        """Images that wait."""
        return sum(batcher.queued for batcher in self._batchers.values())

    def prepare(
        self, signature: str, inputs: Tensors, images: Sequence[Sequence[bytes]] | None = None
    ) -> Callable[[], Awaitable[Tensors]]:
        """Checks a request; what it returns computes the outputs, together with other requests.

        `images` are what may be image files in each row; the strings of the inputs by default.

        Raises:
            RequestError: When the inputs do not fit the signature, or hold too large an image.
        """
        definition = self.signatures[signature]
        for name, tensor in inputs.items():
            _check_shape(name, tensor, definition.inputs[name].tensor_shape)
        if images is None:
            images = [
                [file for value in row for file in _files(value)]
                for row in _strings(inputs, _is_batched(definition), self._max_rows)
            ]
        pixels = [sum(map(self._image_pixels, row)) for row in images]
        return functools.partial(self._batchers[signature].submit, inputs, pixels)

    def _run(self, signature: str, inputs: Tensors) -> dict[str, np.ndarray]:
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = self._loaded.signatures[signature](**tensors)
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    def _image_pixels(self, value: bytes) -> int:
        pixels = image_size.pixels(value, self._max_pixels)
        if pixels > self._max_pixels:
            raise invalid(f"An image may have {self._max_pixels} pixels at most.")
        return pixels

    def _warm_up(self, requests: pathlib.Path) -> None:
        """Runs the requests that come with the SavedModel, so that the first user's is no slower.

        Raises:
            RequestError: When a request is of a kind that TensorFlow Serving does not replay.
        """
        if not requests.is_file():
            return
        for record in tf.data.TFRecordDataset(str(requests)).as_numpy_iterator():
            log = PredictionLog.FromString(record)
            if log.HasField("predict_log"):
                request = log.predict_log.request
                inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
            elif log.HasField("classify_log"):
                request = log.classify_log.request
                examples = request.input.example_list.examples
                inputs = {"inputs": strings([each.SerializeToString() for each in examples])}
            else:
                raise RequestError("UNIMPLEMENTED", f"{requests}: warm-up request of another kind")
            self._run(request.model_spec.signature_name or "serving_default", inputs)


def place_of(folder: pathlib.Path) -> tuple[str, int, int] | None:
    """Where a SavedModel lies and what tells it from another one there; ``None`` without one."""
    try:
        found = (folder / "saved_model.pb").stat()
    except OSError:
        return None
    return os.path.realpath(folder), found.st_size, found.st_mtime_ns


def _read_signatures(path: pathlib.Path) -> Mapping[str, SignatureDef]:
    if not path.is_file():  # reading a pipe would wait for ever
        raise ValueError(f"There is no file {path}")
    try:
        saved_model = SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise ValueError(f"Could not parse {path}") from error
    for meta_graph in saved_model.meta_graphs:
        if "serve" in meta_graph.meta_info_def.tags:
            return dict(meta_graph.signature_def)
    raise ValueError(f"{path} has no graph with the tag 'serve'")


def _class_names(folder: pathlib.Path) -> list[str]:
    """The names of the classes that an export of ours comes with; other SavedModels have none."""
    with contextlib.suppress(OSError):
        return (folder / LABELS).read_text(encoding="utf-8", errors="replace").splitlines()
    return []


def _is_batched(signature: SignatureDef) -> bool:
    infos = [*signature.inputs.values(), *signature.outputs.values()]
    shapes = [info.tensor_shape for info in infos]
    return all(shape.dim and shape.dim[0].size == -1 for shape in shapes)


def _strings(inputs: Tensors, batched: bool, max_rows: int) -> list[list[bytes]]:
    """The strings in each row of the inputs; without a batch axis all is one row."""
    sizes = {len(tensor) for tensor in inputs.values()} if batched else {1}
    if len(sizes) > 1:
        raise invalid(f"The inputs have different batch sizes: {sorted(sizes)}.")
    if (size := sizes.pop()) > max_rows:
        raise too_many(size, max_rows)
    rows: list[list[bytes]] = [[] for _ in range(size)]
    for tensor in inputs.values():
        if tensor.dtype == object and rows:
            for row, values in zip(rows, tensor.reshape(len(rows), -1), strict=True):
                row.extend(values)
    return rows


def _files(value: bytes) -> list[bytes]:
    """What may be image files in a string: itself, or what a serialised tf.Example holds."""
    if format_of(value) is None:
        with contextlib.suppress(DecodeError):
            return [value, *byte_strings(tf.train.Example.FromString(value))]
    return [value]


def _check_shape(name: str, tensor: np.ndarray, shape: Any) -> None:
    if not tf.TensorShape(shape).is_compatible_with(tensor.shape):
        wanted = ",".join("?" if dim.size == -1 else str(dim.size) for dim in shape.dim)
        got = ",".join(map(str, tensor.shape))
        raise invalid(f"Expecting shape [{wanted}] for input {name} but got: [{got}]")

"""One version of a model, loaded."""

from __future__ import annotations

import concurrent.futures
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from kerasnets.serving import image_size
from kerasnets.serving.batching import Batcher, Tensors
from kerasnets.serving.config import ServerConfig
from kerasnets.serving.json_tensors import strings
from kerasnets.serving.status import RequestError, invalid

WARMUP = "assets.extra/tf_serving_warmup_requests"


@dataclass(frozen=True)
class Request:
    """Inputs that fit a signature.

    Attributes:
        batcher: Of the signature.
        inputs: By name.
        pixels: Pixels of each row's images.
    """

    batcher: Batcher
    inputs: Tensors
    pixels: Sequence[int]

    async def outputs(self) -> Tensors:
        """The outputs, computed together with other requests.

        Raises:
            RequestError: When the queue is full, or the computation refuses the inputs.
        """
        return await self.batcher.submit(self.inputs, self.pixels)


class Servable:
    """A loaded SavedModel with a queue for each of its signatures.

    Args:
        model: The model's name.
        version: Its number.
        folder: Of the SavedModel.
        pool: Threads for the computation.
        config: Of the server.

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
        self.signatures = _read_signatures(folder)
        self._loaded = tf.saved_model.load(folder)
        self._config = config
        self._batchers = {
            name: Batcher(
                lambda inputs, name=name: self.run(name, inputs),
                pool,
                config,
                batched=_is_batched(self.signatures[name]),
            )
            for name in self._loaded.signatures
        }
        self._warm_up(folder / WARMUP)

    @property
    def queued(self) -> int:
        """Images that wait."""
        return sum(batcher.queued for batcher in self._batchers.values())

    def run(self, signature: str, inputs: Tensors) -> dict[str, np.ndarray]:
        """The outputs of a signature, computed now."""
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = self._loaded.signatures[signature](**tensors)
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    def request(
        self, signature: str, inputs: Tensors, images: Sequence[Sequence[bytes]] | None = None
    ) -> Request:
        """A request that is ready to be computed.

        Args:
            signature: Its name.
            inputs: By name.
            images: For each row what may be image files; the strings of the inputs by default.

        Raises:
            RequestError: When the inputs do not fit the signature, or hold too large an image.
        """
        definition = self.signatures[signature]
        for name, tensor in inputs.items():
            _check_shape(name, tensor, definition.inputs[name].tensor_shape)
        if images is None:
            images = _strings(inputs, _is_batched(definition))
        pixels = [sum(map(self._image_pixels, row)) for row in images]
        return Request(self._batchers[signature], inputs, pixels)

    def _image_pixels(self, value: bytes) -> int:
        pixels = image_size.pixels(value)
        if pixels > self._config.max_pixels:
            raise invalid(f"An image may have {self._config.max_pixels} pixels at most.")
        return pixels

    def _warm_up(self, requests: pathlib.Path) -> None:
        """Runs the requests that come with the SavedModel, so that the first user's is no slower.

        Raises:
            RequestError: When a request is of a kind that TensorFlow Serving does not replay.
        """
        if not requests.is_file():
            return
        for record in tf.data.TFRecordDataset(str(requests)).as_numpy_iterator():
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.HasField("predict_log"):
                request = log.predict_log.request
                inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
            elif log.HasField("classify_log"):
                request = log.classify_log.request
                found = [
                    example.SerializeToString() for example in request.input.example_list.examples
                ]
                inputs = {"inputs": strings(found)}
            else:
                raise RequestError("UNIMPLEMENTED", f"{requests}: warm-up request of another kind")
            self.run(request.model_spec.signature_name or "serving_default", inputs)


def _read_signatures(folder: pathlib.Path) -> Mapping[str, meta_graph_pb2.SignatureDef]:
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString((folder / "saved_model.pb").read_bytes())
    except DecodeError as error:
        raise ValueError(f"Could not parse {folder / 'saved_model.pb'}") from error
    for meta_graph in saved_model.meta_graphs:
        if "serve" in meta_graph.meta_info_def.tags:
            return dict(meta_graph.signature_def)
    raise ValueError(f"{folder / 'saved_model.pb'} has no graph with the tag 'serve'")


def _is_batched(signature: meta_graph_pb2.SignatureDef) -> bool:
    infos = [*signature.inputs.values(), *signature.outputs.values()]
    shapes = [info.tensor_shape for info in infos]
    return all(shape.dim and shape.dim[0].size == -1 for shape in shapes)


def _strings(inputs: Tensors, batched: bool) -> list[list[bytes]]:
    """The strings in each row of the inputs; without a batch axis all is one row."""
    sizes = {len(tensor) for tensor in inputs.values()} if batched else {1}
    if len(sizes) > 1:
        raise invalid(f"The inputs have different batch sizes: {sorted(sizes)}.")
    rows: list[list[bytes]] = [[] for _ in range(sizes.pop())]
    for tensor in inputs.values():
        if tensor.dtype == object and rows:
            for row, values in zip(rows, tensor.reshape(len(rows), -1), strict=True):
                row.extend(values)
    return rows


def _check_shape(name: str, tensor: np.ndarray, shape: Sequence) -> None:
    if not tf.TensorShape(shape).is_compatible_with(tensor.shape):
        wanted = ",".join("?" if dim.size == -1 else str(dim.size) for dim in shape.dim)
        got = ",".join(map(str, tensor.shape))
        raise invalid(f"Expecting shape [{wanted}] for input {name} but got: [{got}]")

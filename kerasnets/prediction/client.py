"""Predictions by a server: ``kerasnets serve`` or TensorFlow Serving, over REST or gRPC."""

from __future__ import annotations

import base64
import concurrent.futures
import functools
import json
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, TypeVar

import urllib3

from kerasnets.errors import UserError
from kerasnets.export.names import ANSWER
from kerasnets.files import parse_json
from kerasnets.prediction.config import ClientConfig
from kerasnets.prediction.prediction import (
    Answer,
    ImageModel,
    Prediction,
    Unreadable,
    image_files,
    read_image,
)

if TYPE_CHECKING:
    from tensorflow.core.framework.tensor_pb2 import TensorProto

MODEL_URL = re.compile(r"https?://[^/]+(/.*)?/v1/models/[^/:]+(/(versions|labels)/[^/:]+)?")
# A busy server, or the proxy before it, asks to come back later.
RETRIED = (429, 502, 503, 504)
BACKOFF_S = 0.2
# A GIF file.
ONE_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAUEBAAAACwAAAAAAQABAAACAkQBADs=")
Connection = TypeVar("Connection")


class Server(ImageModel):
    """A model on a server, asked by its REST API; see `predict_rest`."""

    class_names = None

    def __init__(self, url: str, config: ClientConfig | None = None) -> None:
        self._config = config or ClientConfig()
        self.url = url = url.removesuffix(":predict").rstrip("/")
        if not MODEL_URL.fullmatch(url):
            raise UserError(
                f"The URL must be a model's, like http://localhost:8501/v1/models/NAME. "
                f"Received: {url}"
            )
        self.batch_size = self._config.concurrency
        self.http = urllib3.PoolManager(
            maxsize=self._config.concurrency, timeout=self._config.timeout_s, block=True
        )
        self._threads = concurrent.futures.ThreadPoolExecutor(self._config.concurrency)

    def identity(self) -> str:
        """See `ImageModel`; the server may have another version in the meantime."""
        return self.url

    @functools.cached_property
    def numbers(self) -> tuple[str, ...] | None:
        """See `ImageModel`; told by the answer on an image of one pixel."""
        found = self.ask(ONE_PIXEL)
        return found.classes if isinstance(found, Answer) and found.numbers else None

    def answer(self, images: Sequence[bytes]) -> list[Answer | Unreadable]:
        """See `ImageModel`; an image that the server refuses is one that cannot be read."""
        return list(self._threads.map(self.ask, images))

    def ask(self, image: bytes) -> Answer | Unreadable:
        """The answer on one image file.

        Raises:
            UserError: When the server does not answer, or has no such model.
        """
        encoded = base64.b64encode(image).decode()
        retries = urllib3.Retry(
            total=self._config.retries,
            backoff_factor=BACKOFF_S,
            status_forcelist=RETRIED,
            allowed_methods=None,
            raise_on_status=False,
        )
        body = {"instances": [{"b64": encoded}]}
        try:
            response = self.http.request("POST", f"{self.url}:predict", json=body, retries=retries)
        except urllib3.exceptions.HTTPError as error:
            # urllib3 writes the object that an error happened to before its reason.
            reason = str(getattr(error, "reason", None) or error)
            reason = reason.partition(": ")[2] or reason
            raise UserError(f"{self.url} does not answer: {reason}") from error
        if response.status != 200:
            found = Unreadable(
                f"HTTP {response.status}: {_error(response.data)}", "{name!r}: {reason}"
            )
            # What is wrong with the image alone.
            if response.status in (400, 413, 422):
                return found
            raise UserError(f"{self.url}: {found.reason}")
        return _rest_answer(self.url, response.data)


def predict_rest(
    url: str, images: Sequence[str | os.PathLike], config: ClientConfig | None = None
) -> Iterator[Prediction]:
    """Predictions by a server's REST API, in the images' order, as they come.

    Args:
        url: URL of the model, for example ``http://localhost:8501/v1/models/lenet5``, with
            ``/versions/NUMBER`` or ``/labels/LABEL`` for one of its versions.
        images: Image files.
        config: How the server is asked.

    Raises:
        UserError: When the URL is no model's, the server cannot be reached, or it refuses an
            image; the message names it.
    """
    server = Server(url, config)

    def ask(_: object, path: pathlib.Path) -> Prediction:
        found = server.ask(read_image(path))
        if isinstance(found, Unreadable):
            raise found.error(path)
        return Prediction(path, *found)

    return _in_parallel(lambda: server.http, ask, image_files(images), config or ClientConfig())


def predict_grpc(
    target: str,
    model: str,
    images: Sequence[str | os.PathLike],
    config: ClientConfig | None = None,
) -> Iterator[Prediction]:
    """Predictions by TensorFlow Serving's gRPC API, in the images' order, as they come.

    Args:
        target: HOST:PORT of the server.
        model: The model's name.
        images: Image files.
        config: How the server is asked.

    Raises:
        UserError: When the server cannot be reached, or it refuses an image; the message names it.
    """
    try:
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import prediction_service_pb2_grpc
        from tensorflow_serving.apis.predict_pb2 import PredictRequest  # pyright: ignore[reportAttributeAccessIssue]  # protobuf makes it at import
    except ImportError as error:
        raise UserError(f"--grpc needs {error.name}: pip install 'kerasnets[serving]'.") from error

    config = config or ClientConfig()

    def ask(channel: grpc.Channel, path: pathlib.Path) -> Prediction:
        request = PredictRequest(model_spec={"name": model})
        request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([read_image(path)]))
        service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        try:
            answer = service.Predict(request, timeout=config.timeout_s)
        except grpc.RpcError as error:
            where = target if error.code() == grpc.StatusCode.UNAVAILABLE else repr(str(path))
            reason = " ".join((error.details() or "").split())
            raise UserError(f"{where}: gRPC {error.code().name}: {reason}") from error
        return _grpc_prediction(target, path, answer.outputs)

    policy = {
        "maxAttempts": config.retries + 1,
        "initialBackoff": f"{BACKOFF_S}s",
        "maxBackoff": "5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
    }
    name = {"service": "tensorflow.serving.PredictionService"}
    methods = [{"name": [name], "retryPolicy": policy}] if config.retries else []

    def connect() -> grpc.Channel:
        settings = json.dumps({"methodConfig": methods})
        # Answers of any length.
        limit = ("grpc.max_receive_message_length", -1)
        return grpc.insecure_channel(target, options=[limit, ("grpc.service_config", settings)])

    return _in_parallel(connect, ask, image_files(images), config)


def _in_parallel(
    connect: Callable[[], AbstractContextManager[Connection]],
    ask: Callable[[Connection, pathlib.Path], Prediction],
    paths: Sequence[pathlib.Path],
    config: ClientConfig,
) -> Iterator[Prediction]:
    """Asks about several images at a time; the connection ends with the last answer."""
    with (
        connect() as connection,
        concurrent.futures.ThreadPoolExecutor(config.concurrency) as pool,
    ):
        yield from pool.map(functools.partial(ask, connection), paths)


def _grpc_prediction(
    target: str, path: pathlib.Path, outputs: Mapping[str, TensorProto]
) -> Prediction:
    import tensorflow as tf

    # The message itself makes an empty tensor of a name that it does not have.
    found = dict(outputs)
    try:
        return Prediction.of(path, {name: tf.make_ndarray(each)[0] for name, each in found.items()})
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise _other_program(target, ", ".join(sorted(found))) from error


def _rest_answer(url: str, body: bytes) -> Answer:
    try:
        (found,) = parse_json(body)["predictions"]
        return Answer.named(found)
    except (ValueError, KeyError, TypeError) as error:
        raise _other_program(url, body[:80].decode("utf-8", "replace")) from error


def _other_program(where: str, received: str) -> UserError:
    return UserError(
        f"{where} answers otherwise than a SavedModel of kerasnets: expected {', '.join(ANSWER)}. "
        f"Received: {received}"
    )


def _error(body: bytes) -> str:
    """What a server says of an error; TensorFlow Serving says it in JSON, a proxy in any way."""
    try:
        return str(parse_json(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace") or "no reason given"

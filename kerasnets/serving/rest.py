"""TensorFlow Serving's REST API: from a method, a path and a body to JSON.

Paths, answers, errors and the order in which a request is looked at are those of TensorFlow
Serving's ``http_rest_api_handler.cc``, with what may surprise in them: a model's status ignores
the label in its path, ``:classify`` asks for ``serving_default`` unless told otherwise, versions
are strings, and the metadata holds ``signature_def`` inside ``signature_def``. Beyond it, predict
takes image files as they are.
"""

from __future__ import annotations

import contextlib
import functools
import re
import urllib.parse
from collections.abc import AsyncIterator, Callable
from typing import Any

from google.protobuf.json_format import MessageToDict
from tensorflow.core.example import example_pb2, feature_pb2

from kerasnets.serving import json_examples, json_tensors
from kerasnets.serving.body import Body, ImageFiles
from kerasnets.serving.config import ServerConfig
from kerasnets.serving.json_tensors import DEFAULT_SIGNATURE
from kerasnets.serving.repository import Repository
from kerasnets.serving.servable import Servable
from kerasnets.serving.status import RequestError, invalid
from kerasnets.serving.workers import Workers

ROUTE = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?"
    r"(?::(classify|regress|predict)|/(metadata))?",
    re.IGNORECASE | re.ASCII,
)
# Of tf.Example, for the processes that read without TensorFlow.
EXAMPLE = (feature_pb2.DESCRIPTOR.serialized_pb, example_pb2.DESCRIPTOR.serialized_pb)
# Values in JSON that take some milliseconds to read or write; more are left to other processes.
# So many bytes of text take as long as a value.
MANY_VALUES = 5_000
BYTES_PER_VALUE = 1_000
# The most arrays and objects in a request: a batch of 32 images of 299 x 299 pixels has 2.9
# millions. They take some 70 bytes each.
MAX_ARRAYS = 2**22

# Protocol buffers as TensorFlow Serving writes them in JSON.
to_dict = functools.partial(
    MessageToDict, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
)
# A model's name, and a version of it by number or by label.
Asked = tuple[str, int | None, str | None]


class RestApi:
    """Answers requests from the models of a repository."""

    def __init__(self, repository: Repository, config: ServerConfig):
        self._repository = repository
        self._max_rows = config.max_queue
        self._workers = Workers()

    @contextlib.asynccontextmanager
    async def running(self, _: object = None) -> AsyncIterator[None]:
        """While requests may come: with a process for large ones."""
        await self._workers.start()
        try:
            yield
        finally:
            await self._workers.close()

    def takes_images(self, method: str, path: str) -> bool:
        """Whether the body of a request may be image files."""
        match = ROUTE.fullmatch(path)
        return method == "POST" and match is not None and match[4] == "predict"

    async def answer(self, method: str, path: str, body: Body) -> bytes:
        """The answer, in JSON, to a request whose path has its percent signs still.

        Raises:
            RequestError: When the answer is an error.
        """
        match = ROUTE.fullmatch(path)
        name, version, label, verb, metadata = match.groups() if match else [None] * 5
        if method == "POST" and name and verb == "predict":
            return await self._predict(_asked(name, version, label), body)
        if method == "POST" and name and verb in ("classify", "regress"):
            assert isinstance(body, bytes)  # `takes_images` says no
            return await self._examples(verb, _asked(name, version, label), body)
        if method != "GET" or not match or verb:
            raise invalid(f"Malformed request: {method} {path}")
        if not name:
            raise invalid("Missing model name in request.")
        asked = _asked(name, version, label)
        if metadata == "metadata":
            return json_tensors.to_json(_metadata(self._repository.find(*asked)))
        statuses = list(map(to_dict, self._repository.statuses(*asked[:2])))
        return json_tensors.to_json({"model_version_status": statuses})

    def route(self, path: str) -> tuple[str, str, str]:
        """The served model, its version and the method that a path names.

        They are empty where there is none such; the version is that which answers now.
        """
        match = ROUTE.fullmatch(path)
        name = urllib.parse.unquote(match[1] or "") if match else ""
        if not match or name not in self._repository.models:
            return "", "", (match[4] or "").lower() if match else ""
        try:
            version = str(self._repository.find(*_asked(*match.groups()[:3])).version)
        except RequestError:
            version = ""
        return name, version, (match[4] or "").lower()

    def label(self, name: str, version: str) -> str:
        """What the list of models calls a version that `route` found."""
        model = self._repository.models.get(name)
        return model.label(int(version)) if model and version else ""

    async def _call(self, values: int, function: Callable, *arguments: Any) -> Any:
        """The result of a function; in another process where there are many values in JSON."""
        if values < MANY_VALUES:
            return function(*arguments)
        return await self._workers.call(function, *arguments)

    async def _read(self, body: bytes, function: Callable, *arguments: Any) -> Any:
        """The result of a function of a JSON body."""
        values = body.count(b",") + len(body) // BYTES_PER_VALUE
        arrays = body.count(b"[") + body.count(b"{")
        if arrays > MAX_ARRAYS:
            raise invalid(f"A request has at most {MAX_ARRAYS} arrays and objects.")
        return await self._call(values + arrays, function, body, *arguments)

    async def _predict(self, asked: Asked, body: Body) -> bytes:
        found = self._find(asked)
        types = found.input_types if isinstance(found, Servable) else {}
        if isinstance(body, ImageFiles):
            request = body.read(types)
        else:
            request = await self._read(body, json_tensors.read_predict, types, self._max_rows)
        given, rows, inputs = request
        if isinstance(found, RequestError):
            raise found
        name = given or DEFAULT_SIGNATURE
        if name not in found.signatures:
            raise invalid(f'Serving signature name: "{name}" not found in signature def')
        if inputs is None:
            raise invalid(f"Failed to get input map for signature: {given or 'DEFAULT'}")
        outputs = await found.prepare(name, inputs)()
        values = sum(tensor.size for tensor in outputs.values())
        return await self._call(values, json_tensors.predict_answer, rows, outputs)

    async def _examples(self, verb: str, asked: Asked, body: bytes) -> bytes:
        read = json_examples.read_examples
        given, examples, images = await self._read(body, read, EXAMPLE, self._max_rows)
        found = self._find(asked)
        if isinstance(found, RequestError):
            raise found
        name = given or DEFAULT_SIGNATURE
        if name not in found.signatures:
            raise invalid(f"No signature was found with the name: {name}")
        json_examples.check_signature(verb, found.signatures[name])
        inputs = {"inputs": json_tensors.strings(examples)}
        outputs = await found.prepare(name, inputs, images)()
        values = sum(tensor.size for tensor in outputs.values())
        return await self._call(values, json_examples.answer, verb, len(examples), outputs)

    def _find(self, asked: Asked) -> Servable | RequestError:
        """What answers; the error is for after the body's own, as in TensorFlow Serving."""
        try:
            return self._repository.find(*asked)
        except RequestError as error:
            return error


def _asked(name: str, version: str | None, label: str | None) -> Asked:
    number = None
    if version is not None:
        # As many digits as fit in 64 bits: int() of a long number takes long, or is refused.
        if len(version.lstrip("0")) > 19 or int(version) >= 2**63:
            raise invalid(f"Failed to convert version: {version} to numeric.")
        number = int(version)
    return urllib.parse.unquote(name), number, label and urllib.parse.unquote(label)


def _metadata(servable: Servable) -> dict:
    """The signatures of a version."""
    spec = {"name": servable.model, "signature_name": "", "version": str(servable.version)}
    signatures = {name: to_dict(signature) for name, signature in servable.signatures.items()}
    metadata = {"signature_def": {"signature_def": signatures}}
    return {"model_spec": spec, "metadata": metadata}

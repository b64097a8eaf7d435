"""TensorFlow Serving's REST API: from a method, a path and a body to a code and JSON.

Paths, answers, errors and the order in which a request is looked at are those of TensorFlow
Serving's ``http_rest_api_handler.cc``, with what may surprise in them: a model's status ignores
the label in its path, ``:classify`` asks for ``serving_default`` unless told otherwise, versions
are strings, and the metadata holds ``signature_def`` inside ``signature_def``.
"""

from __future__ import annotations

import asyncio
import functools
import re
import urllib.parse
from collections.abc import Awaitable, Callable

import tensorflow as tf
from google.protobuf.json_format import MessageToDict

from kerasnets.serving import json_examples, json_tensors
from kerasnets.serving.batching import Tensors
from kerasnets.serving.repository import Repository
from kerasnets.serving.servable import Servable
from kerasnets.serving.status import RequestError, invalid

ROUTE = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:/versions/(\d+)|/labels/([^/:]+))?"
    r"(?::(classify|regress|predict)|/(metadata))?",
    re.IGNORECASE | re.ASCII,
)
DEFAULT_SIGNATURE = "serving_default"
# Bytes of a body that takes some milliseconds to read.
LARGE = 2**19

# Protocol buffers as TensorFlow Serving writes them in JSON.
to_dict = functools.partial(
    MessageToDict, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
)
# A model's name, and a version of it by number or by label.
Asked = tuple[str, int | None, str | None]
# How to compute a request's outputs, and how to answer with them.
Prepared = tuple[Callable[[], Awaitable[Tensors]], Callable[[Tensors], dict]]


class RestApi:
    """Answers requests from the models of a repository."""

    def __init__(self, repository: Repository):
        self._repository = repository

    async def answer(self, method: str, path: str, body: bytes) -> dict:
        """The JSON of the answer to a request, whose path has its percent signs still.

        Raises:
            RequestError: When the answer is an error.
        """
        match = ROUTE.fullmatch(path)
        name, version, label, verb, metadata = match.groups() if match else [None] * 5
        if method == "POST" and name and verb in ("predict", "classify", "regress"):
            prepare = functools.partial(self._prepare, verb, _asked(name, version, label), body)
            # A large body is read in a thread, so that others need not wait for it.
            prepared = prepare() if len(body) < LARGE else await asyncio.to_thread(prepare)
            compute, answer = prepared
            return answer(await compute())
        if method != "GET" or not match or verb:
            raise invalid(f"Malformed request: {method} {path}")
        if not name:
            raise invalid("Missing model name in request.")
        asked = _asked(name, version, label)
        if metadata == "metadata":
            return _metadata(self._repository.find(*asked))
        return {"model_version_status": list(map(to_dict, self._repository.statuses(*asked[:2])))}

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

    def _prepare(self, verb: str, asked: Asked, body: bytes) -> Prepared:
        document = json_tensors.parse(body)
        given = json_tensors.signature_name(document)
        name = given or DEFAULT_SIGNATURE
        examples = [] if verb == "predict" else json_examples.examples(document)
        servable = self._repository.find(*asked)
        signature = servable.signatures.get(name)
        if verb == "predict":
            if signature is None:
                raise invalid(f'Serving signature name: "{name}" not found in signature def')
            if not signature.inputs:
                raise invalid(f"Failed to get input map for signature: {given or 'DEFAULT'}")
            types = {key: tf.as_dtype(info.dtype) for key, info in signature.inputs.items()}
            rows, inputs = json_tensors.predict_inputs(document, types)
            compute = servable.prepare(name, inputs)
            return compute, functools.partial(json_tensors.predict_answer, rows)
        if signature is None:
            raise invalid(f"No signature was found with the name: {name}")
        json_examples.check_signature(verb, signature)
        serialised = json_tensors.strings([example.SerializeToString() for example in examples])
        images = [json_examples.byte_strings(example) for example in examples]
        compute = servable.prepare(name, {"inputs": serialised}, images)
        return compute, functools.partial(json_examples.answer, verb, len(examples))


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

"""TensorFlow Serving's REST API: from a method, a path and a body to a code and JSON.

Paths, answers, errors and the order in which a request is looked at are those of TensorFlow
Serving's ``http_rest_api_handler.cc``, with what may surprise in them: a model's status ignores
the label in its path, ``:classify`` asks for ``serving_default`` unless told otherwise, versions
are strings, and the metadata holds ``signature_def`` inside ``signature_def``.
"""

from __future__ import annotations

import asyncio
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict

from kerasnets.serving import json_examples, json_tensors
from kerasnets.serving.batching import Tensors
from kerasnets.serving.repository import Repository
from kerasnets.serving.servable import Request, Servable
from kerasnets.serving.status import RequestError, invalid

_VERSION = r"(?:/versions/(\d+)|/labels/([^/:]+))?"
PREDICTION = re.compile(
    rf"/v1/models/([^/:]+){_VERSION}:(classify|regress|predict)", re.IGNORECASE | re.ASCII
)
STATUS = re.compile(
    rf"/v1/models(?:/([^/:]+))?{_VERSION}(?:/(metadata))?", re.IGNORECASE | re.ASCII
)
DEFAULT_SIGNATURE = "serving_default"
# Bytes of a body that takes some milliseconds to read.
LARGE = 2**19
T = TypeVar("T")


class RestApi:
    """Answers requests from the models of a repository."""

    def __init__(self, repository: Repository):
        self._repository = repository

    async def answer(self, method: str, path: str, body: bytes) -> dict:
        """The JSON of the answer.

        Args:
            method: Of HTTP.
            path: As it was sent, with its percent signs.
            body: Of the request.

        Raises:
            RequestError: When the answer is an error.
        """
        if method == "POST" and (match := PREDICTION.fullmatch(path)):
            name, version, label = _model(*match.groups()[:3])
            verb = match[4]
            if verb == "predict":
                return await self._predict(name, version, label, body)
            if verb in ("classify", "regress"):
                return await self._infer(verb, name, version, label, body)
        elif method == "GET" and (match := STATUS.fullmatch(path)):
            name, version, label = _model(*match.groups()[:3])
            if not name:
                raise invalid("Missing model name in request.")
            if match[4] == "metadata":
                return metadata(self._repository.find(name, version, label))
            return self._status(name, version)
        raise invalid(f"Malformed request: {method} {path}")

    def model_and_method(self, path: str) -> tuple[str, str]:
        """The served model and the method that a path names; empty where there is none such."""
        match = PREDICTION.fullmatch(path)
        method = match[4].lower() if match else ""
        match = match or STATUS.fullmatch(path)
        name = urllib.parse.unquote(match[1] or "") if match else ""
        return (name if name in self._repository.models else ""), method

    async def _predict(
        self, name: str, version: int | None, label: str | None, body: bytes
    ) -> dict:
        def read() -> tuple[Request, bool]:
            document = json_tensors.parse(body)
            asked = json_tensors.signature_name(document)
            servable = self._repository.find(name, version, label)
            signature = asked or DEFAULT_SIGNATURE
            if signature not in servable.signatures:
                raise invalid(f'Serving signature name: "{signature}" not found in signature def')
            inputs = servable.signatures[signature].inputs
            if not inputs:
                raise invalid(f"Failed to get input map for signature: {asked or 'DEFAULT'}")
            types = {key: tf.as_dtype(info.dtype) for key, info in inputs.items()}
            rows, tensors = json_tensors.predict_inputs(document, types)
            return servable.request(signature, tensors), rows

        request, rows = await _off_loop(read, body)
        return json_tensors.predict_answer(rows, await request.outputs())

    async def _infer(
        self, verb: str, name: str, version: int | None, label: str | None, body: bytes
    ) -> dict:
        def read() -> tuple[Request, int]:
            document = json_tensors.parse(body)
            signature = json_tensors.signature_name(document) or DEFAULT_SIGNATURE
            found = json_examples.examples(document)
            servable = self._repository.find(name, version, label)
            if signature not in servable.signatures:
                raise invalid(f"No signature was found with the name: {signature}")
            check = _check_classify if verb == "classify" else _check_regress
            check(servable.signatures[signature])
            serialised = json_tensors.strings([example.SerializeToString() for example in found])
            images = [json_examples.byte_strings(example) for example in found]
            return servable.request(signature, {"inputs": serialised}, images), len(found)

        request, count = await _off_loop(read, body)
        answer = _classifications if verb == "classify" else _regressions
        return {"results": answer(await request.outputs(), count)}

    def _status(self, name: str, version: int | None) -> dict:
        model = self._repository.models.get(name)
        statuses = model.statuses if model else {}
        if version is not None and version not in statuses:
            raise RequestError("NOT_FOUND", f"Could not find version {version} of model {name}")
        if not statuses:
            raise RequestError("NOT_FOUND", f"Could not find any versions of model {name}")
        numbers = sorted(statuses, reverse=True) if version is None else [version]
        return {
            "model_version_status": [
                {
                    "version": str(number),
                    "state": statuses[number].state,
                    "status": {
                        "error_code": statuses[number].error_code,
                        "error_message": statuses[number].error_message,
                    },
                }
                for number in numbers
            ]
        }


async def _off_loop(read: Callable[[], T], body: bytes) -> T:
    """Reads a large body in a thread, so that others need not wait for it."""
    return read() if len(body) < LARGE else await asyncio.to_thread(read)


def _model(
    name: str | None, version: str | None, label: str | None
) -> tuple[str, int | None, str | None]:
    number = None
    if version is not None:
        # As many digits as fit in 64 bits: int() of a long number takes long, or is refused.
        if len(version.lstrip("0")) > 19 or int(version) >= 2**63:
            raise invalid(f"Failed to convert version: {version} to numeric.")
        number = int(version)
    label = urllib.parse.unquote(label) if label is not None else None
    return urllib.parse.unquote(name or ""), number, label


def metadata(servable: Servable) -> dict:
    """The signatures of a version, as protocol buffers are written in JSON."""
    return {
        "model_spec": {
            "name": servable.model,
            "signature_name": "",
            "version": str(servable.version),
        },
        "metadata": {
            "signature_def": {
                "signature_def": {
                    name: MessageToDict(
                        signature,
                        preserving_proto_field_name=True,
                        always_print_fields_with_no_presence=True,
                    )
                    for name, signature in servable.signatures.items()
                }
            }
        },
    }


def _one_line(signature: object) -> str:
    return " ".join(str(signature).split())


def _check_classify(signature: object) -> None:
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if "inputs" not in signature.inputs:
        raise invalid(f"No classification inputs found in SignatureDef: {_one_line(signature)}")
    if "classes" not in signature.outputs and "scores" not in signature.outputs:
        raise invalid(
            "Expected classification signature outputs to contain at least one of "
            f'"classes" or "scores". Signature was: {_one_line(signature)}'
        )


def _check_regress(signature: object) -> None:
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if "inputs" not in signature.inputs:
        raise invalid(f"No regression inputs found in SignatureDef: {_one_line(signature)}")
    if "outputs" not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {_one_line(signature)}")


def _classifications(outputs: Tensors, count: int) -> list:
    """For each example its pairs of label and score; what the signature lacks is empty or zero."""
    classes, scores = outputs.get("classes"), outputs.get("scores")
    for name, tensor in (("classes", classes), ("scores", scores)):
        if tensor is not None and (tensor.ndim != 2 or len(tensor) != count):
            raise invalid(
                f"Expected {name} Tensor shape: [batch_size num_classes] but got "
                f"{list(tensor.shape)}"
            )
    if classes is None:
        classes = np.full(scores.shape, b"", object)
    if scores is None:
        scores = np.zeros(classes.shape, np.float32)
    if classes.shape != scores.shape:
        raise invalid(
            "Tensors class and score should match in dim_size(1). Got "
            f"{classes.shape[1]} vs. {scores.shape[1]}"
        )
    pairs = zip(
        json_tensors.values("classes", classes), json_tensors.values("scores", scores), strict=True
    )
    return [list(map(list, zip(*pair, strict=True))) for pair in pairs]


def _regressions(outputs: Mapping[str, np.ndarray], count: int) -> list:
    tensor = outputs["outputs"]
    if tensor.shape not in ((count,), (count, 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"{list(tensor.shape)}"
        )
    return json_tensors.values("outputs", tensor.reshape(-1))

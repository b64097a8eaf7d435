"""What goes wrong with a request, in TensorFlow's status codes and their HTTP codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import tensorflow as tf

# http_server.cc of TensorFlow Serving, ToHTTPStatusCode.
HTTP_CODES = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
# TensorFlow's numbers of the codes, as its errors carry them.
CODE_NAMES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip


# What a graph ends with. An error whose message quotes bytes that are no UTF-8, of a file that is
# no image say, cannot be made by TensorFlow's Python part: the failed decoding comes instead.
FAILURES = (tf.errors.OpError, UnicodeDecodeError)


class RequestError(Exception):
    """A request that is answered with an error.

    Args:
        code: TensorFlow's name of the status, a key of `HTTP_CODES`.
        message: For the ``error`` of the answer.
    """

    headers: Mapping[str, str] | None = None

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_code = HTTP_CODES[code]


class BodyError(RequestError):
    """A body that is not read to its end; the connection is of no more use.

    Args:
        http_code: 408 or 413, for which TensorFlow has no status of its own.
        message: For the ``error`` of the answer.
    """

    headers: Mapping[str, str] | None = MappingProxyType({"Connection": "close"})

    def __init__(self, http_code: int, message: str):
        super().__init__("DEADLINE_EXCEEDED" if http_code == 408 else "OUT_OF_RANGE", message)
        self.http_code = http_code


def invalid(message: str) -> RequestError:
    """The error for a request that is wrong in itself: HTTP 400."""
    return RequestError("INVALID_ARGUMENT", message)


def failure(error: Exception) -> RequestError:
    """The answer to an error, one of `FAILURES`, that a graph ended with."""
    code = "INVALID_ARGUMENT"
    if isinstance(error, tf.errors.OpError):
        code = CODE_NAMES[error.error_code]
    return RequestError(code, summary(error))


def summary(error: Exception) -> str:
    """The message of a TensorFlow error on one line, without the trace of graph nodes."""
    message = str(error)
    if isinstance(error, UnicodeDecodeError):
        message = error.object.decode("utf-8", "replace")
    message = re.sub(r"\{\{.*?\}\}", "", message)
    message = message.rpartition("<stack traces unavailable>")[2]
    message = re.split(r"\s*\[\[|\s*\[Op:", message)[0]
    return " ".join(message.split())

"""What goes wrong with a request, in TensorFlow's status codes and their HTTP codes."""

from __future__ import annotations

# http_server.cc of TensorFlow Serving, ToHTTPStatusCode; all others are 500.
HTTP_CODES = {
    **dict.fromkeys(("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE"), 400),
    **dict.fromkeys(("ALREADY_EXISTS", "ABORTED"), 409),
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


class RequestError(Exception):
    """A request that is answered with an error.

    Args:
        code: TensorFlow's name of the status.
        message: Text for the ``error`` of the answer.
        http_code: The code of HTTP, where it is not the one that TensorFlow Serving gives `code`.
    """

    def __init__(self, code: str, message: str, http_code: int | None = None):
        # All arguments, so that the error can be sent from one process to another.
        super().__init__(code, message, http_code)
        self.code = code
        self.message = message
        self.http_code = http_code or HTTP_CODES.get(code, 500)

    def __str__(self) -> str:
        return self.message


def invalid(message: str) -> RequestError:
    """The error for a request that is wrong in itself: HTTP 400."""
    return RequestError("INVALID_ARGUMENT", message)

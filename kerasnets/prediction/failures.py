"""The errors that TensorFlow ends with, on one line."""

from __future__ import annotations

import re

import tensorflow as tf

# What a graph ends with. TensorFlow's Python part cannot make an error whose message quotes bytes
# that are not UTF-8, of a file that is no image for example: the failed decoding comes instead.
FAILURES = (tf.errors.OpError, UnicodeDecodeError)


def summary(error: Exception) -> str:
    """The message of a TensorFlow error on one line, without the trace of graph nodes."""
    message = str(error)
    if isinstance(error, UnicodeDecodeError):
        message = error.object.decode("utf-8", "replace")
    message = re.sub(r"\{\{.*?\}\}", "", message)
    message = message.rpartition("<stack traces unavailable>")[2]
    message = re.split(r"\s*\[\[|\s*\[Op:", message)[0]
    return " ".join(message.split()).encode("utf-8", "replace").decode()

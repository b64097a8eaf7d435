"""Errors of other libraries in one line."""

from __future__ import annotations

import re

# What TensorFlow and Keras put around what they say: names of nodes, operations and arguments.
_AROUND = re.compile(
    r"\x1b\[\d*m|Exception encountered when calling \S+|Arguments received by .*"
    r"|\{\{.*?\}\}|\[\[.*|\[Op:.*|assertion failed:|[\[\]]",
    re.S,
)


def reason(error: Exception, *, kind: bool = False) -> str:
    """The beginning of what an error says, without a full stop.

    Args:
        error: An error of TensorFlow or another library.
        kind: Whether the name of its class goes before.
    """
    text = getattr(error, "message", None) or str(error)
    text = " ".join(_AROUND.sub(" ", text).split())[:200].rstrip(" .")
    return f"{type(error).__name__}: {text}" if kind else text

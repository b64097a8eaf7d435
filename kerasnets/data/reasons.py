"""Errors of other libraries in one line."""

from __future__ import annotations

import re

# What TensorFlow puts around what it says: names of nodes and of operations.
_NODES = re.compile(r"\{\{.*?\}\}|\[\[.*|\[Op:.*|assertion failed:|[\[\]]", re.S)


def reason(error: Exception, *, kind: bool = False) -> str:
    """The beginning of what an error says, without a full stop.

    Args:
        error: An error of TensorFlow or another library.
        kind: Whether the name of its class goes before.
    """
    text = getattr(error, "message", None) or str(error)
    text = " ".join(_NODES.sub(" ", text).split())[:200].rstrip(" .")
    return f"{type(error).__name__}: {text}" if kind else text

"""Errors of other libraries in one line."""

from __future__ import annotations

import re

# What TensorFlow and Keras put around what they say: names of nodes, operations and arguments.
_AROUND = re.compile(
    r"\x1b\[\d*m|Exception encountered when calling \S+|Arguments received by .*"
    r"|Error in user-defined function passed to \S+ transformation with iterator: \S+: "
    r"|\d+ root error\(s\) found\.|\(\d+\) [A-Z_]+: |\{\{.*?\}\}|\[\[.*|\[Op:.*",
    re.S,
)
# Before the message of an operation inside a function stands where the function was written.
_TRACE = re.compile(r"Graph execution error:.*(<stack traces unavailable>|\n\n)(?=.)", re.S)
# Errors of the file system are the path, whatever is in it, and the system's words.
_PATH = re.compile(r".*; (?=[A-Z][\w/]*( [\w'/-]+)+$)", re.S)
# Characters of a reason; of what is wrong with one image.
LENGTH = 200
IMAGE_LENGTH = 100


def one_line(error: Exception) -> str:
    """What an error says, without a full stop and without what TensorFlow puts around it.

    Args:
        error: An error of TensorFlow or another library. TensorFlow's Python part cannot make an
            error whose message quotes bytes that are no UTF-8, the name of a file for example: the
            failed decoding of the message comes instead.
    """
    text = getattr(error, "message", None) or str(error)
    if isinstance(error, UnicodeDecodeError):
        text = error.object.decode("utf-8", "backslashreplace")
    text = re.split(r"\n\t \[\[|\nTraceback \(most recent", text)[0]
    text = " ".join(_AROUND.sub(" ", _TRACE.sub("", text)).split())
    if text.startswith("assertion failed:"):
        text = re.sub(r"assertion failed: |[\[\]]", "", text)
    text = _PATH.sub("", text).rstrip(" .")
    return text.encode("utf-8", "backslashreplace").decode()


def reason(error: Exception, *, kind: bool = False, length: int = LENGTH) -> str:
    """The beginning of what an error says, see `one_line`.

    Args:
        error: An error of TensorFlow or another library.
        kind: Whether the name of its class goes before.
        length: Characters at most.
    """
    text = one_line(error)[:length].rstrip(" .")
    return f"{type(error).__name__}: {text}" if kind else text

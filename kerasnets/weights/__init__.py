"""Weights from files, whoever wrote them, into our networks; and back. Loads no framework."""

from kerasnets.lazy import exports

__all__ = ["load_weights", "read_tensors", "resolve", "save_tensors", "save_weights"]

__getattr__ = exports(
    __name__,
    {
        "load_weights": "load",
        "read_tensors": "files",
        "resolve": "sources",
        "save_tensors": "save",
        "save_weights": "save",
    },
)

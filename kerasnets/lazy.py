"""Frameworks that load at first use, so that listing names and asking for help stay instant."""

from __future__ import annotations

import importlib
import importlib.util
import types
from typing import TYPE_CHECKING


class LazyModule(types.ModuleType):
    """Stands for a module and imports it at the first attribute asked of it.

    `importlib.util.LazyLoader` would put its placeholder into ``sys.modules``, where other
    libraries take it for the loaded module; this one stays out of there.
    """

    def __getattr__(self, attribute: str) -> object:
        return getattr(importlib.import_module(self.__name__), attribute)


if TYPE_CHECKING:
    import keras as keras
    import tensorflow as tf
else:
    keras = LazyModule("keras")
    tf = LazyModule("tensorflow")


def installed(module: str) -> bool:
    """Whether a module can be imported; it is not imported."""
    return importlib.util.find_spec(module) is not None

"""Modules that load at first use, so that listing names and asking for help stay instant."""

from __future__ import annotations

import importlib
import types


class LazyModule(types.ModuleType):
    """Stands for a module and imports it at the first attribute asked of it.

    `importlib.util.LazyLoader` would put its placeholder into ``sys.modules``, where other
    libraries take it for the loaded module; this one stays out of there.
    """

    def __getattr__(self, attribute: str) -> object:
        return getattr(importlib.import_module(self.__name__), attribute)


keras = LazyModule("keras")
layers = LazyModule("kerasnets.layers")

"""Modules that load at first use, so that listing names and asking for help stay instant."""

from __future__ import annotations

import importlib
import importlib.util
import types
from collections.abc import Callable


class LazyModule(types.ModuleType):
    """Stands for a module and imports it at the first attribute asked of it.

    `importlib.util.LazyLoader` would put its placeholder into ``sys.modules``, where other
    libraries take it for the loaded module; this one stays out of there.
    """

    def __getattr__(self, attribute: str) -> object:
        return getattr(importlib.import_module(self.__name__), attribute)


keras = LazyModule("keras")
tf = LazyModule("tensorflow")
layers = LazyModule("kerasnets.layers")


def installed(module: str) -> bool:
    """Whether a module can be imported; it is not imported."""
    return importlib.util.find_spec(module) is not None


def exports(package: str, modules: dict[str, str]) -> Callable[[str], object]:
    """A module's ``__getattr__`` that imports its public names at first use (PEP 562).

    Args:
        package: The importing module's ``__name__``.
        modules: For each public name the submodule that defines it; a name that equals its
            submodule's is the submodule.
    """

    def load(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{modules[name]}")
        return module if name == modules[name] else getattr(module, name)

    return load

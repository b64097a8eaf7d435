"""What packages outside add to ours: found by entry points, kept by name."""

from __future__ import annotations

import functools
import importlib.metadata
import logging
from typing import Generic, TypeVar

from kerasnets.errors import UserError, unknown

log = logging.getLogger("kerasnets")

# The entry points of a package's metadata that name modules to import.
GROUP = "kerasnets.plugins"
T = TypeVar("T")


@functools.cache
def load_plugins() -> None:
    """Imports what installed packages name under `GROUP`, once; these modules register things.

    One that fails is logged and left out.
    """
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            log.warning("the plug-in %s (%s) is left out: %s", entry.name, entry.value, reason)


class Registry(Generic[T]):
    """Things by name: those of the package, and those of plug-ins, which are loaded on demand.

    Args:
        kind: What a name stands for, for errors.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._found: dict[str, T] = {}

    def register(self, name: str, value: T) -> None:
        """Adds a thing.

        Raises:
            UserError: When there is one of this name.
        """
        if name in self._found:
            raise UserError(f"There is a {self.kind} {name!r} already.")
        self._found[name] = value

    def get(self, name: str) -> T | None:
        """The thing of this name, if there is one."""
        if name not in self._found:
            load_plugins()
        return self._found.get(name)

    def __getitem__(self, name: str) -> T:
        """The thing of this name.

        Raises:
            UserError: When there is none; it lists the closest names.
        """
        found = self.get(name)
        if found is None:
            raise unknown(self.kind, name, self._found)
        return found

    def all(self) -> dict[str, T]:
        """All things by name, in the order of their registration."""
        load_plugins()
        return dict(self._found)

"""Which experiments there are: the files of `kerasnets.lab.experiments`."""

from __future__ import annotations

import importlib
import pkgutil

from kerasnets.errors import unknown
from kerasnets.lab import experiments
from kerasnets.lab.design import Experiment


def names() -> list[str]:
    """The names of all experiments."""
    return sorted(
        each.name.replace("_", "-") for each in pkgutil.iter_modules(experiments.__path__)
    )


def experiment(name: str) -> Experiment:
    """The experiment of this name.

    Raises:
        UserError: When there is none; it lists the closest names.
    """
    if name not in names():
        raise unknown("experiment", name, names())
    module = importlib.import_module(f"{experiments.__name__}.{name.replace('-', '_')}")
    return module.EXPERIMENT

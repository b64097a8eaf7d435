"""Networks to look at, which need no weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kerasnets.models.build import assemble
from kerasnets.weights.memory import Deferred

if TYPE_CHECKING:
    import keras


def unweighted(network: str, **options: Any) -> keras.Model:
    """A network by its name, whose kernels are zeros: drawing initial weights takes seconds.

    Args:
        network: A name from `kerasnets.list_models`.
        **options: As `kerasnets.build` takes them.
    """
    return assemble(network, initialize=Deferred, **options)

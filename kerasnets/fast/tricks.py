"""The tricks by name, and which of them a network gets. Loads no framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from kerasnets.errors import UserError

Purpose = Literal["training", "inference"]
Device = Literal["cpu", "any"]
TrainingTrick = Literal["auto", "none", "xla", "batch_norm", "optimizer", "winograd"]
InferenceTrick = Literal["auto", "none", "folding", "pixels", "winograd"]

# The device on which each was measured to be faster; on others it is left out, even by its name.
DEVICES: dict[Purpose, dict[str, Device]] = {
    "training": {"batch_norm": "cpu", "optimizer": "cpu", "winograd": "cpu"},
    "inference": {"folding": "any", "pixels": "any", "winograd": "cpu"},
}


def chosen(fast: Sequence[str], purpose: Purpose, device: Device) -> frozenset[str]:
    """The tricks that a choice comes to on a device.

    Args:
        fast: Names of tricks, or one word: ``"auto"`` for all, ``"none"``, or in training
            ``"xla"``, which joins operations itself and so takes the place of all others.
        purpose: What the network is for.
        device: What it computes on: a CPU, or any device, GPUs among them.

    Raises:
        UserError: When a name is unknown, or a word is given together with others.
    """
    check(fast, purpose)
    return frozenset(
        name
        for name, measured in DEVICES[purpose].items()
        if measured in ("any", device) and ("auto" in fast or name in fast)
    )


def check(fast: Sequence[str], purpose: Purpose) -> None:
    """Raises a `UserError` when a choice of tricks cannot be read."""
    words = ("auto", "none") + (("xla",) if purpose == "training" else ())
    known = (*words, *DEVICES[purpose])
    received = f"Received: {' '.join(fast) or 'nothing'}."
    if not fast or not set(fast) <= set(known):
        raise UserError(f"fast must be some of {', '.join(known)}. {received}")
    if len(fast) > 1 and set(fast) & set(words):
        raise UserError(f"fast must be one of {', '.join(words)}, or names of tricks. {received}")

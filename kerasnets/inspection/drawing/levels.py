"""The levels of a drawing, known without Keras."""

from __future__ import annotations

from typing import Literal, get_args

from kerasnets.errors import UserError, unknown

Level = Literal["network", "stage", "block", "layer"]


def check_level(level: str, block: str | None) -> None:
    """Refuses a level that is none, or that a block cannot be drawn at."""
    if level not in get_args(Level):
        raise unknown("level", level, get_args(Level))
    if block is not None and level in ("network", "stage"):
        raise UserError(f"A block is drawn at level block or layer. Received: {level!r}.")

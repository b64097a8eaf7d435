"""Quantities as people write them: 50ms, 20MB, 5M."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from kerasnets.errors import UserError

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
BYTES = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
COUNT = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def quantity(text: str, units: Mapping[str, float], flag: str) -> float:
    """The value of a number with its unit, in the base unit.

    Args:
        text: Such as ``50ms``.
        units: The units, and what each is in the base unit; ``""`` where none is needed.
        flag: The flag that it was given by, for the error.

    Raises:
        UserError: When it is no such number, or not above 0.
    """
    found = re.fullmatch(r"([\d.]+(?:e[+-]?\d+)?)\s*([a-z]*)", text.strip(), re.I)
    by_lower = {unit.lower(): factor for unit, factor in units.items()}
    try:
        value = float(found[1]) * by_lower[found[2].lower()] if found else math.nan
    except (ValueError, KeyError):
        value = math.nan
    if not 0 < value < math.inf:
        named = ", ".join(unit or "none" for unit in units)
        raise UserError(
            f"{flag} must be a number above 0 with a unit ({named}), such as "
            f"50{list(units)[1]}. Received: {text!r}."
        )
    return value

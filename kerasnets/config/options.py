"""Options of a network as a command line or a configuration has them: words by name."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from kerasnets.errors import UserError
from kerasnets.files import parse_json
from kerasnets.values import is_whole


def parse_options(options: Mapping[str, str], given: Collection[str] = ()) -> dict[str, Any]:
    """Options of a network from words: numbers, lists, True, False and None are read as such.

    Args:
        options: Words by name.
        given: Arguments that the caller has by another way.

    Raises:
        UserError: When one of those is among the options.
    """
    for name in options:
        if name in given:
            raise UserError(
                f"--options takes no {name!r}; the command sets it, or has another flag for it."
            )
    return {name: _literal(value) for name, value in options.items()}


def as_word(value: Any) -> str:
    """An option's value as a command line has it: what `parse_options` reads as that value."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return str(value)
    try:
        return json.dumps(int(value) if is_whole(value) else value)
    except TypeError:
        raise UserError(
            f"An option's value must be a word, a number, a list or an object. Received: {value!r}."
        ) from None


# As Python, `kerasnets info` and the errors write them; JSON has true, false and null.
_CONSTANTS = {"True": True, "False": False, "None": None}


def _literal(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    try:
        return parse_json(text)
    except ValueError:
        return text

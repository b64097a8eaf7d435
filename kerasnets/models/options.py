"""What a network takes beyond the arguments of `kerasnets.build`, read off its functions."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection
from typing import Any

from kerasnets.errors import UserError, unknown
from kerasnets.models.blocks import Style
from kerasnets.registry import Registration, registration
from kerasnets.values import words

# Arguments of `kerasnets.build` that every network takes.
ARGUMENTS = (
    *("include_top", "weights", "input_shape", "pooling", "classes", "classifier_activation"),
    "name",
)
# What other libraries call them.
ELSEWHERE = {
    "num_classes": "It is called classes here.",
    "pretrained": "It is weights here: weights='imagenet'.",
    "in_chans": "It is the last number of input_shape here.",
    "input_tensor": "Call the model on the tensor: build(...)(x).",
    "drop_rate": "It is called dropout here, in networks that have it.",
}


def unknown_option(network: str, key: str) -> UserError:
    """The error for an option that a network does not take; it tells those that it takes."""
    known = options(network)
    hint = ""
    for names in (known, ARGUMENTS):
        closest = str(unknown("option", key, names)).partition(". ")[2]
        if not hint and closest.startswith("The closest"):
            hint = f"{closest} "
    hint = f"{ELSEWHERE[key]} " if key in ELSEWHERE else hint
    values = ", ".join(f"{name} ({values})" for name, (values, _) in known.items())
    return UserError(
        f"{network} takes no option {key!r}. {hint}It takes: {values}. Every network takes "
        f"{', '.join(ARGUMENTS)}."
    )


def options(network: str) -> dict[str, tuple[str, object]]:
    """What `build` takes of a network beyond its arguments: the values in words, and the default.

    Args:
        network: Its name.
    """
    entry = registration(network)
    defaults: dict[str, object] = dict(vars(entry.style))
    for function in (entry.head, entry.backbone):
        parameters = inspect.signature(function).parameters
        defaults |= {name: each.default for name, each in parameters.items()}
    found = {
        name: (words(annotation), defaults[name])
        for types in option_types(entry).values()
        for name, annotation in types.items()
        if name not in entry.variant and name not in entry.fixed
    }
    if entry.auxiliary_heads:
        found["auxiliary_heads"] = (words(bool), False)
    return found


def option_types(entry: Registration) -> dict[str, dict[str, Any]]:
    """The annotations of a network's options, by the part that takes them."""
    style = typing.get_type_hints(Style)
    del style["initialize"]
    return {"backbone": _options(entry.backbone), "head": _options(entry.head), "style": style}


def _options(function: Callable) -> dict[str, object]:
    """The options of a builder or a head, which are its keyword-only arguments, and their types."""
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return {each.name: each.annotation for each in parameters if each.kind is each.KEYWORD_ONLY}


def head_options(entry: Registration) -> Collection[str]:
    """The names of the options that the classifier takes."""
    return _options(entry.head)

"""What the functions that name layers as other projects do have in common."""

from __future__ import annotations

import re


def parts_of(layer: str, pattern: str) -> tuple[str, ...]:
    """The groups of a pattern that a layer's whole name must match; one that is not there is None.

    Raises:
        ValueError: When the name does not match.
    """
    found = re.fullmatch(pattern, layer)
    if not found:
        raise ValueError(f"{layer!r} does not match {pattern!r}.")
    return found.groups()


def module_and_kind(layer: str) -> tuple[str, str]:
    """A layer's name without its ``_bn``, and what PyTorch ports call it: ``conv`` or ``bn``."""
    module = layer.removesuffix("_bn")
    return module, "conv" if module == layer else "bn"


def numbered_names(*blocks: tuple[str, dict[str, str]]) -> dict[str, str]:
    """The names of layers that keras.applications numbers as it makes them, by our names.

    Args:
        *blocks: In its order: a block's name, and for each branch how its convolutions' names end,
            with spaces between them; ``{"_branch3x3_conv": "1 2"}``.

    Returns:
        ``conv2d#0`` for the first convolution, ``batch_normalization#0`` for its batch norm.
    """
    convolutions = [
        f"{block}{branch}{end}"
        for block, branches in blocks
        for branch, ends in branches.items()
        for end in ends.split(" ")
    ]
    names = {}
    for number, name in enumerate(convolutions):
        names[name] = f"conv2d#{number}"
        names[f"{name}_bn"] = f"batch_normalization#{number}"
    return names

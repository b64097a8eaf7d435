"""What convolutions and networks cost, counted on layers that Keras has built."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kerasnets.lab.cells import Measured
from kerasnets.lazy import keras

WEIGHTS = "weights"
MULTIPLY_ADDS = "multiply-adds"


class Conv(NamedTuple):
    """A convolution: its kernel, (height, width) or a side, and its maps; no bias."""

    kernel: int | tuple[int, int]
    inputs: int
    outputs: int


def cost(branches: Sequence[Sequence[Conv]], *, pixels: int) -> Measured:
    """Weights and multiply-adds of convolutions one after the other, of all branches together.

    Args:
        branches: Of each, its convolutions, with stride 1 and "same" padding.
        pixels: Side of the map that they are applied to.
    """
    from kerasnets.inspection.table import multiply_adds

    weights = operations = 0
    for branch in branches:
        x = image = keras.Input((pixels, pixels, branch[0].inputs))
        for conv in branch:
            if x.shape[-1] != conv.inputs:
                raise ValueError(f"{conv} is applied to {x.shape[-1]} maps")
            layer = keras.layers.Conv2D
            x = layer(conv.outputs, conv.kernel, padding="same", use_bias=False)(x)
        model = keras.Model(image, x)
        weights += model.count_params()
        operations += multiply_adds(model)
    return Measured({WEIGHTS: weights, MULTIPLY_ADDS: operations})


def activations(network: keras.Model) -> tuple[int, int]:
    """What a training step keeps of the layers' outputs until the backward pass, for one image.

    Args:
        network: A functional model, without models inside.

    Returns:
        The bytes that are kept, and those of the largest block that the backward pass computes
        again, 0 where there is none.
    """
    from kerasnets.layers import Rematerialize

    again = [layer.input for layer in network.layers if isinstance(layer, Rematerialize)]
    blocks = [_bytes_between([y], sources) for y, *sources in again]
    return _bytes_between(network.outputs, ()), max(blocks, default=0)


def _bytes_between(ends: Iterable[Any], starts: Iterable[Any]) -> int:
    """The tensors from `starts`, which do not count, to `ends`, without what is computed again."""
    from kerasnets.inspection.memory import bytes_of
    from kerasnets.layers import Rematerialize
    from kerasnets.private import maker_of

    waiting, seen, total = list(ends), {id(x) for x in starts}, 0
    while waiting:
        if id(x := waiting.pop()) in seen:
            continue
        seen.add(id(x))
        total += bytes_of(x.shape, x.dtype)
        layer = maker_of(x)
        read = keras.tree.flatten(layer.input)
        waiting += read[1:] if isinstance(layer, Rematerialize) else read
    return total

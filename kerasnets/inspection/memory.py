"""How much memory a network's activations take, and how many images fit a budget."""

from __future__ import annotations

import math
import re

import keras

# Bytes for the activations of a batch in inference, on each device.
BUDGET = 2**30
# Images of all devices together; larger batches are no faster.
MOST_IMAGES = 250


def batch_within(
    network: keras.Model,
    *,
    budget: int = BUDGET,
    replicas: int = 1,
    size: tuple[int, int] | None = None,
    kept: bool = False,
) -> int:
    """The number of images that a network takes at once in inference, up to about `MOST_IMAGES`.

    Args:
        network: A functional model of images, (N, H, W, C).
        budget: Bytes for the activations on each device; one image a device is the least.
        replicas: Number of devices, among which the batch divides.
        size: (height, width) of the images, for a network that takes any size.
        kept: Whether all activations are kept to the end, for gradients.
    """
    fits = max(1, budget // activation_bytes(network, size, kept=kept))
    return min(fits, math.ceil(MOST_IMAGES / replicas)) * replicas


def activation_bytes(
    network: keras.Model, size: tuple[int, int] | None = None, *, kept: bool = False
) -> int:
    """The peak memory of activations in inference, in bytes for an image.

    That is the largest sum of the tensors that are needed at once where the layers are computed
    one after the other.

    Args:
        network: A functional model of images, (N, H, W, C).
        size: (height, width) of the images, for a network that takes any size.
        kept: Whether all activations are kept to the end; the peak is then their sum.
    """
    # Other kinds of models do not tell their operations.
    operations = keras.Model(network.inputs, network.outputs).operations
    made = [keras.tree.flatten(operation.output) for operation in operations]
    read = [[id(x) for x in keras.tree.flatten(operation.input)] for operation in operations]
    last = {each: step for step, inputs in enumerate(read) for each in inputs}
    sizes = _sizes([x for outputs in made for x in outputs], network, size)
    live, peak = 0, 0
    for step, (operation, outputs) in enumerate(zip(operations, made, strict=True)):
        live += sum(sizes[id(x)] for x in outputs)
        inside = 0
        if isinstance(operation, keras.Model):
            inside = activation_bytes(operation, size, kept=kept)
        peak = max(peak, live + inside)
        if kept:
            live += inside
            continue
        done = {*read[step], *map(id, outputs)}
        # What a second call of a layer gives, or a model inside, is not told by the operation.
        live -= sum(sizes.get(each, 0) for each in done if last.get(each, step) == step)
    return peak


def _sizes(
    tensors: list[keras.KerasTensor], network: keras.Model, size: tuple[int, int] | None
) -> dict[int, int]:
    """Bytes of each tensor for one image, by the tensor's id."""
    shapes = [x.shape for x in tensors]
    if size is not None and None in network.input_shape[1:]:
        images = keras.KerasTensor((1, *size, network.input_shape[-1]))
        found = keras.Model(network.inputs, tensors).compute_output_spec([images])
        shapes = [x.shape for x in keras.tree.flatten(found)]
    return {id(x): bytes_of(shape, x.dtype) for x, shape in zip(tensors, shapes, strict=True)}


def bytes_of(shape: tuple[int | None, ...], dtype: str) -> int:
    """Memory of a tensor for one image; sides that are not known count once."""
    # float32, bfloat16, uint8, ...
    bits = int(re.sub(r"\D", "", dtype) or 8)
    return math.prod(side or 1 for side in shape[1:]) * bits // 8

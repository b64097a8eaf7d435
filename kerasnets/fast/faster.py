"""The one call behind which every faster form of a network lies, for training and for inference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import keras
from keras import ops

from kerasnets.errors import UserError
from kerasnets.fast.folding import folded
from kerasnets.fast.pixels import fewer_pixels
from kerasnets.fast.training import with_training_kernels
from kerasnets.fast.tricks import Device, InferenceTrick, Purpose, chosen
from kerasnets.fast.winograd import with_tiles
from kerasnets.private import maker_of


def faster(
    network: keras.Model,
    *,
    purpose: Purpose,
    device: Device | None = None,
    fast: Sequence[str] = ("auto",),
) -> keras.Model:
    """The same network computed sooner.

    Args:
        network: A functional model, as `build` gives it; it is not changed.
        purpose: ``"training"`` gives a network that has the variables of `network`, to be called
            in a step in its place; ``"inference"`` gives a copy with weights of its own.
        device: Where it will compute. By default where Keras computes.
        fast: Which tricks, see `kerasnets.fast.tricks`.

    Returns:
        A model of the same inputs and outputs; `network` itself where there is nothing to do.

    Raises:
        UserError: When `device` or a trick is unknown; for inference also when `network` cannot be
            rewritten. For training it is then computed as it is.
    """
    if device not in ("any", "cpu", None):
        raise UserError(f"`device` must be 'any', 'cpu' or None. Received: device={device!r}.")
    names = chosen(fast, purpose, device or keras_device())
    if not names:
        return network
    obstacle = _obstacle(network)
    if purpose == "training":
        # The kernels are TensorFlow's, as is the trainer.
        able = obstacle is None and keras.backend.backend() == "tensorflow"
        return with_training_kernels(network, names) if able else network
    if obstacle:
        raise UserError(obstacle)
    if "folding" in names:
        network = folded(network)
    if "pixels" in names:
        network = fewer_pixels(network)
    if "winograd" in names:
        network = with_tiles(network)
    return network


def for_inference(
    network: keras.Model,
    *,
    device: Literal["any", "cpu"] | None = None,
    fast: Sequence[InferenceTrick] = ("auto",),
) -> keras.Model:
    """A copy of a network that gives the same answers sooner, for inference alone.

    Batch norm goes into the convolutions, pixels that nothing reads are not computed, dropout is
    gone; on a CPU wide 3x3 convolutions are computed in tiles. Answers differ by rounding alone,
    some millionths of the largest logit.

    >>> network = kerasnets.build("vgg16")
    >>> fast = kerasnets.for_inference(network)
    >>> answers = fast.predict(images)

    Args:
        network: A functional model, as `build` gives it; it is not changed.
        device: ``"any"`` leaves out what is faster on CPUs alone. By default ``"cpu"`` where Keras
            computes on a CPU, else ``"any"``.
        fast: Which tricks: ``("auto",)`` for all that suit the device, ``("none",)``, or some of
            ``"folding"``, ``"pixels"`` and ``"winograd"``.

    Returns:
        A model of the same inputs and outputs with weights of its own; without tricks `network`
        itself. The copy's layers are not those of `network`, nor are its weights: files of one do
        not fit the other.

    Raises:
        UserError: When `network` is not functional, holds other models or operations that are no
            layers, uses a layer twice, or `device` or a trick is unknown.
    """
    return faster(network, purpose="inference", device=device, fast=fast)


def keras_device() -> Device:
    """Where Keras computes."""
    return "cpu" if "cpu" in str(ops.zeros(()).device).lower() else "any"


def _obstacle(network: keras.Model) -> str | None:
    """Why a network cannot be rewritten layer by layer, or ``None`` where it can."""
    if not hasattr(network, "operations"):
        return f"`network` must be a functional keras.Model. Received: a {type(network).__name__}."
    seen, pending = set(), keras.tree.flatten(network.output)
    while pending:
        x = pending.pop()
        made_by = maker_of(x)
        if id(x) in seen or isinstance(made_by, keras.layers.InputLayer):
            continue
        seen.add(id(x))
        if isinstance(made_by, keras.Model) or not isinstance(made_by, keras.layers.Layer):
            return (
                "A network for inference must be of layers alone, with no other model in it. "
                f"Received: {network.name!r}, which holds {made_by.name!r}."
            )
        # The output of a layer is that of its first use.
        if not any(x is first for first in keras.tree.flatten(made_by.output)):
            return (
                "A network for inference must use each layer once, and no layer of another model. "
                f"Received: {network.name!r}, whose layer {made_by.name!r} is used again."
            )
        pending += keras.tree.flatten(made_by.input)
    return None

"""From a name and its weights to a network."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, Literal

from kerasnets.errors import UserError
from kerasnets.models.build import assemble, check_arguments
from kerasnets.models.options import head_options
from kerasnets.pretrained.sources import opened
from kerasnets.registry import network_of, registration

if TYPE_CHECKING:
    from kerasnets.models.names import NetworkName
    from kerasnets.models.network import Network


def build(
    network: NetworkName | str,
    /,
    *,
    include_top: bool = True,
    weights: str | os.PathLike | None = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    pooling: Literal["avg", "max"] | None = None,
    classes: int | None = None,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
    **overrides: Any,
) -> Network:
    """Builds a network by name.

    >>> model = kerasnets.build("resnet20_cifar")
    >>> model.output_shape
    (None, 10)

    Args:
        network: A name from `kerasnets.list_models`.
        include_top: Whether the classifier is included; without it the model returns the last
            feature map, (N, H, W, C), or its pooling.
        weights: ``None`` for the paper's random initialisation. ``"imagenet"`` for the best that
            are published; ``"keras"``, ``"torchvision"``, ``"timm"`` or a tag such as
            ``"timm:resnet18.tv_in1k"`` for those of a project (``kerasnets info NETWORK`` lists
            them); ``"hf:OWNER/REPO[@REVISION][/FILE]"`` for the Hugging Face hub; or the path of
            a weight file or a run folder. Options that the weights need are taken over, where
            `overrides` does not have them.
        input_shape: (height, width, channels), channels last; the paper's by default. Height and
            width may be ``None`` where the head allows it.
        pooling: Without the top: ``None``, ``"avg"`` or ``"max"`` over the feature map.
        classes: The number of classes; the paper's by default.
        classifier_activation: ``"softmax"``, another Keras activation, or ``None`` for logits.
        name: The model's name; the network's name by default.
        **overrides: The network's own options, such as ``shortcut="projection"``, and those of
            `kerasnets.models.blocks.Style`, such as ``activation="tanh"``. Networks that were
            trained with auxiliary classifiers have ``auxiliary_heads=True``: the model then
            returns ``{"predictions": ..., "aux1": ...}``.

    Returns:
        A functional model that takes scaled images, (N, H, W, C) float; `kerasnets.preprocessing`
        tells how, `kerasnets.with_preprocessing` makes one that takes raw pixels.

    Raises:
        UserError: When an argument does not fit the network; nothing was built then.
    """
    entry = registration(network)
    arguments: dict[str, Any] = {
        "include_top": include_top,
        "input_shape": input_shape,
        "pooling": pooling,
        "classes": classes,
        "classifier_activation": classifier_activation,
    }
    if weights is None:
        return assemble(network, name=name, **arguments, **overrides)
    # Before a download, and before the modules that load take their time.
    check_arguments(entry, **arguments, **overrides)
    from kerasnets.pretrained.closest import naming_networks_that_fit
    from kerasnets.weights.load import load
    from kerasnets.weights.memory import Deferred

    with opened(network, weights, include_top=include_top) as (file, origin):
        # Without the classifier its options have no meaning.
        unused = () if include_top else (*head_options(entry), "auxiliary_heads")
        needed = {key: value for key, value in origin.options.items() if key not in unused}
        # The file gives the weights, so none are drawn.
        model = assemble(
            network, name=name, initialize=Deferred, **arguments, **{**needed, **overrides}
        )
        with naming_networks_that_fit(file, entry.info.name):
            load(model, file, entry, fresh_head=classes is not None)
    chosen = {key: value for key, value in overrides.items() if key in origin.options}
    model.origin = dataclasses.replace(origin, options={**origin.options, **chosen})
    return model


def load_weights(
    model: Network, weights: str | os.PathLike, *, fresh_head: bool = False
) -> str | None:
    """Gives a network that is there already other weights, and lets it know their preprocessing.

    Options that the weights need, as `build` sets them, are not changed, but for the epsilon of
    batch norms: the variances are adapted to the network's own.

    Args:
        model: A network that `build` returned.
        weights: As `build` takes them.
        fresh_head: Whether the last layer may start anew where the weights are for other classes.

    Returns:
        The project whose layout the file has; ``None`` for ours.

    Raises:
        UserError: When `model` is none of ours, there are no such weights, or they are not for
            this network; the model is unchanged then.
    """
    from kerasnets.weights.load import load

    name = network_of(model)
    if name is None:
        raise UserError(f"{model.name!r} is no network that kerasnets.build returned.")
    entry = registration(name)
    built = {layer.name for layer in model.layers}
    with opened(name, weights, include_top=entry.head_layers[-1] in built) as (file, origin):
        project = load(model, file, entry, fresh_head=fresh_head)
    # What the model was built with stays so, whatever the weights need.
    own = model.origin.options if model.origin else {}
    model.origin = dataclasses.replace(origin, options=own)
    return project

"""The network that a run starts from: built, given weights, partly frozen, as its recipe says."""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from kerasnets.config.options import parse_options
from kerasnets.config.recipe_fields import Recipe
from kerasnets.config.recipes import RECIPES
from kerasnets.config.training import TrainConfig, default_recipe
from kerasnets.errors import UserError
from kerasnets.lazy import keras
from kerasnets.models.build import AuxiliaryHeadsError
from kerasnets.pretrained import freeze
from kerasnets.pretrained.build import build
from kerasnets.registry import info, registration
from kerasnets.runs.run import Run, chosen_recipe
from kerasnets.tasks import TASKS

log = logging.getLogger("kerasnets")

# Simonyan, Zisserman 2014, section 3.1: what a deep network takes over from configuration A.
VGG_CONVOLUTIONS = 4
VGG_DENSE = ("fc6", "fc7", "logits")
# Arguments of `kerasnets.build` that a run has by other ways than its options.
GIVEN = ("include_top", "weights", "pooling", "classes", "classifier_activation", "name")


def starting_network(config: TrainConfig, classes: int) -> keras.Model:
    """The network that a run trains, before its first step.

    Args:
        config: Configuration of the run, with its recipe.
        classes: Number of classes.

    Returns:
        A model of logits, or of a dictionary of logits where the recipe trains auxiliary
        classifiers.

    Raises:
        UserError: When an option, a weight file or a frozen part does not fit the network.
    """
    from kerasnets.training.targets import check_head  # loads Keras

    recipe = chosen_recipe(config)
    options: dict[str, Any] = parse_options(config.options, GIVEN)
    if recipe.dropout is not None:
        options["dropout"] = float(recipe.dropout)
    if config.weights and config.init_from:
        raise UserError("Give --weights or --init-from, not both.")
    with precision(recipe):
        network = _built(config, recipe, classes, options)
    check_head(network, TASKS[config.task])
    if config.init_from:
        take_over(network, config.init_from)
    if recipe.freeze_until:
        freeze(network, until=recipe.freeze_until)
    return network


def _built(
    config: TrainConfig, recipe: Recipe, classes: int, options: dict[str, Any]
) -> keras.Model:
    """The network with the auxiliary classifiers that its recipe trains, where they fit."""

    def make(options: Mapping[str, Any]) -> keras.Model:
        return build(
            config.model,
            classes=classes,
            classifier_activation=None,
            weights=config.weights,
            **options,
        )

    trained = recipe.auxiliary_loss and registration(config.model).auxiliary_heads
    heads = {"auxiliary_heads": True} if trained else {}
    try:
        return make({**heads, **options})
    except AuxiliaryHeadsError as error:
        if "auxiliary_heads" in options:
            raise UserError(
                f"{error} Leave out the option auxiliary_heads, and give --auxiliary-loss 0."
            ) from None
        usual = default_recipe(config.model, config.data, config.task)
        if recipe.auxiliary_loss != RECIPES.get(recipe.name, usual).auxiliary_loss:
            raise UserError(f"{error} Train without them: --auxiliary-loss 0.") from None
        log.info("%s It is trained without them.", error)
        return make(options)


@contextlib.contextmanager
def precision(recipe: Recipe) -> Iterator[None]:
    """Layers made inside compute in the recipe's precision; weights stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def take_over(network: keras.Model, source: pathlib.Path) -> None:
    """Copies the layers of a trained network that fit by name and shape, and logs which.

    From one VGG network to another only the first four convolutions and the three dense layers
    are copied: Simonyan and Zisserman 2014, section 3.1, started their deep networks so.

    Args:
        network: Network that gets the weights.
        source: Folder of a finished run.

    Raises:
        UserError: When there is no such run, or nothing of it fits.
    """
    trained = Run.load(source).network()
    wanted, found = _layers(network), _layers(trained)
    if trained.name != network.name and _family(trained) == _family(network) == "vgg":
        found = {name: layer for name, layer in found.items() if name in _shallow_vgg(trained)}
    fits = [
        name
        for name, layer in wanted.items()
        if name in found and _shapes(layer) == _shapes(found[name])
    ]
    if not fits:
        raise UserError(
            f"Nothing in {str(source)!r} fits {network.name}: no layers of one name have one shape."
        )
    for name in fits:
        for variable, value in zip(wanted[name].weights, found[name].weights, strict=True):
            variable.assign(value)
    log.info("from %s: %s", source, ", ".join(fits))
    log.info("not from there: %s", ", ".join(name for name in wanted if name not in fits) or "none")


def _layers(network: keras.Model) -> dict[str, keras.layers.Layer]:
    """The layers that have weights, by name."""
    return {layer.name: layer for layer in network.layers if layer.weights}


def _shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]


def _family(network: keras.Model) -> str:
    return info(network.name).family


def _shallow_vgg(network: keras.Model) -> set[str]:
    """The first convolutions, with their batch norms, and the dense layers."""
    names = list(_layers(network))
    convolutions = [name for name in names if name.startswith("block") and "_bn" not in name]
    first = convolutions[:VGG_CONVOLUTIONS]
    return {*first, *(f"{name}_bn" for name in first), *VGG_DENSE}

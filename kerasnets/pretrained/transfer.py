"""Using a network for other tasks: its feature maps, freezing it, giving it another classifier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kerasnets import layers
from kerasnets.errors import UserError, unknown
from kerasnets.lazy import keras
from kerasnets.models.blocks import output_of
from kerasnets.models.lenet import digit_codes
from kerasnets.pretrained.build import build
from kerasnets.private import maker_of
from kerasnets.registry import network_of, registration
from kerasnets.values import is_whole

# Arguments of `build` that are the classifier's.
OF_CLASSIFIER = {"include_top", "pooling", "classes", "classifier_activation"}


def features(
    network: str, *, stages: Iterable[str] | None = None, **build_arguments
) -> keras.Model:
    """Builds a network that returns the feature maps of its stages.

    >>> model = kerasnets.features("resnet50", stages=("stage3", "stage4"))
    >>> {stage: maps.shape[1:] for stage, maps in model.output.items()}
    {'stage3': (14, 14, 1024), 'stage4': (7, 7, 2048)}

    Args:
        network: A name from `kerasnets.list_models`.
        stages: Which stages; by default all that the network has with these arguments.
        **build_arguments: Arguments of `kerasnets.build` but for the classifier's.

    Returns:
        A model whose output is a dictionary from each stage's name to its feature map,
        (N, H, W, C), from large maps to small ones.

    Raises:
        UserError: When the network has no such stage.
    """
    from kerasnets.models.network import rebuilt_like

    for name in sorted(build_arguments.keys() & OF_CLASSIFIER):
        raise UserError(f"features has no classifier, and takes no {name}.")
    known = registration(network).stages
    stages = [stages] if isinstance(stages, str) else stages
    chosen = set(known if stages is None else stages)
    _check_stages(network, chosen, known)
    model = build(network, include_top=False, **build_arguments)
    names = {layer.name for layer in model.layers}
    built = [stage for stage, layer in known.items() if layer in names]
    _check_stages(network, chosen if stages is not None else set(built), built)
    outputs = {stage: output_of(model, known[stage]) for stage in built if stage in chosen}
    return rebuilt_like(model, model.input, outputs)


def _check_stages(network: str, chosen: Iterable[str], known: Iterable[str]) -> None:
    """Raises where there is no such stage, or none at all."""
    for stage in sorted(set(chosen) - set(known)):
        raise unknown(f"stage of {network}", stage, known)
    if not chosen:
        raise UserError(f"{network} has no stages. Received: stages={sorted(chosen)!r}.")


def freeze(model: keras.Model, *, until: str) -> None:
    """Keeps the first layers of a network from training.

    Frozen batch norms use their moving statistics and do not update them. Layers behind `until`
    are left as they are; ``model.trainable = True`` thaws everything. Compile the model afterwards.

    Args:
        model: A network of `kerasnets.build`, `features` or `replace_head`; or a functional or
            sequential model with such a network among its layers, such as one of
            `kerasnets.with_preprocessing`, whose layers before the network are frozen too.
        until: The last part to freeze: a stage, such as ``"stage4"``; a layer; or what the names
            of several layers begin with, such as ``"stage2_block1"``.

    Raises:
        UserError: When the model has no such part.
    """
    layers = _layers_until(model, until)
    if layers is None:
        network = next((each for each in _models(model) if _stages(each)), model)
        known = _stages(network) or [layer.name for layer in network.layers]
        raise unknown(f"part of {network.name}", until, known)
    for layer in layers:
        layer.trainable = False


def _models(model: keras.Model) -> Iterator[keras.Model]:
    """The model, and the models among its layers."""
    yield model
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _models(layer)


def _layers_until(model: keras.Model, part: str) -> list[keras.layers.Layer] | None:
    """The layers that a part needs, its own included; ``None`` where there is no such part."""
    last = _last_layer(model, part)
    if last is not None and not isinstance(last, keras.Model):
        return keras.Model(model.input, last.output).layers
    # They come in the order of computation; the output of a model among them is in its own graph.
    for place, layer in enumerate(model.layers):
        before = model.layers[:place]
        if layer is last:
            return [*before, layer]
        if isinstance(layer, keras.Model) and (inner := _layers_until(layer, part)) is not None:
            return [*before, *inner]
    return None


def _last_layer(model: keras.Model, part: str) -> keras.layers.Layer | None:
    """The layer whose output ends a stage, or a group of layers of one name."""
    stages = _stages(model)
    names = [layer.name for layer in model.layers]
    if stages.get(part) in names:
        return model.get_layer(stages[part])
    if part in names:
        return model.get_layer(part)
    of_part = [name for name in names if name.startswith(f"{part}_")]
    return model.get_layer(of_part[-1]) if of_part else None


def _stages(model: keras.Model) -> dict[str, str]:
    """The last layer of each stage, where the model is a network of ours."""
    name = network_of(model)
    return dict(registration(name).stages) if name else {}


def replace_head(model: keras.Model, *, classes: int) -> keras.Model:
    """A network with a new classifier in place of its own.

    Args:
        model: A network of `kerasnets.build` with its classifier. It is not changed.
        classes: The number of classes of the new classifier.

    Returns:
        A model that shares all other layers, and so their weights, with `model`. The classifying
        layer starts anew, and so do those of auxiliary classifiers.

    Raises:
        UserError: When `model` has no classifier, or `classes` is not a positive integer.
    """
    from kerasnets.models.network import rebuilt_like

    if not is_whole(classes) or classes < 1:
        raise UserError(f"classes must be a positive integer. Received: {classes!r}.")
    classes = int(classes)
    if not any(layer.name == "logits" for layer in model.layers):
        raise UserError(
            f"{model.name} has no layer called 'logits'; it was built without a classifier, or "
            "is inside another model."
        )
    outputs = keras.tree.map_structure(lambda x: _reclassified(x, classes), model.output)
    return rebuilt_like(model, model.input, outputs)


def _reclassified(x: Any, classes: int) -> keras.KerasTensor:
    """`x` with the last layer that has a class in each output made anew, and all behind it."""
    layer = maker_of(x)
    size = _size(layer, classes)
    before = layer.input if size else _reclassified(layer.input, classes)
    # Of a frozen network too, what starts anew is to be trained.
    config = {**layer.get_config(), **size, "trainable": True}
    return layer.__class__.from_config(config)(before)


def _size(layer: keras.layers.Layer, classes: int) -> dict[str, object]:
    """The argument that gives a classifying layer its classes; nothing for another layer."""
    if isinstance(layer, keras.layers.Dense):
        return {"units": classes}
    if isinstance(layer, keras.layers.Conv2D):
        return {"filters": classes}
    if isinstance(layer, layers.EuclideanRBF):
        return {"codes": digit_codes(classes)}
    return {}

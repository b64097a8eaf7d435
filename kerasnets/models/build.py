"""From a name to a `keras.Model`: everything that the builders of all networks share."""

from __future__ import annotations

import functools
import inspect
import os
import pathlib
import types
import typing
from collections.abc import Callable, Mapping

from kerasnets.errors import UserError, unknown
from kerasnets.lazy import keras
from kerasnets.models.blocks import Style, deferring, output_of, styled
from kerasnets.registry import Registration, registration
from kerasnets.values import check

if typing.TYPE_CHECKING:
    from kerasnets.pretrained.sources import Origin


def build(
    network: str,
    /,
    *,
    include_top: bool = True,
    weights: str | os.PathLike | None = None,
    input_shape: tuple[int | None, int | None, int] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
    **overrides,
) -> keras.Model:
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
        classes: Of the classifier; the paper's by default.
        classifier_activation: ``"softmax"``, another Keras activation, or ``None`` for logits.
        name: Of the model; the network's name by default.
        **overrides: The network's own options, such as ``shortcut="projection"``, and those of
            `kerasnets.models.blocks.Style`, such as ``activation="tanh"``. Networks that were
            trained with side classifiers have ``auxiliary_heads=True``: the model then returns
            ``{"predictions": ..., "aux1": ...}``.

    Returns:
        A functional model that takes scaled images, (N, H, W, C) float; `kerasnets.preprocessing`
        tells how, `kerasnets.with_preprocessing` makes one that takes raw pixels.

    Raises:
        UserError: When an argument does not fit the network; nothing was built then.
    """
    from kerasnets.pretrained.sources import known, resolve

    entry = registration(network)
    origin = known(entry.info.name, weights)
    overrides = {**_needed(entry, origin.options, include_top), **overrides}
    side_heads = _takes_auxiliary_heads(entry, overrides, include_top)
    if keras.config.image_data_format() != "channels_last":
        raise UserError(
            f"{entry.info.name}: networks are built with channels last. Received: "
            "keras.config.image_data_format() = 'channels_first'."
        )
    _split_overrides(entry, overrides, include_top)  # refuses wrong ones before a download
    _check_top(entry, include_top, pooling, classifier_activation)
    assemble = functools.partial(
        _assembled,
        entry,
        include_top=include_top,
        side_heads=side_heads,
        input_shape=_checked_input_shape(entry, input_shape),
        pooling=pooling,
        classes=_checked_classes(entry, classes),
        classifier_activation=classifier_activation,
        name=name or entry.info.name,
    )
    if weights is None:
        model = assemble(overrides)
        model.origin = origin
        return model
    path = resolve(entry.info.name, weights, include_top=include_top)
    return _loaded(entry, assemble, overrides, path, origin, fresh_head=classes is not None)


def check_options(network: str, options: Mapping[str, object]) -> None:
    """Refuses options that `build` would refuse, without building; no framework is loaded.

    Raises:
        UserError: When the network has no such option, or a value is of a wrong type or range.
    """
    entry, own = registration(network), inspect.signature(build).parameters
    options = {name: value for name, value in options.items() if name not in own}
    _takes_auxiliary_heads(entry, options, include_top=True)
    _split_overrides(entry, options, include_top=True)


def _assembled(
    entry: Registration,
    overrides: Mapping[str, object],
    *,
    include_top: bool,
    side_heads: bool,
    input_shape: tuple[int | None, int | None, int],
    pooling: str | None,
    classes: int,
    classifier_activation: str | None,
    name: str,
) -> keras.Model:
    """The network; see `build` for the arguments."""
    backbone, head, style = _split_overrides(entry, overrides, include_top)
    images = keras.Input(input_shape, name="images")
    with styled(style):
        x = _features(entry, images, backbone)
        if include_top:
            x = entry.head(x, classes, **head)
        elif pooling is not None:
            layer = {
                "avg": keras.layers.GlobalAveragePooling2D,
                "max": keras.layers.GlobalMaxPooling2D,
            }[pooling]
            x = layer(name=f"{pooling}_pool")(x)
        if side_heads:
            x = {"predictions": x, **_auxiliary_logits(entry, images, x, classes)}
    if include_top and classifier_activation not in (None, "linear"):
        x = _activated(x, classifier_activation)
    return keras.Model(images, x, name=name)


def _loaded(
    entry: Registration,
    assemble: Callable[[Mapping[str, object]], keras.Model],
    overrides: Mapping[str, object],
    path: pathlib.Path,
    origin: Origin,
    *,
    fresh_head: bool,
) -> keras.Model:
    """The network with the weights of a file, and with the options that the file's project has."""
    from kerasnets.pretrained.sources import of_project
    from kerasnets.weights.load import layout_of, load_weights
    from kerasnets.weights.memory import Deferred

    # Initial weights are not drawn: the file gives them.
    with deferring(Deferred):
        model = assemble(overrides)
        if any(set(layout.options) - set(overrides) for layout in entry.layouts.values()):
            needed = of_project(origin, layout_of(path, entry.info.name, model)).options
            if set(needed) - set(overrides):
                model = assemble({**needed, **overrides})
    project = load_weights(model, path, network=entry.info.name, fresh_head=fresh_head)
    model.origin = of_project(origin, project)
    return model


def _needed(entry: Registration, options: Mapping, include_top: bool) -> dict[str, object]:
    """The options that the weights need, without the classifier's where there is none."""
    heads = () if include_top else (*_options(entry.head, skip=2), "auxiliary_heads")
    return {name: value for name, value in options.items() if name not in heads}


def _auxiliary_logits(
    entry: Registration, images: keras.KerasTensor, x: keras.KerasTensor, classes: int
) -> dict[str, keras.KerasTensor]:
    """The side classifiers' logits, by their names in the registration."""
    network = keras.Model(images, x)
    heads = {}
    for name, place in entry.auxiliary_heads.items():
        features = output_of(network, place)
        try:
            heads[name] = entry.auxiliary_head(features, classes, name=name)
        except ValueError as error:
            height, width = features.shape[1:3]
            raise UserError(
                f"{entry.info.name}: auxiliary_heads does not fit this input: {name} cannot be "
                f"put on the {height or '?'}x{width or '?'} map of {place}."
            ) from error
    return heads


def _activated(
    x: keras.KerasTensor | dict[str, keras.KerasTensor], activation: str
) -> keras.KerasTensor | dict[str, keras.KerasTensor]:
    """The classifier's activation, as layers called ``predictions``, ``aux1_predictions``..."""
    if isinstance(x, dict):
        names = {name: name if name == "predictions" else f"{name}_predictions" for name in x}
        return {
            name: keras.layers.Activation(activation, dtype="float32", name=names[name])(logits)
            for name, logits in x.items()
        }
    return keras.layers.Activation(activation, dtype="float32", name="predictions")(x)


def _takes_auxiliary_heads(entry: Registration, overrides: dict, include_top: bool) -> bool:
    """Takes ``auxiliary_heads`` out of the overrides of a network that has such heads."""
    name = entry.info.name
    if not entry.auxiliary_heads or "auxiliary_heads" not in overrides:
        return False
    value = overrides.pop("auxiliary_heads")
    check(value, bool, f"{name}: auxiliary_heads")
    if value and not include_top:
        raise UserError(f"{name}: auxiliary_heads are classifiers; include_top=False has none.")
    return value


def _features(entry: Registration, images: keras.KerasTensor, options: dict) -> keras.KerasTensor:
    """The last feature map; an error that says the smallest input where this one is too small."""
    try:
        return entry.backbone(images, **options)
    except UserError as error:
        raise UserError(f"{entry.info.name}: {error}") from None
    except ValueError as error:
        height, width, channels = images.shape[1:]
        smallest = _smallest_input(entry, options, channels)
        if smallest is None or None in (height, width) or min(height, width) >= smallest:
            raise
        raise UserError(
            f"{entry.info.name}: an input of {height}x{width} is too small; "
            f"the smallest that works is {smallest}x{smallest}."
        ) from error


def _smallest_input(entry: Registration, options: dict, channels: int) -> int | None:
    """The smallest square input that the network's arithmetic allows, by bisection.

    Only the shapes are computed anew for each size. ``None`` where no input works.
    """
    works = 512
    images = keras.Input((works, works, channels))
    try:
        network = keras.Model(images, entry.backbone(images, **options))
    except ValueError:
        return None
    too_small = 0
    while works - too_small > 1:
        size = (too_small + works) // 2
        if _fits(network, keras.KerasTensor((None, size, size, channels))):
            works = size
        else:
            too_small = size
    return works


def _fits(network: keras.Model, images: keras.KerasTensor) -> bool:
    """Whether every layer can work on what images of this size leave for it."""
    specs = {id(network.input): images}
    for layer in network.layers[1:]:
        inputs = keras.tree.map_structure(lambda x: specs[id(x)], layer.input)
        try:
            specs[id(layer.output)] = layer.compute_output_spec(inputs)
        except ValueError:
            return False
    return True


def _checked_input_shape(entry: Registration, shape: object) -> tuple[int | None, int | None, int]:
    name = entry.info.name
    if shape is None:
        return entry.info.input_shape
    if not isinstance(shape, (tuple, list)) or len(shape) != 3:
        raise UserError(
            f"{name}: input_shape must be (height, width, channels). Received: {shape!r}."
        )
    for side, value in zip(("height", "width", "channels"), shape, strict=True):
        allowed = "a positive integer" if side == "channels" else "a positive integer or None"
        if value is None and side != "channels":
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(
                f"{name}: {side} of input_shape must be {allowed}. Received: {shape!r}."
            )
    return tuple(shape)


def _checked_classes(entry: Registration, classes: object) -> int:
    if classes is None:
        return entry.info.classes
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 1:
        raise UserError(
            f"{entry.info.name}: classes must be a positive integer. Received: {classes!r}."
        )
    return classes


def _check_top(
    entry: Registration, include_top: bool, pooling: object, classifier_activation: object
) -> None:
    name = entry.info.name
    if pooling not in (None, "avg", "max"):
        raise UserError(f"{name}: pooling must be None, 'avg' or 'max'. Received: {pooling!r}.")
    if include_top and pooling is not None:
        raise UserError(
            f"{name}: pooling is for include_top=False; the classifier has its own. "
            f"Received: pooling={pooling!r} with include_top=True."
        )
    if classifier_activation is not None:
        try:
            keras.activations.get(classifier_activation)
        except ValueError:
            raise UserError(
                f"{name}: classifier_activation must be None or an activation that Keras knows. "
                f"Received: {classifier_activation!r}."
            ) from None


def _split_overrides(
    entry: Registration, overrides: Mapping[str, object], include_top: bool
) -> tuple[dict, dict, Style]:
    """Options of the backbone, of the head and of the style, each checked against its annotation.

    Raises:
        UserError: For an override that the network does not take, or of a wrong type or range.
    """
    name = entry.info.name
    types = {
        "backbone": _options(entry.backbone, skip=1),
        "head": _options(entry.head, skip=2),
        "style": typing.get_type_hints(Style),
    }
    known = set().union(*types.values()) - set(entry.variant) - set(entry.fixed)
    values = {part: {} for part in types}
    values["style"].update(entry.style)
    for key, value in entry.variant.items():
        part = "backbone" if key in types["backbone"] else "head"
        values[part][key] = value
    for key, value in overrides.items():
        if key in entry.fixed:
            raise UserError(f"{name} takes no option {key!r}: {entry.fixed[key]}.")
        if key not in known:
            error = unknown("option", key, known)
            raise UserError(f"{name} takes no option {key!r}. {str(error).partition('. ')[2]}")
        part = next(part for part in types if key in types[part])
        if part == "head" and not include_top:
            raise UserError(f"{name}: {key} belongs to the classifier; include_top=False has none.")
        check(value, types[part][key], f"{name}: {key}")
        values[part][key] = value
    try:
        style = Style(**values["style"])
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    return values["backbone"], values["head"], style


def _options(function: Callable, *, skip: int) -> dict[str, object]:
    """The annotated options of a builder, without the tensors it starts from."""
    # The tensors' types are left out: looking them up would load Keras.
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    options = types.SimpleNamespace(__annotations__={p.name: p.annotation for p in parameters})
    return typing.get_type_hints(options, function.__globals__)

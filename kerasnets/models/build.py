"""From a registration to a network: what the builders of all networks have in common."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kerasnets.errors import UserError, shown
from kerasnets.lazy import keras
from kerasnets.models.blocks import Initializer, Style, output_of
from kerasnets.models.options import option_types, unknown_option
from kerasnets.private import variables_without_values
from kerasnets.registry import Registration, WeightsOrigin, info, registration
from kerasnets.values import check, is_whole

if typing.TYPE_CHECKING:
    from kerasnets.models.network import Network


def assemble(
    network: str,
    /,
    *,
    include_top: bool = True,
    input_shape: tuple[int | None, int | None, int] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
    initialize: Callable[[Initializer], Initializer] | None = None,
    **overrides: Any,
) -> Network:
    """Builds a network by name with initial weights; see `kerasnets.build` for the arguments.

    Args:
        initialize: Takes each initializer of a kernel and returns the one to use in its place.

    Raises:
        UserError: When an argument does not fit the network; nothing was built then.
    """
    from kerasnets.models.network import Network

    entry = registration(network)
    checked = check_arguments(
        entry,
        include_top=include_top,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        **overrides,
    )
    classes, style = checked.classes, dataclasses.replace(checked.style, initialize=initialize)
    images = typing.cast("keras.KerasTensor", keras.Input(checked.input_shape, name="images"))
    x = _features(entry, images, style, checked.backbone)
    if include_top:
        try:
            x = entry.head(x, style, classes, **checked.head)
        except UserError as error:
            raise UserError(f"{entry.info.name}: {error}") from None
    elif pooling is not None:
        layer = {
            "avg": keras.layers.GlobalAveragePooling2D,
            "max": keras.layers.GlobalMaxPooling2D,
        }[pooling]
        x = layer(name=f"{pooling}_pool")(x)
    if checked.auxiliary_heads:
        x = {"predictions": x, **_auxiliary_logits(entry, images, x, style, classes)}
    if include_top and classifier_activation not in (None, "linear"):
        x = _activated(x, classifier_activation)
    origin = WeightsOrigin(network=entry.info.name, preprocessing=entry.info.preprocessing)
    return Network(images, x, name=name or entry.info.name, origin=origin)


def unweighted(network: str, /, **options: Any) -> Network:
    """Builds a network whose variables have shapes and no values, to look at it.

    Drawing the values takes most of the time and all of the memory.

    Args:
        network: A name from `kerasnets.list_models`.
        **options: As `assemble` takes them.

    Raises:
        UserError: As `assemble` does.
    """
    with variables_without_values():
        return assemble(network, **options)


# Options that are no object of Keras.
PLAIN = (str, int, float, list, tuple, dict, type(None))


class AuxiliaryHeadsError(UserError):
    """The auxiliary classifiers do not fit the input."""


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The arguments of `assemble`, with defaults in place, by what they go to."""

    input_shape: tuple[int | None, int | None, int]
    classes: int
    auxiliary_heads: bool
    backbone: dict[str, object]
    head: dict[str, object]
    style: Style


def check_arguments(
    entry: Registration,
    *,
    include_top: bool,
    input_shape: object,
    pooling: object,
    classes: object,
    classifier_activation: object,
    **overrides: Any,
) -> Arguments:
    """Checks the arguments of `assemble`, which takes a moment; building takes seconds.

    Raises:
        UserError: When an argument does not fit the network.
    """
    if keras.config.image_data_format() != "channels_last":
        raise UserError(
            f"{entry.info.name}: networks are built with channels last. Received: "
            "keras.config.image_data_format() = 'channels_first'."
        )
    auxiliary_heads = _takes_auxiliary_heads(entry, overrides, include_top)
    options = _split_overrides(entry, overrides, include_top)
    _check_top(entry, include_top, pooling, classifier_activation)
    shape = checked_input_shape(entry.info.name, input_shape)
    return Arguments(shape, _checked_classes(entry, classes), auxiliary_heads, *options)


def check_options(network: str, options: Mapping[str, object]) -> None:
    """Refuses options that `build` would refuse, without building; no framework is loaded.

    Raises:
        UserError: When the network has no such option, or a value is of a wrong type or range.
    """
    entry, own = registration(network), {"weights", *inspect.signature(assemble).parameters}
    checked_input_shape(network, options.get("input_shape"))
    options = {name: value for name, value in options.items() if name not in own}
    _takes_auxiliary_heads(entry, options, include_top=True)
    _split_overrides(entry, options, include_top=True)


def _auxiliary_logits(
    entry: Registration,
    images: keras.KerasTensor,
    x: keras.KerasTensor,
    style: Style,
    classes: int,
) -> dict[str, keras.KerasTensor]:
    """The auxiliary classifiers' logits, by their names in the registration."""
    assert entry.auxiliary_head  # As every network with `auxiliary_heads` has.
    network = keras.Model(images, x)
    heads = {}
    for name, place in entry.auxiliary_heads.items():
        features = output_of(network, place)
        try:
            heads[name] = entry.auxiliary_head(features, style, classes, name=name)
        except ValueError as error:
            height, width = features.shape[1:3]
            raise AuxiliaryHeadsError(
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


def _features(
    entry: Registration, images: keras.KerasTensor, style: Style, options: dict
) -> keras.KerasTensor:
    """The last feature map; an error that says the smallest input where this one is too small."""
    try:
        return entry.backbone(images, style, **options)
    except UserError as error:
        raise UserError(f"{entry.info.name}: {error}") from None
    except ValueError as error:
        height, width, channels = images.shape[1:]
        smallest = _smallest_input(entry, style, options, channels)
        if smallest is None or None in (height, width) or min(height, width) >= smallest:
            raise
        raise UserError(
            f"{entry.info.name}: an input of {height}x{width} is too small; "
            f"the smallest that works is {smallest}x{smallest}."
        ) from error


def _smallest_input(entry: Registration, style: Style, options: dict, channels: int) -> int | None:
    """The smallest square input that the network's arithmetic allows, by bisection.

    Only the shapes are computed anew for each size. ``None`` where no input works.
    """
    works = 512
    images = keras.Input((works, works, channels))
    try:
        with variables_without_values():
            network = keras.Model(images, entry.backbone(images, style, **options))
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


def checked_input_shape(network: str, shape: object) -> Any:
    """The (height, width, channels) that ``input_shape=`` stands for; the paper's for ``None``.

    Raises:
        UserError: When it is none; height and width may be ``None``.
    """
    facts = info(network)
    name = facts.name
    if shape is None:
        return facts.input_shape
    if not isinstance(shape, (tuple, list)) or len(shape) != 3:
        raise UserError(
            f"{name}: input_shape must be (height, width, channels). Received: {shown(shape)}."
        )
    for side, value in zip(("height", "width", "channels"), shape, strict=True):
        allowed = "a positive integer" if side == "channels" else "a positive integer or None"
        if value is None and side != "channels":
            continue
        if not is_whole(value) or value < 1:
            raise UserError(
                f"{name}: {side} of input_shape must be {allowed}. Received: {shown(shape)}."
            )
    return tuple(None if value is None else int(value) for value in shape)


def _checked_classes(entry: Registration, classes: object) -> int:
    if classes is None:
        return entry.info.classes
    if not is_whole(classes) or classes < 1:
        raise UserError(
            f"{entry.info.name}: classes must be a positive integer. Received: {classes!r}."
        )
    return int(classes)


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
    types = option_types(entry)
    known = set().union(*types.values()) - set(entry.variant)
    values = {part: {} for part in types}
    for key, value in entry.variant.items():
        part = "backbone" if key in types["backbone"] else "head"
        values[part][key] = value
    for key, value in overrides.items():
        if key in entry.fixed:
            raise UserError(f"{name} takes no option {key!r}: {entry.fixed[key]}.")
        if key not in known:
            raise unknown_option(name, key)
        part = next(part for part in types if key in types[part])
        if part == "head" and not include_top:
            raise UserError(f"{name}: {key} belongs to the classifier; include_top=False has none.")
        if not isinstance(value, PLAIN) and isinstance(value, keras.initializers.Initializer):
            # Each layer makes its own of the configuration, or all would start from the same.
            value = keras.initializers.serialize(value)
        check(value, types[part][key], f"{name}: {key}")
        values[part][key] = value
    try:
        style = dataclasses.replace(entry.style, **values["style"])
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    _check_normalization(name, style, values["style"])
    return values["backbone"], values["head"], style


def _check_normalization(name: str, style: Style, given: Iterable[str]) -> None:
    """Raises a `UserError` for an option of a normalisation that the network does not have."""
    without = {"norm_epsilon": (), "bn_scale": (), "norm_momentum": ("layer", "instance", "group")}
    for key in without.keys() & set(given):
        if style.normalization in ("none", *without[key]):
            raise UserError(
                f"{name}: {key} has no effect where normalization is {style.normalization!r}."
            )

"""Which tensor of a file goes into which variable of a network, or why that cannot be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from kerasnets.errors import UserError
from kerasnets.registry import Registration
from kerasnets.weights.layouts import Tensor, flattened_shape, layout_tensors, own_tensors
from kerasnets.weights.recognition import FORMS, OWN, classes_of, prefix_of, project_of
from kerasnets.weights.tensors import Stored, WeightFile


class MisfitError(UserError):
    """The tensors of a file are not those of the network."""


@dataclass(frozen=True)
class Plan:
    """What is read into which variable.

    Attributes:
        project: The project whose layout the file has; ``None`` for our own layout.
        tensors: All that is read.
        fresh: Layers that are initialised anew.
        notes: What had to be adapted, in words.
    """

    project: str | None
    tensors: list[Tensor]
    fresh: list[keras.layers.Layer]
    notes: list[str]


def plan_loading(
    model: keras.Model, file: WeightFile, entry: Registration, *, fresh_head: bool = False
) -> Plan:
    """How the file's tensors go into the network.

    Raises:
        MisfitError: When they do not fit; names the first at fault.
    """
    project = project_of(file, entry)
    tensors = _expected(model, file, entry, project)
    found = _of_built_heads(model, file, entry, project)
    fresh = []
    if fresh_head:
        fresh, tensors, found = _set_fresh_apart(tensors, found, entry)
    notes = _adapt_channels(model, tensors, found, entry, project)
    if fresh:
        names = ", ".join(layer.name for layer in fresh)
        notes.append(f"{str(file.path)!r} is for other classes; {names} starts anew")
    if faults := _faults(tensors, found):
        reason = _reason(tensors, found, entry, classes_of(file, entry))
        raise MisfitError(f"{str(file.path)!r} does not fit {entry.info.name}: {faults}{reason}.")
    return Plan(project, tensors, fresh, notes)


def fits(model: keras.Model, file: WeightFile, entry: Registration) -> bool:
    """Whether the file is for this network: all its tensors, but perhaps for the classifier's."""
    project = project_of(file, entry)
    found = _of_built_heads(model, file, entry, project)
    expected = _expected(model, file, entry, project)
    _, tensors, found = _set_fresh_apart(expected, found, entry)
    body = [
        tensor
        for tensor in tensors
        if tensor.layer.name not in entry.head_layers or tensor.name in found
    ]
    _adapt_channels(model, body, found, entry, project)
    return not _faults(body, found)


def _expected(
    model: keras.Model, file: WeightFile, entry: Registration, project: str | None
) -> list[Tensor]:
    """The tensors that a file of this network must hold."""
    if project is not None:
        layout, epsilon = entry.layouts[project], entry.epsilon_of(project)
        return list(layout_tensors(model, layout, file.tensors, epsilon))
    options = file.origin.options if file.origin else {}
    epsilon: Any = options.get("norm_epsilon")
    if file.framework == "torch":
        shapes = {name: stored.shape for name, stored in file.tensors.items()}
        return list(own_tensors(model, shapes, epsilon))
    return list(layout_tensors(model, OWN, file.tensors, epsilon))


def _of_built_heads(
    model: keras.Model, file: WeightFile, entry: Registration, project: str | None
) -> dict[str, Stored]:
    """The file's tensors without those of classifiers that the model was built without."""
    layout = entry.layouts[project] if project else OWN
    built = {layer.name for layer in model.layers}
    unused = [prefix_of(layout, name) for name in entry.head_layers if name not in built]
    auxiliary = [name for name in entry.auxiliary_heads if f"{name}_logits" not in built]
    if auxiliary:
        unused += [f"{name}_" for name in auxiliary] if project is None else layout.auxiliary
    return {
        name: stored
        for name, stored in file.tensors.items()
        if not name.startswith(tuple(unused)) and not name.endswith("num_batches_tracked")
    }


def _classifiers(entry: Registration) -> set[str]:
    """Names of the layers whose weights are for a number of classes."""
    last = entry.head_layers[-1]
    return {last, FORMS.get(last, last)} | {f"{name}_logits" for name in entry.auxiliary_heads}


def _set_fresh_apart(
    tensors: list[Tensor], found: Mapping[str, Stored], entry: Registration
) -> tuple[list[keras.layers.Layer], list[Tensor], dict[str, Stored]]:
    """Takes out the classifiers that the file has for other classes, or does not have."""
    fresh, classifiers = [], _classifiers(entry)
    for tensor in tensors:
        stored = found.get(tensor.name)
        if (
            tensor.layer.name in classifiers
            and tensor.layer not in fresh
            and (stored is None or stored.shape != tensor.shape)
        ):
            fresh.append(tensor.layer)
    names = {tensor.name for tensor in tensors if tensor.layer in fresh}
    rest = [tensor for tensor in tensors if tensor.name not in names]
    return fresh, rest, {name: stored for name, stored in found.items() if name not in names}


def _adapt_channels(
    model: keras.Model,
    tensors: list[Tensor],
    found: Mapping[str, Stored],
    entry: Registration,
    project: str | None,
) -> list[str]:
    """Changes the plan where the first convolution is for other channels in the file; notes it."""
    first = next((layer for layer in model.layers if layer.weights), None)
    if type(first) is not keras.layers.Conv2D:
        return []
    axis = 1 if project and entry.layouts[project].framework == "torch" else 2
    for index, tensor in enumerate(tensors):
        stored = found.get(tensor.name)
        if tensor.variable is not first.kernel or stored is None or len(stored.shape) != 4:
            continue
        given, wanted = stored.shape[axis], tensor.shape[axis]
        if given != wanted and stored.shape == (
            *tensor.shape[:axis],
            given,
            *tensor.shape[axis + 1 :],
        ):
            tensors[index] = dataclasses.replace(tensor, channels_axis=axis)
            how = "summed" if wanted == 1 else f"repeated, times {given}/{wanted}"
            return [f"the weights are for {given} input channels, the input has {wanted}: {how}"]
    return []


def _faults(tensors: list[Tensor], found: Mapping[str, Stored]) -> str:
    """Names that differ, and shapes; the first of each. Empty where all is well."""
    expected = {tensor.name for tensor in tensors}
    missing = [tensor.name for tensor in tensors if tensor.name not in found]
    extra = [name for name in found if name not in expected]
    wrong = [
        f"{tensor.name} has shape {found[tensor.name].shape}, expected {tensor.shape}"
        for tensor in _misshapen(tensors, found)
    ]
    not_floats = [
        f"{tensor.name} holds {found[tensor.name].dtype}"
        for tensor in tensors
        if tensor.name in found and "float" not in found[tensor.name].dtype
    ]
    faults = (
        (missing, "tensors are missing"),
        (extra, "do not belong to it"),
        (wrong, "have another shape"),
        (not_floats, "hold no floating-point numbers"),
    )
    return "; ".join(f"{len(names)} {what}: {_first(names)}" for names, what in faults if names)


def _misshapen(tensors: list[Tensor], found: Mapping[str, Stored]) -> list[Tensor]:
    return [
        tensor
        for tensor in tensors
        if tensor.name in found
        and tensor.channels_axis is None
        and found[tensor.name].shape != tensor.shape
    ]


def _first(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _other_classes(classes: int | None) -> str:
    if classes is None:
        return "Its classifier is for other classes; "
    return f"Its classifier is for {classes} classes: classes={classes} takes it, any other "


def _reason(
    tensors: list[Tensor],
    found: Mapping[str, Stored],
    entry: Registration,
    classes: int | None,
) -> str:
    """What the user can do about shapes that come from the arguments of `build`."""
    classifiers = _classifiers(entry)
    wrong = _misshapen(tensors, found)
    missing = [tensor for tensor in tensors if tensor.name not in found]
    if not wrong and missing and all(each.layer.name in classifiers for each in missing):
        return ". It has no classifier: include_top=False builds none, classes=N starts a new one"
    for tensor in wrong:
        if tensor.layer.name in classifiers:
            return f". {_other_classes(classes)}classes=N starts a new one"
        if isinstance(tensor.layer, keras.layers.Dense) and (seen := flattened_shape(tensor.layer)):
            return (
                f". The dense layer {tensor.layer.name} fits one input size, and sees "
                f"{seen[0]}x{seen[1]} here; dense_head='conv' takes larger inputs"
            )
    return ""

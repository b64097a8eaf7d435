"""Which tensor of a file goes into which variable of a network, or why that cannot be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import keras

from kerasnets.errors import UserError
from kerasnets.registry import Layout, Registration
from kerasnets.weights.files import Stored, WeightFile
from kerasnets.weights.layouts import FORMS, Tensor, flattened_shape, layout_tensors, own_tensors

# How Keras itself saves one of our networks.
OWN_IN_KERAS = Layout(names=str, framework="keras")
# LeNet-5's classifier has a row of codes for each class; all others have a column of a kernel.
IN_ROWS = ("rbf",)


@dataclass(frozen=True)
class Plan:
    """What is read into which variable.

    Attributes:
        tensors: All that is read.
        fresh: Layers that start anew.
        notes: What had to be adapted, in words.
        project: Whose layout it is; ``None`` for ours.
    """

    tensors: tuple[Tensor, ...]
    fresh: tuple[keras.layers.Layer, ...]
    notes: tuple[str, ...]
    project: str | None


def plan_loading(
    model: keras.Model, file: WeightFile, entry: Registration, *, fresh_head: bool = False
) -> Plan:
    """How the file's tensors go into the network.

    Raises:
        UserError: When they do not fit; names the first at fault and a network that they fit.
    """
    project, tensors = recognise(model, file, entry)
    found = _of_built_heads(model, file, entry, project)
    fresh = []
    if fresh_head:
        fresh, tensors, found = _set_fresh_apart(tensors, found, entry)
    tensors, notes = _with_channels(model, tensors, found, project, entry)
    if fresh:
        names = ", ".join(layer.name for layer in fresh)
        notes.append(f"{str(file.path)!r} is for other classes; {names} starts anew")
    if faults := _faults(tensors, found):
        raise UserError(
            f"{str(file.path)!r} does not fit {entry.info.name}: {faults}"
            f"{_reason(tensors, found, entry)}{_closest(file, entry.info.name)}"
        )
    return Plan(tuple(tensors), tuple(fresh), tuple(notes), project)


def fits(model: keras.Model, file: WeightFile, entry: Registration) -> bool:
    """Whether the file is for this network: all its tensors, but perhaps for the classifier's."""
    project, tensors = recognise(model, file, entry)
    found = _of_built_heads(model, file, entry, project)
    _, tensors, found = _set_fresh_apart(tensors, found, entry)
    body = [
        tensor
        for tensor in tensors
        if tensor.layer.name not in entry.head_layers or tensor.name in found
    ]
    tensors, _ = _with_channels(model, body, found, project, entry)
    return not _faults(tensors, found)


def classes_of(file: WeightFile, entry: Registration) -> int | None:
    """How many classes the file's classifier is for; ``None`` where it has none."""
    name = entry.head_layers[-1]
    ends = {"torch": (".weight", ".bias"), "keras": ("/0", "/kernel", "/codes")}
    named = [(layout.names(name), layout.framework) for layout in entry.layouts.values()]
    for names, framework in [*named, (name, "keras"), (FORMS.get(name, name), "keras")]:
        prefix = names if isinstance(names, str) else names[0]
        for end in ends[framework]:
            if stored := file.tensors.get(prefix + end):
                return stored.shape[0 if framework == "torch" or name in IN_ROWS else -1]
    return None


def _classifiers(entry: Registration) -> set[str]:
    """Names of the layers whose weights are for a number of classes."""
    last = entry.head_layers[-1]
    return {last, FORMS.get(last, last)} | {f"{name}_logits" for name in entry.auxiliary_heads}


def recognise(
    model: keras.Model, file: WeightFile, entry: Registration
) -> tuple[str | None, list[Tensor]]:
    """The project, ``None`` for us, whose layout knows most of the names in the file.

    Returns:
        The project, and the tensors that its file of this network must hold.
    """
    if file.framework == "keras":
        own = layout_tensors(model, OWN_IN_KERAS, file.tensors)
    else:
        own = own_tensors(model, {name: stored.shape for name, stored in file.tensors.items()})
    candidates = {None: list(own)}
    for project, layout in entry.layouts.items():
        if layout.framework == file.framework:
            candidates[project] = list(layout_tensors(model, layout, file.tensors))

    def known(project: str | None) -> int:
        return sum(tensor.name in file.tensors for tensor in candidates[project])

    best = max(candidates, key=known)
    return best, candidates[best]


def _of_built_heads(
    model: keras.Model, file: WeightFile, entry: Registration, project: str | None
) -> dict[str, Stored]:
    """The file's tensors without those of classifiers that the model was built without."""
    built = {layer.name for layer in model.layers}
    sides = [name for name in entry.auxiliary_heads if f"{name}_logits" not in built]
    layout = entry.layouts[project] if project else OWN_IN_KERAS
    end = "." if project and layout.framework == "torch" else "/"
    heads = [layout.names(name) for name in entry.head_layers if name not in built]
    unused = [(name if isinstance(name, str) else name[0]) + end for name in heads]
    unused += [f"{name}_" for name in sides] if project is None else layout.auxiliary * bool(sides)
    return {
        name: stored
        for name, stored in file.tensors.items()
        if not name.startswith(tuple(unused)) and not name.endswith("num_batches_tracked")
    }


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


def _with_channels(
    model: keras.Model,
    tensors: list[Tensor],
    found: Mapping[str, Stored],
    project: str | None,
    entry: Registration,
) -> tuple[list[Tensor], list[str]]:
    """The plan where the first convolution is for another number of channels in the file."""
    first = next((layer for layer in model.layers if layer.weights), None)
    torch = project is not None and entry.layouts[project].framework == "torch"
    axis = 1 if torch else 2
    for index, tensor in enumerate(tensors):
        stored = found.get(tensor.name)
        if (
            type(first) is keras.layers.Conv2D
            and tensor.variable is first.kernel
            and stored is not None
            and len(stored.shape) == 4
            and stored.shape[axis] != tensor.shape[axis]
            and stored.shape == _replaced(tensor.shape, axis, stored.shape[axis])
        ):
            given, wanted = stored.shape[axis], tensor.shape[axis]
            adapted = dataclasses.replace(tensor, channels_axis=axis)
            how = "summed" if wanted == 1 else f"repeated, times {given}/{wanted}"
            note = f"the weights are for {given} input channels, the input has {wanted}: {how}"
            return [*tensors[:index], adapted, *tensors[index + 1 :]], [note]
    return tensors, []


def _replaced(shape: tuple[int, ...], axis: int, size: int) -> tuple[int, ...]:
    return (*shape[:axis], size, *shape[axis + 1 :])


def _faults(tensors: list[Tensor], found: Mapping[str, Stored]) -> str:
    """Names that differ, and shapes; the first of each. Empty where all is well."""
    expected = {tensor.name for tensor in tensors}
    missing = [tensor.name for tensor in tensors if tensor.name not in found]
    extra = [name for name in found if name not in expected]
    wrong = [
        f"{tensor.name} has shape {found[tensor.name].shape}, expected {tensor.shape}"
        for tensor in _misshapen(tensors, found)
    ]
    no_numbers = [
        f"{tensor.name} holds {found[tensor.name].dtype}"
        for tensor in tensors
        if tensor.name in found and "float" not in found[tensor.name].dtype
    ]
    faults = (
        (missing, "tensors are missing"),
        (extra, "do not belong to it"),
        (wrong, "have another shape"),
        (no_numbers, "hold no floating-point numbers"),
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


def _reason(tensors: list[Tensor], found: Mapping[str, Stored], entry: Registration) -> str:
    """What the user can do about shapes that come from the arguments of `build`."""
    classifiers = _classifiers(entry)
    wrong = _misshapen(tensors, found)
    missing = [tensor for tensor in tensors if tensor.name not in found]
    if not wrong and missing and all(each.layer.name in classifiers for each in missing):
        return ". It has no classifier: include_top=False builds none, classes=N starts a new one"
    for tensor in wrong:
        is_dense = isinstance(tensor.layer, keras.layers.Dense)
        if tensor.layer.name in classifiers:
            return ". Its classifier is for other classes; classes=N starts a new one"
        if is_dense and flattened_shape(tensor.layer):
            height, width, _ = flattened_shape(tensor.layer)
            return (
                f". The dense layer {tensor.layer.name} fits one input size, and sees "
                f"{height}x{width} here; dense_head='conv' takes larger inputs"
            )
    return ""


def _closest(file: WeightFile, network: str) -> str:
    """The networks that the file does fit, in words."""
    from kerasnets.pretrained.closest import networks_that_fit

    fitting = networks_that_fit(file)
    if network in fitting:
        return "."  # as registered it fits; the options do not
    return (
        f". It fits {' or '.join(fitting)}."
        if fitting
        else ". No network of about its size fits it."
    )

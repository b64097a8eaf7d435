"""The calls of a functional model's layers, and which reads which."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from kerasnets import private
from kerasnets.errors import UserError
from kerasnets.inspection.drawing.words import Kind, kind_of, words_of
from kerasnets.layers import ChannelShuffle, ResidualAdd

# Kinds of layers that compute each channel of its own: a cut through the channels goes on.
_CHANNELWISE = ("pooling", "normalization", "other")
# More groups than this are no towers that a picture could show.
_MOST_TOWERS = 4


@dataclasses.dataclass(frozen=True)
class Step:
    """A call of a layer.

    Attributes:
        layer: The layer, or a model within the model.
        kind: What it is drawn as.
        sources: Indices of the steps that it reads, in the order of its inputs.
        shape: Shape of its output, without the batch.
        parts: Number of towers that the layer is cut into; this is the step of one of them.
    """

    layer: Any
    kind: Kind
    sources: tuple[int, ...]
    shape: tuple[int | None, ...]
    parts: int = 1

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def words(self) -> str:
        return words_of(self.layer, self.shape[-1] if self.shape else None, self.parts)


def steps_of(model: keras.Model) -> list[Step]:
    """The calls of a model's layers, each behind those that it reads.

    Raises:
        UserError: When the model is not functional.
    """
    steps: list[Step] = []
    made: dict[int, tuple[int, Any]] = {}

    def record(layer: Any, inputs: tuple[int, ...], outputs: Any) -> Any:
        first = keras.tree.flatten(outputs)[0]
        kind = kind_of(layer, len(inputs))
        steps.append(Step(layer, kind, inputs, tuple(first.shape[1:])))
        # New tensors: those of a layer that is called twice must differ.
        new = keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), outputs)
        made.update((id(x), (len(steps) - 1, x)) for x in keras.tree.flatten(new))
        return new

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        inputs = [made[id(x)][0] for x in keras.tree.flatten([args, kwargs]) if id(x) in made]
        try:
            outputs = layer.output
        except (AttributeError, ValueError):  # Keras' answer for a layer that is called twice
            outputs = layer.compute_output_spec(*args, **kwargs)
        return record(layer, tuple(inputs), outputs)

    try:
        # A sequential model has its graph inside.
        graph = keras.Model(model.inputs, model.outputs)
    except (AttributeError, ValueError, TypeError) as error:
        raise UserError(f"{model.name}: only functional models can be drawn.") from error
    inputs = [record(private.maker_of(x), (), x) for x in graph.inputs]
    private.run_through(graph, inputs, call)
    return _in_order_of_branches(steps)


def _in_order_of_branches(steps: list[Step]) -> list[Step]:
    """The steps, each behind those that it reads, and branches in the order of their merge."""
    readers = readers_of(steps)
    waiting = [index for index in reversed(range(len(steps))) if not readers[index]]
    done, order = set(), []
    while waiting:
        index = waiting[-1]
        missing = [source for source in steps[index].sources if source not in done]
        if missing:
            waiting += reversed(missing)
        elif waiting.pop() not in done:
            done.add(index)
            order.append(index)
    places = {index: place for place, index in enumerate(order)}
    return [
        dataclasses.replace(
            steps[index], sources=tuple(places[source] for source in steps[index].sources)
        )
        for index in order
    ]


def with_towers(steps: list[Step]) -> list[Step]:
    """The steps, those of towers apart.

    Towers are the parts of a network that grouped convolutions cut it into, from the layer that
    they read, on to the next layer that reads all channels. Where channels are shuffled between
    groups there are none.
    """
    groups = {_groups(step) for step in steps} - {1}
    shuffled = any(isinstance(step.layer, ChannelShuffle) for step in steps)
    if len(groups) != 1 or max(groups) > _MOST_TOWERS or shuffled:
        return steps
    (towers,) = groups
    cut = _cut(steps)
    expanded: list[Step] = []
    places: list[list[int]] = []
    for index, step in enumerate(steps):
        parts = towers if cut[index] else 1
        shape = (*step.shape[:-1], (step.shape[-1] or 0) // parts) if parts > 1 else step.shape
        places.append([])
        for part in range(parts):
            goes_on = parts > 1 and (step.kind in _CHANNELWISE or _groups(step) > 1)
            sources = tuple(
                place
                for source in step.sources
                for number, place in enumerate(places[source])
                if not goes_on or number == part or len(places[source]) == 1
            )
            places[-1].append(len(expanded))
            expanded.append(Step(step.layer, step.kind, sources, shape, parts))
    return expanded


def _cut(steps: list[Step]) -> list[bool]:
    """Which steps are cut into towers."""
    cut = [_groups(step) > 1 for step in steps]
    for index in reversed(range(len(steps))):
        # What a tower reads is cut, up to the layer that has read all channels.
        if cut[index] and (_groups(steps[index]) > 1 or steps[index].kind in _CHANNELWISE):
            for source in steps[index].sources:
                cut[source] = cut[source] or steps[source].kind != "input"
    for index, step in enumerate(steps):
        if step.kind in _CHANNELWISE and len(step.shape) == 3:
            cut[index] = cut[index] or any(cut[source] for source in step.sources)
    return cut


def _groups(step: Step) -> int:
    return getattr(step.layer, "groups", 1) if step.kind == "convolution" else 1


def readers_of(steps: list[Step]) -> list[list[int]]:
    """For each step, the steps that read it."""
    readers: list[list[int]] = [[] for _ in steps]
    for index, step in enumerate(steps):
        for source in dict.fromkeys(step.sources):
            readers[source].append(index)
    return readers


def ancestors(steps: list[Step], start: list[int], within: set[int]) -> set[int]:
    """The steps of a set that lead to others of it, these included."""
    found: set[int] = set()
    waiting = [index for index in start if index in within]
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            waiting += [source for source in steps[index].sources if source in within]
    return found


def shortcut_words(step: Step) -> str:
    """What an addition does with a shortcut that no layer has changed."""
    layer = step.layer
    if not isinstance(layer, ResidualAdd) or layer.shortcut == "identity":
        return "identity"
    stride = f", /{layer.shortcut_strides}" if layer.shortcut_strides > 1 else ""
    return f"identity{stride}, zeros"

"""What is drawn of a network: boxes and arrows, at the level asked for."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import keras

from kerasnets.errors import UserError, unknown
from kerasnets.inspection.drawing.levels import Level
from kerasnets.inspection.drawing.steps import (
    Step,
    ancestors,
    readers_of,
    shortcut_words,
    steps_of,
    with_towers,
)
from kerasnets.inspection.drawing.words import Kind, shape_text
from kerasnets.layers import (
    ChannelShuffle,
    DenseConcat,
    HighwayGate,
    LocalResponseNormalization,
    ResidualAdd,
)

# How the names of a block's layers begin.
_BLOCK = re.compile(
    r"((stage\d+_|(?=layer))((block|layer)\d+|transition)|inception(\d[a-z]|_[a-z]\d+)|mixed\d[a-z]"
    r"|reduction_[a-z])(?=_|$)"
)
# Layers that make one box with another, unless the level is that of layers.
_GLUE = re.compile("Padding|PadMinimum|Flatten|Reshape")
# The most branches of a block that its box tells one by one.
_MOST_BRANCHES = 6


@dataclass(frozen=True)
class Node:
    """A box.

    Attributes:
        name: Its title; empty for an operation that has none, such as a sum.
        kind: What it is drawn as.
        lines: What stands below the title.
        shape: Shape of its output, without the batch.
        layers: Names of the layers that it stands for.
    """

    name: str
    kind: Kind
    lines: tuple[str, ...]
    shape: tuple[int | None, ...]
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Edge:
    """An arrow.

    Attributes:
        source, target: Indices of the boxes.
        shape: Shape of what it stands for, without the batch.
        label: What it is, where that is to be said: "identity".
    """

    source: int
    target: int
    shape: tuple[int | None, ...]
    label: str = ""


@dataclass(frozen=True)
class Graph:
    """Boxes, each behind those that lead to it, and arrows."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def graph_of(model: keras.Model, level: Level = "block", block: str | None = None) -> Graph:
    """What is drawn of a functional model.

    Args:
        model: The model.
        level: ``"layer"``: a box for each layer. ``"block"``: one for each block, and for each
            convolution or pooling outside of blocks with what belongs to it; sums and
            concatenations of residual and dense blocks are apart, so that their shortcuts are seen.
            ``"stage"``: one for each size of the maps. ``"network"``: as ``"block"``, shortcuts
            within, and blocks that repeat as one.
        block: The block, or the stage, that is drawn alone; of a block the convolutions and
            poolings are boxes, or at the level of layers all layers.

    Raises:
        UserError: When there is no such block, or the model is not functional.
    """
    steps = steps_of(model)
    if level != "stage":
        steps = with_towers(steps)
    if block is not None:
        return _block_graph(steps, level, block)
    if level == "layer":
        return _graph(steps, list(range(len(steps))))
    if level == "stage":
        return _stage_graph(steps)
    groups = _block_groups(steps, apart=level == "block")
    if level == "network":
        groups = _repeats_as_one(steps, groups)
    return _graph(steps, groups)


def block_of(name: str) -> str | None:
    """The block that a layer of this name belongs to."""
    found = _BLOCK.match(name)
    return found[0] if found else None


def _block_graph(steps: list[Step], level: Level, block: str) -> Graph:
    """A block or stage alone, behind what it reads."""
    blocks = {each for step in steps if (each := block_of(step.name))}
    stages = {each.partition("_")[0] for each in blocks if each.startswith("stage")}
    if not blocks:
        raise UserError(f"The network has no blocks. Received: block {block!r}.")
    if block not in blocks | stages:
        raise unknown("block", block, blocks | stages)
    inner = [
        index
        for index, step in enumerate(steps)
        if block_of(step.name) == block
        or (block in stages and f"{step.name}_".startswith(f"{block}_"))
    ]
    inputs = sorted({source for index in inner for source in steps[index].sources} - {*inner})
    places = {index: place for place, index in enumerate([*inputs, *inner])}
    own = [
        Step(step.layer, "input", (), step.shape)
        if index in inputs
        else Step(
            step.layer,
            step.kind,
            tuple(places[source] for source in step.sources),
            step.shape,
            step.parts,
        )
        for index in places
        for step in [steps[index]]
    ]
    if level == "layer":
        groups = list(range(len(own)))
    else:
        groups = _units(own) if block in blocks else _block_groups(own, apart=True)
    graph = _graph(own, groups)
    nodes = [
        dataclasses.replace(each, name=each.name.removeprefix(f"{block}_")) for each in graph.nodes
    ]
    return Graph(tuple(nodes), graph.edges)


def _graph(steps: list[Step], groups: Sequence[int]) -> Graph:
    """The graph in which the steps of a group are one box; groups are named by their last step."""
    members: dict[int, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    # A group stands where its last step does, behind all that it reads.
    order = sorted(members, key=lambda group: members[group][-1])
    order = _sorted_topologically(steps, groups, order)
    places = {group: place for place, group in enumerate(order)}
    shortcuts = _shortcuts(steps)
    nodes = tuple(_node(steps, members[group], shortcuts) for group in order)
    edges: dict[tuple[int, int], Edge] = {}
    for index, step in enumerate(steps):
        for source in step.sources:
            ends = places[groups[source]], places[groups[index]]
            label = shortcuts.get((source, index), "")
            label = "" if label == "projection" else label
            if ends[0] != ends[1] and (label or ends not in edges):
                edges[ends] = Edge(*ends, steps[source].shape, label)
    return Graph(nodes, tuple(edges.values()))


def _sorted_topologically(steps: list[Step], groups: Sequence[int], order: list[int]) -> list[int]:
    """The groups, each behind those that it reads."""
    reads: dict[int, set[int]] = {group: set() for group in order}
    for index, step in enumerate(steps):
        reads[groups[index]] |= {groups[source] for source in step.sources} - {groups[index]}
    done: dict[int, None] = {}
    while len(done) < len(order):
        ready = [group for group in order if group not in done and reads[group] <= done.keys()]
        assert ready, "the groups read one another in a circle"
        done.update(dict.fromkeys(ready))
    return list(done)


def _shortcuts(steps: list[Step]) -> dict[tuple[int, int], str]:
    """What residual sums and gates read as their shortcut: the arrow, and what it is."""
    found = {}
    for index, step in enumerate(steps):
        if len(step.sources) < 2:
            continue
        source = step.sources[0]
        if isinstance(step.layer, HighwayGate):
            found[source, index] = "carry"
        elif isinstance(step.layer, (ResidualAdd, keras.layers.Add)):
            before = ancestors(steps, [step.sources[1]], set(range(index)))
            projects = isinstance(step.layer, ResidualAdd) and source not in before
            found[source, index] = "projection" if projects else shortcut_words(step)
    return found


def _node(steps: list[Step], members: list[int], shortcuts: dict[tuple[int, int], str]) -> Node:
    """The box of some steps."""
    own = [steps[index] for index in members]
    names, shape = tuple(step.name for step in own), own[-1].shape
    heads = [step for step in own if step.kind in ("convolution", "pooling", "dense", "merge")]
    projects = any(
        label == "projection" and source in members and target not in members
        for (source, target), label in shortcuts.items()
    )
    blocks = [name for name in dict.fromkeys(map(block_of, names)) if name]
    if len(heads) > 1:
        title = _ranges(blocks)[0] if blocks else names[-1]
        lines = _branch_lines(steps, members) if len(blocks) == 1 else (f"{len(blocks)} blocks",)
        return Node(title, "block", lines, shape, names)
    head = heads[0] if heads else own[0]
    told = [step for step in own if not _GLUE.search(type(step.layer).__name__)] or own
    rest = [step.words for step in told if step is not head]
    if head.kind == "merge":
        return Node("", "merge", (", ".join([head.words, *rest]),), shape, names)
    first = "input" if head.kind == "input" else head.words
    lines = (first, ", ".join(rest)) if rest else (first,)
    if projects:
        return Node("projection" if heads else head.name, "projection", lines, shape, names)
    title = head.name if len(own) == 1 or heads else re.sub(r"_(bn|norm|act)$", "", head.name)
    return Node(title, head.kind, lines, shape, names)


def _branch_lines(steps: list[Step], members: list[int]) -> tuple[str, ...]:
    """A line for each branch of a block, or for each convolution where there are none."""
    inside, shown = set(members), ("convolution", "pooling", "dense")
    readers: dict[int, list[int]] = {}
    for index in members:
        for source in steps[index].sources:
            readers.setdefault(source, []).append(index)

    def walk(index: int) -> Iterable[list[int]]:
        """The paths from a step to the next that merges, or to the end."""
        more = [each for each in readers.get(index, []) if steps[each].kind != "merge"]
        return [[index, *rest] for each in more for rest in walk(each)] or [[index]]

    first = [index for index in members if not inside & {*steps[index].sources}]
    paths = list(itertools.islice((path for index in first for path in walk(index)), 99))
    words = [[steps[index].words for index in path if steps[index].kind in shown] for path in paths]
    seen = {index for path in paths for index in path}
    rest = [steps[i].words for i in members if i not in seen and steps[i].kind in shown]
    words = [path for path in words if path]
    if len(words) == 1 and len(words[0]) + len(rest) <= _MOST_BRANCHES:
        return (*words[0], *rest)
    count = sum(steps[index].kind == "convolution" for index in members)
    if not words or len(words) + len(rest) > _MOST_BRANCHES:
        return (f"{count} convolutions",)
    return (*(_in_a_line(path) for path in words), *rest)


def _in_a_line(words: list[str]) -> str:
    """Layers one after the other: "1×1 96 → 3×3 128"."""
    if len(words) == 1:
        return words[0]
    return " → ".join(word.replace(" conv, ", " ") for word in words)


def _units(steps: list[Step], *, apart: bool = True) -> list[int]:
    """For each step its unit: a convolution with its padding, normalisation, activation...

    Args:
        steps: The steps.
        apart: Whether response normalisation and channel shuffles have boxes of their own.
    """
    readers = readers_of(steps)
    units = list(range(len(steps)))

    def alone(index: int) -> int | None:
        return readers[index][0] if len(readers[index]) == 1 else None

    def head_behind(index: int) -> int | None:
        """The convolution, pooling... behind layers that nothing else reads."""
        after = alone(index)
        while after is not None and _is_minor(steps[after], apart):
            after = alone(after)
        return after

    for index, step in enumerate(steps):
        if not _is_minor(step, apart):
            continue
        source = step.sources[0]
        head, before = head_behind(index), steps[units[source]]
        follows = len(step.sources) == 1 and alone(source) == index
        # "conv2_bn" belongs to "conv2", in front of it or behind.
        named = head is not None and step.name.rpartition("_")[0] == steps[head].name
        padding = bool(_GLUE.search(type(step.layer).__name__))
        if head is not None and (named or padding) and steps[head].kind != "merge":
            units[index] = head
        elif follows and _takes(before, step):
            units[index] = units[source]
        elif head is not None and steps[head].kind in ("convolution", "dense"):
            units[index] = head
        elif follows and before.kind in ("normalization", "other"):
            units[index] = units[source]
    return units


def _is_minor(step: Step, apart: bool) -> bool:
    """Whether a step has no box of its own where it can be in another's."""
    major = apart and isinstance(step.layer, (LocalResponseNormalization, ChannelShuffle))
    return step.kind in ("normalization", "other") and not major


def _takes(head: Step, minor: Step) -> bool:
    """Whether a box takes a normalisation, activation... that follows."""
    if head.kind == "merge":
        return isinstance(minor.layer, keras.layers.Activation)
    return head.kind in ("convolution", "pooling", "dense", "projection")


def _block_groups(steps: list[Step], *, apart: bool) -> list[int]:
    """For each step its block, or outside of blocks its unit.

    Args:
        steps: The steps.
        apart: Whether sums, gates, dense concatenations and projections are apart.
    """
    units = _units(steps, apart=apart)
    members: dict[str, list[int]] = {}
    for index, unit in enumerate(units):
        if (name := block_of(steps[unit].name)) and steps[unit].kind != "input":
            members.setdefault(name, []).append(index)
    groups = list(units)
    for block in members.values():
        parts = _parts(steps, units, block) if apart else [set(block)]
        for part in parts:
            for index in part:
                groups[index] = max(part)
    return groups


def _parts(steps: list[Step], units: list[int], block: list[int]) -> list[set[int]]:
    """A block without its sum, its projection and what both its ways have in common."""
    inside = set(block)
    merges = [
        index
        for index in block
        if isinstance(steps[index].layer, (ResidualAdd, keras.layers.Add, DenseConcat, HighwayGate))
        and len(steps[index].sources) > 1
    ]
    if len(merges) != 1:
        return [inside]
    (merge,) = merges
    short, *others = steps[merge].sources
    shortcut = ancestors(steps, [short], inside)
    residual = ancestors(steps, list(others), inside)
    common = {units[index] for index in shortcut & residual}
    rest = {index for index in inside if units[index] not in {*common, units[merge]}}
    return [part for part in (rest - shortcut, rest & shortcut) if part]


def _repeats_as_one(steps: list[Step], groups: list[int]) -> list[int]:
    """Blocks in a row whose names differ in their last number, as one."""
    names = {group: block_of(steps[group].name) for group in groups}
    kinds = {group: name and re.sub(r"\d+$", "", name) for group, name in names.items()}
    last: dict[str, int] = {}
    for group in sorted(set(groups)):
        if (kind := kinds[group]) and re.search(r"\d$", names[group] or ""):
            last[kind] = group
    return [last.get(kinds[group] or "", group) for group in groups]


def _stage_graph(steps: list[Step]) -> Graph:
    """A box for each size of the maps, and one for the classifier."""
    largest = max(
        (step.shape[0] for step in steps if len(step.shape) == 3 and step.shape[0]), default=1
    )
    halved: list[int] = []
    for step in steps:
        before = max((halved[source] for source in step.sources), default=0)
        side = step.shape[0] if len(step.shape) == 3 else None
        # A valid convolution takes a few pixels off, which makes no new size.
        own = math.floor(math.log2(largest / side) + 0.3) if side else before
        own = 99 if len(step.shape) < 3 else max(own, before)
        halved.append(own)
    # A block that halves the maps belongs wholly to the smaller ones.
    blocks = _block_groups(steps, apart=False)
    of_block: dict[int, int] = {}
    for block, number in zip(blocks, halved, strict=True):
        of_block[block] = max(number, of_block.get(block, 0))
    keys = [
        "input" if step.kind == "input" else f"{step.name.startswith('aux')} {of_block[block]}"
        for step, block in zip(steps, blocks, strict=True)
    ]
    last = {key: index for index, key in enumerate(keys)}
    graph = _graph(steps, [last[key] for key in keys])
    return Graph(tuple(map(_stage_node, graph.nodes)), graph.edges)


def _stage_node(node: Node) -> Node:
    if node.kind == "input":
        return node
    parts = [block_of(name) or name for name in node.layers]
    glue = r"_(act|bn|norm|dropout|pad|concat|add|remat)$"
    names = list(dict.fromkeys(part for part in parts if not re.search(glue, part)))
    if len(node.shape) < 3:
        return Node("classifier", "dense", tuple(_ranges(names)), node.shape, node.layers)
    title = f"{shape_text(node.shape[:2])} maps"
    return Node(title, "block", tuple(_ranges(names)), node.shape, node.layers)


def _ranges(names: list[str]) -> list[str]:
    """Names in a row that differ in their last number, as "block1–4"."""
    runs: list[list[str]] = []
    for name in names:
        stem = re.sub(r"\d+$", "", name)
        if runs and stem != name and re.sub(r"\d+$", "", runs[-1][-1]) == stem:
            runs[-1].append(name)
        else:
            runs.append([name])
    last = [re.findall(r"\d*$", run[-1])[0] for run in runs]
    return [
        run[0] if len(run) == 1 else f"{run[0]}–{end}" for run, end in zip(runs, last, strict=True)
    ]

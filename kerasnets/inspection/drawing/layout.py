"""Where the boxes of a drawing stand, and how its arrows run.

fast-sugiyama orders the boxes: ranks from input to output, few crossings, straight chains. It knows
nothing of boxes of different sizes and of pages, which is done here. Lengths are in points.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from fast_sugiyama import from_edges

# Along the arrows, between two ranks: bends, by how far they go across, and arrow heads.
BEND, STEEPNESS, HEAD = (8.0, 44.0), 0.3, 10.0
# Between boxes beside one another, and between the lines of a drawing.
GAP, GUTTER = 16.0, 40.0
# Where a drawing goes on in another line, the arrow runs this far from the boxes.
TURN = 12.0
# Width and height within the margins: A4 upright and lying, a slide of 16 by 9; less the legend.
PAGES = ((540.0, 700.0), (790.0, 450.0), (910.0, 430.0))

Point = tuple[float, float]


@dataclass
class Path:
    """An arrow, or its part in a line of the drawing.

    Attributes:
        points: Where it starts, passes beside boxes, and ends.
        source: The box at its start; ``None`` where it comes from another line.
        target: The box at its end; ``None`` where it leads on to the next line, or out.
        head: Whether it ends as an arrow.
    """

    points: list[Point]
    source: int | None
    target: int | None
    head: bool = True


@dataclass
class Layout:
    """A drawing's positions: the first coordinate along the arrows, the second across.

    Attributes:
        size: Extent along and across.
        boxes: Centre of each box.
        shapes: For each box, the centre of the room for the shape that leaves it.
        labels: By edge, the centre of the room for its label, where it passes beside a box.
        paths: The arrows.
    """

    size: Point = (0.0, 0.0)
    boxes: dict[int, Point] = field(default_factory=dict)
    shapes: dict[int, Point] = field(default_factory=dict)
    labels: dict[int, Point] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class _Rank:
    """Boxes and bends beside one another.

    Attributes:
        vertices: Boxes, and bends of arrows that pass, from left to right.
        depth: Extent along of the largest box.
        low, high: Extent across.
        room: Length along of what follows: labels, bends and arrow heads.
        breaks: Whether a line of the drawing may end here.
    """

    vertices: list[int]
    depth: float
    low: float
    high: float
    room: float
    breaks: bool


def arrange(
    sizes: Sequence[Point],
    edges: Sequence[tuple[int, int]],
    *,
    shape_room: float,
    label_width: float = 0.0,
    upright: bool = True,
) -> Layout:
    """Places boxes behind those that lead to them.

    A long drawing is broken into lines, columns of an upright one or else rows, behind boxes that
    stand alone in their rank, until the whole has the form of a page.

    Args:
        sizes: For each box its extent along the arrows and across.
        edges: Indices of the boxes that an arrow leads from and to.
        shape_room: Extent along of the shapes on the arrows.
        label_width: Extent across of the widest label.
        upright: Whether arrows run down, or else to the right.
    """
    across, heights, chains = _ordered(sizes, edges, label_width)
    ranks = _ranks(sizes, across, heights, chains, label_width, shape_room)
    pieces = range(1, min(len(ranks), 40) + 1)
    lines = min((_broken(ranks, count) for count in pieces), key=lambda x: _misfit(x, upright))
    return _placed(lines, sizes, across, chains, shape_room)


def _ordered(
    sizes: Sequence[Point], edges: Sequence[tuple[int, int]], label_width: float
) -> tuple[dict[int, float], dict[int, float], list[list[int]]]:
    """For boxes and bends their places across and their ranks, and for each edge what it passes.

    Bends have numbers above those of the boxes.
    """
    if not edges:
        return dict.fromkeys(range(len(sizes)), 0.0), {i: -i for i in range(len(sizes))}, []
    unit = max(size[1] for size in sizes) + GAP
    ((found, _, _, links),) = from_edges(
        list(edges),
        vertex_spacing=1,
        dummy_vertices=True,
        dummy_size=max(label_width + GAP, GAP) / unit,
        check_layout=False,
    )
    after: dict[int, list[int]] = {}
    for source, target in links or ():
        after.setdefault(int(source), []).append(int(target))
    # The library puts the first branch to the right.
    across = {int(vertex): -x * unit for vertex, (x, _) in found}
    heights = {int(vertex): y for vertex, (_, y) in found}
    return across, heights, [_chain(edge, after, len(sizes)) for edge in edges]


def _chain(edge: tuple[int, int], after: dict[int, list[int]], count: int) -> list[int]:
    """The boxes at the ends of an edge, and its bends between them."""
    for start in after[edge[0]]:
        chain = [edge[0], start]
        while chain[-1] >= count:
            chain += after[chain[-1]]
        if chain[-1] == edge[1]:
            return chain
    raise AssertionError(f"The layout has lost the edge {edge}.")


def _ranks(
    sizes: Sequence[Point],
    across: dict[int, float],
    heights: dict[int, float],
    chains: list[list[int]],
    label_width: float,
    shape_room: float,
) -> list[_Rank]:
    """The ranks from the input on."""
    by_height: dict[float, list[int]] = {}
    for vertex in sorted(heights, key=lambda vertex: (-heights[vertex], across[vertex])):
        by_height.setdefault(heights[vertex], []).append(vertex)
    sideways: dict[int, float] = {}
    for chain in chains:
        for one, other in itertools.pairwise(chain):
            sideways[one] = max(sideways.get(one, 0.0), abs(across[one] - across[other]))
    ranks = []
    for vertices in by_height.values():
        own = [sizes[v] if v < len(sizes) else (0.0, label_width) for v in vertices]
        furthest = max(sideways.get(vertex, 0.0) for vertex in vertices)
        ranks.append(
            _Rank(
                vertices=vertices,
                depth=max(size[0] for size in own),
                low=min(across[v] - size[1] / 2 for v, size in zip(vertices, own, strict=True)),
                high=max(across[v] + size[1] / 2 for v, size in zip(vertices, own, strict=True)),
                room=shape_room + min(max(furthest * STEEPNESS, BEND[0]), BEND[1]) + HEAD,
                breaks=len(vertices) == 1 and vertices[0] < len(sizes),
            )
        )
    return ranks


def _broken(ranks: list[_Rank], pieces: int) -> list[list[_Rank]]:
    """The ranks in lines of about one length, as many as wished or fewer."""
    wanted = sum(rank.depth + rank.room for rank in ranks) / pieces
    lines, length = [[]], 0.0
    for number, rank in enumerate(ranks):
        lines[-1].append(rank)
        length += rank.depth + rank.room
        full = length > wanted * 0.93 and len(lines) < pieces
        if rank.breaks and full and number < len(ranks) - 1:
            lines.append([])
            length = 0.0
    return lines


def _misfit(lines: list[list[_Rank]], upright: bool) -> float:
    """How small a drawing must be printed on a page or slide, and how much stays empty."""
    lengths = [sum(rank.depth + rank.room for rank in line) for line in lines]
    widths = [_width(line) + GUTTER for line in lines]
    filled = sum(length * width for length, width in zip(lengths, widths, strict=True))
    size = (sum(widths), max(lengths)) if upright else (max(lengths), sum(widths))
    scale = max(min(page[0] / size[0], page[1] / size[1]) for page in PAGES)
    return max(-math.log(scale), 0.0) + 2 * (1 - filled / math.prod(size)) + 0.02 * len(lines)


def _width(line: list[_Rank]) -> float:
    return max(rank.high for rank in line) - min(rank.low for rank in line)


def _placed(
    lines: list[list[_Rank]],
    sizes: Sequence[Point],
    across: dict[int, float],
    chains: list[list[int]],
    shape_room: float,
) -> Layout:
    """The positions in lines."""
    layout = Layout()
    # For boxes and bends: where the rank starts and ends along, and the place across.
    spans: dict[int, tuple[float, float, float]] = {}
    # Where the arrows of a line's last box go on, and the gutter that leads there.
    entries: dict[int, Point] = {}
    gutters: dict[int, float] = {}
    top = TURN if len(lines) > 1 else 0.0
    offset = 0.0
    for number, line in enumerate(lines):
        low = min(rank.low for rank in line)
        along = top + (HEAD + BEND[1] if number else 0.0)
        for rank in line:
            for vertex in rank.vertices:
                spans[vertex] = (along, along + rank.depth, across[vertex] - low + offset)
            along += rank.depth + rank.room
        if number:
            before = lines[number - 1][-1].vertices[0]
            entries[before] = (top, across[before] - low + offset)
            gutters[before] = offset - GUTTER / 2
        layout.size = max(layout.size[0], along + TURN), offset + _width(line)
        offset += _width(line) + GUTTER
    for box, (depth, _) in enumerate(sizes):
        start, end, place = spans[box]
        layout.boxes[box] = ((start + end) / 2, place)
        layout.shapes[box] = (end + shape_room / 2, place)
        bottom = ((start + end + depth) / 2, place)
        if box in entries:
            turn, gutter, entry = end + shape_room + TURN, gutters[box], entries[box]
            corners = [(turn, place), (turn, gutter), (0.0, gutter), (0.0, entry[1])]
            layout.paths.append(Path([bottom, *corners, entry], box, None, head=False))
        elif not any(chain[0] == box for chain in chains):
            layout.paths.append(Path([bottom, (end + shape_room + HEAD, place)], box, None))
    for edge, chain in enumerate(chains):
        points = _points(chain, sizes, spans, entries, shape_room)
        source = None if chain[0] in entries else chain[0]
        layout.paths.append(Path(points, source, chain[-1]))
        if bends := chain[1:-1]:
            start, end, place = spans[bends[len(bends) // 2]]
            layout.labels[edge] = ((start + end) / 2, place)
    return layout


def _points(
    chain: list[int],
    sizes: Sequence[Point],
    spans: dict[int, tuple[float, float, float]],
    entries: dict[int, Point],
    shape_room: float,
) -> list[Point]:
    """The points of an arrow from box to box."""
    start, end, place = spans[chain[0]]
    points = [((start + end + sizes[chain[0]][0]) / 2, place), (end + shape_room, place)]
    if chain[0] in entries:
        points = [entries[chain[0]]]
    for vertex in chain[1:]:
        start, end, place = spans[vertex]
        points.append((start - HEAD, place))
        if vertex == chain[-1]:
            points.append(((start + end - sizes[vertex][0]) / 2, place))
        else:
            points.append((end + shape_room, place))
    return points

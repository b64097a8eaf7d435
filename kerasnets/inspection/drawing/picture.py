"""The picture of a graph, by Matplotlib. Lengths are in points."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle
from matplotlib.path import Path as Curve

from kerasnets.inspection.drawing.graph import Graph, Node
from kerasnets.inspection.drawing.layout import Point, arrange
from kerasnets.inspection.drawing.words import Kind, shape_text

# Face and edge of each kind; also where printed in grey, faces are light and text is black.
COLOURS: dict[Kind, tuple[str, str]] = {
    "input": ("#ffffff", "#555555"),
    "convolution": ("#d6e6f7", "#2b6cb0"),
    "pooling": ("#fbd9d3", "#c0503a"),
    "dense": ("#d5efd8", "#2f855a"),
    "normalization": ("#f1e4f7", "#7b4a9e"),
    "merge": ("#eeeeee", "#444444"),
    "projection": ("#fdeccb", "#b7791f"),
    "block": ("#dfe3fa", "#4c51bf"),
    "other": ("#f4f4f4", "#888888"),
}
NAME, TEXT, SMALL, TITLE = 9.0, 8.0, 7.5, 12.0
LEADING, PADDING, MARGIN = 1.28, 8.0, 24.0
SHAPE_ROOM = 14.0
# Slabs: the highest is as high, and each doubling of the channels makes one wider.
HIGHEST, DOUBLING, SLANT = 90.0, 3.2, 0.16
# Width by height: not narrower than a page, not wider than a slide.
NARROWEST, WIDEST = 1 / math.sqrt(2), 16 / 9
# A PNG has this many pixels to an inch, and fewer where it would be wider or higher than the most.
DPI, MOST_PIXELS = 150, 12_000


def draw_graph(graph: Graph, title: str) -> Figure:
    """A figure of boxes with text, and arrows with shapes.

    Args:
        graph: What is drawn.
        title: Text above.
    """
    texts = [_Text(node) for node in graph.nodes]
    leaving = _leaving(graph)
    sizes = [
        (text.height, max(text.width, _width(shape, SMALL) + 4))
        for text, shape in zip(texts, leaving, strict=True)
    ]
    layout = arrange(
        sizes,
        [(edge.source, edge.target) for edge in graph.edges],
        shape_room=SHAPE_ROOM,
        label_width=max((_width(edge.label, SMALL) for edge in graph.edges), default=0.0),
    )
    page = _Page((layout.size[1], layout.size[0]), title, _legend(graph, "Boxes are not to scale."))
    for path in layout.paths:
        page.arrow(
            [(across, -along) for along, across in path.points], upright=True, head=path.head
        )
    for box, text in enumerate(texts):
        along, across = layout.boxes[box]
        page.box(across, -along, text)
        along, across = layout.shapes[box]
        page.label(across, -along, leaving[box])
    for edge, (along, across) in layout.labels.items():
        page.label(across, -along, graph.edges[edge].label, italic=True)
    return page.figure


def draw_slabs(graph: Graph, title: str) -> Figure:
    """A figure of feature maps to scale, from left to right.

    Args:
        graph: What is drawn.
        title: Text above.
    """
    texts = [_Text(node, shape=True) for node in graph.nodes]
    largest = max(_side(node) for node in graph.nodes)
    heights = [max(HIGHEST * math.sqrt(_side(node) / largest), 4.0) for node in graph.nodes]
    widths = [4.0 + DOUBLING * math.log2(node.shape[-1] or 1) for node in graph.nodes]
    below = max(text.height for text in texts)
    # The text hangs below, so that the middle of the slab is where the arrows meet.
    span = HIGHEST * (1 + SLANT) + below + 4
    sizes = [
        (max(text.width, width + SLANT * height), span)
        for text, width, height in zip(texts, widths, heights, strict=True)
    ]
    edges = [(edge.source, edge.target) for edge in graph.edges]
    layout = arrange(sizes, edges, shape_room=0.0, upright=False)
    scale = (
        "Height of a slab: side of the maps, square-root scale. Width: number of maps, "
        "logarithmic scale."
    )
    page = _Page(layout.size, title, _legend(graph, scale))
    lift = (span - HIGHEST * (1 + SLANT)) / 2

    def seen(point: Point) -> Point:
        return point[0], -point[1] + lift

    ends = {}
    for box, (width, height) in enumerate(zip(widths, heights, strict=True)):
        x, y = seen(layout.boxes[box])
        ends[box] = page.slab(x, y, width, height, graph.nodes[box].kind)
        page.text(x, y - height * (1 + SLANT) / 2 - 3, texts[box])
    for path in layout.paths:
        if path.target is None and path.head:
            continue
        points = [seen(point) for point in path.points]
        if path.source is not None:
            points[0] = (ends[path.source][1], points[0][1])
        if path.target is not None:
            points[-1] = (ends[path.target][0], points[-1][1])
        page.arrow(points, upright=False, head=path.head)
    return page.figure


class _Text:
    """The lines of a box, and its size."""

    def __init__(self, node: Node, *, shape: bool = False) -> None:
        self.kind: Kind = node.kind
        lines = [(node.name, NAME, "bold")] if node.name else []
        lines += [(line, TEXT, "normal") for line in node.lines]
        if shape:
            lines.append((shape_text(node.shape), SMALL, "normal"))
        self.lines = lines
        padding = 4.0 if node.kind == "merge" else PADDING
        self.width = max(_width(text, size, weight) for text, size, weight in lines) + 2 * padding
        self.height = sum(size * LEADING for _, size, _ in lines) + padding


class _Page:
    """A figure in whose axes a point is a point; y runs upwards from the bottom of the drawing."""

    def __init__(self, size: Point, title: str, legend: tuple[list[Kind], str]) -> None:
        kinds, scale = legend
        width = max(size[0], _width(title, TITLE, "bold"), _width(scale, SMALL)) + 2 * MARGIN
        head, foot = MARGIN + 2 * TITLE, 3 * TEXT + MARGIN
        rows = _legend_rows(kinds, width - 2 * MARGIN)
        foot += len(rows) * 1.8 * TEXT
        height = size[1] + head + foot
        # White around it, so that the whole has the form of a page or a slide.
        full = max(width, height * NARROWEST), max(height, width / WIDEST)
        left, above = (full[0] - size[0]) / 2, head + (full[1] - height) / 2
        self.figure = Figure((full[0] / 72, full[1] / 72))
        self.axes: Axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(-left, full[0] - left), ylim=(above - full[1], above))
        self.axes.axis("off")
        middle = full[0] / 2 - left
        self._put(middle, above - MARGIN, title, TITLE, weight="bold", va="top")
        bottom = above - full[1] + MARGIN
        self._put(middle, bottom, scale, SMALL, va="bottom", color="#444444")
        for number, row in enumerate(reversed(rows)):
            self._legend_row(middle, bottom + (number + 1) * 1.8 * TEXT, row)

    def _put(self, x: float, y: float, text: str, size: float, **options: Any) -> None:
        options = {"ha": "center", "va": "center", **options}
        # Names may have signs that would be mathematics.
        self.axes.text(x, y, text, size=size, parse_math=False, **options)

    def _legend_row(self, middle: float, y: float, kinds: Sequence[Kind]) -> None:
        x = middle - sum(map(_legend_width, kinds)) / 2
        for kind in kinds:
            face, edge = COLOURS[kind]
            self.axes.add_artist(Rectangle((x, y), 12, 8, facecolor=face, edgecolor=edge, lw=0.8))
            self._put(x + 16, y + 4, kind, SMALL, ha="left", va="center")
            x += _legend_width(kind)

    def box(self, x: float, y: float, text: _Text) -> None:
        """A box and its text, around a point."""
        face, edge = COLOURS[text.kind]
        rounding = text.height / 2 if text.kind == "merge" else 3
        style = f"round,pad=0,rounding_size={rounding}"
        corner = (x - text.width / 2, y - text.height / 2)
        patch = FancyBboxPatch(corner, text.width, text.height, boxstyle=style, zorder=3)
        patch.set(facecolor=face, edgecolor=edge, linewidth=1.1)
        self.axes.add_artist(patch)
        self.text(x, y + sum(size * LEADING for _, size, _ in text.lines) / 2, text)

    def text(self, x: float, y: float, text: _Text) -> None:
        """The lines of a box, from this height down."""
        for line, size, weight in text.lines:
            y -= size * LEADING / 2
            self._put(x, y, line, size, weight=weight, va="center")
            y -= size * LEADING / 2

    def label(self, x: float, y: float, text: str, *, italic: bool = False) -> None:
        """Text on an arrow, which is broken for it."""
        if text:
            style = "italic" if italic else "normal"
            colour = COLOURS["projection"][1] if italic else "#333333"
            self._put(x, y, text, SMALL, style=style, color=colour)
            width, height = _width(text, SMALL) + 3, SMALL * 1.25
            corner = (x - width / 2, y - height / 2)
            self.axes.add_artist(Rectangle(corner, width, height, color="white", lw=0, zorder=2))

    def arrow(self, points: Sequence[Point], *, upright: bool, head: bool) -> None:
        """A line through points: straight where they are in line, else in a curve."""
        vertices, codes = [points[0]], [Curve.MOVETO]
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            if x0 == x1 or y0 == y1:
                vertices.append((x1, y1))
                codes.append(Curve.LINETO)
            else:
                x, y = (x0 + x1) / 2, (y0 + y1) / 2
                vertices += [(x0, y), (x1, y)] if upright else [(x, y0), (x, y1)]
                vertices.append((x1, y1))
                codes += [Curve.CURVE4] * 3
        style = "-|>,head_length=4,head_width=2" if head else "-"
        arrow = FancyArrowPatch(path=Curve(vertices, codes), arrowstyle=style, zorder=1)
        arrow.set(color="#333333", linewidth=0.9, joinstyle="round", capstyle="butt")
        self.axes.add_artist(arrow)

    def slab(self, x: float, y: float, width: float, height: float, kind: Kind) -> Point:
        """Maps as a body around a point; returns its left and right end at that height."""
        slant = SLANT * height
        left, right, low = (
            x - (width + slant) / 2,
            x + (width - slant) / 2,
            y - (height + slant) / 2,
        )
        high = low + height
        faces = [
            [(left, low), (right, low), (right, high), (left, high)],
            [
                (left, high),
                (right, high),
                (right + slant, high + slant),
                (left + slant, high + slant),
            ],
            [
                (right, low),
                (right + slant, low + slant),
                (right + slant, high + slant),
                (right, high),
            ],
        ]
        face, edge = COLOURS[kind]
        for corners, shade in zip(faces, (1.0, 0.96, 0.88), strict=True):
            colour = [shade * int(face[i : i + 2], 16) / 255 for i in (1, 3, 5)]
            patch = Polygon(corners, facecolor=colour, edgecolor=edge, lw=0.9, joinstyle="round")
            patch.set_zorder(3)
            self.axes.add_artist(patch)
        return left, right + slant


def _leaving(graph: Graph) -> list[str]:
    """The shapes that leave each box."""
    shapes: list[dict[str, None]] = [{} for _ in graph.nodes]
    for edge in graph.edges:
        shapes[edge.source][shape_text(edge.shape)] = None
    return [
        ", ".join(found) or shape_text(node.shape)
        for node, found in zip(graph.nodes, shapes, strict=True)
    ]


def _side(node: Node) -> float:
    return (node.shape[0] or 1) if len(node.shape) == 3 else 1.0


def _legend(graph: Graph, scale: str) -> tuple[list[Kind], str]:
    present = {node.kind for node in graph.nodes} - {"input", "merge", "other"}
    return [kind for kind in COLOURS if kind in present], scale


def _legend_width(kind: Kind) -> float:
    return _width(kind, SMALL) + 30


def _legend_rows(kinds: Sequence[Kind], width: float) -> list[list[Kind]]:
    rows: list[list[Kind]] = [[]]
    for kind in kinds:
        if rows[-1] and sum(map(_legend_width, [*rows[-1], kind])) > width:
            rows.append([])
        rows[-1].append(kind)
    return [row for row in rows if row]


@functools.cache
def _width(text: str, size: float, weight: str = "normal") -> float:
    """The width of a text in points."""
    font = FontProperties(size=size, weight=weight)
    return _renderer().get_text_width_height_descent(text, font, False)[0] / 10


@functools.cache
def _renderer() -> RendererAgg:
    # Ten pixels a point, so that widths are not those of pixels.
    return RendererAgg(1, 1, 720)

"""A network's picture: its feature maps as slabs, in the order they are computed."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from kerasnets.files import whole
from kerasnets.inspection.table import LayerRow

_COLOURS = {
    "convolution": "tab:blue",
    "pooling": "tab:red",
    "dense": "tab:green",
    "other": "tab:gray",
}
# How the names of a block's layers begin.
_BLOCK = re.compile(
    r"(stage\d+_((block|layer)\d+|transition)|inception_?[a-z0-9]+|mixed\d[a-z]|reduction_[a-z])"
    r"(?=_|$)"
)
# Slabs in a row of the picture.
_ROW = 16


@dataclass(frozen=True)
class _Slab:
    """A layer, or the layers of a block, drawn as one feature map."""

    name: str
    kind: str
    shape: tuple[int | None, ...]
    parameters: int


def save_drawing(path: str | os.PathLike, rows: Sequence[LayerRow], title: str) -> None:
    """Draws a network as a PNG.

    A slab is as high as its feature map (on a square-root scale) and as deep as it has channels
    (on a logarithmic one). The layers of a block are drawn as one.

    Args:
        path: The PNG file to write.
        rows: The layers, as `kerasnets.inspection.layer_table` returns them.
        title: The text above the picture.
    """
    slabs = _slabs(rows)
    lines = [slabs[start : start + _ROW] for start in range(0, len(slabs), _ROW)]
    longest = max(len(line) for line in lines)
    size = (1.0 + 1.15 * max(longest, 6), 0.8 + 2.7 * len(lines))
    figure = Figure(size, layout="constrained")
    axes = figure.subplots(len(lines), squeeze=False)
    figure.suptitle(title)
    largest = max(_height(slab) for slab in slabs)
    for axis, line in zip(axes[:, 0], lines, strict=True):
        for column, slab in enumerate(line):
            _draw(axis, slab, column, largest)
        axis.set(xlim=(-0.6, longest - 0.2), ylim=(-0.95, 1.35))
        axis.axis("off")
    handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in _COLOURS.values()]
    figure.legend(handles, _COLOURS, loc="outside lower center", ncols=len(_COLOURS))
    with whole(path) as partial:
        figure.savefig(partial, format="png", dpi=120)


def _slabs(rows: Sequence[LayerRow]) -> list[_Slab]:
    """A slab for each layer that has weights or changes the shape, one for each block."""
    groups: dict[str, list[LayerRow]] = {}
    shape = None
    for row in rows:
        block = _BLOCK.match(row.name)
        if row.trainable or (row.output_shape != shape and not re.search("Pad|Flatten", row.kind)):
            groups.setdefault(block[0] if block else row.name, []).append(row)
        shape = row.output_shape
    return [
        _Slab(
            name,
            _kind(members),
            members[-1].output_shape,
            sum(row.trainable for row in members),
        )
        for name, members in groups.items()
    ]


def _kind(rows: Sequence[LayerRow]) -> str:
    kinds = " ".join(row.kind for row in rows)
    for word, kind in (("Conv", "convolution"), ("Pool", "pooling"), ("Subsampling", "pooling")):
        if word in kinds:
            return kind
    return "dense" if re.search("Dense|RBF", kinds) else "other"


def _height(slab: _Slab) -> float:
    side = slab.shape[0] if len(slab.shape) == 3 and slab.shape[0] else 1
    return math.sqrt(side)


def _draw(axis: Axes, slab: _Slab, column: int, largest: float) -> None:
    """One slab: a front, a top and a side, its name and shape below."""
    height = 0.06 + 0.94 * _height(slab) / largest
    channels = slab.shape[-1] or 1
    width = 0.06 + 0.045 * math.log2(channels)
    depth = 0.22 * height
    left, right, bottom = column - 0.3, column - 0.3 + width, 0.0
    top = bottom + height
    faces = {
        1.0: [(left, bottom), (right, bottom), (right, top), (left, top)],
        0.7: [(left, top), (right, top), (right + depth, top + depth), (left + depth, top + depth)],
        0.5: [
            (right, bottom),
            (right + depth, bottom + depth),
            (right + depth, top + depth),
            (right, top),
        ],
    }
    for alpha, corners in faces.items():
        axis.add_patch(
            Polygon(corners, facecolor=_COLOURS[slab.kind], alpha=alpha, edgecolor="white", lw=0.7)
        )
    shape = "x".join("?" if side is None else str(side) for side in slab.shape)
    parameters = f"{slab.parameters:,}" if slab.parameters else ""
    name = re.sub("_(?=block|layer|transition)", "\n", slab.name)
    label = f"{name}\n{shape}\n{parameters}"
    axis.text(column - 0.1, -0.08, label, ha="center", va="top", size=7.5)

"""`kerasnets.draw`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kerasnets.inspection.drawing.levels import Level, check_level
from kerasnets.models.build import unweighted
from kerasnets.plotting import check_picture, save_figure

if TYPE_CHECKING:
    import keras


def draw(
    model: keras.Model | str,
    path: str | os.PathLike,
    level: Level = "block",
    block: str | None = None,
) -> None:
    """Draws a network: boxes, and the arrows of its graph with the shapes on them.

    >>> kerasnets.draw("googlenet", "inception3a.svg", block="inception3a")  # doctest: +SKIP

    Args:
        model: A functional model, or the name of a network.
        path: Picture to write: .png, .svg or .pdf.
        level: ``"network"``: feature maps to scale, blocks that repeat as one. ``"stage"``: a box
            for each size of the maps. ``"block"``: one for each block, and for each convolution or
            pooling outside of blocks; residual sums and dense concatenations stand apart, so that
            shortcuts are seen. ``"layer"``: one for each layer.
        block: Name of the block or stage that is drawn alone: of a block its convolutions, or with
            ``level="layer"`` all its layers.

    Raises:
        UserError: When the file, the level or the block cannot be, or the model is not functional.
    """
    check_level(level, block)
    check_picture(path, "path")
    from kerasnets.inspection.drawing.graph import graph_of
    from kerasnets.inspection.drawing.picture import DPI, MOST_PIXELS, draw_graph, draw_slabs

    network = unweighted(model) if isinstance(model, str) else model
    graph = graph_of(network, level, block)
    title = f"{network.name}: {block}" if block else network.name
    figure = (draw_slabs if level == "network" else draw_graph)(graph, title)
    longest = max(figure.get_size_inches())
    save_figure(figure, path, dpi=int(min(DPI, MOST_PIXELS / longest)))

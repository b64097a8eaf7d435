"""How far the layers of a dense block use the maps of earlier ones.

Huang, Liu, van der Maaten, Weinberger 2016, "Densely connected convolutional networks",
arXiv 1608.06993, section 5, "feature reuse", and figure 5.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from kerasnets.explanation.graph import first, functional, layers_of
from kerasnets.figures.view import View, model_name, new_figure, no_dense_blocks
from kerasnets.layers import ClassicDropout, RandomizedReLU
from kerasnets.layers.dense_concat import DenseConcat
from kerasnets.private import maker_of

# They hand on each channel by itself.
BY_CHANNEL = (
    *(keras.layers.BatchNormalization, keras.layers.GroupNormalization, keras.layers.Activation),
    *(keras.layers.ReLU, keras.layers.PReLU, keras.layers.Dropout, keras.layers.AveragePooling2D),
    *(keras.layers.GlobalAveragePooling2D, keras.layers.LeakyReLU, keras.layers.ELU),
    *(RandomizedReLU, ClassicDropout),
)


def reuse(model: keras.Model) -> View:
    """The mean absolute weight from each source to each layer within each dense block.

    Source 0 is the block's input, source s > 0 the maps of its s-th layer; the last target is what
    follows the block: the transition, or the classifier.

    Args:
        model: A DenseNet, or a functional model with `kerasnets.layers.DenseConcat` in it.

    Returns:
        A view of ``block1``, ``block2``... (sources, targets), NaN where a layer is not connected.

    Raises:
        UserError: When the model has no dense blocks.
    """
    blocks: dict[int, list[tuple[str, np.ndarray]]] = {}
    layers = list(layers_of(functional(model)))
    if not any(isinstance(layer, DenseConcat) for layer in layers):
        raise no_dense_blocks(model.name)
    roots = {id(_sources(layer.output)[0]) for layer in layers if isinstance(layer, DenseConcat)}
    for layer in layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            sources = _sources(_concatenated(layer.input, roots))
            if id(sources[0]) in roots:
                blocks.setdefault(id(sources[0]), []).append((layer.name, _means(layer, sources)))
    arrays = {}
    for number, targets in enumerate(blocks.values(), start=1):
        table = np.full((max(len(means) for _, means in targets), len(targets)), np.nan)
        for column, (_, means) in enumerate(targets):
            table[: len(means), column] = means
        arrays[f"block{number}"] = table
    rows = [
        (name, source, layer, value)
        for name, targets in zip(arrays, blocks.values(), strict=True)
        for layer, means in targets
        for source, value in enumerate(means.tolist())
    ]
    columns: dict[str, Any] = {
        name: [row[place] for row in rows]
        for place, name in enumerate(("block", "source", "target", "weight"))
    }
    return View(arrays, _drawn(model_name(model), arrays), columns)


def _concatenated(x: Any, roots: set[int]) -> Any:
    """The tensor whose channels arrive at a layer, each by itself; a block's input ends the way."""
    layer = maker_of(x)
    while isinstance(layer, BY_CHANNEL) and id(x) not in roots:
        x = first(layer.input)
        layer = maker_of(x)
    return x


def _sources(x: Any) -> list[Any]:
    """The block's input and the maps of its layers, of which a tensor is put together."""
    layer = maker_of(x)
    if not isinstance(layer, DenseConcat):
        return [x]
    before, *new = keras.tree.flatten(layer.input)
    return [*_sources(before), *new]


def _means(layer: Any, sources: list[Any]) -> np.ndarray:
    """The mean absolute weight of each source's channels."""
    kernel = np.abs(keras.ops.convert_to_numpy(layer.kernel))
    ends = np.cumsum([x.shape[-1] for x in sources])
    # Channels are the last axis but one of convolutions and dense layers.
    return np.array([part.mean() for part in np.split(kernel, ends[:-1], axis=-2)])


def _drawn(model: str, arrays: dict[str, np.ndarray]) -> Any:
    title = f"{model}: mean absolute weight from each earlier layer, of the column's largest"
    figure = new_figure(4.2 * len(arrays) + 0.8, 4.6, title)
    shown = None
    axes_of = figure.subplots(1, len(arrays), squeeze=False)[0]
    for axes, (name, table) in zip(axes_of, arrays.items(), strict=True):
        relative = table / np.nanmax(table, axis=0)
        shown = axes.imshow(
            np.ma.masked_invalid(relative), cmap="turbo", vmin=0, vmax=1, aspect="auto"
        )
        sources, targets = table.shape
        axes.set_title(f"dense {name.replace('block', 'block ')}", fontsize=10)
        axes.set_xlabel("target layer (last: what follows the block)")
        axes.set_ylabel("source layer (0: the block's input)")
        axes.set_xticks(range(0, targets, max(1, targets // 8)))
        axes.set_xticklabels(range(1, targets + 1, max(1, targets // 8)))
        axes.set_yticks(range(0, sources, max(1, sources // 8)))
    assert shown is not None  # there is one block at least
    figure.colorbar(shown, ax=list(axes_of), label="fraction")
    return figure

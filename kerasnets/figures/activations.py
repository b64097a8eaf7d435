"""What the activations of a network give: Glorot, Bengio 2010, "Understanding the difficulty of
training deep feedforward neural networks", section 3, whose figures 2 and 3 follow the saturation
of each layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasnets.errors import UserError
from kerasnets.explanation.graph import Layer, functional, layers_of, run_watching
from kerasnets.figures.view import (
    BLUE,
    GREY,
    ORANGE,
    View,
    chosen_places,
    model_name,
    name_layers,
    new_figure,
)
from kerasnets.layers.activations import RandomizedReLU, scaled_tanh

BINS = 256
# A value counts as saturated within this fraction of the range of its bound.
NEAR = 0.025
# A unit counts as saturated where this fraction of its values is.
MOSTLY = 0.95
# Functions between two bounds. The lower one of ReLU6 is that of dead units.
BOUNDS = {"sigmoid": (0, 1), "hard_sigmoid": (0, 1), "tanh": (-1, 1), "hard_tanh": (-1, 1)}
SCALED_TANH = (-1.7159, 1.7159)
# The most layers whose histograms are drawn.
DRAWN = 24


def activations(model: keras.Model, batches: Iterable[Any]) -> View:
    """Histograms of what each activation gives, and the fractions of dead and saturated units.

    A unit is a channel of a map, or a neuron of a dense layer. It is dead if it gives 0 everywhere
    in all images. It is saturated if more than 95 % of its values lie within 2.5 % of the range
    from a bound of its function: of sigmoid, tanh and the scaled tanh both, of ReLU6 the upper one.

    Args:
        model: A functional or sequential model of images.
        batches: Images (N, H, W, C), as the model takes them, once through.

    Returns:
        A view of ``counts`` (layers, 256), the values in equal bins from ``-limits`` to ``limits``
        (layers,); ``dead`` and ``saturated`` (layers,), fractions of the units; ``zeros``,
        fraction of the values; ``mean`` and ``std``. The table names the layers.

    Raises:
        UserError: When the model has no activations, one gives NaN or infinity, or there is no
            image.
    """
    model = functional(model)
    followed = {layer: _Values(_bounds(layer)) for layer in layers_of(model) if _activates(layer)}
    if not followed:
        raise UserError(f"{model.name} has no activations.")

    def watch(layer: Layer, _: Any, output: Any) -> None:
        if layer in followed:
            # Without trained statistics deep networks come near to the end of float32.
            values = tf.cast(output, tf.float64).numpy()
            if not np.isfinite(values).all():
                raise UserError(f"{layer.name} of {model.name} gives values that are not finite.")
            followed[layer].add(values.reshape(-1, values.shape[-1]))

    images = 0
    for batch in batches:
        images += len(batch)
        run_watching(model, tf.cast(batch, tf.float32), watch)
    if not images:
        raise UserError("Give one image at least. Received: none.")
    values = list(followed.values())
    arrays = {
        "counts": np.stack([each.counts for each in values]),
        "limits": np.array([each.limit for each in values]),
        "dead": np.array([each.alive.mean() for each in values]) * -1 + 1,
        "saturated": np.array([(each.bound > MOSTLY * each.rows).mean() for each in values]),
        "zeros": np.array([each.zeros / each.counts.sum() for each in values]),
        "mean": np.array([each.mean for each in values]),
        "std": np.array([each.std for each in values]),
    }
    names = [layer.name for layer in followed]
    table = {"layer": names, "units": [len(each.alive) for each in values]}
    table |= {name: arrays[name].round(6).tolist() for name in list(arrays)[2:]}
    return View(arrays, _drawn(model_name(model), names, arrays, images), table)


class _Values:
    """Counts of the values of a layer, added up batch by batch."""

    def __init__(self, bounds: tuple[float, float] | None) -> None:
        self.bounds = bounds
        self.limit = 1.0
        self.counts = np.zeros(BINS, np.int64)
        self.alive = self.bound = np.zeros(0)
        self.rows, self.zeros, self.sum, self.squares = 0, 0, 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        """Values (n, units)."""
        while np.abs(values).max() > self.limit:
            # Twice the range: each bin becomes one half of a new one.
            self.limit *= 2
            inner = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.pad(inner, BINS // 4)
        self.counts += np.histogram(values, BINS, (-self.limit, self.limit))[0]
        if not self.rows:
            self.alive = np.zeros(values.shape[1], bool)
            self.bound = np.zeros(values.shape[1])
        self.alive |= (values != 0).any(axis=0)
        self.bound += _at_bound(values, self.bounds)
        self.rows += len(values)
        self.zeros += int((values == 0).sum())
        self.sum += float(values.sum())
        self.squares += float(np.square(values).sum())

    @property
    def mean(self) -> float:
        return self.sum / self.counts.sum()

    @property
    def std(self) -> float:
        return float(np.sqrt(max(self.squares / self.counts.sum() - self.mean**2, 0)))


def _at_bound(values: np.ndarray, bounds: tuple[float, float] | None) -> np.ndarray:
    if bounds is None:
        return np.zeros(values.shape[1])
    near = NEAR * (bounds[1] - bounds[0])
    upper = values >= bounds[1] - near
    # ReLU6 has its zeros for dead units.
    lower = values <= bounds[0] + near if bounds != (0, 6) else False
    return (upper | lower).sum(axis=0)


def _function(layer: Any) -> Any:
    if isinstance(layer, (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU)):
        return keras.activations.relu
    return keras.activations.relu if isinstance(layer, RandomizedReLU) else layer.activation


def _activates(layer: Any) -> bool:
    """Whether a layer ends in a function that is not linear, softmax aside."""
    known = (keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU, RandomizedReLU)
    if isinstance(layer, known):
        return True
    unlike = (None, keras.activations.linear, keras.activations.softmax)
    return getattr(layer, "activation", None) not in unlike


def _bounds(layer: Any) -> tuple[float, float] | None:
    function = _function(layer)
    if function is scaled_tanh:
        return SCALED_TANH
    if function is keras.activations.relu6 or getattr(layer, "max_value", None) == 6:
        return (0, 6)
    return BOUNDS.get(getattr(function, "__name__", ""))


def _drawn(model: str, names: list[str], arrays: dict[str, np.ndarray], images: int) -> Any:
    places = chosen_places(len(names), DRAWN)
    some = f"{len(places)} of {len(names)} activations" if len(places) < len(names) else ""
    title = f"{model}: what the activations give on {images:,} images"
    figure = new_figure(9, 1.6 + 0.3 * len(places), title)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1.3))
    # Drawn from the deepest up, so that each stands in front of the one above it.
    low, high = 0.0, 0.0
    for row, place in enumerate(places):
        limit, counts = arrays["limits"][place], arrays["counts"][place]
        edges = np.linspace(-limit, limit, BINS + 1)
        heights = np.log1p(counts) / np.log1p(max(counts.max(), 1))
        left.stairs(row - 0.85 * heights, edges, baseline=row, fill=True, color=BLUE, lw=0)
        filled = np.flatnonzero(counts > counts.sum() * 1e-5)
        low, high = min(low, edges[filled[0]]), max(high, edges[filled[-1] + 1])
    left.set_xlim(low - 0.02 * (high - low), high + 0.02 * (high - low))
    name_layers(left.yaxis, [names[place] for place in places])
    left.set_ylim(len(places) - 0.5, -1)
    left.set_xlabel("value (heights: logarithm of the count)")
    left.set_ylabel(some)
    left.grid(axis="x", color="0.9")
    left.set_axisbelow(True)
    rows = np.arange(len(places))
    kinds = (("zeros", GREY, "values of 0"), ("dead", "black", "dead units"))
    for shift, (name, colour, label) in zip(
        (0.0, -0.27, -0.54), (*kinds, ("saturated", ORANGE, "saturated units")), strict=True
    ):
        right.barh(rows + shift, 100 * arrays[name][places], 0.25, color=colour, label=label)
    right.set(xlim=(0, 100), xlabel="%")
    right.grid(axis="x", color="0.9")
    right.set_axisbelow(True)
    right.tick_params(labelleft=False, left=False)
    figure.legend(
        *right.get_legend_handles_labels(), loc="outside lower right", ncols=3, fontsize=8
    )
    return figure

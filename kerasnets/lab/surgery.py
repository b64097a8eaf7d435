"""Takes parts out of a trained network, or exchanges them, by its weights alone.

A part of a residual network is a block; it is taken out by a zero in the place of its residual, so
that its shortcut is left. A part of another network is a convolution, with its batch normalisation,
whose output has the shape of its input; it is taken out by the weights of the identity, which
passes through a ReLU that follows, since no map behind a ReLU is negative.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerasnets.lab.design import Trial
from kerasnets.lab.images import Images
from kerasnets.lazy import keras


def trained(trial: Trial, most: int = 1000) -> tuple[keras.Model, keras.Model, Images]:
    """The network of a variant that is `Trained`; what answers on pixels by it; test images.

    Args:
        trial: The trial.
        most: The number of images at most, taken evenly from all.
    """
    import numpy as np

    from kerasnets.data import load
    from kerasnets.data.pipeline import evaluation_batches
    from kerasnets.inputs import with_preprocessing

    run = trial.train()
    network, preprocessing = run.network(), run.preprocessing
    test = load(trial.scale.data).splits["test"]
    test = test.take(np.arange(0, test.size, -(-test.size // most)))
    batches = evaluation_batches(test, preprocessing, run.input_shape[-1], batch_size=most)
    images = Images(*(each.numpy() for each in next(iter(batches))))
    return network, with_preprocessing(network, preprocessing), images


def parts(network: keras.Model) -> list[str]:
    """The names of what can be taken out, in order."""
    from kerasnets.explanation.graph import first
    from kerasnets.layers import ResidualAdd

    layers: list[Any] = network.layers
    blocks = [layer.name for layer in layers if isinstance(layer, ResidualAdd)]
    return [name.removesuffix("_add") for name in blocks] or [
        layer.name
        for layer in layers
        if isinstance(layer, keras.layers.Conv2D)
        and first(layer.input).shape == first(layer.output).shape
    ]


def interchangeable(network: keras.Model) -> list[list[str]]:
    """The parts in groups whose weights have the same shapes, so that they can change places."""
    groups: dict[Any, list[str]] = {}
    for part in parts(network):
        shapes = tuple(each.shape for layer in _weights(network, part) for each in layer)
        groups.setdefault(shapes, []).append(part)
    return [group for group in groups.values() if len(group) > 1]


@contextlib.contextmanager
def without(network: keras.Model, removed: Sequence[str]) -> Iterator[None]:
    """The network lacks these parts for a while."""
    kept = {part: _weights(network, part) for part in removed}
    for part in removed:
        convolution, *_, last = layers = _layers(network, part)
        gamma, beta, mean, variance = last.get_weights()
        if len(layers) > 2:
            last.set_weights([0 * gamma, 0 * beta, mean, variance])
            continue
        kernel = 0 * convolution.get_weights()[0]
        # Ones on the diagonal of the kernel's centre.
        kernel[kernel.shape[0] // 2, kernel.shape[1] // 2].flat[:: kernel.shape[-1] + 1] = 1
        convolution.set_weights([kernel])
        last.set_weights([gamma**0, 0 * beta, 0 * mean, variance**0 - last.epsilon])
    try:
        yield
    finally:
        for part, weights in kept.items():
            _set(network, part, weights)


@contextlib.contextmanager
def exchanged(network: keras.Model, source: Mapping[str, str]) -> Iterator[None]:
    """The network has, for a while, in the place of each part the one that `source` names."""
    kept = {part: _weights(network, part) for part in source}
    for part, other in source.items():
        _set(network, part, kept[other])
    try:
        yield
    finally:
        for part, weights in kept.items():
            _set(network, part, weights)


def _layers(network: keras.Model, part: str) -> list[Any]:
    return [
        layer
        for layer in network.layers
        if layer.weights and (layer.name == part or layer.name.startswith(f"{part}_"))
    ]


def _weights(network: keras.Model, part: str) -> list[list[Any]]:
    return [layer.get_weights() for layer in _layers(network, part)]


def _set(network: keras.Model, part: str, weights: list[list[Any]]) -> None:
    for layer, own in zip(_layers(network, part), weights, strict=True):
        layer.set_weights(own)

"""The networks of experiments: registered ones, and small ones that blocks are compared in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kerasnets.lab.fitting import Builder
from kerasnets.lazy import keras

Block = Callable[[Any], Any]


def registered(name: str, **options: Any) -> Builder:
    """Makes the registered network of this name, with these options, whose answers are logits."""

    def build(shape: tuple[int, int, int], classes: int) -> keras.Model:
        import kerasnets

        return kerasnets.build(
            name, input_shape=shape, classes=classes, classifier_activation=None, **options
        )

    return build


def stacked(shape: tuple[int, int, int], classes: int, blocks: Sequence[Block]) -> keras.Model:
    """A network of blocks, max pooling between each two, then global average and logits.

    Args:
        shape: Height, width and channels of an image.
        classes: Number of classes.
        blocks: Each takes maps and returns maps, as the layers that it calls.
    """
    x = image = keras.Input(shape)
    for number, block in enumerate(blocks):
        x = block(keras.layers.MaxPooling2D()(x) if number else x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(classes)(x))


def conv_relu(x: Any, maps: int, kernel_size: int) -> Any:
    """A convolution with "same" padding and He's first weights, and ReLU."""
    layer = keras.layers.Conv2D
    x = layer(maps, kernel_size, padding="same", kernel_initializer="he_normal")(x)
    return keras.layers.ReLU()(x)

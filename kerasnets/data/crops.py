"""The views of an image that a network is evaluated on, by name; all in uint8."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from kerasnets.data import images
from kerasnets.errors import unknown
from kerasnets.inputs import Preprocessing


def centre(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """One view, fitted as the network's weights were meant to be evaluated, (1, H, W, C)."""
    return images.fit(image, preprocessing)[tf.newaxis]


def ten(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """The corners and centre of the central square, and their mirror images, (10, H, W, C).

    The square's side is `Preprocessing.resize_to`; 8/7 of the crop's where that leaves no room.

    Source: Krizhevsky et al. 2012, section 4.1.
    """
    side = preprocessing.resize_to
    if side <= max(preprocessing.size):
        side = round(max(preprocessing.size) * 8 / 7)
    square = _at(images.short_side(image, side, preprocessing), (side, side), 0.5, 0.5)
    views = [_at(square, preprocessing.size, *place) for place in _FIVE]
    return _with_mirrored(tf.stack(views))


def hundred_and_forty_four(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Four scales, three squares, six crops, and their mirror images, (144, H, W, C).

    The short sides are 8/7, 9/7, 10/7 and 11/7 of the crop (256 to 352 for 224).

    Source: Szegedy et al. 2014, arXiv 1409.4842, section 7.
    """
    height, width = preprocessing.size
    views = []
    for eighths in (8, 9, 10, 11):
        side = round(min(height, width) * eighths / 7)
        resized = images.short_side(image, side, preprocessing)
        for place in ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)):
            square = _at(resized, (side, side), *place)
            views += [_at(square, (height, width), *corner) for corner in _FIVE]
            views.append(images.stretch(square, preprocessing))
    return _with_mirrored(tf.stack(views))


CROPS: dict[str, Callable[[tf.Tensor, Preprocessing], tf.Tensor]] = {
    "centre": centre,
    "ten": ten,
    "144": hundred_and_forty_four,
}
# Corners and centre, as fractions of the room from the top and from the left.
_FIVE = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.5))


def crops(name: str) -> Callable[[tf.Tensor, Preprocessing], tf.Tensor]:
    """The function from an image to its views.

    Raises:
        UserError: When there is none of this name.
    """
    if name not in CROPS:
        raise unknown("way of cropping", name, CROPS)
    return CROPS[name]


def dense(image: tf.Tensor, side: int, preprocessing: Preprocessing) -> tf.Tensor:
    """The whole image and its mirror image, for networks that are applied as convolutions.

    Args:
        image: (H, W, C) uint8.
        side: Length of the short side, in pixels.
        preprocessing: The network's; its interpolation is used.

    Returns:
        (2, H', W', C) uint8 with the image's own aspect.

    Source: Simonyan, Zisserman 2014, arXiv 1409.1556, section 3.2.
    """
    return _with_mirrored(images.short_side(image, side, preprocessing)[tf.newaxis])


def _at(image: tf.Tensor, size: tuple[int, int], down: float, across: float) -> tf.Tensor:
    """A crop at fractions of the room that there is."""
    room = tf.cast(tf.shape(image)[:2] - size, tf.float32)
    corner = tf.cast(tf.floor(room * (down, across)), tf.int32)
    cut = images.cut(image, tf.concat([corner, size], 0))
    return tf.ensure_shape(cut, (*size, image.shape[-1]))


def _with_mirrored(views: tf.Tensor) -> tf.Tensor:
    return tf.concat([views, tf.reverse(views, [2])], axis=0)

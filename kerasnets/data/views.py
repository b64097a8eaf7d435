"""How an image is looked at in evaluation: once, in ten crops, in many, or whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from kerasnets.data import images
from kerasnets.data.augment import Augment
from kerasnets.data.loading import Loader, numbers
from kerasnets.data.sources.base import Split
from kerasnets.inputs import Preprocessing

# Szegedy et al. 2014, section 7: short sides for crops of 224.
SCALES_144 = (256, 288, 320, 352)


def ten_crops(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Corners and centre of the central square, and their mirror images.

    The square's side is `Preprocessing.resize_to`; 8/7 of the network's where that leaves no
    margin.

    Args:
        image: (H, W, C) uint8.
        preprocessing: Of the network.

    Returns:
        (10, *preprocessing.size, C) uint8.

    Source: Krizhevsky et al. 2012, section 4.1.
    """
    side = preprocessing.resize_to
    if side <= max(preprocessing.size):
        side = round(max(preprocessing.size) * 8 / 7)
    square = _square(image, side, "crop", preprocessing)
    return _with_mirrored(_five(square, side, preprocessing.size))


def crops_144(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Four sizes, three squares of each, six crops of each square, mirrored: 144.

    Args:
        image: (H, W, C) uint8.
        preprocessing: Of the network.

    Returns:
        (144, *preprocessing.size, C) uint8.

    Source: Szegedy et al. 2014, arXiv 1409.4842, section 7: sides of 256, 288, 320 and 352; left,
    centre and right squares (top, centre and bottom of upright images); of each the corners, the
    centre and the whole square at 224.
    """
    sides = tf.shape(image)[:2]
    short = tf.reduce_min(sides)
    found = []
    for place in range(3):
        corner = (sides - short) * place // 2
        square = images.cut(image, tf.concat([corner, [short, short]], 0))
        whole = _square(square, preprocessing.size[0], "stretch", preprocessing)
        for scale in SCALES_144:
            side = round(scale / 224 * min(preprocessing.size))
            resized = _square(square, side, "stretch", preprocessing)
            found += [*_five(resized, side, preprocessing.size), whole]
    return _with_mirrored(found)


VIEWS: dict[str, tuple[int, Callable[[tf.Tensor, Preprocessing], tf.Tensor]]] = {
    "10": (10, ten_crops),
    "144": (144, crops_144),
}


def _square(image: tf.Tensor, side: int, fit: str, preprocessing: Preprocessing) -> tf.Tensor:
    wanted = dataclasses.replace(preprocessing, size=(side, side), resize=side, fit=fit)
    return images.fit(image, wanted)


def _five(image: tf.Tensor, side: int, size: tuple[int, int]) -> list[tf.Tensor]:
    """The corners and the centre of a square."""
    down, right = side - size[0], side - size[1]
    corners = ((0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2))
    return [image[top : top + size[0], left : left + size[1]] for top, left in corners]


def _with_mirrored(crops: list[tf.Tensor]) -> tf.Tensor:
    found = tf.stack(crops)
    return tf.concat([found, tf.reverse(found, axis=(2,))], 0)


def view_batches(
    split: Split, preprocessing: Preprocessing, channels: int, *, crops: str, batch_size: int
) -> tf.data.Dataset:
    """Batches of views, (N, views, H, W, C) uint8, of each image once and in order.

    Args:
        split: What to evaluate on; not decoded ahead by `read`, which would leave no margins.
        preprocessing: Of the network.
        channels: Of the network.
        crops: A name of `VIEWS`.
        batch_size: Images at a time.
    """
    loader = Loader(split, preprocessing, channels, Augment())
    _, view = VIEWS[crops]

    def look(number: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
        return view(loader.whole(number, record), preprocessing)

    views = numbers(split, 0, 1).map(look, tf.data.AUTOTUNE)
    return views.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def whole_images(
    split: Split, preprocessing: Preprocessing, channels: int, *, scale: int
) -> tf.data.Dataset:
    """Each image once and in order, whole, with its mirror image: (2, H, W, C) uint8.

    Args:
        split: As for `view_batches`.
        preprocessing: Of the network: the interpolation.
        channels: Of the network.
        scale: Pixels that the short side is resized to.
    """
    loader = Loader(split, preprocessing, channels, Augment())

    def look(number: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
        image = loader.whole(number, record)
        before = tf.shape(image)[:2]
        factor = scale / tf.reduce_min(before)
        sides = tf.cast(tf.round(factor * tf.cast(before, factor.dtype)), tf.int32)
        resized = tf.image.resize(image, sides, preprocessing.interpolation, antialias=True)
        pixels = tf.cast(tf.round(tf.clip_by_value(tf.cast(resized, tf.float32), 0, 255)), tf.uint8)
        return _with_mirrored([tf.ensure_shape(pixels, (None, None, channels))])

    return numbers(split, 0, 1).map(look, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

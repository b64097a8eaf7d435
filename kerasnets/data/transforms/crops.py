"""Crops: which window of a photograph is decoded and resized to the network's size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kerasnets.lazy import tf

# Windows drawn before the crop falls back to the centre, as in torchvision.
TRIES = 10


@dataclass(frozen=True, kw_only=True)
class InceptionCrop:
    """A window of random area and aspect, stretched to the network's size.

    Attributes:
        area: Least and largest fraction of the image's area.
        aspect: Least and largest width over height, drawn uniformly in its logarithm.

    Source: Szegedy et al. 2014, arXiv 1409.4842, section 6: "evenly between 8 % and 100 % of the
    image area, with aspect ratio chosen randomly between 3/4 and 4/3". Windows that stick out
    are drawn again.
    """

    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    num_random = 2 * TRIES + 2

    def draws(self, random: tf.Tensor) -> tf.Tensor:
        """Heights and widths as fractions of the square root of the area; then the place."""
        areas, aspects, place = tf.split(random, (TRIES, TRIES, 2), axis=1)
        areas = self.area[0] + (self.area[1] - self.area[0]) * areas
        low, high = (math.log(value) for value in self.aspect)
        aspects = tf.exp(low + (high - low) * aspects)
        return tf.concat([tf.sqrt(areas / aspects), tf.sqrt(areas * aspects), place], axis=1)

    def windows(self, sides: tf.Tensor, size: tuple[int, int], draws: tf.Tensor) -> tf.Tensor:
        exact = tf.cast(sides, tf.float32)
        # The widest or highest window within the aspects, for images that no window fits into.
        last = tf.minimum(exact, exact[:, ::-1] * (1 / self.aspect[0], self.aspect[1]))
        root = tf.sqrt(tf.reduce_prod(exact, axis=1))
        drawn = tf.reshape(draws[:, :-2], (-1, 2, TRIES)) * root[:, tf.newaxis, tf.newaxis]
        candidates = tf.round(tf.concat([drawn, last[:, :, None]], axis=2))
        fits = tf.reduce_all(candidates <= exact[:, :, None], axis=1)
        chosen = tf.gather(candidates, tf.argmax(fits, axis=1), axis=2, batch_dims=1)
        return _place(sides, chosen, draws[:, -2:])


@dataclass(frozen=True, kw_only=True)
class ScaleJitterCrop:
    """The short side is resized to a random length, then the network's size is cut out at random.

    Only the window is decoded and resized; the result is that of resizing first, but for what
    lies outside the window.

    Attributes:
        shortest: Least length of the short side, in pixels, drawn uniformly.
        longest: Largest length of the short side.
        crop: Side of the paper's crop; networks of another size get short sides in proportion.

    Source: Krizhevsky et al. 2012, section 4.1 (256 and crops of 227); Simonyan, Zisserman 2014,
    arXiv 1409.1556, section 3.1 (256 to 512, 224); He et al. 2015, arXiv 1512.03385, section 3.4
    (256 to 480, 224).
    """

    shortest: int
    longest: int
    crop: int = 224
    num_random = 3

    def draws(self, random: tf.Tensor) -> tf.Tensor:
        """The lengths of the short side; then the place."""
        # Lengths are whole pixels, each as likely.
        length = self.shortest + tf.floor(random[:, :1] * (self.longest - self.shortest + 1))
        return tf.concat([length, random[:, 1:]], axis=1)

    def windows(self, sides: tf.Tensor, size: tuple[int, int], draws: tf.Tensor) -> tf.Tensor:
        short = draws[:, :1] * (min(size) / self.crop)
        scale = tf.cast(tf.reduce_min(sides, axis=1, keepdims=True), tf.float32) / short
        return _place(sides, tf.round(scale * tf.constant(size, tf.float32)), draws[:, 1:])


def _place(sides: tf.Tensor, wanted: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """Windows of the wanted heights and widths, float32, at random places inside the images."""
    window = tf.clip_by_value(tf.cast(wanted, tf.int32), 1, sides)
    room = sides - window
    # Rounding may make of the largest number below 1 one place too many.
    corner = tf.minimum(tf.cast(place * tf.cast(room + 1, tf.float32), tf.int32), room)
    return tf.concat([corner, window], axis=1)

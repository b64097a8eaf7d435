"""Crops: which window of a photograph is decoded and resized to the network's size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from kerasnets.lazy import tf

# Windows drawn before the crop falls back to the centre, as in torchvision.
TRIES = 10


@dataclass(frozen=True, kw_only=True)
class InceptionCrop:
    """A window of random area and aspect, stretched to the network's size.

    Attributes:
        area: Least and largest share of the image's area.
        aspect: Least and largest width over height, drawn uniformly in its logarithm.

    Source: Szegedy et al. 2014, arXiv 1409.4842, section 6: "evenly between 8 % and 100 % of the
    image area, with aspect ratio chosen randomly between 3/4 and 4/3". Windows that stick out
    are drawn again.
    """

    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    numbers: ClassVar[int] = 2 * TRIES + 2

    def window(self, sides: tf.Tensor, size: tuple[int, int], random: tf.Tensor) -> tf.Tensor:
        """Top, left, height and width of the window.

        Args:
            sides: (2,) int32, height and width of the image.
            size: Height and width that the network takes; not used.
            random: (numbers,) in [0, 1).
        """
        height, width = tf.unstack(tf.cast(sides, tf.float32))
        area = height * width * (self.area[0] + (self.area[1] - self.area[0]) * random[:TRIES])
        low, high = (math.log(value) for value in self.aspect)
        aspect = tf.exp(low + (high - low) * random[TRIES : 2 * TRIES])
        candidates = tf.round(tf.stack([tf.sqrt(area / aspect), tf.sqrt(area * aspect)], axis=1))
        fits = tf.reduce_all(candidates <= (height, width), axis=1)
        # The widest or highest window within the aspects, for images that no window fits into.
        last = tf.stack(
            [tf.minimum(height, width / self.aspect[0]), tf.minimum(width, height * self.aspect[1])]
        )
        first = tf.argmax(tf.cast(fits, tf.int32))
        chosen = tf.where(tf.reduce_any(fits), candidates[first], tf.round(last))
        return _place(sides, tf.cast(chosen, tf.int32), random[-2:])


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
    numbers: ClassVar[int] = 3

    def window(self, sides: tf.Tensor, size: tuple[int, int], random: tf.Tensor) -> tf.Tensor:
        """Top, left, height and width of the window.

        Args:
            sides: (2,) int32, height and width of the image.
            size: Height and width that the network takes.
            random: (numbers,) in [0, 1).
        """
        # Lengths are whole pixels, each as likely.
        length = self.shortest + tf.floor(random[0] * (self.longest - self.shortest + 1))
        short = length * (min(size) / self.crop)
        scale = tf.cast(tf.reduce_min(sides), tf.float32) / short
        wanted = tf.cast(tf.round(scale * tf.constant(size, tf.float32)), tf.int32)
        return _place(sides, wanted, random[1:])


def _place(sides: tf.Tensor, wanted: tf.Tensor, random: tf.Tensor) -> tf.Tensor:
    """A window of the wanted height and width at a random place inside the image."""
    window = tf.clip_by_value(wanted, 1, sides)
    room = tf.cast(sides - window + 1, tf.float32)
    corner = tf.cast(tf.floor(random * room), tf.int32)
    return tf.concat([tf.minimum(corner, sides - window), window], axis=0)

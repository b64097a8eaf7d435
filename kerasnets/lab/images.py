"""The images of a data set as arrays in memory, for networks that an experiment trains itself."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from kerasnets.lazy import keras

if TYPE_CHECKING:
    import numpy as np

    from kerasnets.data.sources.base import Split


class Images(NamedTuple):
    """Standardised images (N, H, W, C) float32 and their labels (N,) int32."""

    x: np.ndarray
    y: np.ndarray


class Sets(NamedTuple):
    """The images of a data set, for training and held out."""

    train: Images
    test: Images

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of an image."""
        _, height, width, channels = self.train.x.shape
        return height, width, channels

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.train.y.max()) + 1


# The cells of an experiment follow each other with the same images.
@functools.lru_cache(maxsize=1)
def load(data: str, *, side: int | None = None, each_class: int | None = None) -> Sets:
    """The images of a data set, with the mean and deviation of its training images taken out.

    Args:
        data: Name of a data set whose images have one size.
        side: Height and width that they are enlarged or reduced to; their own if not given.
        each_class: Of each class the first so many training images alone; all if not given.

    Raises:
        UserError: When its images have several sizes, or do not fit into memory.
    """
    import numpy as np

    from kerasnets import data as sources

    found = sources.load(data)
    train, test = found.splits["train"], found.splits["test"]
    if each_class is not None:
        labels = np.asarray(train.labels)
        kept = [np.flatnonzero(labels == label)[:each_class] for label in np.unique(labels)]
        train = train.take(np.sort(np.concatenate(kept)))
    train, test = (_pixels(each, found.image_shape) for each in (train, test))
    mean, deviation = train.x.mean((0, 1, 2)), train.x.std((0, 1, 2))
    sets = Sets(*(Images((each.x - mean) / deviation, each.y) for each in (train, test)))
    return Sets(*(_resized(each, side) for each in sets)) if side else sets


def _resized(images: Images, side: int) -> Images:
    resized = keras.ops.image.resize(images.x, (side, side), antialias=True)
    return Images(keras.ops.convert_to_numpy(resized), images.y)


def _pixels(split: Split, shape: tuple[int | None, ...]) -> Images:
    import numpy as np

    from kerasnets.data import Pixels
    from kerasnets.data.pipeline import read
    from kerasnets.errors import UserError
    from kerasnets.inputs import Preprocessing

    height, width, channels = shape
    if height is None or width is None or channels is None:
        raise UserError("This experiment takes a data set whose images all have one size.")
    if not isinstance(split.records, Pixels):
        # They have the size that they are fitted to, so they are decoded and nothing else.
        split = read(split, Preprocessing(size=(height, width)), channels)
    if not isinstance(split.records, Pixels):
        raise UserError("This experiment takes a data set whose images fit into memory.")
    return Images(split.records.values.astype("float32"), np.asarray(split.labels, "int32"))

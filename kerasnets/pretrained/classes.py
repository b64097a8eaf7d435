"""The names of ImageNet's classes, which files of weights do not hold."""

from __future__ import annotations

import json
import os

from kerasnets.files import read_text
from kerasnets.pretrained.download import download
from kerasnets.pretrained.sources import is_of_imagenet

# Of keras.applications, with the checksum that it has there.
NAMES = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
CHECKSUM = "md5:c2c37ea517e94d9795004a39431a14cb"
CLASSES = 1000


def imagenet_classes() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes, by label, of the file of keras.applications.

    It is downloaded once. Two names, crane and maillot, are of two classes each; these have the
    number of WordNet behind the name.

    Raises:
        UserError: When the file cannot be had.
    """
    rows = json.loads(read_text(download(NAMES, CHECKSUM)))
    numbers, names = zip(*(rows[str(label)] for label in range(len(rows))), strict=True)
    return tuple(
        name.replace("_", " ") + (f" ({number})" if names.count(name) > 1 else "")
        for number, name in zip(numbers, names, strict=True)
    )


def class_names(network: str, weights: str | os.PathLike, classes: int) -> tuple[str, ...] | None:
    """The names of a network's classes, where its weights are published ones from ImageNet.

    Args:
        network: The name of the network.
        weights: As `kerasnets.build` takes them.
        classes: How many it has.

    Returns:
        The names; ``None`` where they are not known.

    Raises:
        UserError: When the file of names cannot be had.
    """
    known = classes == CLASSES and is_of_imagenet(network, weights)
    return imagenet_classes() if known else None

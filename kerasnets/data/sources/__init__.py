"""Data sets by one word: ``digits``, a TFDS name, ``folder:PATH`` and others, see `load`."""

from __future__ import annotations

import os

from kerasnets.data.sources.arrays import digits, from_arrays
from kerasnets.data.sources.base import SPLIT_FOLDERS, Dataset, ShardedSplit, Split
from kerasnets.data.sources.folders import folder
from kerasnets.data.sources.holding_out import with_validation
from kerasnets.data.sources.hugging_face import hugging_face
from kerasnets.data.sources.manifests import manifest
from kerasnets.data.sources.records import records
from kerasnets.data.sources.tfds import tfds
from kerasnets.data.sources.unlabelled import without_unlabelled
from kerasnets.errors import UserError

__all__ = ["SPLIT_FOLDERS", "Dataset", "ShardedSplit", "Split", "from_arrays", "load"]

EXPECTED = (
    "digits, a TFDS name such as mnist, tfds:NAME, folder:PATH, manifest:FILE, records:PATH or "
    "hf:NAME"
)


def load(
    source: str,
    *,
    data_dir: str | os.PathLike | None = None,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.0,
) -> Dataset:
    """Loads a data set by one word.

    Args:
        source: ``"digits"`` (inside scikit-learn, no download); ``"folder:PATH"`` with
            ``PATH/{train,val|validation|test}/CLASS/*`` or ``PATH/CLASS/*``; ``"tfds:NAME"`` or
            just the name of a TFDS data set, such as ``"mnist"``; ``"manifest:FILE"``, CSV or
            JSON lines of path, label and split; ``"records:PATH"``, what `write_tfrecords` wrote;
            ``"hf:NAME"`` with the library `datasets`. Paths may begin with ``gs://``.
        data_dir: Where TFDS keeps its data; its own default otherwise.
        test_fraction: Share of the images that is held out where a source has no splits, in
            (0, 1).
        validation_fraction: Share of the training images that becomes ``validation`` where the
            source has none, in [0, 1).

    Raises:
        UserError: When there is no such source, or it holds nothing to learn from.
    """
    for name, value in (
        ("test_fraction", test_fraction),
        ("validation_fraction", validation_fraction),
    ):
        if not 0 <= value < 1:
            raise UserError(f"{name} must be in [0, 1). Received: {value}.")
    kind, _, rest = source.partition(":")
    if source == "digits":
        dataset = digits()
    elif kind == "folder":
        dataset = folder(source, rest, test_fraction)
    elif kind == "manifest":
        dataset = manifest(source, rest, test_fraction)
    elif kind == "records":
        dataset = records(source, rest)
    elif kind == "hf" and rest:
        dataset = hugging_face(rest, test_fraction)
    elif kind == "tfds" and rest:
        dataset = tfds(rest, data_dir)
    elif rest or os.sep in source or not source:
        raise UserError(f"Unknown data set {source!r}. Expected {EXPECTED}.")
    else:
        dataset = tfds(source, data_dir)
    return with_validation(without_unlabelled(dataset), validation_fraction)

import dataclasses

import numpy as np

from kerasnets.data.sources import ShardedSplit
from kerasnets.training.batches import validation_batches
from kerasnets.training.distribution import Place


def test_validation_takes_as_many_steps_as_the_worker_with_most(short_run):
    """Files are divided whole: here the first of two workers has nearly all images."""
    files, counts = ("a", "b"), (600, 10)
    labels = np.zeros(610, np.int32)
    split = ShardedSplit(np.arange(610), labels, "shards", files=files, counts=counts)
    split = dataclasses.replace(split, encoded=lambda record: record)
    _, steps = validation_batches(short_run, split, Place(workers=2), 250)
    # 125 images of each worker at a time.
    assert steps == 5

import numpy as np

from kerasnets.data.records import Shards
from kerasnets.data.sources.base import Split
from kerasnets.training.batches import validation_batches
from kerasnets.training.distribution import Placement


def test_validation_takes_as_many_steps_as_the_worker_with_most(short_run):
    """Each worker gets complete files: here the first of two workers has nearly all images."""
    shards = Shards(np.arange(610), ("a", "b"), (600, 10), encoded=lambda record: record)
    split = Split(shards, np.zeros(610, np.int32))
    _, steps = validation_batches(short_run, split, Placement(workers=2), 250)
    # 125 images of each worker at a time.
    assert steps == 5

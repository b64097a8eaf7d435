import numpy as np
import pytest

from kerasnets import UserError
from kerasnets.data.records import Shards
from kerasnets.data.sources.base import Split
from kerasnets.training.batches import validation_batches
from kerasnets.training.distribution import Placement
from kerasnets.training.preparation import steps_of


def test_validation_takes_as_many_steps_as_the_worker_with_most(short_run):
    """Each worker gets complete files: here the first of two workers has nearly all images."""
    shards = Shards(np.arange(610), ("a", "b"), (600, 10), encoded=lambda record: record)
    split = Split(shards, np.zeros(610, np.int32))
    _, steps = validation_batches(short_run, split, Placement(workers=2), 250)
    # 125 images of each worker at a time.
    assert steps == 5


def test_an_epoch_takes_as_many_steps_as_the_worker_with_least(short_run):
    """Of three files with 100 images each, the second of two workers gets one."""
    shards = Shards(np.arange(300), ("a", "b", "c"), (100, 100, 100), encoded=lambda record: record)
    split = Split(shards, np.zeros(300, np.int32))
    batch = short_run.recipe.batch_size
    assert steps_of(short_run, split, Placement()) == 300 // batch
    assert steps_of(short_run, split, Placement(workers=2)) == 100 // (batch // 2)
    few = Split(
        Shards(np.arange(30), ("a", "b"), (28, 2), encoded=shards.encoded), split.labels[:30]
    )
    with pytest.raises(UserError, match="for each of 2 workers"):
        steps_of(short_run, few, Placement(workers=2))

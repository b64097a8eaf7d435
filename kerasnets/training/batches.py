"""The batches of a run, divided among its devices."""

from __future__ import annotations

import math

import tensorflow as tf

from kerasnets.data import training_batches
from kerasnets.data.pipeline import evaluation_batches
from kerasnets.data.sources import Split
from kerasnets.runs.run import Run
from kerasnets.training.distribution import Placement

Batches = tf.data.Dataset | tf.distribute.DistributedDataset


def batches_from(run: Run, split: Split, where: Placement, step: int) -> Batches:
    """Training batches without end, from a step on."""

    def make(shard: tuple[int, int], batch_size: int) -> tf.data.Dataset:
        return training_batches(
            split,
            run.preprocessing,
            run.input_shape[-1],
            batch_size=batch_size,
            augment=run.recipe.augmentation,
            classes=len(run.class_names),
            seed=run.config.seed,
            first_step=step,
            shard=shard,
        )

    return where.batches(make, run.recipe.batch_size)


def validation_batches(
    run: Run, split: Split, where: Placement, batch_size: int
) -> tuple[Batches, int]:
    """Batches with each validation image once, and the number of steps they take.

    Args:
        run: The run.
        split: Its validation split.
        where: Its devices.
        batch_size: Images at a time, on all devices together; it does not change the figures.
    """

    def make(shard: tuple[int, int], batch_size: int) -> tf.data.Dataset:
        return evaluation_batches(
            split, run.preprocessing, run.input_shape[-1], batch_size=batch_size, shard=shard
        )

    # Workers differ where files are divided as they are: all take the steps of the one with most.
    most = max(split.parts(where.workers))
    return where.batches(make, batch_size), math.ceil(most / (batch_size // where.workers))

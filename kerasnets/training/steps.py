"""Some steps of a training, of which nothing is kept, to see what the loss does."""

from __future__ import annotations

import logging
import math
import pathlib
import tempfile

import keras

from kerasnets.config.training import TrainConfig
from kerasnets.data.bad_images import naming_bad_images
from kerasnets.errors import UserError
from kerasnets.runs.run import Run, load_data
from kerasnets.training.batches import batches_from
from kerasnets.training.callbacks import Callback, Logs
from kerasnets.training.distribution import check, placement
from kerasnets.training.networks import starting_network
from kerasnets.training.preparation import (
    read_splits,
    start_standardized,
    steps_of,
    training_model,
)
from kerasnets.training.process import repeatable, seeded
from kerasnets.training.targets import Units

log = logging.getLogger("kerasnets")


class StepLosses(Callback):
    """Notes the loss of each step, to the end or to where it is not finite.

    Attributes:
        losses: Of the steps that were made.
        finite: Whether each step had a finite one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []
        self.finite = True

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        # The loss is an average from the last reset on.
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        loss = float(keras.ops.convert_to_numpy(logs["loss"]))
        self.finite = math.isfinite(loss)
        if self.finite:
            self.losses.append(loss)
        else:
            self.model.stop_training = True


def train_steps(config: TrainConfig, steps: int, watch: StepLosses) -> None:
    """Trains a network for some steps on its training images, and forgets it.

    Args:
        config: What to train, with its recipe, whose schedule takes these steps for an epoch.
        steps: Steps, unless `watch` stops the training before.
        watch: Sees each step.

    Raises:
        UserError: When the configuration does not work.
    """
    where = placement(config)
    check(config, where)
    if where.workers > 1:
        raise UserError("The test of a few steps takes one machine.")
    with tempfile.TemporaryDirectory() as scratch, seeded(config.seed):
        dataset = load_data(config)
        run = Run(pathlib.Path(scratch), config, dataset.class_names)
        with where.scope():
            network = starting_network(config, len(dataset.class_names))
        log.info("%s on %s", config.model, dataset.describe())
        train = dataset.with_splits({"train": dataset.split("train")})
        splits, _ = read_splits(run, network.input_shape[-1], train)
        split, units = splits["train"], Units.of(run.task, splits["train"])
        if units is not None:
            split = units.standardized(split)
            start_standardized(run, network, units)
        steps_of(run, split, where)
        model = training_model(run, network, split, where, steps)
        with naming_bad_images([split], network.input_shape[-1]), repeatable():
            model.fit(
                batches_from(run, split, where, 0),
                steps_per_epoch=steps,
                callbacks=[watch],
                verbose=0,  # pyright: ignore[reportArgumentType]
                shuffle=False,
            )

"""What a training starts from: its images, and the model that learns them."""

from __future__ import annotations

import pathlib

import keras
import numpy as np

from kerasnets.config.class_weights import by_label
from kerasnets.config.training import TrainConfig
from kerasnets.data.bad_images import BAD_IMAGES, BadImage, read_list, without_bad_images
from kerasnets.data.balance import balanced_weights, oversampled
from kerasnets.data.pipeline import read, steps_per_epoch
from kerasnets.data.sources import Dataset, Split
from kerasnets.fast.rewriting import classifying_layer
from kerasnets.runs.run import CONFIG, Run
from kerasnets.training.distillation import distillation
from kerasnets.training.distribution import Placement
from kerasnets.training.model import TrainingModel
from kerasnets.training.targets import Units, from_units


def read_splits(
    run: Run, channels: int, dataset: Dataset
) -> tuple[dict[str, Split], list[BadImage]]:
    """The splits that a run needs, decoded where that helps, and the images left out.

    Raises:
        UserError: When an image cannot be read, or too many where the run leaves them out.
    """
    splits, bad = dict(dataset.splits), []
    if run.config.bad_images == "skip":
        known = read_list(run.folder / BAD_IMAGES)
        splits["train"], bad = without_bad_images(splits["train"], channels, known)
    augment = {"train": run.recipe.augmentation}
    # The run's folder is not made yet where the run is new; its disk is what counts.
    scratch = next(path for path in (run.folder, *run.folder.absolute().parents) if path.is_dir())

    def cached(name: str) -> Split:
        how = augment.get(name, "none")
        return read(splits[name], run.preprocessing, channels, how, name=name, scratch=scratch)

    found = {name: cached(name) for name in splits}
    # Behind the cache, which keeps each image once.
    found["train"] = oversampled(found["train"], run.recipe.oversample)
    return found, bad


def steps_of(run: Run, split: Split, where: Placement) -> int:
    """The steps of an epoch, which all workers make together.

    Raises:
        UserError: When a worker has fewer images than its part of a batch takes.
    """
    return steps_per_epoch(split, run.recipe.batch_size // where.workers, where.workers)


def class_weights(
    config: TrainConfig, split: Split, class_names: tuple[str, ...]
) -> tuple[float, ...]:
    """The weight of each class in the loss, by label; none where all are alike.

    Args:
        config: Configuration of the run.
        split: The training images, as often as an epoch has them.
        class_names: By label.

    Raises:
        UserError: When the configuration names other classes, or a class has no images.
    """
    if config.class_weights is None:
        return ()
    if config.class_weights == "balanced":
        return by_label(balanced_weights(split.labels, class_names), class_names)
    return by_label(config.class_weights, class_names)


def start_standardized(run: Run, network: keras.Model, units: Units) -> None:
    """Fits the head that an earlier run of numbers gave the network to standardized ones.

    That run's weights answer in its units. A head for other numbers starts anew.
    """
    source = run.config.weights or run.config.init_from
    if source is None or str(source).startswith("hf:"):
        return
    folder = pathlib.Path(source)
    folder = folder if folder.is_dir() else folder.parent
    if not (folder / CONFIG).is_file() or (earlier := Run.load(folder)).task != run.task:
        return
    if earlier.class_names == run.class_names:
        from_units(network, units)
    else:
        head = classifying_layer(network)
        kernel, bias = head.get_weights()
        head.set_weights([head.kernel_initializer(kernel.shape), np.zeros_like(bias)])


def training_model(
    run: Run, network: keras.Model, split: Split, where: Placement, steps: int
) -> TrainingModel:
    """What `fit` trains: the network with the losses, metrics and optimizer of the run.

    Args:
        run: The run.
        network: Its network, made within `where`.
        split: The training images, as often as an epoch has them.
        where: The devices.
        steps: Of an epoch, which the schedule goes by.
    """
    config = run.config
    with where.scope():
        teacher = distillation(config)
    return where.training_model(
        network,
        run.preprocessing,
        run.recipe,
        steps,
        synchronize=config.sync_batch_norm,
        fast=config.fast,
        task=run.task,
        distillation=teacher,
        class_weights=class_weights(config, split, run.class_names),
    )

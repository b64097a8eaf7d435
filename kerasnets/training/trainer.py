"""Training a network by `model.fit`, from a configuration to a finished run folder."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import math
import os
import pathlib
import zlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from kerasnets.cards import run_readme
from kerasnets.config.training import TrainConfig
from kerasnets.data.bad_images import BAD_IMAGES, naming_bad_images, write_list
from kerasnets.data.sources import Dataset, Split
from kerasnets.errors import UserError
from kerasnets.evaluation.evaluator import logits_of_split
from kerasnets.evaluation.tasks import EVALUATIONS, evaluate_task, write_report
from kerasnets.files import check_writable
from kerasnets.inspection.memory import batch_within
from kerasnets.lazy import check_backend
from kerasnets.registry import info
from kerasnets.reports.page import REPORT, save_page
from kerasnets.reports.pictures import Material
from kerasnets.runs.environment import record_environment
from kerasnets.runs.folder import (
    clear,
    create,
    earlier_run,
    in_use,
    record_extension,
    run_folder,
)
from kerasnets.runs.history import read_history, save_curves
from kerasnets.runs.run import EXTENSIONS, Run, chosen_recipe, load_data
from kerasnets.training import checkpoints
from kerasnets.training.batches import batches_from, validation_batches
from kerasnets.training.callbacks import FiniteLoss, History, KeepBest, ProgressBar, SaveCheckpoints
from kerasnets.training.distillation import check_teacher
from kerasnets.training.distribution import Placement, check, placement
from kerasnets.training.networks import starting_network
from kerasnets.training.preparation import (
    class_weights,
    read_splits,
    start_standardized,
    steps_of,
    training_model,
)
from kerasnets.training.process import logging_to, repeatable, seeded
from kerasnets.training.targets import Units, in_units
from kerasnets.training.trackers import Wandb, check_trackers, trackers
from kerasnets.training.validation import (
    MeasureAverages,
    WatchValidation,
    check_validation,
    has_stopped,
)
from kerasnets.weights import save_weights

log = logging.getLogger("kerasnets")

# Multiply-adds of the steps that are started at once: some hundredths of a second on a CPU.
TOGETHER = 2e9


def train(
    config: TrainConfig,
    *,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Trains, evaluates on the held-out split and draws the pictures.

    The caller's random streams go on afterwards as if nothing had been drawn.

    Args:
        config: What to train; see `TrainConfig`.
        resume: Go on where the run in ``config.out`` stopped (the latest run of this network and
            data where there is no ``out``) instead of starting a new one. Where the recipe has
            another number of epochs, the run is extended: its schedule is that of the new number,
            from the step that the run has reached. Its results stay until the extension has ended.
        callbacks: What else happens beside the steps; each epoch is saved before they hear of it.

    Returns:
        The finished run.

    Raises:
        UserError: When the configuration does not work; nothing was trained then.
        Interrupted: After Ctrl-C or SIGTERM; the state is saved.
    """
    check_backend("tensorflow")
    if config.folds is not None and config.fold is None:
        raise UserError("folds is for kerasnets.training.cross_validate, which trains each fold.")
    config = config.resolved()
    where = placement(config)
    check(config, where)
    check_trackers(config)
    chosen_recipe(config).augmentation.check()
    numbered = config.out is None and not resume
    folder = run_folder(config, resume)
    config = dataclasses.replace(config, out=folder)
    if where.chief:
        check_writable(folder)
    # The next number is nobody's; a run that is there by now is another one.
    earlier = (
        None if numbered else earlier_run(folder, config, resume=resume, restarted=where.in_cluster)
    )
    if earlier is not None:
        config = dataclasses.replace(config, extensions=earlier.config.extensions)
    # What appears there later is of another run that begins.
    leftovers = not numbered and earlier is None and folder.exists() and any(folder.iterdir())
    with contextlib.ExitStack() as stack:
        if where.chief and earlier is not None:
            stack.enter_context(in_use(folder))
            checkpoints.check_run(folder / "checkpoints")
        stack.enter_context(seeded(config.seed))
        dataset = _load(config, earlier)
        run = Run(folder, config, dataset.class_names)
        with where.scope():
            network = starting_network(config, len(dataset.class_names))
        log.info("%s on %s", config.model, dataset.describe())
        for each in dataset.left_out:
            log.info("%s", each)
        if dataset.held_out == "validation":
            log.info("no test: the results at the end are of validation, which is watched before")
        splits, bad = read_splits(run, network.input_shape[-1], dataset)
        # Refuses a batch larger than the images before anything is written.
        steps_of(run, splits["train"], where)
        # Nobody writes before all have looked at the folder.
        where.agree(
            earlier is not None, f"whether there is a run in {str(folder)!r}; all must share it"
        )
        if where.chief and earlier is None:
            if leftovers:
                clear(folder)
            run = create(run, dataset.sizes, numbered=numbered)
            stack.enter_context(in_use(run.folder))
        if where.chief:
            stack.enter_context(logging_to(run.folder / "train.log"))
            if earlier is not None:
                record_extension(earlier)
            if bad:
                write_list(run.folder / BAD_IMAGES, bad)
                log.info("%d images cannot be read and are left out, see %s", len(bad), BAD_IMAGES)
        _finish(run, network, splits, dataset, where, callbacks)
    return run


def _load(config: TrainConfig, earlier: Run | None) -> Dataset:
    """The data set of a run, which has all the splits that the run needs."""
    dataset = load_data(config)
    for name in ("train", dataset.held_out):
        dataset.split(name)
    if earlier is not None:
        earlier.check_data(dataset)
    check_validation(chosen_recipe(config), dataset.splits)
    class_weights(config, dataset.splits["train"], dataset.class_names)
    if config.teacher is not None:
        run = Run(pathlib.Path(), config, dataset.class_names)
        check_teacher(config.teacher, dataset.class_names, run.input_shape[-1])
    return dataset


@contextlib.contextmanager
def _telling_full_disk(folder: pathlib.Path) -> Iterator[None]:
    """TensorFlow's own error about a full disk, as it is of all other files."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        reason = os.strerror(errno.ENOSPC)
        if reason not in error.message:
            raise
        raise OSError(errno.ENOSPC, reason, str(folder)) from error


def _finish(
    run: Run,
    network: keras.Model,
    splits: dict[str, Split],
    dataset: Dataset,
    where: Placement,
    more: Sequence[keras.callbacks.Callback],
) -> None:
    """Trains the network to the last epoch, measures it and writes what the run found."""
    if not run.finished:
        if where.chief:
            devices = tf.config.list_physical_devices("GPU")
            record_environment(run.folder, [device.name for device in devices])
        naming = naming_bad_images(splits.values(), network.input_shape[-1])
        with _telling_full_disk(run.folder), naming:
            _fit(run, network, splits, where, more)
    if where.chief:
        # Built anew: without auxiliary classifiers, and computing in float32.
        _report(run, run.network(), splits, dataset)
    with where.together():
        # A worker that ends takes the others with it, so all wait for the chief.
        where.agree(0, "")


def _fit(
    run: Run,
    network: keras.Model,
    splits: dict[str, Split],
    where: Placement,
    more: Sequence[keras.callbacks.Callback],
) -> None:
    """Trains from the last checkpoint, or from the beginning, to the last epoch."""
    config, recipe = run.config, run.recipe
    units = Units.of(run.task, splits["train"])
    if units is not None:
        splits = {name: units.standardized(split) for name, split in splits.items()}
        start_standardized(run, network, units)
    steps = steps_of(run, splits["train"], where)
    model = training_model(run, network, splits["train"], where, steps)
    step = checkpoints.restore(run.folder / "checkpoints", model, per_epoch=steps)
    where.agree(step, f"the step to go on from; all must share {str(run.folder)!r}")
    if step:
        log.info("going on from step %d", step)
    callbacks, history = _callbacks(run, splits, where, step, steps, units)
    validation, validation_steps = None, None
    if "validation" in splits:
        batch = batch_within(network, replicas=where.replicas)
        validation, validation_steps = validation_batches(run, splits["validation"], where, batch)
    epoch, done = divmod(step, steps)
    if has_stopped(recipe, history.measured, config.extended_after):
        epoch = recipe.epochs
    with _quiet_ends(callbacks), where.together(), repeatable():
        while epoch < recipe.epochs and not model.stop_training:
            # An epoch that was begun is a fit of its own, shorter than the others.
            last = epoch + 1 if done else recipe.epochs
            together = _steps_together(run, where, steps - done)
            starts = model.start_together(together, steps - done)
            if not done:
                # They hold the totals of the validation, or of the last epoch.
                model.reset_metrics()
            model.fit(
                batches_from(run, splits["train"], where, epoch * steps + done),
                initial_epoch=epoch,
                epochs=last,
                steps_per_epoch=starts,
                callbacks=[*callbacks, *more],
                validation_data=validation,
                validation_steps=validation_steps,
                # Keras' default, "auto", hides from type checkers that it takes numbers.
                verbose=0,  # pyright: ignore[reportArgumentType]
                shuffle=False,
            )
            epoch, done = last, 0
    model.use_averages()
    _check_weights(network, where)
    if where.chief:
        with in_units(network, units):
            save_weights(network, run.weights_path, {EXTENSIONS: str(len(config.extensions))})


def _steps_together(run: Run, where: Placement, steps: int) -> int:
    """How many of an epoch's steps are started at once; nothing is saved or shown between them."""
    config, facts = run.config, info(run.config.model)
    if where.strategy is not None or config.save_steps is not None:
        return 1
    larger = math.prod(run.input_shape[:2]) / math.prod(facts.input_shape[:2])
    # Backwards costs twice as much as forwards.
    step = 3 * facts.multiply_adds * larger * run.recipe.batch_size
    # The speed is measured from the second start on.
    return max(1, min(int(TOGETHER // step), steps // 10))


def _check_weights(network: keras.Model, where: Placement) -> None:
    """Makes sure that all workers have learned the same."""
    if where.workers > 1:
        checksum = 0
        for weight in network.weights:
            values = np.ascontiguousarray(weight.value.numpy())
            checksum = zlib.crc32(values.tobytes(), checksum)
        where.agree(checksum, "their weights (CRC-32)")
        log.info("all %d workers have the same weights, CRC-32 %08x", where.workers, checksum)


def _callbacks(
    run: Run,
    splits: dict[str, Split],
    where: Placement,
    step: int,
    steps: int,
    units: Units | None,
) -> tuple[list[keras.callbacks.Callback], History]:
    """What happens beside the steps. Only the chief shows and writes; the order matters."""
    config, recipe = run.config, run.recipe
    measure = run.task.measure
    history = History(run.folder / "history.csv", step // steps, measure=measure, write=where.chief)
    loss = FiniteLoss(run.folder / "checkpoints", step)
    guard = SaveCheckpoints(
        loss,
        minutes=config.save_minutes,
        steps=config.save_steps,
        per_epoch=steps,
        write=where.chief,
        shared=where.workers > 1,
    )
    best = max(history.measured, default=-math.inf)
    keep = KeepBest(run.folder / "best.safetensors", best, units=units, write=where.chief)
    watch = WatchValidation(recipe, history.measured, config.extended_after)
    common = [MeasureAverages(), loss, history, watch, keep]
    if not where.chief:
        return [*common, guard], history
    progress = ProgressBar(recipe.batch_size, steps, recipe.epochs)
    images, _ = next(iter(batches_from(run, splits["train"], Placement(), 0)))
    # The epoch's checkpoint comes last: what it holds must be in the other files already.
    return [progress, *common, *trackers(run, images), guard], history


@contextlib.contextmanager
def _quiet_ends(callbacks: list[keras.callbacks.Callback]) -> Iterator[None]:
    """Ends what callbacks hold, the bar, the signals, however the training ends."""
    try:
        yield
    finally:
        for callback in callbacks:
            if isinstance(callback, (ProgressBar, SaveCheckpoints, Wandb)):
                callback.close()


def _take_thresholds(run: Run, network: keras.Model, splits: dict[str, Split]) -> None:
    """Writes the thresholds that are best on the validation, where the task has any."""
    thresholds, validation = EVALUATIONS[run.task.name].thresholds, splits.get("validation")
    if thresholds is None:
        return
    if validation is None:
        log.info("there is no validation split: classes are answered from a probability of 0.5 on")
        return
    logits = logits_of_split(network, validation, run.preprocessing, name="validation")
    run.write_thresholds(thresholds(logits, validation.labels))


def _report(run: Run, network: keras.Model, splits: dict[str, Split], dataset: Dataset) -> None:
    """Measures the finished network and writes the figures and the pictures of the run."""
    _take_thresholds(run, network, splits)
    name, channels, seen = dataset.held_out, network.input_shape[-1], run.preprocessing
    split = splits[name]
    metrics = evaluate_task(run.task, network, split, seen, name=name, thresholds=run.thresholds)
    write_report(run.task, run.folder, metrics, run.class_names, split, seen, channels)
    rows = read_history(run.folder / "history.csv")
    if rows:
        title = f"{run.config.model} on {run.config.data}: {metrics}"
        extended = [each.after for each in run.config.extensions]
        save_curves(run.folder / "curves.png", {run.folder.name: rows}, title, extended)
    log.info("%s", metrics)
    run_readme(run)
    save_page(run.folder / REPORT, [run], Material(network, dataset))

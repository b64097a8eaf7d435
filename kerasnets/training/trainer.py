"""Training a network by `model.fit`, from a configuration to a finished run folder."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import pathlib
import zlib
from collections.abc import Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from kerasnets.config.training import TrainConfig, differences
from kerasnets.data import training_batches
from kerasnets.data.bad_images import (
    BadImage,
    naming_bad_images,
    read_list,
    without_bad_images,
    write_list,
)
from kerasnets.data.pipeline import evaluation_batches, read, steps_per_epoch
from kerasnets.data.sources import Dataset, Split
from kerasnets.errors import UserError
from kerasnets.evaluation import plots
from kerasnets.evaluation.evaluator import evaluate
from kerasnets.evaluation.report import write_report
from kerasnets.files import check_writable
from kerasnets.registry import info
from kerasnets.runs.run import (
    FolderTakenError,
    Run,
    clear,
    is_free,
    load_data,
    run_folder,
)
from kerasnets.training import checkpoints
from kerasnets.training.callbacks import (
    FiniteLoss,
    Guard,
    History,
    KeepBest,
    ProgressBar,
    read_history,
)
from kerasnets.training.distribution import Place, check, place
from kerasnets.training.trackers import check_trackers, trackers
from kerasnets.training.validation import (
    MeasureAverages,
    WatchValidation,
    check_validation,
    has_stopped,
)
from kerasnets.weights import save_weights

log = logging.getLogger("kerasnets")

# The list of images left out, in the run folder.
BAD_IMAGES = "bad_images.csv"
# Multiply-adds of the steps that are started at once: some hundredths of a second on a CPU.
TOGETHER = 2e9
# Images at a time; it does not change the figures.
EVALUATION_BATCH = 250


def train(config: TrainConfig, *, resume: bool = False) -> Run:
    """Trains, evaluates on the held-out split and draws the pictures.

    Args:
        config: What to train; see `TrainConfig`.
        resume: Go on where the run in ``config.out`` stopped (the latest run of this network and
            data where there is no ``out``) instead of starting a new one.

    Returns:
        The run; its folder holds everything.

    Raises:
        UserError: When the configuration does not work; nothing was trained then.
        Interrupted: After Ctrl-C or SIGTERM; the state is saved.
    """
    config = config.resolved()
    where = place(config)
    check(config, where)
    check_trackers(config)
    numbered = config.out is None and not resume
    folder = run_folder(config, resume)
    config = dataclasses.replace(config, out=folder)
    if where.chief:
        check_writable(folder)
    # The next number is nobody's; a folder of it that is there by now is another run's.
    earlier = None if numbered else _check_folder(folder, config, resume, where.in_cluster)
    # What is there later is of another run that begins.
    was_left = not numbered and earlier is None and folder.exists() and any(folder.iterdir())
    keras.utils.set_random_seed(config.seed)
    dataset = load_data(config)
    # The one that nothing works without.
    dataset.split("train")
    held_out = dataset.held_out
    if earlier is not None:
        earlier.check_data(dataset)
    check_validation(config.recipe, dataset.splits)
    run = Run(folder, config, dataset.class_names)
    with where.scope():
        network = run.network(trained=False)
    channels = network.input_shape[-1]
    log.info("%s on %s", config.model, dataset.describe())
    splits, bad = _read_splits(run, channels, dataset)
    steps_per_epoch(splits["train"], config.recipe.batch_size)
    # Nobody writes before all have looked at the folder.
    where.agree(
        earlier is not None, f"whether there is a run in {str(folder)!r}; all must share it"
    )
    if where.chief and earlier is None:
        if was_left:
            clear(folder)
        run = _create(run, dataset.sizes, numbered=numbered)
    with _logging_to(run.folder / "train.log") if where.chief else contextlib.nullcontext():
        if where.chief and bad:
            write_list(run.folder / BAD_IMAGES, bad)
            log.info("%d images cannot be read and are left out, see %s", len(bad), BAD_IMAGES)
        if not run.finished:
            with naming_bad_images(splits.values(), channels):
                _fit(run, network, splits, where)
        if where.chief:
            # The finished network has no side classifiers and computes in float32.
            _report(run, run.network(), splits[held_out], held_out)
        with where.together():
            # A worker that ends takes the others with it, so all wait for the chief.
            where.agree(0, "")
    return run


def _check_folder(
    folder: pathlib.Path, config: TrainConfig, resume: bool, in_cluster: bool
) -> Run | None:
    """The earlier run of a folder that is resumed; ``None`` for a folder that is free.

    Workers go on without being told: a cluster restarts them with the same command.
    """
    if not (folder / "config.json").exists():
        if resume:
            raise UserError(f"There is no run in {str(folder)!r} to resume.")
        if not is_free(folder):
            raise UserError(
                f"{str(folder)!r} is no run folder and not empty; choose another --out."
            )
        return None
    earlier = Run.load(folder)
    changed = differences(earlier.config, config)
    if changed:
        raise UserError(
            f"{str(folder)!r} holds a run of another configuration; it differs in "
            f"{', '.join(changed)}. Choose another --out."
        )
    if not resume and not in_cluster:
        raise UserError(
            f"{str(folder)!r} holds this run already; add --resume to go on, or choose another "
            "--out."
        )
    return earlier


def _create(run: Run, sizes: Mapping[str, int], *, numbered: bool) -> Run:
    """Begins a new run, under the next number where another run took its numbered folder."""
    while True:
        try:
            return Run.create(run.folder, run.config, run.class_names, sizes)
        except FolderTakenError:
            if not numbered:
                raise
        folder = run_folder(dataclasses.replace(run.config, out=None), resume=False)
        config = dataclasses.replace(run.config, out=folder)
        run = dataclasses.replace(run, folder=folder, config=config)


def _read_splits(
    run: Run, channels: int, dataset: Dataset
) -> tuple[dict[str, Split], list[BadImage]]:
    """The splits that a run needs, decoded where that helps, and the images left out."""
    splits, bad = dict(dataset.splits), []
    if run.config.bad_images == "skip":
        known = read_list(run.folder / BAD_IMAGES)
        splits["train"], bad = without_bad_images(splits["train"], channels, known)
    augment = {"train": run.config.recipe.augmentation}
    # The run's folder is not made yet where the run is new; its disk is what counts.
    scratch = next(path for path in (run.folder, *run.folder.absolute().parents) if path.is_dir())

    def cached(name: str) -> Split:
        how = augment.get(name, "none")
        return read(splits[name], run.preprocessing, channels, how, name=name, scratch=scratch)

    return {name: cached(name) for name in splits}, bad


def _fit(run: Run, network: keras.Model, splits: dict[str, Split], where: Place) -> None:
    """Trains from the last checkpoint, or from the beginning, to the last epoch."""
    config, recipe = run.config, run.config.recipe
    steps = steps_per_epoch(splits["train"], recipe.batch_size)
    model = where.trainee(
        network,
        run.preprocessing,
        recipe,
        steps,
        synchronize=config.sync_batch_norm,
        fast=config.fast,
    )
    step = checkpoints.restore(run.folder / "checkpoints", model)
    where.agree(step, f"the step to go on from; all must share {str(run.folder)!r}")
    if step:
        log.info("going on from step %d", step)
    callbacks, history = _callbacks(run, splits, where, step, steps)
    validation, validation_steps = _validation_batches(run, splits, where)
    epoch, done = divmod(step, steps)
    if has_stopped(recipe, history.accuracies):
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
                _training_batches(run, splits["train"], where, epoch * steps + done),
                initial_epoch=epoch,
                epochs=last,
                steps_per_epoch=starts,
                callbacks=callbacks,
                validation_data=validation,
                validation_steps=validation_steps,
                verbose=0,
                shuffle=False,
            )
            epoch, done = last, 0
    model.use_averages()
    _check_weights(network, where)
    if where.chief:
        save_weights(network, run.weights_path)


def _steps_together(run: Run, where: Place, steps: int) -> int:
    """How many of an epoch's steps are started at once; nothing is saved or shown between them."""
    config, facts = run.config, info(run.config.model)
    if where.strategy is not None or config.save_steps is not None:
        return 1
    larger = math.prod(run.input_shape[:2]) / math.prod(facts.input_shape[:2])
    # Backwards costs twice as much as forwards.
    step = 3 * facts.multiply_adds * larger * config.recipe.batch_size
    # The speed is measured from the second start on.
    return max(1, min(int(TOGETHER // step), steps // 10))


def _check_weights(network: keras.Model, where: Place) -> None:
    """Makes sure that all workers have learned the same."""
    if where.workers > 1:
        checksum = 0
        for weight in network.weights:
            checksum = zlib.crc32(np.ascontiguousarray(weight.value.numpy()), checksum)
        where.agree(checksum, "their weights (CRC-32)")
        log.info("all %d workers have the same weights, CRC-32 %08x", where.workers, checksum)


def _callbacks(
    run: Run, splits: dict[str, Split], where: Place, step: int, steps: int
) -> tuple[list[keras.callbacks.Callback], History]:
    """What happens beside the steps. Only the chief shows and writes; the order matters."""
    config, recipe = run.config, run.config.recipe
    history = History(run.folder / "history.csv", step // steps, write=where.chief)
    loss = FiniteLoss(run.folder / "checkpoints", step)
    guard = Guard(
        loss,
        minutes=config.save_minutes,
        steps=config.save_steps,
        write=where.chief,
        shared=where.workers > 1,
    )
    best = max(history.accuracies, default=-1.0)
    keep = KeepBest(run.folder / "best.safetensors", best, write=where.chief)
    watch = WatchValidation(recipe, history.accuracies)
    common = [MeasureAverages(), loss, history, watch, keep]
    if not where.chief:
        return [*common, guard], history
    progress = ProgressBar(recipe.batch_size, steps, recipe.epochs)
    images, _ = next(iter(_training_batches(run, splits["train"], Place(), 0)))
    # The epoch's checkpoint comes last: what it holds must be in the other files already.
    return [progress, *common, *trackers(run, images), guard], history


@contextlib.contextmanager
def _quiet_ends(callbacks: list[keras.callbacks.Callback]) -> Iterator[None]:
    """Takes the bar off the screen and gives the signals back, however the training ends."""
    try:
        yield
    finally:
        for callback in callbacks:
            if isinstance(callback, (ProgressBar, Guard)):
                callback.close()


@contextlib.contextmanager
def repeatable() -> Iterator[None]:
    """The same figures each time: TensorFlow's graph rewriting lets the order of sums vary.

    TensorFlow 2.21 has this switch for the whole process alone, neither for a function (none of
    the attributes that `tf.function` takes does it) nor for a thread; so it is off around `fit`
    only, and the caller's setting comes back.
    """
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False, **before})


def _training_batches(
    run: Run, split: Split, where: Place, step: int
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Training batches without end, from this step on."""
    recipe = run.config.recipe

    def make(shard: tuple[int, int], batch_size: int) -> tf.data.Dataset:
        return training_batches(
            split,
            run.preprocessing,
            run.input_shape[-1],
            batch_size=batch_size,
            augment=recipe.augmentation,
            classes=len(run.class_names),
            seed=run.config.seed,
            first_step=step,
            shard=shard,
        )

    return where.batches(make, recipe.batch_size)


def _validation_batches(
    run: Run, splits: dict[str, Split], where: Place
) -> tuple[tf.data.Dataset | tf.distribute.DistributedDataset | None, int | None]:
    """Batches with each validation image once, and their number; ``None`` where there are none."""
    if "validation" not in splits:
        return None, None

    def make(shard: tuple[int, int], batch_size: int) -> tf.data.Dataset:
        return evaluation_batches(
            splits["validation"],
            run.preprocessing,
            run.input_shape[-1],
            batch_size=batch_size,
            shard=shard,
        )

    # The batch does not change the figures, but must divide among the devices.
    batch = math.ceil(EVALUATION_BATCH / where.replicas) * where.replicas
    most = max(splits["validation"].parts(where.workers))
    return where.batches(make, batch), math.ceil(most / (batch // where.workers))


def _report(run: Run, network: keras.Model, split: Split, name: str) -> None:
    """Measures the finished network and writes the figures and the pictures of the run."""
    metrics = evaluate(network, split, run.preprocessing, name=name)
    channels = network.input_shape[-1]
    write_report(run.folder, metrics, run.class_names, split, run.preprocessing, channels)
    rows = read_history(run.folder / "history.csv")
    if rows:
        title = f"{run.config.model} on {run.config.data}: {metrics}"
        plots.save_curves(run.folder / "curves.png", rows, title)
    log.info("%s", metrics)


class _RunLog(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A full disk ends the run at its next checkpoint, which says so in one line."""


@contextlib.contextmanager
def _logging_to(path: pathlib.Path) -> Iterator[None]:
    """Writes the log into the run folder too."""
    handler = _RunLog(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        # What could not be written cannot be written at the end either.
        with contextlib.suppress(OSError):
            handler.close()

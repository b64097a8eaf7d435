"""Training a network by `model.fit`, from a configuration to a finished run folder."""

from __future__ import annotations

import dataclasses
import logging
import pathlib

import keras
import tensorflow as tf

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
from kerasnets.files import make_folder
from kerasnets.training import checkpoints, plots
from kerasnets.training.callbacks import (
    Checkpoints,
    History,
    ProgressBar,
    read_history,
)
from kerasnets.training.config import TrainConfig, differences
from kerasnets.training.evaluation import evaluate
from kerasnets.training.report import write_report
from kerasnets.training.run import Run, load_data, run_folder
from kerasnets.training.trainee import Trainee
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
    folder = run_folder(config, resume)
    config = dataclasses.replace(config, out=folder)
    earlier = _check_folder(folder, config, resume)
    keras.utils.set_random_seed(config.seed)
    dataset = load_data(config)
    held_out = dataset.held_out
    check_validation(config.recipe, dataset.splits)
    run = Run(folder, config, dataset.class_names)
    network = run.network(trained=False)
    log.info("%s on %s", config.model, dataset.describe())
    splits, bad = _read_splits(run, network, dataset)
    steps_per_epoch(splits["train"], config.recipe.batch_size)
    if earlier is None:
        Run.create(folder, config, dataset.class_names)
    _log_to(folder / "train.log")
    if bad:
        write_list(folder / BAD_IMAGES, bad)
        log.info("%d images cannot be read and are left out, see %s", len(bad), BAD_IMAGES)
    if not run.finished:
        with naming_bad_images(splits.values(), network.input_shape[-1]):
            _fit(run, network, splits)
        save_weights(network, run.weights_path)
    # The finished network has no side classifiers and computes in float32.
    _report(run, run.network(), splits[held_out], held_out)
    return run


def _check_folder(folder: pathlib.Path, config: TrainConfig, resume: bool) -> Run | None:
    """The earlier run of a folder that is resumed; ``None`` for a folder that is free."""
    if not (folder / "config.json").exists():
        if resume:
            raise UserError(f"There is no run in {str(folder)!r} to resume.")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
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
    if not resume:
        raise UserError(
            f"{str(folder)!r} holds this run already; add --resume to go on, or choose another "
            "--out."
        )
    return earlier


def _read_splits(
    run: Run, network: keras.Model, dataset: Dataset
) -> tuple[dict[str, Split], list[BadImage]]:
    """The splits that a run needs, decoded where that helps, and the images left out."""
    channels = network.input_shape[-1]
    splits, bad = dict(dataset.splits), []
    if run.config.bad_images == "skip":
        known = read_list(run.folder / BAD_IMAGES)
        splits["train"], bad = without_bad_images(splits["train"], channels, known)
    augment = {"train": run.config.recipe.augmentation}
    return {
        name: read(split, run.preprocessing, channels, augment.get(name, "none"))
        for name, split in splits.items()
    }, bad


def _fit(run: Run, network: keras.Model, splits: dict[str, Split]) -> None:
    """Trains from the last checkpoint, or from the beginning, to the last epoch."""
    recipe = run.config.recipe
    steps = steps_per_epoch(splits["train"], recipe.batch_size)
    model = Trainee(network, run.preprocessing, recipe, steps)
    checkpoint = checkpoints.latest(run.folder / "checkpoints")
    step = 0 if checkpoint is None else checkpoints.restore(checkpoint, model)
    if step:
        log.info("going on from step %d", step)
    epoch, step_in_epoch = divmod(step, steps)
    batches, validation = _batches(run, splits, network.input_shape[-1], step)
    progress = ProgressBar(recipe.batch_size, steps, recipe.epochs)
    saving = Checkpoints(run.folder / "checkpoints")
    history = History(run.folder / "history.csv", epoch)
    board = keras.callbacks.TensorBoard(run.folder / "tensorboard", write_graph=False)
    accuracies = [row["val_accuracy"] for row in history.rows if "val_accuracy" in row]
    watch = WatchValidation(recipe, accuracies)
    common = {
        "callbacks": [MeasureAverages(), progress, history, watch, saving, board],
        "validation_data": validation,
        "verbose": 0,
        "shuffle": False,
    }
    try:
        if has_stopped(recipe, accuracies):
            epoch, step_in_epoch = recipe.epochs, 0
        if step_in_epoch:
            rest = steps - step_in_epoch
            model.fit(
                batches, initial_epoch=epoch, epochs=epoch + 1, steps_per_epoch=rest, **common
            )
            batches, epoch = batches.skip(rest), epoch + 1
        if not model.stop_training:
            model.fit(
                batches, initial_epoch=epoch, epochs=recipe.epochs, steps_per_epoch=steps, **common
            )
    finally:
        progress.close()
        saving.restore_handlers()
    model.use_averages()


def _batches(
    run: Run, splits: dict[str, Split], channels: int, step: int
) -> tuple[tf.data.Dataset, tf.data.Dataset | None]:
    """Training batches from this step on, and those of validation where there are any."""
    recipe = run.config.recipe
    training = training_batches(
        splits["train"],
        run.preprocessing,
        channels,
        batch_size=recipe.batch_size,
        augment=recipe.augmentation,
        classes=len(run.class_names),
        seed=run.config.seed,
        first_step=step,
    )
    if "validation" not in splits:
        return training, None
    validation = splits["validation"]
    return training, evaluation_batches(
        validation, run.preprocessing, channels, batch_size=EVALUATION_BATCH
    )


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


def _log_to(path: pathlib.Path) -> None:
    """Writes the log into the run folder too, and nowhere else from earlier runs."""
    make_folder(path.parent)
    for handler in list(log.handlers):
        if isinstance(handler, logging.FileHandler):
            log.removeHandler(handler)
            handler.close()
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)

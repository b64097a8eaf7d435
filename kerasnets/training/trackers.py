"""Curves beside ``history.csv``: TensorBoard, Weights & Biases, MLflow."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util

import keras
import numpy as np
import tensorflow as tf

from kerasnets.config.training import TrainConfig
from kerasnets.errors import UserError
from kerasnets.private import training_writer_of
from kerasnets.runs.run import Run, identity
from kerasnets.training.callbacks import Callback, Logs, learning_rate
from kerasnets.training.model import TrainingModel

# Packages that `TrainConfig.log_to` may need; they are imported by name, as they are optional.
SERVICES = ("wandb", "mlflow")
IMAGES = 16


def check_trackers(config: TrainConfig) -> None:
    """Raises a `UserError` where a package that is asked for is not installed."""
    for name in SERVICES:
        if name in config.log_to and importlib.util.find_spec(name) is None:
            raise UserError(f"--log-to {name} needs its package: pip install {name}.")


def trackers(run: Run, images: np.ndarray) -> list[keras.callbacks.Callback]:
    """The callbacks that `TrainConfig.log_to` asks for.

    Args:
        run: The run.
        images: Training images, (N, H, W, C) uint8, some of which are shown.
    """
    make = {
        "tensorboard": lambda: Board(run, images),
        "wandb": lambda: Wandb(run),
        "mlflow": lambda: MLflow(run),
    }
    return [make[name]() for name in dict.fromkeys(run.config.log_to)]


class Board(keras.callbacks.TensorBoard):
    """TensorBoard's curves and learning rate, the network's graph, and some training images."""

    model: TrainingModel

    def __init__(self, run: Run, images: np.ndarray) -> None:
        super().__init__(str(run.folder / "tensorboard"), write_graph=False)
        self.images = images[:IMAGES]

    def on_train_begin(self, logs: dict | None = None) -> None:
        super().on_train_begin(logs)
        # Keras writes the graph of models of its own classes alone.
        graph = tf.compat.v1.SummaryMetadata()
        graph.plugin_data.plugin_name = "graph_keras_model"
        graph.plugin_data.content = b"1"
        with training_writer_of(self).as_default():
            tf.summary.image("training images", self.images, step=0, max_outputs=IMAGES)
            tf.summary.write("keras", self.model.network.to_json(), step=0, metadata=graph)


class Wandb(Callback):
    """Sends each epoch's figures to Weights & Biases; a resumed run goes on in its own curves."""

    def __init__(self, run: Run) -> None:
        wandb = importlib.import_module("wandb")

        super().__init__()
        self.run = wandb.init(
            project="kerasnets",
            id=_known_by(run),
            name=run.folder.name,
            resume="allow",
            dir=run.folder,
            config=_plain(run.config),
            # An extension changes the epochs.
            allow_val_change=True,
        )

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.run.log(_figures(self.model, logs), step=epoch + 1)

    def close(self) -> None:
        """Ends the run there, which the next one of this process would go on with."""
        self.run.finish()


class MLflow(Callback):
    """Sends each epoch's figures to MLflow; a resumed run goes on in its own curves."""

    def __init__(self, run: Run) -> None:
        mlflow = importlib.import_module("mlflow")

        super().__init__()
        self.client = mlflow.MlflowClient()
        mlflow.set_experiment("kerasnets")
        known = mlflow.search_runs(
            filter_string=f"tags.identity = '{_known_by(run)}'", output_format="list"
        )
        tags = {"folder": str(run.folder.resolve()), "identity": _known_by(run)}
        with mlflow.start_run(
            run_id=known[0].info.run_id if known else None, run_name=run.folder.name, tags=tags
        ) as started:
            self.id = started.info.run_id
            # MLflow refuses other values; an extension changes the epochs.
            if not known:
                mlflow.log_params(_plain(run.config))

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        for name, value in _figures(self.model, logs).items():
            self.client.log_metric(self.id, name, value, step=epoch + 1)


def _known_by(run: Run) -> str:
    """What a run is told by from all others, wherever its folder lies and whatever it is called."""
    return identity(run.folder) or run.folder.name


def _plain(config: TrainConfig) -> dict[str, str]:
    """All values of a run by name, the recipe's as ``recipe.NAME``."""
    values = dataclasses.asdict(config)
    values |= {f"recipe.{name}": value for name, value in values.pop("recipe").items()}
    return {name: str(value) for name, value in values.items()}


def _figures(model: keras.Model, logs: Logs) -> dict[str, float]:
    return {
        "learning_rate": learning_rate(model),
        **{name: float(value) for name, value in logs.items()},
    }

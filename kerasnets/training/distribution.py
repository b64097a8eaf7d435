"""Where a run computes: on one device, on several, or on several machines.

Every step has the recipe's batch, whatever it is computed on: each device takes its part of it,
and the order and augmentation of the images do not depend on their number.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from kerasnets import values
from kerasnets.config.training import TrainConfig
from kerasnets.errors import UserError
from kerasnets.files import parse_json
from kerasnets.runs.run import chosen_recipe
from kerasnets.training.model import TrainingModel

# What TensorFlow raises in the workers that are left when one is gone.
LOST_WORKER = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)


@dataclass(frozen=True)
class Placement:
    """The devices of a run, and this process among its workers.

    Attributes:
        strategy: Strategy for several devices; ``None`` for one.
        worker: Index of this process, from 0, which is the chief.
        workers: Number of processes.
        in_cluster: Whether a cluster was described, even one of this worker alone.
    """

    strategy: tf.distribute.Strategy | None = None
    worker: int = 0
    workers: int = 1
    in_cluster: bool = False

    @property
    def replicas(self) -> int:
        """Devices of all workers together."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    @property
    def chief(self) -> bool:
        """Whether this process writes the files that all share."""
        return self.worker == 0

    def scope(self) -> contextlib.AbstractContextManager:
        """Where the network and its optimizer must be made."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def training_model(self, *arguments: Any, **options: Any) -> TrainingModel:
        """A `TrainingModel` whose step runs on these devices."""
        if self.workers == 1:
            with self.scope():
                return TrainingModel(*arguments, **options)
        # Made outside of the scope, these are each worker's own.
        wishes, asked = (tf.Variable(tf.zeros(2, tf.int32), trainable=False) for _ in range(2))
        with self.scope():
            model = SharedTrainingModel(*arguments, **options)
        model.wishes, model.asked = wishes, asked
        return model

    def batches(
        self, make: Callable[[tuple[int, int], int], tf.data.Dataset], batch_size: int
    ) -> tf.data.Dataset | tf.distribute.DistributedDataset:
        """Batches divided among the devices.

        Args:
            make: Gives a worker's batches, from ``(worker, workers)`` and the images that the
                worker has of each batch.
            batch_size: Effective batch size: images on all devices together.
        """
        if self.strategy is None:
            return make((0, 1), batch_size)

        def worker_batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
            shard = (context.input_pipeline_id, context.num_input_pipelines)
            batches = make(shard, batch_size // context.num_input_pipelines)
            # The devices of a worker take its batches in turn.
            return batches.rebatch(batch_size // self.replicas)

        return self.strategy.distribute_datasets_from_function(worker_batches)

    def agree(self, value: int, what: str) -> None:
        """Waits for all workers and checks that they have the same number.

        Args:
            value: A number below 2**63.
            what: What the number is, in the words of the error.

        Raises:
            UserError: When they have not.
        """
        strategy = self.strategy
        if self.workers == 1 or strategy is None:
            return

        def gather() -> tf.Tensor:
            own = tf.constant([value], tf.int64)
            return tf.distribute.get_replica_context().all_gather(own, axis=0)

        run = tf.function(lambda: strategy.run(gather))
        values = strategy.experimental_local_results(run())[0].numpy().tolist()
        if len(set(values)) > 1:
            raise UserError(f"The workers differ in {what}: {', '.join(map(str, values))}.")

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Words what TensorFlow raises when another worker is gone."""
        try:
            yield
        except LOST_WORKER as error:
            if self.workers == 1:
                raise
            raise UserError(
                f"Worker {self.worker} of {self.workers} stops: another worker has ended or "
                "cannot be reached. Start all workers again with the same commands; they go on "
                f"from the last checkpoint. ({type(error).__name__})"
            ) from error


class SharedTrainingModel(TrainingModel):
    """A `TrainingModel` that Keras can fit under `MultiWorkerMirroredStrategy`.

    Works around https://github.com/keras-team/keras/issues/20585, open as of Keras 3.15: `fit`
    takes means of scalar logs along an axis that they do not have. `tests/trials/test_workers.py`
    tells when it can go.

    Attributes:
        wishes: What this worker wants, (save, stop), as 0 or 1.
        asked: How many workers wanted it before the last step; the same in all.
    """

    wishes: tf.Variable
    asked: tf.Variable

    def train_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update, and what the workers ask of each other."""
        logs = super().train_step(data)
        context = tf.distribute.get_replica_context()
        # Every device adds its worker's wishes; a worker's devices all count.
        self.asked.assign(context.all_reduce(tf.distribute.ReduceOp.SUM, self.wishes.read_value()))
        return _in_rows(logs)

    def test_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The figures of one batch."""
        return _in_rows(super().test_step(data))


def _in_rows(logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {name: tf.reshape(value, (1,)) for name, value in logs.items()}


def placement(config: TrainConfig) -> Placement:
    """Finds the devices and the workers that a run asks for.

    It must come before TensorFlow has computed anything.

    Raises:
        UserError: When there are no such devices, or the cluster's description cannot be read.
    """
    _choose_devices(config.devices)
    cluster = _cluster(config)
    if cluster is not None:
        return _placement_in_cluster(*cluster)
    gpus, cpus = (tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU"))
    devices = [device.name for device in gpus or cpus]
    if len(devices) == 1:
        return Placement()
    return Placement(tf.distribute.MirroredStrategy(devices))


def is_chief(config: TrainConfig) -> bool:
    """Whether this process writes what the workers of a run share."""
    cluster = _cluster(config)
    return cluster is None or cluster[1] == 0


def check(config: TrainConfig, where: Placement) -> None:
    """Refuses what the devices cannot do.

    Raises:
        UserError: When the batch does not divide among them, or a combination does not work.
    """
    recipe = chosen_recipe(config)
    if "xla" in config.fast and where.strategy is not None:
        raise UserError(
            f"--fast xla does not work with {where.replicas} devices "
            f"({type(where.strategy).__name__}); see docs/distributed.md."
        )
    parts = where.replicas * recipe.accumulate
    if recipe.batch_size % parts:
        among = f"{where.replicas} devices" + (
            f" times {recipe.accumulate} parts (accumulate)" if recipe.accumulate > 1 else ""
        )
        raise UserError(
            f"batch_size must divide among {among}. Received: batch_size={recipe.batch_size}."
        )
    if where.workers > 1 and config.out is None:
        raise UserError("A run on several workers needs --out, a folder that all of them share.")


def _choose_devices(devices: str) -> None:
    """Hides from TensorFlow what a run does not ask for."""
    known = {kind: tf.config.list_physical_devices(kind.upper()) for kind in ("cpu", "gpu")}
    match = re.fullmatch(r"auto|(cpu|gpu)(?::(\d+(?:,\d+)*))?", devices)
    if match is None:
        raise UserError(f"--devices must be auto, cpu, gpu or gpu:0,1. Received: {devices!r}.")
    if devices == "auto":
        return
    kind = match[1]
    indices = range(len(known[kind])) if match[2] is None else [int(n) for n in match[2].split(",")]
    if not indices:
        raise UserError(f"--devices {devices}: TensorFlow finds no {kind.upper()} here.")
    logical = kind == "cpu" and len(indices) > 1
    for index in () if logical else indices:
        if index >= len(known[kind]):
            raise UserError(
                f"--devices {devices}: there is no {kind}:{index}; TensorFlow finds "
                f"{len(known[kind])} {kind.upper()}{'s' * (len(known[kind]) != 1)} here."
            )
    try:
        if kind == "gpu":
            tf.config.set_visible_devices([known["gpu"][index] for index in indices], "GPU")
            return
        tf.config.set_visible_devices([], "GPU")
        if logical:
            # Parts of one processor, to try distribution without GPUs.
            parts = [tf.config.LogicalDeviceConfiguration()] * len(indices)
            tf.config.set_logical_device_configuration(known["cpu"][0], parts)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"--devices {devices} came too late: TensorFlow has started with other devices "
            f"already ({error})."
        ) from error


def _cluster(config: TrainConfig) -> tuple[list[str], int] | None:
    """The workers' addresses and this one's index, from the flags or from TF_CONFIG."""
    if config.cluster is not None:
        return _from_flags(config.cluster, config.worker)
    if config.worker is not None:
        raise UserError("--worker needs --cluster HOST:PORT,HOST:PORT,...")
    return _from_environment(os.environ.get("TF_CONFIG"))


def _from_flags(cluster: str, worker: int | None) -> tuple[list[str], int]:
    addresses = cluster.split(",")
    for address in addresses:
        if not re.fullmatch(r"[^:\s]+:\d+", address):
            raise UserError(f"--cluster must be HOST:PORT,HOST:PORT,... Received: {cluster!r}.")
    if worker is None or not 0 <= worker < len(addresses):
        raise UserError(
            f"--worker must be 0 to {len(addresses) - 1}, this process among the "
            f"{len(addresses)} of --cluster. Received: {worker}."
        )
    return addresses, worker


def _from_environment(text: str | None) -> tuple[list[str], int] | None:
    """The same from TF_CONFIG, as Kubeflow's training operator sets it."""
    if not text:
        return None
    try:
        described = parse_json(text)
        cluster = values.check(described["cluster"], dict[str, list[str]], "cluster")
        kind, index = described["task"]["type"], int(described["task"]["index"])
        if set(cluster) - {"chief", "worker", "evaluator"} or kind not in ("chief", "worker"):
            raise ValueError(
                f"its tasks must be chief and worker, found {kind} among {', '.join(cluster)}"
            )
        own = cluster.get(kind, [])
        if not 0 <= index < len(own):
            raise ValueError(f"its task is {kind} {index}, of {len(own)} counted from 0")
    except (ValueError, KeyError, TypeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise UserError(f"TF_CONFIG describes no cluster of workers: {reason}.") from error
    chiefs = cluster.get("chief", [])
    return [*chiefs, *cluster.get("worker", [])], index + len(chiefs) * (kind == "worker")


def _placement_in_cluster(addresses: list[str], worker: int) -> Placement:
    if len(addresses) == 1:
        return Placement(in_cluster=True)
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": addresses}),
        task_type="worker",
        task_id=worker,
        rpc_layer="grpc",
    )
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except RuntimeError as error:
        raise UserError(
            f"A run on several workers must be the first that TensorFlow does: {error}"
        ) from error
    except (tf.errors.OpError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"Worker {worker} cannot work with {', '.join(addresses)}: {reason}"
        ) from error
    return Placement(strategy, worker, len(addresses), in_cluster=True)

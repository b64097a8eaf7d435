"""The model that `fit` trains: a network's step, its losses, the running average of its weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from kerasnets.config.recipe_fields import Recipe
from kerasnets.fast.faster import faster, keras_device
from kerasnets.fast.tricks import TrainingTrick, chosen
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.private import reads_no_batch_to_build
from kerasnets.tasks import TASKS, Task
from kerasnets.training.distillation import Distillation
from kerasnets.training.losses import build_loss, build_measure
from kerasnets.training.optimization import build_optimizer

# By name where a network has auxiliary classifiers.
Logits = tf.Tensor | dict[str, tf.Tensor]


@reads_no_batch_to_build
class TrainingModel(keras.Model):
    """A network behind its preprocessing, compiled, with what its recipe asks of a step.

    A step computes the batch in ``recipe.accumulate`` parts, one after the other, and makes one
    update from the average of their gradients. Auxiliary classifiers count in training alone. With
    ``recipe.ema``, `averages` follow all weights, the batch norms' statistics included.

    Args:
        network: It returns logits, or a dictionary of them where it has auxiliary classifiers.
        preprocessing: The preprocessing of the network.
        recipe: The recipe to follow.
        steps_per_epoch: Updates in an epoch.
        synchronize: Let batch norms take their statistics from all devices' images together.
        fast: What makes a step faster, see `kerasnets.fast.tricks`.
        task: What it is trained for.
        class_weights: The weight of each class in the loss of training, by label; none for equal
            ones.
        distillation: What a teacher adds to the loss of training.
    """

    def __init__(
        self,
        network: keras.Model,
        preprocessing: Preprocessing,
        recipe: Recipe,
        steps_per_epoch: int,
        *,
        synchronize: bool = False,
        fast: Sequence[TrainingTrick] = ("auto",),
        task: Task = TASKS["classification"],
        class_weights: Sequence[float] = (),
        distillation: Distillation | None = None,
    ) -> None:
        on_images = with_preprocessing(network, preprocessing)
        super().__init__(on_images.input, on_images.output, name=on_images.name)
        self.network = network
        self.together, self.steps = 1, steps_per_epoch
        self.batch_norms = [
            layer
            for layer in network.layers
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        ]
        for layer in self.batch_norms:
            layer.synchronized |= synchronize
        device = keras_device()
        fast_network = faster(network, purpose="training", device=device, fast=fast)
        # It has the variables of `network`, and computes the steps in its place.
        self.on_images = (
            on_images
            if fast_network is network
            else with_preprocessing(fast_network, preprocessing)
        )
        self.recipe = recipe
        self.distillation = distillation
        self.training_loss: Callable[..., Any] = build_loss(recipe, class_weights=class_weights)
        self.measured_loss: Callable[..., Any] = build_loss(recipe, training=False)
        if recipe.ema:
            self.updates = self._follower((), "int64", "zeros", "updates")
            self.averages = [
                self._follower(weight.shape, weight.dtype, _start(weight), weight.path)
                for weight in network.weights
            ]
        fused = "optimizer" in chosen(fast, "training", device)
        # On GPUs Keras knows when it is worth it. It would compile for a CPU beside a GPU too.
        compiled: Any = "auto" if device != "cpu" and "auto" in fast else "xla" in fast
        self.compile(
            optimizer=build_optimizer(recipe, steps_per_epoch, network, fused=fused),
            jit_compile=compiled,
        )
        # A metric given to `compile` has its variables only after the first batch.
        output: Any = network.output
        predictions: Any = _predictions(output)
        self.measure = build_measure(task, predictions.shape[-1])
        self.optimizer.build(self.trainable_variables)

    def call(self, inputs: tf.Tensor, training: bool = False, mask: None = None) -> Logits:
        """Logits; in training computed by the faster form of the network."""
        if training:
            return self.on_images(inputs, training=True)
        return super().call(inputs, training=False)

    def start_together(self, count: int, steps: int) -> int:
        """Lets `fit` start several steps at once: where they are short, starting costs most.

        Keras' own ``steps_per_execution`` would go beyond the end of an epoch.

        Args:
            count: Steps that are started at once, on one device; fewer at the end of an epoch.
            steps: Steps of each epoch that will be fitted.

        Returns:
            What `fit` takes for the steps of an epoch: the starts.
        """
        self.together, self.steps = count, steps
        # `fit` makes one where there is none.
        self.train_function = self._several_steps() if count > 1 else None
        return math.ceil(steps / count)

    def steps_after(self, start: int) -> int:
        """The steps of this epoch that are made after a start, counted from 0."""
        return min((start + 1) * self.together, self.steps)

    def _several_steps(self) -> Callable[[tf.data.Iterator], dict[str, tf.Tensor]]:
        step = tf.function(self.train_step, autograph=False, jit_compile=self.jit_compile)
        made = tf.Variable(tf.constant(0), trainable=False)

        @tf.function
        def start(iterator: tf.data.Iterator) -> dict[str, tf.Tensor]:
            count = tf.minimum(self.together, self.steps - made)
            logs = step(iterator.get_next())
            for _ in tf.range(1, count):
                logs = step(iterator.get_next())
            made.assign(tf.math.floormod(made + count, self.steps))
            return logs

        return start

    def _follower(
        self, shape: tuple[int, ...], dtype: str, initializer: object, path: str
    ) -> keras.Variable:
        """A variable that is the same on all devices, and kept in checkpoints."""
        return self.add_weight(
            shape=shape,
            dtype=dtype,
            initializer=initializer,
            trainable=False,
            aggregation="only_first_replica",
            name=f"average_{path.replace('/', '_')}",
        )

    def train_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One update from one batch."""
        if self.recipe.accumulate > 1:
            logs = self._step_in_parts(*data)
        else:
            logs = super().train_step(data)
        self._average_statistics()
        if self.recipe.ema:
            self._follow()
        return logs

    def _step_in_parts(self, images: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        """One update from the average of the parts' gradients."""
        parts = self.recipe.accumulate
        weights = [weight.value for weight in self.trainable_variables]
        gradients: list[Any] = []
        losses, answers = [], []
        none = tf.UnconnectedGradients.ZERO
        for part, targets in zip(tf.split(images, parts), tf.split(labels, parts), strict=True):
            # One part after the other; otherwise all would be in memory at once.
            with tf.control_dependencies(gradients):
                part = tf.identity(part)
            with tf.GradientTape() as tape:
                logits = self(part, training=True)
                loss = self.compute_loss(part, targets, logits, training=True) / parts
                scaled = self.optimizer.scale_loss(loss)
            found: list[Any] = tape.gradient(scaled, weights, unconnected_gradients=none)
            pairs = zip(gradients, found, strict=True)
            gradients = [sums + one for sums, one in pairs] if gradients else found
            losses.append(loss)
            answers.append(logits)
        self.optimizer.apply(gradients, self.trainable_variables)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        (loss_metric,) = [metric for metric in self.metrics if metric.name == "loss"]
        loss_metric.update_state(tf.add_n(losses) * replicas, sample_weight=tf.shape(images)[0])
        whole = tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), *answers)
        return self.compute_metrics(images, labels, whole)

    def _average_statistics(self) -> None:
        """Gives all devices the mean of the statistics that their batch norms moved to."""
        context = tf.distribute.get_replica_context()
        statistics = [
            variable
            for layer in self.batch_norms
            if not layer.synchronized
            for variable in layer.non_trainable_variables
        ]
        if context.num_replicas_in_sync == 1 or not statistics:
            return
        # Where several workers reduce tensors, they must say on which device these are.
        with tf.device(statistics[0].value.device):
            own = [tf.identity(variable.value) for variable in statistics]
        means = context.all_reduce(tf.distribute.ReduceOp.MEAN, own)
        for variable, mean in zip(statistics, means, strict=True):
            variable.assign(mean)

    def _follow(self) -> None:
        """Moves the averages towards the weights: ``average += (1 - m) (weight - average)``.

        The momentum m is ``min(ema, (1 + n) / (10 + n))`` at update n, so that the first averages
        are not mostly the initial weights: TensorFlow's ExponentialMovingAverage, which trained
        the Inception networks.
        """
        self.updates.assign_add(1)
        count = ops.cast(self.updates, "float32")
        momentum = ops.minimum(self.recipe.ema, (1.0 + count) / (10.0 + count))
        for average, weight in zip(self.averages, self.network.weights, strict=True):
            rest = ops.cast(1.0 - momentum, average.dtype)
            average.assign_add(rest * (weight - average))

    def compute_loss(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        y_pred: Logits,
        sample_weight: tf.Tensor | None = None,
        training: bool = True,
    ) -> tf.Tensor:
        """The recipe's loss; for measuring, of the predictions alone and without smoothing."""
        if not training:
            return self.measured_loss(y, _predictions(y_pred), sample_weight)
        loss = self.training_loss(y, _predictions(y_pred), sample_weight)
        if self.distillation:
            loss = self.distillation.loss(x, _predictions(y_pred), loss)
        for name, logits in y_pred.items() if isinstance(y_pred, dict) else ():
            if name != "predictions":
                loss += self.recipe.auxiliary_loss * self.training_loss(y, logits, sample_weight)
        return loss

    def compute_metrics(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        y_pred: Logits,
        sample_weight: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """The task's figure of the predictions."""
        self.measure.update_state(y, _predictions(y_pred), sample_weight)
        return self.get_metrics_result()

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The network with its averaged weights, where the recipe has any."""
        if not self.recipe.ema:
            yield
            return
        own = [keras.ops.convert_to_numpy(weight) for weight in self.network.weights]
        self.use_averages()
        try:
            yield
        finally:
            self.network.set_weights(own)

    def use_averages(self) -> None:
        """Gives the network its averaged weights for good, where the recipe has any."""
        if self.recipe.ema:
            self.network.set_weights([average.numpy() for average in self.averages])


def _start(weight: keras.Variable) -> Callable:
    return lambda shape, dtype=None: ops.cast(weight.value, dtype)


def _predictions(logits: Logits) -> tf.Tensor:
    return logits["predictions"] if isinstance(logits, dict) else logits

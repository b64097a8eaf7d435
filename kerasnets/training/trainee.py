"""A network in training: its step, its losses, the running average of its weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import keras
import tensorflow as tf
from keras import ops

from kerasnets.config.recipe_fields import Recipe
from kerasnets.fast.fused import fused_batch_norms
from kerasnets.fast.patches import is_worth_compiling, pooled_convolutions
from kerasnets.fast.winograd_training import winograd_convolutions
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.training.losses import build_loss, is_soft
from kerasnets.training.optimization import build_optimizer


class Trainee(keras.Model):
    """A network behind its preprocessing, compiled, with what its recipe asks of a step.

    A step computes the batch in ``recipe.accumulate`` parts, one after the other, and makes one
    update from the average of their gradients. Side classifiers count in training alone. With
    ``recipe.ema``, `averages` follow all weights, the batch norms' statistics included.

    Args:
        network: It returns logits, or a dictionary of them where it has side classifiers.
        preprocessing: Of the network.
        recipe: What to follow.
        steps_per_epoch: Updates in an epoch.
        synchronize: Let batch norms take their statistics from all devices' images together.
        xla: Compile the step by XLA.
    """

    def __init__(
        self,
        network: keras.Model,
        preprocessing: Preprocessing,
        recipe: Recipe,
        steps_per_epoch: int,
        *,
        synchronize: bool = False,
        xla: bool = False,
    ) -> None:
        on_images = with_preprocessing(network, preprocessing)
        super().__init__(on_images.input, on_images.output, name=on_images.name)
        self.network = network
        self.together, self.steps = 1, steps_per_epoch
        self.batch_norms = [
            layer
            for layer in network._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        ]
        for layer in self.batch_norms:
            layer.synchronized |= synchronize
        self.recipe = recipe
        self.training_loss = build_loss(recipe)
        self.measured_loss = build_loss(recipe, training=False)
        if recipe.ema:
            self.updates = self._follower((), "int64", "zeros", "updates")
            self.averages = [
                self._follower(weight.shape, weight.dtype, _start(weight), weight.path)
                for weight in network.weights
            ]
        self.compile(
            optimizer=build_optimizer(recipe, steps_per_epoch, network),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            jit_compile=xla,
        )
        self.step_compiled = xla or is_worth_compiling(network, recipe.epochs * steps_per_epoch)
        self._prepare()

    def _prepare(self) -> None:
        """Makes the variables of the optimizer and the metrics, so that a checkpoint fits."""
        images = keras.KerasTensor((None, *self.input_shape[1:]), "uint8")
        labels = keras.KerasTensor((None,), "int32")
        self._symbolic_build(data_batch=(images, labels))

    def _maybe_symbolic_build(self, iterator: object = None, data_batch: object = None) -> None:
        # Keras would read a batch and average it over the devices, see `SharedTrainee`.
        pass

    def start_together(self, count: int, steps: int) -> int:
        """Lets `fit` start several steps at once: where they are short, starting costs most.

        Args:
            count: Steps that are started at once, on one device; fewer at the end of an epoch.
            steps: Of each epoch that will be fitted.

        Returns:
            What `fit` takes for the steps of an epoch: the starts.
        """
        self.together, self.steps = count, steps
        self.train_function = None
        return math.ceil(steps / count)

    def steps_after(self, start: int) -> int:
        """The steps of this epoch that are made after a start, counted from 0."""
        return min((start + 1) * self.together, self.steps)

    def make_train_function(self, force: bool = False) -> None:
        """As Keras, whose own way would go beyond the end of an epoch."""
        # Keras' own would compile the validation too, or nothing.
        by_keras = self.together == 1 and self.step_compiled == self.jit_compile
        if by_keras or (self.train_function and not force):
            super().make_train_function(force)
            return
        step = tf.function(self.train_step, autograph=False, jit_compile=self.step_compiled)
        self._made = tf.Variable(0, trainable=False)

        @tf.function
        def start(iterator: tf.data.Iterator) -> dict[str, tf.Tensor]:
            count = tf.minimum(self.together, self.steps - self._made)
            logs = step(iterator.get_next())
            for _ in tf.range(1, count):
                logs = step(iterator.get_next())
            self._made.assign((self._made + count) % self.steps)
            return logs

        self.train_function = start

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
        with self._fast_layers():
            if self.recipe.accumulate > 1:
                logs = self._step_in_parts(*data)
            else:
                logs = super().train_step(data)
        self._average_statistics()
        if self.recipe.ema:
            self._follow()
        return logs

    @contextlib.contextmanager
    def _fast_layers(self) -> Iterator[None]:
        """Lets layers compute in faster ways; XLA joins simple operations itself."""
        if self.step_compiled:
            with pooled_convolutions(self.network):
                yield
            return
        layers = self.network._flatten_layers()
        with fused_batch_norms(self.batch_norms), winograd_convolutions(layers):
            yield

    def _step_in_parts(self, images: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        """One update from the average of the parts' gradients."""
        parts = self.recipe.accumulate
        weights = [weight.value for weight in self.trainable_variables]
        gradients, losses, answers = [], [], []
        for part, targets in zip(tf.split(images, parts), tf.split(labels, parts), strict=True):
            # One part after the other; otherwise all would be in memory at once.
            with tf.control_dependencies(gradients):
                part = tf.identity(part)
            with tf.GradientTape() as tape:
                logits = self(part, training=True)
                loss = self.compute_loss(part, targets, logits, training=True) / parts
                scaled = self.optimizer.scale_loss(loss)
            found = tape.gradient(scaled, weights, unconnected_gradients="zero")
            gradients = list(map(tf.add, gradients, found)) if gradients else found
            losses.append(loss)
            answers.append(logits)
        self.optimizer.apply(gradients, self.trainable_variables)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self._loss_tracker.update_state(
            tf.add_n(losses) * replicas, sample_weight=tf.shape(images)[0]
        )
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
        x: tf.Tensor | None = None,
        y: tf.Tensor | None = None,
        y_pred: tf.Tensor | dict[str, tf.Tensor] | None = None,
        sample_weight: tf.Tensor | None = None,
        training: bool = True,
    ) -> tf.Tensor:
        """The recipe's loss; for measuring, of the predictions alone and without smoothing."""
        if not training:
            return self.measured_loss(y, _predictions(y_pred), sample_weight)
        loss = self.training_loss(y, _predictions(y_pred), sample_weight)
        for name, logits in y_pred.items() if isinstance(y_pred, dict) else ():
            if name != "predictions":
                loss += self.recipe.auxiliary_loss * self.training_loss(y, logits, sample_weight)
        return loss

    def compute_metrics(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        y_pred: tf.Tensor | dict[str, tf.Tensor],
        sample_weight: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Accuracy of the predictions; a mixed label counts as its largest part."""
        labels = ops.argmax(y, axis=-1) if is_soft(y) else y
        return super().compute_metrics(x, labels, _predictions(y_pred), sample_weight)

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


def _start(weight: keras.Variable) -> keras.initializers.Initializer:
    return lambda shape, dtype=None: ops.cast(weight.value, dtype)


def _predictions(logits: tf.Tensor | dict[str, tf.Tensor]) -> tf.Tensor:
    return logits["predictions"] if isinstance(logits, dict) else logits

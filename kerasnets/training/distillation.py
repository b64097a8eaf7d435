"""Knowledge distillation: a trained network teaches another one by its probabilities."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from keras import ops

from kerasnets.config.training import TrainConfig
from kerasnets.errors import UserError
from kerasnets.inputs import with_preprocessing
from kerasnets.pretrained.build import build
from kerasnets.pretrained.sources import preprocessing
from kerasnets.registry import info
from kerasnets.runs.run import CONFIG, Run


@dataclass(frozen=True)
class Distillation:
    """What a teacher adds to the loss.

    Attributes:
        teach: From raw pixels, (N, H, W, C), to the teacher's logits, (N, classes).
        weight: w below, in (0, 1].
        temperature: T below.

    Source: Hinton, Vinyals, Dean 2015, arXiv 1503.02531, section 2.
    """

    teach: Callable[[Any], Any]
    weight: float
    temperature: float

    def loss(self, images: Any, logits: Any, own: Any) -> Any:
        """``(1 - w) own + w T^2 KL(softmax(teacher / T), softmax(logits / T))``, the mean of N.

        Args:
            images: Raw pixels, (N, H, W, C).
            logits: The student's, (N, classes).
            own: The student's loss of the labels, a scalar: a Keras loss, which is divided by the
                number of devices, whose gradients are added up.
        """
        # No gradient goes into the teacher.
        taught = ops.stop_gradient(self.teach(images))
        devices = tf.distribute.get_strategy().num_replicas_in_sync
        apart = divergence(logits, taught, self.temperature) / devices
        return (1 - self.weight) * own + self.weight * apart


def divergence(logits: Any, taught: Any, temperature: float) -> Any:
    """``T^2 KL(softmax(taught / T), softmax(logits / T))``, the mean over the images.

    The factor keeps the gradients as large as those of the labels, whatever the temperature.
    """
    said = ops.log_softmax(ops.cast(logits, "float32") / temperature, axis=-1)
    meant = ops.log_softmax(ops.cast(taught, "float32") / temperature, axis=-1)
    each = ops.sum(ops.exp(meant) * (meant - said), axis=-1)
    return temperature**2 * ops.mean(each)


def check_teacher(teacher: str, class_names: Sequence[str], channels: int) -> None:
    """Refuses a teacher that cannot teach these classes; loads no network.

    Args:
        teacher: A run folder, or the name of a network.
        class_names: The student's, by label.
        channels: Channels of the student's input.

    Raises:
        UserError: When there is no such teacher, or it has other classes or channels.
    """
    if _is_run(teacher):
        run = Run.load(teacher)
        run.check_finished()
        run.task.check("teacher")
        names, own = run.class_names, run.input_shape[-1]
        if names != tuple(class_names):
            raise UserError(
                f"The teacher {teacher!r} was trained on other classes: {len(names)}, such as "
                f"{names[0]!r}. Expected those of the data: {len(class_names)}, such as "
                f"{class_names[0]!r}."
            )
    else:
        facts = info(teacher)
        own = facts.input_shape[-1]
        if facts.classes != len(class_names):
            raise UserError(
                f"The teacher {facts.name} has {facts.classes} classes, the data "
                f"{len(class_names)}; give the folder of a run on these data."
            )
    if own != channels:
        raise UserError(
            f"The teacher {teacher!r} takes images of {own} channels, the network {channels}."
        )


def _is_run(teacher: str) -> bool:
    return pathlib.Path(teacher, CONFIG).is_file()


def distillation(config: TrainConfig) -> Distillation | None:
    """What the teacher of a configuration adds to the loss; ``None`` without one.

    A teacher of another size gets the student's images resized; a network by its name has the
    weights of ImageNet.

    Raises:
        UserError: When its weights cannot be loaded.
    """
    if config.teacher is None:
        return None
    if _is_run(config.teacher):
        run = Run.load(config.teacher)
        network, seen = run.network(), run.preprocessing
    else:
        network = build(config.teacher, weights="imagenet", classifier_activation=None)
        seen = preprocessing(network)
    on_images = with_preprocessing(network, seen)
    height, width = seen.size

    def teach(images: Any) -> Any:
        if tuple(images.shape[1:3]) != (height, width):
            images = ops.image.resize(ops.cast(images, "float32"), (height, width))
        return on_images(images, training=False)

    return Distillation(teach, config.teacher_weight, config.teacher_temperature)

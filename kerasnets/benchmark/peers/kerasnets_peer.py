"""Our networks: trained by our trainer's step, rewritten for inference, exported by our export."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

# Before Keras: it asks TensorFlow for oneDNN.
import kerasnets  # isort: skip

import keras
from job import CLASSES, LEARNING_RATE, MOMENTUM, Setting
from keras_peers import KerasPeer, accelerators


class Kerasnets(KerasPeer):
    """A network of kerasnets, with its preprocessing in the step and in the export."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.open = contextlib.ExitStack()

    def make(self) -> keras.Model:
        return kerasnets.build(
            self.setting.network,
            input_shape=self.setting.input_shape,
            classes=CLASSES,
            classifier_activation=None,
        )

    @property
    def preprocessing(self) -> kerasnets.Preprocessing:
        facts = kerasnets.info(self.setting.network)
        return facts.preprocessing.for_input(*self.setting.input_shape)

    def facts(self) -> dict:
        from kerasnets.inspection.table import multiply_adds

        facts = super().facts()
        versions = {"kerasnets": kerasnets.__version__, **facts["versions"]}
        return {**facts, "versions": versions, "multiply_adds": multiply_adds(self.model)}

    def training(self, xla: bool) -> Callable[[int], None]:
        """The trainer's step; on other backends than TensorFlow a fit compiled by hand."""
        if self.backend != "tensorflow":
            network, self.model = (
                self.model,
                kerasnets.with_preprocessing(self.model, self.preprocessing),
            )
            self.open.callback(setattr, self, "model", network)
            super().training(xla)
            return self.fitting(self.model, self.setting.pixels())
        from kerasnets.config import recipe
        from kerasnets.training.distribution import Place
        from kerasnets.training.trainer import repeatable

        plan = recipe(
            "resnet2015",
            optimizer="sgd",
            schedule="constant",
            weight_decay=0.0,
            learning_rate=LEARNING_RATE,
            momentum=MOMENTUM,
            batch_size=self.setting.batch,
        )
        fast = ("xla",) if xla else ("auto",)
        model = Place().trainee(self.model, self.preprocessing, plan, 1, fast=fast)
        self.open.enter_context(repeatable())
        return self.fitting(model, self.setting.pixels())

    def predicting(self) -> keras.Model:
        return kerasnets.for_inference(self.model, device=self._served_by)

    @property
    def _served_by(self) -> str:
        alone = self.setting.device == "cpu" or not accelerators(self.backend)
        return "cpu" if alone else "any"

    def exported(self) -> Callable[[], object]:
        if self.backend != "tensorflow":
            return super().exported()
        import tensorflow as tf

        from kerasnets.export import Form, export

        half = self.setting.precision == "bfloat16"
        form = Form(precision="bf16") if half else Form(device=self._served_by)
        names = tuple(map(str, range(CLASSES)))
        folder = export(self.model, self.preprocessing, names, self.scratch.name, form=form)
        loaded, x = tf.saved_model.load(folder), tf.constant(self.setting.images())
        return lambda: loaded.signatures["tensor"](tensor=x)["logits"].numpy()

    def finish(self) -> None:
        self.open.close()

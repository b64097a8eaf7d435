"""Networks of kerasnets, and of Keras and KerasHub, compiled and fitted with Keras' defaults."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib import metadata
from typing import ClassVar

import keras
import numpy as np
from keras import ops

import kerasnets
from kerasnets.benchmark.network import CLASSES, Network


class Kerasnets(Network):
    """Ours, as `kerasnets benchmark` measures it."""

    def facts(self) -> dict:
        versions = {name: metadata.version(name) for name in ("keras", self.backend)}
        versions = {"kerasnets": kerasnets.__version__, **versions}
        return {**super().facts(), "backend": self.backend, "versions": versions}

    def product(self, side: int) -> Callable[[], None]:
        dtype = self.setting.precision
        a = ops.cast(keras.random.normal((side, side)), dtype)
        multiply = _compiled(self.backend)
        # One number waits for all and is quick to copy; TensorFlow gives no scalar of bfloat16.
        return lambda: ops.convert_to_numpy(multiply(a, a)[:1, :1])


class Applications(Kerasnets):
    """A network of keras.applications."""

    packages: ClassVar[tuple[str, ...]] = ()
    """What comes with Keras and its backend, for the versions."""

    def make(self) -> keras.Model:
        return getattr(keras.applications, self.setting.network)(
            weights=None,
            input_shape=self.setting.input_shape,
            classes=CLASSES,
            classifier_activation=None,
        )

    def facts(self) -> dict:
        names = ("keras", self.backend, *self.packages)
        return {
            "backend": self.backend,
            "versions": {name: metadata.version(name) for name in names},
            "parameters": self.model.count_params(),
        }

    def training(self, xla: bool) -> Callable[[int], None]:
        self.compile_training(self.model, xla)
        return self.fitting(self.model, self.setting.images())

    def predicting(self) -> keras.Model:
        return self.model

    def exported(self) -> Callable[[], np.ndarray]:
        import tensorflow as tf

        folder = tempfile.mkdtemp(dir=self.scratch.name)
        self.model.export(folder, verbose=False)
        loaded, x = tf.saved_model.load(folder), tf.constant(self.setting.images())
        return lambda: loaded.serve(x).numpy()


class KerasHub(Applications):
    """A network of KerasHub, built from its backbone's table; presets would be downloaded."""

    packages = ("keras-hub",)
    TABLES: ClassVar[dict] = {
        "resnet50": {
            "input_conv_filters": [64],
            "input_conv_kernel_sizes": [7],
            "stackwise_num_filters": [64, 128, 256, 512],
            "stackwise_num_blocks": [3, 4, 6, 3],
            "stackwise_num_strides": [1, 2, 2, 2],
            "block_type": "bottleneck_block",
            "use_pre_activation": False,
        },
        "densenet121": {"stackwise_num_repeats": [6, 12, 24, 16]},
        "vgg16": {
            "stackwise_num_repeats": [2, 2, 3, 3, 3],
            "stackwise_num_filters": [64, 128, 256, 512, 512],
        },
    }

    def make(self) -> keras.Model:
        from keras_hub import models

        families = {"resnet50": "ResNet", "densenet121": "DenseNet", "vgg16": "VGG"}
        name = self.setting.network
        backbone = getattr(models, f"{families[name]}Backbone")(
            image_shape=self.setting.input_shape, **self.TABLES[name]
        )
        classifier = getattr(models, f"{families[name]}ImageClassifier")
        return classifier(backbone=backbone, preprocessor=None, num_classes=CLASSES)


def _compiled(backend: str) -> Callable:
    """A matrix product as the backend compiles it."""
    if backend == "jax":
        import jax

        return jax.jit(ops.matmul)
    return ops.matmul

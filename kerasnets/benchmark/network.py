"""The steps of a network that a benchmark times, on any backend of Keras."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import kerasnets
from kerasnets.lazy import keras

LEARNING_RATE, MOMENTUM = 0.01, 0.9
CLASSES = 1000


class UnsupportedError(Exception):
    """This library or backend has no such job."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a network is measured with.

    Attributes:
        network: Its name.
        input_shape: (height, width, channels).
        batch: Images in a batch.
        precision: ``"float32"`` or ``"bfloat16"`` (mixed precision).
        device: ``"auto"``, ``"cpu"`` or ``"gpu"``.
    """

    network: str
    input_shape: tuple[int, int, int]
    batch: int
    precision: str
    device: str

    def pixels(self) -> np.ndarray:
        """Random images, (N, H, W, C) uint8."""
        shape = (self.batch, *self.input_shape)
        return np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def images(self) -> np.ndarray:
        """The same images in [0, 1], float32."""
        return self.pixels().astype(np.float32) / 255

    def labels(self) -> np.ndarray:
        """Random labels, (N,) int32."""
        return np.random.default_rng(1).integers(0, CLASSES, self.batch, np.int32)


class Network:
    """A network of kerasnets with random weights and 1000 classes.

    It is trained by our trainer's step, rewritten for inference and exported by our export.
    """

    model: keras.Model

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.backend = keras.backend.backend()
        if setting.device == "gpu" and not self.on_gpu:
            raise UnsupportedError(f"Keras' {self.backend} backend finds no GPU")
        self.open = contextlib.ExitStack()

    def make(self) -> keras.Model:
        """The network with its initial weights; it returns logits."""
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

    def build(self) -> None:
        keras.backend.clear_session()
        # Set each time: clearing the session forgets it.
        mixed = self.setting.precision == "bfloat16"
        keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
        self.model = self.make()

    def facts(self) -> dict:
        """What is known of the network that was built."""
        from kerasnets.inspection.table import multiply_adds

        return {
            "parameters": self.model.count_params(),
            "multiply_adds": multiply_adds(self.model),
        }

    def prepare(self, job: str) -> Callable[[int], None]:
        """A function that does a number of steps and returns when they are computed."""
        if job.endswith("xla") and self.backend != "tensorflow":
            raise UnsupportedError(f"on {self.backend} `{job}` is what its other form is already")
        if job in ("train", "train_xla"):
            return self.training(xla=job == "train_xla")
        step = self.build if job == "build" else self.inference(job)

        def run(steps: int) -> None:
            for _ in range(steps):
                step()

        return run

    def training(self, xla: bool) -> Callable[[int], None]:
        """The trainer's step; on other backends than TensorFlow a fit compiled by hand."""
        if self.backend != "tensorflow":
            model = kerasnets.with_preprocessing(self.model, self.preprocessing)
            self.compile_training(model, xla)
            return self.fitting(model, self.setting.pixels())
        from kerasnets.training.distribution import Placement
        from kerasnets.training.process import repeatable

        plan = kerasnets.recipe(
            "resnet2015",
            optimizer="sgd",
            schedule="constant",
            weight_decay=0.0,
            learning_rate=LEARNING_RATE,
            momentum=MOMENTUM,
            batch_size=self.setting.batch,
        )
        fast = ("xla",) if xla else ("auto",)
        model = Placement().training_model(self.model, self.preprocessing, plan, 1, fast=fast)
        self.open.enter_context(repeatable())
        return self.fitting(model, self.setting.pixels())

    def compile_training(self, model: keras.Model, xla: bool) -> None:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM)
        _compile(model, xla, optimizer=optimizer, loss=loss, metrics=["accuracy"])

    def fitting(self, model: keras.Model, images: np.ndarray) -> Callable[[int], None]:
        """Steps of `model.fit` on one batch, which comes from the host each time."""
        batch = images, self.setting.labels()
        if self.backend == "tensorflow":
            import tensorflow as tf

            dataset = tf.data.Dataset.from_tensors(batch).repeat()
            # The thread that tunes pipelines may sleep on when `fit` is done, which waits for it
            # (TensorFlow 2.21): 10 ms and twice as long each time.
            options = tf.data.Options()
            options.autotune.enabled = False
            dataset = dataset.with_options(options)
        last = model.trainable_variables[-1]

        def run(steps: int) -> None:
            tensorflow = self.backend == "tensorflow"
            batches = dataset if tensorflow else (batch for _ in range(steps))
            options: dict[str, Any] = {"steps_per_epoch": steps, "verbose": 0, "shuffle": False}
            model.fit(batches, **options)
            # On JAX `fit` returns while the device still computes.
            keras.ops.convert_to_numpy(last)

        return run

    def inference(self, form: str) -> Callable[[], object]:
        """A step of one form: ``eager``, ``graph``, ``xla`` or ``exported``."""
        if form == "exported":
            if self.backend != "tensorflow":
                raise UnsupportedError(f"a SavedModel is not made on {self.backend}")
            return self.exported()
        model, images = self.predicting(), keras.ops.convert_to_tensor(self.setting.images())
        if form == "eager":
            return lambda: keras.ops.convert_to_numpy(model(images, training=False))
        if self.backend == "jax":
            return _jitted(model, images)
        _compile(model, xla=form == "xla")
        return lambda: model.predict_on_batch(images)

    def predicting(self) -> keras.Model:
        """The model that is called in inference."""
        return kerasnets.for_inference(self.model, device="any" if self.on_gpu else "cpu")

    def exported(self) -> Callable[[], object]:
        """A step of the SavedModel, loaded again."""
        import tensorflow as tf

        from kerasnets.export import Form, export

        half = self.setting.precision == "bfloat16"
        form = Form(precision="bf16") if half else Form(device="any" if self.on_gpu else "cpu")
        names = tuple(map(str, range(CLASSES)))
        folder = export(self.model, self.preprocessing, names, self.scratch.name, form=form)
        loaded, x = tf.saved_model.load(folder), tf.constant(self.setting.images())
        return lambda: loaded.signatures["tensor"](tensor=x)["logits"].numpy()

    @functools.cached_property
    def scratch(self) -> tempfile.TemporaryDirectory:
        """A folder that goes with this object."""
        return tempfile.TemporaryDirectory(prefix="benchmark-")

    @property
    def on_gpu(self) -> bool:
        """Whether the backend finds a GPU and may use it."""
        if self.setting.device == "cpu":
            return False
        if self.backend == "tensorflow":
            import tensorflow as tf

            return bool(tf.config.list_physical_devices("GPU"))
        if self.backend == "jax":
            import jax

            return jax.default_backend() != "cpu"
        import torch

        return torch.cuda.is_available()

    def device_memory(self) -> float | None:
        """Peak of the device since the last call, in MiB; ``None`` on a CPU."""
        if not self.on_gpu:
            return None
        if self.backend == "tensorflow":
            import tensorflow as tf

            peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
            tf.config.experimental.reset_memory_stats("GPU:0")
        elif self.backend == "jax":
            import jax

            peak = jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]
        else:
            import torch

            peak = torch.cuda.max_memory_allocated()
            torch.cuda.reset_peak_memory_stats()
        return peak / 2**20

    def finish(self) -> None:
        """Ends a job."""
        self.open.close()


def _compile(model: keras.Model, xla: bool, **options: Any) -> None:
    options["jit_compile"] = xla or "auto"
    model.compile(**options)


def _jitted(model: keras.Model, images: object) -> Callable[[], object]:
    """What JAX compiles; `predict_on_batch` would hand all weights back after each batch."""
    import jax

    weights = [
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]
    call = jax.jit(lambda weights, x: model.stateless_call(*weights, x, training=False)[0])
    return lambda: keras.ops.convert_to_numpy(call(weights, images))

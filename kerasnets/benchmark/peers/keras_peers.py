"""Networks of Keras and of KerasHub, compiled and fitted by hand with Keras' defaults."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from importlib import metadata

import keras
from job import CLASSES, LEARNING_RATE, MOMENTUM, Setting, UnsupportedError
from keras import ops


class KerasPeer:
    """A `keras.Model`, on any backend."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.backend = keras.backend.backend()
        if setting.device == "gpu" and not accelerators(self.backend):
            raise UnsupportedError(f"Keras' {self.backend} backend finds no GPU")

    def make(self) -> keras.Model:
        """The network with its initial weights; it returns logits."""
        raise NotImplementedError

    def build(self) -> None:
        keras.backend.clear_session()
        # Set each time: a session that is cleared forgets it.
        mixed = self.setting.precision == "bfloat16"
        keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
        self.model = self.make()

    def facts(self) -> dict:
        packages = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}
        versions = {name: metadata.version(name) for name in ("keras", packages[self.backend])}
        return {"backend": self.backend, "versions": versions}

    def prepare(self, job: str) -> Callable[[int], None]:
        """A function that does so many steps and returns when they are computed."""
        if job == "build":
            return self._repeated(self.build)
        if job.endswith("xla") and self.backend != "tensorflow":
            raise UnsupportedError(f"on {self.backend} `{job}` is what its other form is already")
        if job in ("train", "train_xla"):
            return self.training(xla=job == "train_xla")
        return self._repeated(self.inference(job))

    def _repeated(self, step: Callable[[], object]) -> Callable[[int], None]:
        def run(steps: int) -> None:
            for _ in range(steps):
                step()

        return run

    def training(self, xla: bool) -> Callable[[int], None]:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        options = {"jit_compile": True} if xla else {}
        optimizer = keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM)
        self.model.compile(optimizer, loss, metrics=["accuracy"], **options)
        return self.fitting(self.model, self.setting.images())

    def fitting(self, model: keras.Model, images: object) -> Callable[[int], None]:
        """Steps of `model.fit` on one batch, which comes from the host each time."""
        labels = self.setting.labels()
        if self.backend == "tensorflow":
            import tensorflow as tf

            batches = tf.data.Dataset.from_tensors((images, labels)).repeat()
            # The thread that tunes pipelines may sleep on when `fit` is done, which waits for it
            # (TensorFlow 2.21): 10 ms and twice as long each time.
            options = tf.data.Options()
            options.autotune.enabled = False
            batches = batches.with_options(options)
        else:
            batches = SameBatch(images, labels)
        last = model.trainable_variables[-1]

        def run(steps: int) -> None:
            model.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False)
            # On JAX `fit` returns while the device still computes.
            ops.convert_to_numpy(last)

        return run

    def inference(self, form: str) -> Callable[[], object]:
        if form == "exported":
            return self.exported()
        model, images = self.predicting(), ops.convert_to_tensor(self.setting.images())
        if form == "eager":
            return lambda: ops.convert_to_numpy(model(images, training=False))
        if self.backend == "jax":
            return _jitted(model, images)
        model.compile(**({"jit_compile": True} if form == "xla" else {}))
        return lambda: model.predict_on_batch(images)

    def predicting(self) -> keras.Model:
        """The model that is called in inference."""
        return self.model

    def exported(self) -> Callable[[], object]:
        """A SavedModel, loaded again."""
        if self.backend != "tensorflow":
            raise UnsupportedError(f"a SavedModel is not made on {self.backend}")
        import tensorflow as tf

        folder = tempfile.mkdtemp(prefix="benchmark-", dir=self.scratch.name)
        self.model.export(folder, verbose=False)
        loaded, x = tf.saved_model.load(folder), tf.constant(self.setting.images())
        return lambda: loaded.serve(x).numpy()

    @functools.cached_property
    def scratch(self) -> tempfile.TemporaryDirectory:
        """A folder that goes with the process."""
        return tempfile.TemporaryDirectory()

    def product(self, side: int) -> Callable[[], None]:
        dtype = self.setting.precision
        a = ops.cast(keras.random.normal((side, side)), dtype)
        multiply = _compiled(self.backend)
        # One number waits for all and is quick to copy; TensorFlow gives no scalar of bfloat16.
        return lambda: ops.convert_to_numpy(multiply(a, a)[:1, :1])

    def device_memory(self) -> float | None:
        """Peak of the device since the last call, in MiB; ``None`` for a CPU."""
        if not accelerators(self.backend) or self.setting.device == "cpu":
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
        """After a job."""


class Applications(KerasPeer):
    """A network of keras.applications."""

    def make(self) -> keras.Model:
        return getattr(keras.applications, self.setting.network)(
            weights=None,
            input_shape=self.setting.input_shape,
            classes=CLASSES,
            classifier_activation=None,
        )


class KerasHub(KerasPeer):
    """A network of KerasHub, built from its backbone's table; presets would be downloaded."""

    TABLES = {  # noqa: RUF012
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

    def facts(self) -> dict:
        facts = super().facts()
        return {
            **facts,
            "versions": {**facts["versions"], "keras-hub": metadata.version("keras-hub")},
        }


class SameBatch(keras.utils.PyDataset):
    """One batch again and again."""

    def __init__(self, images: object, labels: object) -> None:
        super().__init__()
        self.batch = images, labels

    def __len__(self) -> int:
        return 10**6

    def __getitem__(self, index: int) -> tuple[object, object]:
        return self.batch


def _jitted(model: keras.Model, images: object) -> Callable[[], object]:
    """What JAX compiles; `predict_on_batch` would hand all weights back after each batch."""
    import jax

    weights = [
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]
    call = jax.jit(lambda weights, x: model.stateless_call(*weights, x, training=False)[0])
    return lambda: ops.convert_to_numpy(call(weights, images))


def _compiled(backend: str) -> Callable:
    """A matrix product as the backend compiles it."""
    if backend == "jax":
        import jax

        return jax.jit(ops.matmul)
    return ops.matmul


def accelerators(backend: str) -> bool:
    """Whether the backend computes on a GPU."""
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return jax.default_backend() != "cpu"
    import torch

    return torch.cuda.is_available()

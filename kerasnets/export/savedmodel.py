"""The format ``savedmodel``: image files in, answers out; see `kerasnets.export.signatures`."""

from __future__ import annotations

import pathlib
from typing import Any

from kerasnets.errors import UserError
from kerasnets.export.form import Exporter, Form, Job, register_exporter
from kerasnets.lazy import tf


class SavedModel(Exporter):
    """SavedModels, with requests that warm up TensorFlow Serving."""

    file = "saved_model.pb"
    extras = "assets.extra"
    parent = "savedmodels"
    takes = ("device", "precision")

    def check(self, form: Form) -> None:
        if form.device == "cpu" and ("none" in form.fast or form.precision != "fp32"):
            raise UserError(
                "--device cpu is for optimised SavedModels in fp32. "
                f"Received: --precision {form.precision}, --fast {' '.join(form.fast)}."
            )

    def write(self, job: Job, folder: pathlib.Path) -> dict[str, object]:
        import numpy as np

        from kerasnets.export.checks import compare, random_inputs
        from kerasnets.export.signatures import signatures
        from kerasnets.export.warmup import write_warmup

        # `keras.export.ExportArchive` would write each weight twice (Keras 3.15).
        module: Any = tf.Module()
        module.weights = [weight.value for weight in job.inference.variables]
        asked = signatures(
            job.inference, job.preprocessing, job.class_names, job.task, job.thresholds
        )
        functions = {
            name: tf.function(signature.function, input_signature=signature.inputs)
            for name, signature in asked.items()
        }
        tf.saved_model.save(module, folder, signatures=functions)
        shape = job.network.input_shape[1:]
        write_warmup(folder / self.extras, job.network.name, shape, asked)

        inputs = random_inputs(job.network)
        loaded = tf.saved_model.load(folder)
        found = loaded.signatures["tensor"](tensor=tf.constant(inputs))["logits"]
        expected = np.asarray(job.network(inputs, training=False))
        return compare(expected, found.numpy(), job.form.precision)


register_exporter("savedmodel", SavedModel())

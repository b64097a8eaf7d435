"""The format ``savedmodel``: image files in, answers out; see `kerasnets.export.signatures`."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kerasnets.errors import UserError
from kerasnets.export.form import Exporter, Form, Job, register_exporter
from kerasnets.lazy import tf

if TYPE_CHECKING:
    from kerasnets.cards.text import Signature


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
        return compare(expected, found.numpy(), job.form.precision, job.task)

    def signatures(self, folder: pathlib.Path) -> dict[str, Signature]:
        return read_signatures(folder)


def read_signatures(folder: pathlib.Path) -> dict[str, Signature]:
    """The signatures of a SavedModel by name, the one that is asked by default first."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel as Message

    from kerasnets.cards.text import Signature

    graph = Message.FromString((folder / SavedModel.file).read_bytes()).meta_graphs[0]
    found = {
        name: Signature(_shapes(asked.inputs), _shapes(asked.outputs))
        for name, asked in graph.signature_def.items()
        # Of TensorFlow's own.
        if not name.startswith("__")
    }
    return dict(sorted(found.items(), key=lambda each: (each[0] != "serving_default", each[0])))


def _shapes(tensors: Mapping[str, Any]) -> dict[str, str]:
    """Types and shapes of tensors by name."""
    return {name: _shape(info) for name, info in sorted(tensors.items())}


def _shape(info: Any) -> str:
    sides = ["any" if side.size < 0 else str(side.size) for side in info.tensor_shape.dim]
    sides[:1] = ["N"] if sides[:1] == ["any"] else sides[:1]
    shape = "any" if info.tensor_shape.unknown_rank else ", ".join(sides)
    return f"{tf.dtypes.as_dtype(info.dtype).name} ({shape})"


register_exporter("savedmodel", SavedModel())

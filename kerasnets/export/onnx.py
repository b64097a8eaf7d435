"""The format ``onnx``: a file that takes batches of raw pixels."""

from __future__ import annotations

import pathlib

from kerasnets.errors import UserError
from kerasnets.export.form import Exporter, Form, Job, register_exporter
from kerasnets.lazy import installed, keras, tf


class ONNX(Exporter):
    """ONNX files; without onnxruntime they are written unchecked."""

    file = "model.onnx"
    parent = "onnx"

    def check(self, form: Form) -> None:
        missing = [name for name in ("tf2onnx", "onnx") if not installed(name)]
        if missing:
            raise UserError(
                f"--format onnx needs {', '.join(missing)}; pip install 'kerasnets[onnx]'"
            )

    def write(self, job: Job, folder: pathlib.Path) -> dict[str, object] | str:
        from kerasnets.export.pixels import compare_on_pixels, on_pixels, write

        path = folder / self.file
        model = on_pixels(job.inference, job.preprocessing, job.task)
        _hold_constants_as_arrays(model)
        write(model, path, "onnx", batch=None)
        if not installed("onnxruntime"):
            return "none: onnxruntime is not installed"
        import numpy as np
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

        def answer(pixels: np.ndarray) -> np.ndarray:
            return np.asarray(session.run(["logits"], {"images": pixels})[0])

        return compare_on_pixels(job, answer)


def _hold_constants_as_arrays(model: keras.Model) -> None:
    """Replaces tensors that layers hold by arrays: tf2onnx 1.17 takes such tensors for inputs."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _hold_constants_as_arrays(layer)
        for name, value in vars(layer).items():
            if isinstance(value, tf.Tensor):
                setattr(layer, name, value.numpy())


register_exporter("onnx", ONNX())

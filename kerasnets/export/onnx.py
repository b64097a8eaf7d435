"""The format ``onnx``: a file that takes batches of raw pixels."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kerasnets.errors import UserError
from kerasnets.export.form import Exporter, Form, Job, register_exporter
from kerasnets.lazy import installed, keras, tf

if TYPE_CHECKING:
    import numpy as np


class ONNX(Exporter):
    """ONNX files, in float32 or, with calibration images, int8.

    Without onnxruntime those of float32 are written unchecked.
    """

    file = "model.onnx"
    parent = "onnx"
    takes = ("quantize",)

    def check(self, form: Form) -> None:
        needed = ["tf2onnx", "onnx", *["onnxruntime"] * (form.quantize != "none")]
        missing = [name for name in needed if not installed(name)]
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
        if job.calibration is not None:
            _quantize(path, job.calibration)
        if not installed("onnxruntime"):
            return "none: onnxruntime is not installed"
        import numpy as np
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

        def answer(pixels: np.ndarray) -> np.ndarray:
            return np.asarray(session.run(["logits"], {"images": pixels})[0])

        return compare_on_pixels(job, answer)

    def embed(self, path: pathlib.Path, texts: Mapping[str, str]) -> None:
        """As the model's metadata."""
        import onnx

        model = onnx.load(str(path))
        onnx.helper.set_model_props(model, dict(texts))
        onnx.save(model, str(path))


def _quantize(path: pathlib.Path, images: np.ndarray) -> None:
    """Makes weights and activations 8 bits, between pairs of quantizing and dequantizing nodes.

    Args:
        path: The file, which is replaced.
        images: Raw pixels, (N, H, W, C) in 0 to 255, that give the scales.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Images(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.left, None)
            return None if image is None else {"images": image[None]}

    # Batch norms that are left go into convolutions, which are then quantized as one.
    folded = path.with_name("folded.onnx")
    quant_pre_process(str(path), str(folded), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(folded),
        str(path),
        Images(),
        quant_format=quantization.QuantFormat.QDQ,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        per_channel=True,
    )
    folded.unlink()


def _hold_constants_as_arrays(model: keras.Model) -> None:
    """Replaces tensors that layers hold by arrays: tf2onnx 1.17 takes such tensors for inputs."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _hold_constants_as_arrays(layer)
        for name, value in vars(layer).items():
            if isinstance(value, tf.Tensor):
                setattr(layer, name, value.numpy())


register_exporter("onnx", ONNX())

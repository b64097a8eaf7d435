"""Exports for phones and browsers through Keras' own exporters: LiteRT and ONNX.

Both take ``images`` (N, H, W, C) float32, raw pixels of the network's size in 0 to 255, and give
probabilities (N, classes). LiteRT is fixed to one image. In int8 its input is uint8.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import pathlib

import keras
import numpy as np
import tensorflow as tf

from kerasnets.errors import UserError
from kerasnets.export.checks import Answer
from kerasnets.inputs import Preprocessing, with_preprocessing

# What writing a format needs, by the names to install and to import.
NEEDED = {"litert": {}, "onnx": {"tf2onnx": "tf2onnx", "onnx": "onnx"}}


def check_installed(format: str) -> None:
    """Raises a `UserError` where a format's exporter is not installed."""
    missing = [name for name, module in NEEDED[format].items() if not _has(module)]
    if missing:
        raise UserError(
            f"--format {format} needs {', '.join(missing)}; pip install 'kerasnets[{format}]'"
        )


def with_probabilities(network: keras.Model, preprocessing: Preprocessing) -> keras.Model:
    """A model from raw pixels, (N, H, W, C) float32, to probabilities, (N, classes)."""
    images = keras.Input(network.input_shape[1:], name="images")
    logits = with_preprocessing(network, preprocessing)(images)
    return keras.Model(images, keras.layers.Softmax(dtype="float32", name="probabilities")(logits))


def write_litert(model: keras.Model, path: pathlib.Path, calibration: np.ndarray | None) -> None:
    """Writes a LiteRT file.

    Args:
        model: See `with_probabilities`.
        path: Ends with ``.tflite``.
        calibration: Raw pixels, (N, H, W, C), whose activations give int8 its scales; ``None``
            leaves it in float32.
    """
    options = {}
    if calibration is not None:
        options = {
            "optimizations": [tf.lite.Optimize.DEFAULT],
            "representative_dataset": lambda: ([image[None]] for image in calibration),
            "target_spec": {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
            "inference_input_type": tf.uint8,
        }
    signature = [keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32", name="images")]
    with _silent():
        model.export(path, format="litert", verbose=False, input_signature=signature, **options)


def write_onnx(model: keras.Model, path: pathlib.Path) -> None:
    """Writes an ONNX file."""
    with _silent():
        model.export(str(path), format="onnx", verbose=False)


def run_litert(path: pathlib.Path) -> Answer:
    """The answers of a LiteRT file, by ai-edge-litert where it is installed."""
    if _has("ai_edge_litert"):
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path))
    else:
        interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def answer(pixels: np.ndarray) -> np.ndarray:
        rows = []
        for image in pixels:
            interpreter.set_tensor(taken["index"], image[None].astype(taken["dtype"]))
            interpreter.invoke()
            rows.append(interpreter.get_tensor(given["index"])[0])
        return np.stack(rows)

    return answer


def run_onnx(path: pathlib.Path) -> Answer | None:
    """The answers of an ONNX file; ``None`` where onnxruntime is not installed."""
    if not _has("onnxruntime"):
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pixels: session.run(None, {name: pixels})[0]


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@contextlib.contextmanager
def _silent():
    """Without what converters print."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield

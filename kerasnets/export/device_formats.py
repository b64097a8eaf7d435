"""Exports for phones and browsers through Keras' own exporters: LiteRT and ONNX.

Both take ``images`` (N, H, W, C) float32, raw pixels of the network's size in 0 to 255, and give
``logits`` and ``probabilities`` (N, classes). LiteRT is fixed to one image; in int8 it takes uint8.
"""

from __future__ import annotations

import contextlib
import io
import pathlib
import warnings

import keras
import numpy as np
import tensorflow as tf

from kerasnets.errors import UserError
from kerasnets.export.checks import Answer
from kerasnets.inputs import Preprocessing, with_preprocessing
from kerasnets.lazy import installed

# What writing a format needs, by the names to install and to import.
NEEDED = {"litert": {}, "onnx": {"tf2onnx": "tf2onnx", "onnx": "onnx"}}


def check_installed(format: str) -> None:
    """Raises a `UserError` where a format's exporter is not installed."""
    missing = [name for name, module in NEEDED[format].items() if not installed(module)]
    if missing:
        raise UserError(
            f"--format {format} needs {', '.join(missing)}; pip install 'kerasnets[{format}]'"
        )


def on_pixels(network: keras.Model, preprocessing: Preprocessing) -> keras.Model:
    """A model from raw pixels, (N, H, W, C) float32, to logits and probabilities."""
    images = keras.Input(network.input_shape[1:], name="images")
    logits = with_preprocessing(network, preprocessing)(images)
    softmax = keras.layers.Softmax(dtype="float32", name="probabilities")
    return keras.Model(images, {"logits": logits, "probabilities": softmax(logits)})


def write_litert(model: keras.Model, path: pathlib.Path, calibration: np.ndarray | None) -> None:
    """Writes a LiteRT file.

    Args:
        model: See `on_pixels`.
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
    with _silent():
        model.export(
            path, format="litert", verbose=False, input_signature=_input(model, 1), **options
        )


def write_onnx(model: keras.Model, path: pathlib.Path) -> None:
    """Writes an ONNX file."""
    _hold_constants_as_arrays(model)
    with _silent():
        model.export(str(path), format="onnx", verbose=False, input_signature=_input(model, None))


def _hold_constants_as_arrays(model: keras.Model) -> None:
    """Replaces tensors that layers hold by arrays: tf2onnx 1.17 takes such tensors for inputs."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _hold_constants_as_arrays(layer)
        for name, value in vars(layer).items():
            if isinstance(value, tf.Tensor):
                setattr(layer, name, value.numpy())


def run_litert(path: pathlib.Path) -> Answer:
    """Logits by a LiteRT file, run by ai-edge-litert where it is installed."""
    if installed("ai_edge_litert"):
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path))
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorFlow's interpreter is deprecated.
            interpreter = tf.lite.Interpreter(str(path))
    run = interpreter.get_signature_runner("serving_default")
    dtype = run.get_input_details()["images"]["dtype"]

    def answer(pixels: np.ndarray) -> np.ndarray:
        return np.concatenate([run(images=image[None].astype(dtype))["logits"] for image in pixels])

    return answer


def run_onnx(path: pathlib.Path) -> Answer | None:
    """Logits by an ONNX file; ``None`` where onnxruntime is not installed."""
    if not installed("onnxruntime"):
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda pixels: session.run(["logits"], {"images": pixels})[0]


def _input(model: keras.Model, batch: int | None) -> list[keras.InputSpec]:
    shape = (batch, *model.input_shape[1:])
    return [keras.InputSpec(shape=shape, dtype="float32", name="images")]


@contextlib.contextmanager
def _silent():
    """Without what converters print."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield

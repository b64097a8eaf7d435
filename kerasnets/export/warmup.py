"""Requests that TensorFlow Serving sends itself before a version takes any other.

They build what TensorFlow builds at the first call, so that no client waits for it. The file is
``assets.extra/tf_serving_warmup_requests``, a TFRecord of ``tensorflow.serving.PredictionLog``:
https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

from __future__ import annotations

import importlib
import pathlib
from collections.abc import Container

import numpy as np
import tensorflow as tf

FILE = "tf_serving_warmup_requests"


def write_warmup(
    folder: pathlib.Path, name: str, input_shape: tuple[int, int, int], signatures: Container[str]
) -> None:
    """Writes one request for each signature.

    Args:
        folder: ``assets.extra`` of the version.
        name: Name of the model.
        input_shape: Input shape of the network, (H, W, C).
        signatures: Names of the signatures that there are.
    """
    # Their classes are made on import, so no type checker finds them.
    apis = "tensorflow_serving.apis"
    classification_pb2 = importlib.import_module(f"{apis}.classification_pb2")
    predict_pb2 = importlib.import_module(f"{apis}.predict_pb2")
    prediction_log_pb2 = importlib.import_module(f"{apis}.prediction_log_pb2")

    height, width, _ = input_shape
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    jpeg = tf.io.encode_jpeg(pixels).numpy()
    inputs = {
        **{key: {"image_bytes": [jpeg]} for key in ("serving_default", "features", "explain")},
        "images": {"images": pixels[None]},
        "tensor": {"tensor": np.zeros((1, *input_shape), np.float32)},
    }
    example = tf.train.Example()
    example.features.feature["image/encoded"].bytes_list.value.append(jpeg)
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name, classify.model_spec.signature_name = name, "classify"
    classify.input.example_list.examples.append(example)

    with tf.io.TFRecordWriter(str(folder / FILE)) as writer:
        for signature, tensors in inputs.items():
            if signature not in signatures:
                continue
            predict = predict_pb2.PredictRequest()
            predict.model_spec.name, predict.model_spec.signature_name = name, signature
            for key, value in tensors.items():
                predict.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(predict)
            writer.write(log.SerializeToString())
        if "classify" not in signatures:
            return
        log = prediction_log_pb2.PredictionLog()
        log.classify_log.request.CopyFrom(classify)
        writer.write(log.SerializeToString())

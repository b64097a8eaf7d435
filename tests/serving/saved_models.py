"""Small SavedModels whose answers can be reckoned by hand."""

from __future__ import annotations

import pathlib

import tensorflow as tf


class HalfPlus(tf.Module):
    """TensorFlow Serving's half_plus_two, with a signature of each kind the server knows."""

    def __init__(self, offset: float):
        super().__init__()
        self.offset = tf.Variable(offset)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def predict(self, x):
        return {"y": x / 2 + self.offset}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.int32, name="numbers"),
            tf.TensorSpec([None], tf.string, name="text"),
        ]
    )
    def two(self, numbers, text):
        return {
            "sum": tf.reduce_sum(numbers, axis=1),
            "same_bytes": text,
            "upper": tf.strings.upper(text),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs):
        x = self._feature(inputs)
        classes = tf.tile([["half", "whole"]], [tf.size(x), 1])
        return {"classes": classes, "scores": tf.stack([x / 2 + self.offset, x], axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def regress(self, inputs):
        return {"outputs": self._feature(inputs) / 2 + self.offset}

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32, name="x")])
    def scalar(self, x):
        return {"y": x / 2 + self.offset}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def roots(self, x):
        with tf.control_dependencies([tf.debugging.assert_non_negative(x, "x is negative")]):
            return {"y": tf.sqrt(x)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def odd(self, x):
        return {"not_a_number": x / (x - x), "half": tf.cast(x, tf.float16)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def total(self, inputs):
        return {"outputs": tf.reduce_sum(self._feature(inputs))}

    def _feature(self, inputs):
        features = {"x": tf.io.FixedLenFeature([], tf.float32)}
        return tf.io.parse_example(inputs, features)["x"]


def half_plus(offset: float, folder: pathlib.Path) -> pathlib.Path:
    """Writes a version; it appears at once, as an export's does."""
    module = HalfPlus(offset)
    partial = folder.with_name(f".partial-{folder.name}")
    signatures = {
        "serving_default": module.predict,
        "two": module.two,
        "classify_x": module.classify,
        "regress_x": module.regress,
        "regress_total": module.total,
        "scalar": module.scalar,
        "roots": module.roots,
        "odd": module.odd,
    }
    tf.saved_model.save(module, str(partial), signatures=signatures)
    partial.rename(folder)
    return folder

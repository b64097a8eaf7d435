"""TensorFlow Serving's classify and regress: tf.Examples from JSON, and the answers in JSON."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from kerasnets.serving.batching import Tensors
from kerasnets.serving.json_tensors import decode_base64, is_base64, json_kind, quote, values
from kerasnets.serving.status import invalid

# What the messages call the method, and the outputs of which it needs one.
METHODS = {
    "classify": ("classification", ("classes", "scores")),
    "regress": ("regression", ("outputs",)),
}


def examples(document: Mapping) -> list[tf.train.Example]:
    """The tf.Examples of a classify or regress request.

    Raises:
        RequestError: When there are none, or a feature is wrong.
    """
    context = _example(document.get("context", {}), tf.train.Example())
    found = document.get("examples")
    if "examples" not in document:
        problem = "When method is classify, key 'examples' is expected and was not found"
    elif not isinstance(found, list):
        problem = "Expecting 'examples' value to be an list/array"
    elif not found:
        problem = "'examples' value is an empty array"
    else:
        return [_example(features, context) for features in found]
    raise invalid(f"JSON Value: {quote(document)} {problem}")


def byte_strings(example: tf.train.Example) -> list[bytes]:
    """What may be image files in a tf.Example."""
    features = example.features.feature.values()
    return [value for feature in features for value in feature.bytes_list.value]


def _example(features: object, context: tf.train.Example) -> tf.train.Example:
    if not isinstance(features, dict):
        raise invalid(f"Example must be JSON object but got JSON {json_kind(features)}")
    example = tf.train.Example()
    example.CopyFrom(context)
    for name, value in features.items():
        feature = tf.train.Feature()
        for element in value if isinstance(value, list) else [value]:
            _add_to_feature(element, name, feature)
        key = name.encode("utf-8", "replace").decode()
        example.features.feature[key].CopyFrom(feature)
    return example


def _add_to_feature(value: object, name: str, feature: tf.train.Feature) -> None:
    if isinstance(value, str):
        kind, value = "bytes", value.encode("utf-8", "surrogateescape")
    elif is_base64(value):
        kind, value = "bytes", decode_base64(value)
    elif isinstance(value, float):
        kind = "float"
    elif isinstance(value, int):
        kind = "int64"
        if not -(2**63) <= value < 2**63:
            raise invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    else:
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {json_kind(value)}")
    present = (feature.WhichOneof("kind") or kind).removesuffix("_list")
    if present != kind:
        raise invalid(f"Unexpected element type in feature: {name} expecting type: {present}")
    getattr(feature, f"{kind}_list").value.append(value)


def check_signature(verb: str, signature: SignatureDef) -> None:
    """Checks that a signature has the inputs and outputs that a method needs.

    Raises:
        RequestError: When it has not.
    """
    noun, outputs = METHODS[verb]
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if not 1 <= len(signature.outputs) <= len(outputs):
        wanted = "one or two output Tensors" if len(outputs) == 2 else "one output Tensor"
        raise invalid(f"Expected {wanted}.")
    for kind, wanted, present in (
        ("inputs", {"inputs"}, signature.inputs),
        ("outputs", set(outputs), signature.outputs),
    ):
        if wanted.isdisjoint(present):
            text = " ".join(str(signature).split())
            raise invalid(f"No {noun} {kind} found in SignatureDef: {text}")


def answer(verb: str, count: int, outputs: Tensors) -> dict:
    """The answer to a request with `count` examples."""
    return {"results": (_pairs if verb == "classify" else _numbers)(outputs, count)}


def _pairs(outputs: Tensors, count: int) -> list:
    """For each example its pairs of label and score; what the signature lacks is empty or zero."""
    found = {name: outputs[name] for name in ("classes", "scores") if name in outputs}
    for name, tensor in found.items():
        if tensor.ndim != 2 or len(tensor) != count:
            raise invalid(
                f"Expected {name} Tensor shape: [batch_size num_classes] but got "
                f"{list(tensor.shape)}"
            )
    shape = next(iter(found.values())).shape
    classes = found.get("classes", np.full(shape, b"", object))
    scores = found.get("scores", np.zeros(shape, np.float32))
    if classes.shape != scores.shape:
        raise invalid(
            "Tensors class and score should match in dim_size(1). Got "
            f"{classes.shape[1]} vs. {scores.shape[1]}"
        )
    rows = zip(values("classes", classes), values("scores", scores), strict=True)
    return [list(map(list, zip(*row, strict=True))) for row in rows]


def _numbers(outputs: Tensors, count: int) -> list:
    tensor = outputs["outputs"]
    if tensor.shape not in ((count,), (count, 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"{list(tensor.shape)}"
        )
    return values("outputs", tensor.reshape(-1))

"""TensorFlow Serving's classify and regress: tf.Examples from JSON, and the answers in JSON.

All functions raise `RequestError` for what does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from kerasnets.serving.batching import Tensors
from kerasnets.serving.json_tensors import decode_bytes, is_base64, json_kind, values, wrong
from kerasnets.serving.status import invalid

# What the messages call the method, and the outputs of which it needs one.
METHODS = {
    "classify": ("classification", ("classes", "scores")),
    "regress": ("regression", ("outputs",)),
}


def examples(document: Mapping) -> list[tf.train.Example]:
    """The tf.Examples of a classify or regress request."""
    context = _example(document.get("context", {}), tf.train.Example())
    found = document.get("examples")
    if "examples" not in document:
        raise wrong(document, "key 'examples' is expected and was not found")
    if not isinstance(found, list):
        raise wrong(document, "Expecting 'examples' value to be an list/array")
    if not found:
        raise wrong(document, "'examples' value is an empty array")
    return [_example(features, context) for features in found]


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
    if isinstance(value, str) or is_base64(value):
        kind, value = "bytes", decode_bytes(value)
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
    """Checks that a signature has the inputs and outputs that a method needs."""
    noun, outputs = METHODS[verb]
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if not 1 <= len(signature.outputs) <= len(outputs):
        raise invalid(
            f"Expected {'one or two output Tensors' if outputs[1:] else 'one output Tensor'}."
        )
    text = " ".join(str(signature).split())
    if "inputs" not in signature.inputs:
        raise invalid(f"No {noun} inputs found in SignatureDef: {text}")
    if not set(outputs) & set(signature.outputs):
        raise invalid(f"No {noun} outputs found in SignatureDef: {text}")


def answer(verb: str, count: int, outputs: Tensors) -> dict:
    """The answer to a request with `count` examples."""
    found = {name: outputs[name] for name in METHODS[verb][1] if name in outputs}
    for name, tensor in found.items():
        shapes = f"[{count}, classes]" if verb == "classify" else f"[{count}] or [{count}, 1]"
        fits = tensor.ndim == 2 if verb == "classify" else tensor.shape[1:] in ((), (1,))
        if not fits or len(tensor) != count:
            raise invalid(f"Expected {name} Tensor shape: {shapes} but got {list(tensor.shape)}")
    if verb == "regress":
        return {"results": values("outputs", found["outputs"].reshape(-1))}
    return {"results": _pairs(found)}


def _pairs(found: Tensors) -> list:
    """For each example its pairs of label and score; what the signature lacks is empty or zero."""
    shape = next(iter(found.values())).shape
    classes = found.get("classes", np.full(shape, b"", object))
    scores = found.get("scores", np.zeros(shape, np.float32))
    if classes.shape != scores.shape:
        sizes = f"{classes.shape[1]} vs. {scores.shape[1]}"
        raise invalid(f"Tensors class and score should match in dim_size(1). Got {sizes}")
    rows = zip(values("classes", classes), values("scores", scores), strict=True)
    return [list(map(list, zip(*row, strict=True))) for row in rows]

"""tf.Examples from the JSON of TensorFlow Serving's classify and regress requests."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from kerasnets.serving.json_tensors import decode_base64, is_base64, json_kind, quote
from kerasnets.serving.status import invalid


def examples(document: Mapping) -> list[tf.train.Example]:
    """The tf.Examples of a classify or regress request.

    Raises:
        RequestError: When there are none, or a feature is wrong.
    """
    context = tf.train.Example()
    if "context" in document:
        _fill_example(document["context"], context)
    if "examples" not in document:
        raise invalid(
            f"JSON Value: {quote(document)} When method is classify, key 'examples' is expected "
            "and was not found"
        )
    if not isinstance(document["examples"], list):
        raise invalid(
            f"JSON Value: {quote(document)} Expecting 'examples' value to be an list/array"
        )
    if not document["examples"]:
        raise invalid(f"JSON Value: {quote(document)} 'examples' value is an empty array")
    found = []
    for features in document["examples"]:
        example = tf.train.Example()
        example.CopyFrom(context)
        _fill_example(features, example)
        found.append(example)
    return found


def byte_strings(example: tf.train.Example) -> list[bytes]:
    """What may be image files in a tf.Example."""
    features = example.features.feature.values()
    return [value for feature in features for value in feature.bytes_list.value]


def _fill_example(features: object, example: tf.train.Example) -> None:
    if not isinstance(features, dict):
        raise invalid(f"Example must be JSON object but got JSON {json_kind(features)}")
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        feature = tf.train.Feature()
        for element in values:
            _add_to_feature(element, name, feature)
        key = name.encode("utf-8", "replace").decode()
        example.features.feature[key].CopyFrom(feature)


def _add_to_feature(value: object, name: str, feature: tf.train.Feature) -> None:
    if isinstance(value, str):
        kind, value = "bytes", value.encode("utf-8", "surrogateescape")
    elif is_base64(value):
        kind, value = "bytes", decode_base64(value)
    elif isinstance(value, float):
        kind = "float"
    elif isinstance(value, int):
        kind, value = "int64", int(value)
        if not -(2**63) <= value < 2**63:
            raise invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    else:
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {json_kind(value)}")
    present = feature.WhichOneof("kind")
    if present not in (None, f"{kind}_list"):
        raise invalid(
            f"Unexpected element type in feature: {name} expecting type: "
            f"{present.removesuffix('_list')}"
        )
    getattr(feature, f"{kind}_list").value.append(value)

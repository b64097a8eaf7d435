"""TensorFlow Serving's classify and regress: tf.Examples from JSON, and the answers in JSON.

All functions raise `RequestError` for what does not fit. As in `json_tensors`, reading needs no
TensorFlow: the messages are made from their descriptions.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from kerasnets.serving import json_tensors
from kerasnets.serving.json_tensors import decode_bytes, is_base64, json_kind, values, wrong
from kerasnets.serving.status import invalid

if typing.TYPE_CHECKING:
    from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

# What the messages call the method, and the outputs of which it needs one.
METHODS = {
    "classify": ("classification", ("classes", "scores")),
    "regress": ("regression", ("outputs",)),
}
# Bytes that the context of a request may come to, copied into each of its examples.
MAX_CONTEXT = 2**26


class ExamplesRequest(NamedTuple):
    """What a classify or regress request says.

    Attributes:
        signature: The signature that it names; empty where it names none.
        examples: Serialised tf.Examples.
        images: What may be image files in each of them.
    """

    signature: str
    examples: list[bytes]
    images: list[list[bytes]]


def read_examples(body: bytes, description: tuple[bytes, ...], max_rows: int) -> ExamplesRequest:
    """Reads the body of a classify or regress request.

    Args:
        body: JSON.
        description: Of tf.Example: serialised ``FileDescriptorProto``s, each behind those that it
            imports.
        max_rows: The most examples that a request may have.
    """
    document = json_tensors.parse(body)
    name = json_tensors.signature_name(document)
    examples = _examples(document, _messages(description), max_rows)
    images = [byte_strings(example) for example in examples]
    return ExamplesRequest(name, [each.SerializeToString() for each in examples], images)


@functools.cache
def _messages(description: tuple[bytes, ...]) -> Callable[[str], Any]:
    """From the name of a message to a new one."""
    pool = descriptor_pool.DescriptorPool()
    for each in description:
        pool.Add(descriptor_pb2.FileDescriptorProto.FromString(each))

    def new(name: str) -> Any:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.{name}"))()

    return new


def _examples(document: Mapping, new: Callable[[str], Any], max_rows: int) -> list[Any]:
    context = _example(document.get("context", {}), new("Example"), new)
    found = document.get("examples")
    if "examples" not in document:
        raise wrong(document, "key 'examples' is expected and was not found")
    if not isinstance(found, list):
        raise wrong(document, "Expecting 'examples' value to be an list/array")
    if not found:
        raise wrong(document, "'examples' value is an empty array")
    if len(found) > max_rows:
        raise json_tensors.too_many(len(found), max_rows)
    if (size := len(found) * context.ByteSize()) > MAX_CONTEXT:
        raise invalid(f"The context of all examples comes to {size} bytes, above {MAX_CONTEXT}.")
    return [_example(features, context, new) for features in found]


def byte_strings(example: Any) -> list[bytes]:
    """What may be image files in a tf.Example."""
    features = example.features.feature.values()
    return [value for feature in features for value in feature.bytes_list.value]


def _example(features: object, context: Any, new: Callable[[str], Any]) -> Any:
    if not isinstance(features, dict):
        raise invalid(f"Example must be JSON object but got JSON {json_kind(features)}")
    example = new("Example")
    example.CopyFrom(context)
    for name, value in features.items():
        feature = new("Feature")
        for element in value if isinstance(value, list) else [value]:
            _add_to_feature(element, name, feature)
        key = name.encode("utf-8", "replace").decode()
        example.features.feature[key].CopyFrom(feature)
    return example


def _add_to_feature(value: object, name: str, feature: Any) -> None:
    if isinstance(value, str) or is_base64(value):
        kind, value = "bytes", decode_bytes(value)
    elif isinstance(value, float):
        kind = "float"
    elif isinstance(value, int):
        # Protocol buffers refuse a bool for an integer.
        kind, value = "int64", int(value)
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


def answer(verb: str, count: int, outputs: json_tensors.Tensors) -> bytes:
    """The answer to a request with `count` examples, as JSON."""
    found = {name: outputs[name] for name in METHODS[verb][1] if name in outputs}
    for name, tensor in found.items():
        shapes = f"[{count}, classes]" if verb == "classify" else f"[{count}] or [{count}, 1]"
        fits = tensor.ndim == 2
        if verb == "regress":
            fits = tensor.ndim in (1, 2) and tensor.shape[1:] in ((), (1,))
        if not fits or len(tensor) != count:
            raise invalid(f"Expected {name} Tensor shape: {shapes} but got {list(tensor.shape)}")
    if verb == "regress":
        results = values("outputs", found["outputs"].reshape(-1))
    else:
        results = _pairs(found)
    return json_tensors.to_json({"results": results})


def _pairs(found: json_tensors.Tensors) -> list:
    """For each example its pairs of label and score; what the signature lacks is empty or zero."""
    shape = next(iter(found.values())).shape
    classes = found.get("classes", np.full(shape, b"", object))
    scores = found.get("scores", np.zeros(shape, np.float32))
    if classes.shape != scores.shape:
        sizes = f"{classes.shape[1]} vs. {scores.shape[1]}"
        raise invalid(f"Tensors class and score should match in dim_size(1). Got {sizes}")
    rows = zip(values("classes", classes), values("scores", scores), strict=True)
    return [list(map(list, zip(*row, strict=True))) for row in rows]

"""Tensors from and to the JSON of TensorFlow Serving's REST API.

Rules and messages are those of TensorFlow Serving's ``util/json_tensor.cc``: what it refuses is
refused here with the same words, but for what is no JSON at all; what it lets pass (text after the
document, NaN) passes.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerasnets.serving.status import RequestError, invalid

# An error quotes a request's value up to this many characters.
QUOTED = 256
# The dimensions that an array of NumPy can have, in all of its versions.
MAX_RANK = 32
# The names that TensorFlow itself gives some types.
NAMES = {tf.float16: "half", tf.float32: "float", tf.float64: "double"}
# The integers that a type's elements may be. TensorFlow Serving keeps small ones in 32 bits until
# the tensor is made.
INTEGERS = {
    **dict.fromkeys((tf.int8, tf.int16, tf.int32, tf.uint8), np.int32),
    tf.int64: np.int64,
    tf.uint32: np.uint32,
    tf.uint64: np.uint64,
}
# The types of Python's values that a tensor's elements may be.
ELEMENTS = {
    tf.string: (str, dict),
    tf.bool: (bool,),
    **dict.fromkeys((tf.float32, tf.float64), (int, float)),
    **dict.fromkeys(INTEGERS, (int,)),
}


def type_name(dtype: tf.DType) -> str:
    """TensorFlow's own name of a type."""
    return NAMES.get(dtype, dtype.name)


def parse(body: bytes) -> dict:
    """The JSON object of a request.

    Raises:
        RequestError: When it is none.
    """
    # Bytes that are not UTF-8 go through, as TensorFlow Serving lets them.
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff").lstrip(" \t\r\n")
    try:
        document, _ = json.JSONDecoder().raw_decode(text)
    except (RecursionError, ValueError) as error:  # no JSON; nested too deep; too many digits
        raise invalid(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {quote(document)} Is not object")
    return document


def signature_name(document: Mapping) -> str:
    """The signature a request asks for; empty where it names none."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {quote(document)} not formatted correctly. 'signature_name' key must be "
            "a string value."
        )
    return name


def quote(value: object) -> str:
    """A JSON value for an error, cut where it gets long."""
    chunks = itertools.islice(json.JSONEncoder(ensure_ascii=False).iterencode(value), QUOTED)
    return "".join(chunks)[:QUOTED].encode("utf-8", "replace").decode()


def json_kind(value: object) -> str:
    """The name that TensorFlow Serving has for the type of a JSON value."""
    if isinstance(value, bool):
        return str(value)
    names = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
    return names.get(type(value), "Null")


def is_base64(value: object) -> bool:
    """Whether a value is ``{"b64": "..."}``."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_base64(value: Any) -> bytes:
    """The bytes of ``{"b64": "..."}``; padding may lack and white space may stand between.

    Raises:
        RequestError: When it is something else.
    """
    if not is_base64(value):
        raise invalid(f"JSON Value: {quote(value)} not formatted correctly for base64 data")
    text = value["b64"]
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        text = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise invalid("Unable to base64 decode") from None


def strings(values: Sequence) -> np.ndarray:
    """A vector of strings as they are; NumPy's own type would cut zeros off their ends."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _tensor(value: object, dtype: tf.DType) -> np.ndarray:
    """A tensor from nested lists, whose shape is measured along their first elements."""
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if len(shape) > MAX_RANK:
        raise invalid(f"A tensor has at most {MAX_RANK} dimensions. Received: {len(shape)}.")
    elements: list = []
    _collect(value, 0, shape, elements)
    return _array(elements, dtype).reshape(shape)


def _collect(value: object, level: int, shape: Sequence[int], elements: list) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {quote(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        elements.append(value)
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: "
            f"{shape[level]}"
        )
    # Pixels and features: the elements of an innermost list need no look at each.
    if level + 1 == len(shape) and list not in set(map(type, value)):
        elements.extend(value)
        return
    for element in value:
        _collect(element, level + 1, shape, elements)


def _array(elements: list, dtype: tf.DType) -> np.ndarray:
    """A vector of JSON values, if JSON has all of them as elements of `dtype`."""
    if dtype not in ELEMENTS:
        first = quote(elements[0] if elements else [])
        raise RequestError(
            "UNIMPLEMENTED", f"Conversion of JSON Value: {first} to type: {type_name(dtype)}"
        )
    allowed = ELEMENTS[dtype]
    # Once for each type, since most tensors are long and of one.
    if wrong := set(map(type, elements)).difference(allowed):
        raise _wrong_type(next(each for each in elements if type(each) in wrong), dtype)
    if dtype == tf.string:
        return strings(list(map(_bytes, elements)))
    if dtype in INTEGERS:
        bounds = np.iinfo(INTEGERS[dtype])
        for each in (min(elements, default=0), max(elements, default=0)):
            if not bounds.min <= each <= bounds.max:
                raise _wrong_type(each, dtype)
    try:
        with np.errstate(over="ignore"):
            wide = INTEGERS.get(dtype, dtype.as_numpy_dtype)
            return np.array(elements, wide).astype(dtype.as_numpy_dtype)
    except OverflowError:  # an integer beyond the floats
        raise _wrong_type(max(elements, key=abs), dtype) from None


def _bytes(value: object) -> bytes:
    return (
        value.encode("utf-8", "surrogateescape") if isinstance(value, str) else decode_base64(value)
    )


def _wrong_type(value: object, dtype: tf.DType) -> RequestError:
    return invalid(
        f"JSON Value: {quote(value)} Type: {json_kind(value)} is not of expected type: "
        f"{type_name(dtype)}"
    )


def predict_inputs(
    document: Mapping, types: Mapping[str, tf.DType]
) -> tuple[bool, dict[str, np.ndarray]]:
    """The tensors of a predict request.

    Args:
        document: The request.
        types: Types of the signature's inputs, by name.

    Returns:
        Whether the request is in row format, and the inputs by name.

    Raises:
        RequestError: When the request does not fit the inputs.
    """
    rows, columns = "instances" in document, "inputs" in document
    if not rows and not columns:
        raise invalid("Missing 'inputs' or 'instances' key")
    if rows and columns:
        problem = (
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    elif columns:
        return False, _from_columns(document["inputs"], types)
    elif not isinstance(document["instances"], list):
        problem = "Expecting 'instances' to be an list/array"
    elif not document["instances"]:
        problem = "No values in 'instances' array"
    else:
        return True, _from_rows(document["instances"], types)
    raise invalid(f"JSON Value: {quote(document)} {problem}")


def _is_named(value: object) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _from_rows(items: list, types: Mapping[str, tf.DType]) -> dict[str, np.ndarray]:
    named = _is_named(items[0])
    if not named and len(types) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    columns: dict[str, list[np.ndarray]] = {name: [] for name in types}
    for number, item in enumerate(items):
        if _is_named(item) != named:
            wanted, got = ("object", "list") if named else ("value/list", "object")
            raise invalid(f"Expecting {wanted} but got {got} at item {number} of input list")
        row = item if named else {next(iter(types)): item}
        for name, value in row.items():
            try:
                _add_row(name, value, types, columns)
            except RequestError as error:
                key = f" key: {name}" if named else ""
                raise invalid(
                    f"Failed to process element: {number}{key} of 'instances' list. "
                    f"Error: {error.code}: {error.message}"
                ) from None
        if row.keys() != types.keys():
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: "
                f"{quote(item)} keys must be equal to: {','.join(sorted(types))}"
            )
    return {name: np.stack(tensors) for name, tensors in columns.items()}


def _add_row(
    name: str,
    value: object,
    types: Mapping[str, tf.DType],
    columns: Mapping[str, list[np.ndarray]],
) -> None:
    if name not in types:
        raise invalid(f"JSON object: does not have named input: {name}")
    tensor = _tensor(value, types[name])
    columns[name].append(tensor)
    first = columns[name][0]
    if tensor.size != first.size:
        raise invalid(f"Expecting tensor size: {first.size} but got: {tensor.size}")
    if tensor.shape != first.shape:
        wanted, got = (",".join(map(str, each.shape)) for each in (first, tensor))
        raise invalid(f"Expecting shape [{wanted}] but got: [{got}]")


def _from_columns(value: Any, types: Mapping[str, tf.DType]) -> dict[str, np.ndarray]:
    if not _is_named(value):
        if len(types) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        value = {next(iter(types)): value}
    for name in types:
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: _tensor(value[name], dtype) for name, dtype in types.items()}


def values(name: str, tensor: np.ndarray) -> list:
    """An output as nested lists for JSON.

    Strings of an output whose name ends in ``_bytes`` become ``{"b64": ...}``. A 32-bit float
    gets the fewest digits that stand for it: 0.2, not 0.20000000298023224.

    Raises:
        RequestError: When JSON has no such values.
    """
    if tensor.dtype.kind in "OSU":
        write = _write_base64 if name.endswith("_bytes") else _write_text
        return strings([write(item) for item in tensor.ravel()]).reshape(tensor.shape).tolist()
    if tensor.dtype == np.float32:
        return tensor.astype("U").astype(np.float64).tolist()
    if tensor.dtype.kind in "biu" or tensor.dtype == np.float64:
        return tensor.tolist()
    dtype = type_name(tf.as_dtype(tensor.dtype))
    raise invalid(f"Failed to write JSON value for tensor type: {dtype}")


def _write_base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _write_text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def predict_answer(rows: bool, outputs: Mapping[str, np.ndarray]) -> dict:
    """The answer to a predict request, in the request's format."""
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    columns = {name: values(name, tensor) for name, tensor in sorted(outputs.items())}
    if rows:
        _check_batch(outputs)
    if len(columns) == 1:
        (answer,) = columns.values()
    elif rows:
        cells = zip(*columns.values(), strict=True)
        answer = [dict(zip(columns, row, strict=True)) for row in cells]
    else:
        answer = columns
    return {"predictions" if rows else "outputs": answer}


def _check_batch(outputs: Mapping[str, np.ndarray]) -> None:
    for name, tensor in outputs.items():
        if tensor.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
    (first, *_) = outputs.values()
    for name, tensor in outputs.items():
        if len(tensor) != len(first):
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(tensor)} expecting: "
                f"{len(first)}"
            )

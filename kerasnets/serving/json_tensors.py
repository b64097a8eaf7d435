"""Tensors from and to the JSON of TensorFlow Serving's REST API.

Rules and messages are those of TensorFlow Serving's ``util/json_tensor.cc``: what it refuses is
refused here with the same words, what it lets pass (text after the document, NaN) passes.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from kerasnets.serving.status import RequestError, invalid

# An error quotes a request's value up to this many characters.
QUOTED = 256
# The dimensions a tensor can have.
MAX_RANK = 254
NAMES = {tf.float16: "half", tf.float32: "float", tf.float64: "double"}
INTEGERS = {
    # TensorFlow Serving keeps small integers in 32 bits until the tensor is made.
    **dict.fromkeys((tf.int8, tf.int16, tf.int32, tf.uint8), (-(2**31), 2**31 - 1)),
    tf.int64: (-(2**63), 2**63 - 1),
    tf.uint32: (0, 2**32 - 1),
    tf.uint64: (0, 2**64 - 1),
}
FLOATS = (tf.float32, tf.float64)
# json's wording of what is wrong, and rapidjson's.
PARSE_ERRORS = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}


def type_name(dtype: tf.DType) -> str:
    """TensorFlow's own name of a type."""
    return NAMES.get(dtype, dtype.name)


def parse(body: bytes) -> dict:
    """The JSON object of a request.

    Raises:
        RequestError: When it is none.
    """
    # Bytes that are no UTF-8 go through, as rapidjson lets them.
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    if not text:
        raise invalid("JSON Parse error: The document is empty")
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        document, _ = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        reason = PARSE_ERRORS.get(error.msg, f"{error.msg}.")
        raise invalid(f"JSON Parse error: {reason} at offset: {error.pos}") from None
    except (RecursionError, ValueError):  # nested too deep; a number of too many digits
        raise invalid("JSON Parse error: The document cannot be read.") from None
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
    try:
        chunks = json.JSONEncoder(ensure_ascii=False).iterencode(value)
        text, length = "", 0
        for chunk in chunks:
            text += chunk[: QUOTED - length]
            length = len(text)
            if length >= QUOTED:
                break
    except RecursionError:
        text = "[[..."
    return text.encode("utf-8", "replace").decode()


def json_kind(value: object) -> str:
    """The name that rapidjson has for a value's type."""
    if isinstance(value, bool):
        return str(value)
    names = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
    return names.get(type(value), "Null")


def _wrong_type(value: object, dtype: tf.DType) -> RequestError:
    return invalid(
        f"JSON Value: {quote(value)} Type: {json_kind(value)} is not of expected type: "
        f"{type_name(dtype)}"
    )


def is_base64(value: object) -> bool:
    """Whether a value is ``{"b64": "..."}``."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_base64(value: object) -> bytes:
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
        pass
    text = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def _leaf(value: object, dtype: tf.DType) -> object:
    """One value of a tensor, if JSON has it as one of `dtype`."""
    if isinstance(value, dict):
        if dtype == tf.string:
            return decode_base64(value)
    elif dtype == tf.string:
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape")
    elif dtype == tf.bool:
        if isinstance(value, bool):
            return value
    elif dtype in FLOATS:
        if type(value) in (int, float):
            return float(value) if abs(value) < 2**1023 else float("inf")
    elif dtype in INTEGERS:
        low, high = INTEGERS[dtype]
        if type(value) is int and low <= value <= high:
            return value
    else:
        raise RequestError(
            "UNIMPLEMENTED",
            f"Conversion of JSON Value: {quote(value)} to type: {type_name(dtype)}",
        )
    raise _wrong_type(value, dtype)


def _shape(value: object) -> tuple[int, ...]:
    """Of nested lists, measured along their first elements."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def _leaves(value: object, level: int, shape: tuple[int, ...], dtype: tf.DType, out: list) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {quote(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        out.append(_leaf(value, dtype))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: "
            f"{shape[level]}"
        )
    # Pixels and features: a list of finite floats needs no look at each.
    if dtype in FLOATS and set(map(type, value)) == {float}:
        out.extend(value)
        return
    for element in value:
        _leaves(element, level + 1, shape, dtype, out)


def _tensor(value: object, dtype: tf.DType) -> tuple[tuple[int, ...], list]:
    shape = _shape(value)
    if len(shape) > MAX_RANK:
        raise invalid(f"A tensor has at most {MAX_RANK} dimensions. Received: {len(shape)}.")
    leaves: list = []
    _leaves(value, 0, shape, dtype, leaves)
    return shape, leaves


def strings(values: Sequence) -> np.ndarray:
    """A vector of strings as they are; NumPy's own type would cut zeros off their ends."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _array(leaves: list, shape: tuple[int, ...], dtype: tf.DType) -> np.ndarray:
    if dtype == tf.string:
        return strings(leaves).reshape(shape)
    wide = {tf.int8: np.int64, tf.int16: np.int64, tf.uint8: np.int64}.get(
        dtype, dtype.as_numpy_dtype
    )
    with np.errstate(over="ignore"):
        return np.array(leaves, wide).astype(dtype.as_numpy_dtype).reshape(shape)


def predict_inputs(
    document: Mapping, types: Mapping[str, tf.DType]
) -> tuple[bool, dict[str, np.ndarray]]:
    """The tensors of a predict request.

    Args:
        document: The request.
        types: Of the signature's inputs, by name.

    Returns:
        Whether the request is in row format, and the inputs by name.

    Raises:
        RequestError: When the request does not fit the inputs.
    """
    rows, columns = "instances" in document, "inputs" in document
    if rows and columns:
        raise invalid(
            f"JSON Value: {quote(document)} Not formatted correctly expecting only one of 'inputs' "
            "or 'instances' keys to exist "
        )
    if rows:
        if not isinstance(document["instances"], list):
            raise invalid(
                f"JSON Value: {quote(document)} Expecting 'instances' to be an list/array"
            )
        if not document["instances"]:
            raise invalid(f"JSON Value: {quote(document)} No values in 'instances' array")
        return True, _from_rows(document["instances"], types)
    if columns:
        return False, _from_columns(document["inputs"], types)
    raise invalid("Missing 'inputs' or 'instances' key")


def _from_rows(items: list, types: Mapping[str, tf.DType]) -> dict[str, np.ndarray]:
    if not isinstance(items[0], dict) and len(types) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    named = isinstance(items[0], dict) and not is_base64(items[0])
    shapes: dict[str, tuple[int, ...]] = {}
    leaves: dict[str, list] = {}
    for number, item in enumerate(items):
        if (isinstance(item, dict) and not is_base64(item)) != named:
            wanted, got = ("object", "list") if named else ("value/list", "object")
            raise invalid(f"Expecting {wanted} but got {got} at item {number} of input list")
        row = item if named else {next(iter(types)): item}
        for name, value in row.items():
            try:
                _add_row(name, value, types, shapes, leaves)
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
    return {name: _array(leaves[name], (len(items), *shapes[name]), types[name]) for name in types}


def _add_row(name: str, value: object, types: Mapping, shapes: dict, leaves: dict) -> None:
    if name not in types:
        raise invalid(f"JSON object: does not have named input: {name}")
    shape, values = _tensor(value, types[name])
    first = shapes.setdefault(name, shape)
    if len(values) != (size := int(np.prod(first))):
        raise invalid(f"Expecting tensor size: {size} but got: {len(values)}")
    if shape != first:
        wanted, got = (",".join(map(str, dims)) for dims in (first, shape))
        raise invalid(f"Expecting shape [{wanted}] but got: [{got}]")
    leaves.setdefault(name, []).extend(values)


def _from_columns(value: object, types: Mapping[str, tf.DType]) -> dict[str, np.ndarray]:
    if not isinstance(value, dict) or is_base64(value):
        if len(types) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        value = {next(iter(types)): value}
    inputs = {}
    for name, dtype in types.items():
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        shape, leaves = _tensor(value[name], dtype)
        inputs[name] = _array(leaves, shape, dtype)
    return inputs


def values(name: str, tensor: np.ndarray) -> list:
    """An output as nested lists for JSON.

    Strings of an output whose name ends in ``_bytes`` become ``{"b64": ...}``. A 32-bit float
    gets the fewest digits that stand for it: 0.2, not 0.20000000298023224.

    Raises:
        RequestError: When JSON has no such values.
    """
    if tensor.dtype.kind in "OSU":
        as_bytes = name.endswith("_bytes")
        flat = [
            {"b64": base64.b64encode(item).decode()}
            if as_bytes
            else item.decode("utf-8", "replace")
            for item in tensor.ravel().tolist()
        ]
        return strings(flat).reshape(tensor.shape).tolist()
    if tensor.dtype == np.float32:
        return tensor.astype("U").astype(np.float64).tolist()
    if tensor.dtype.kind in "biu" or tensor.dtype == np.float64:
        return tensor.tolist()
    dtype = type_name(tf.as_dtype(tensor.dtype))
    raise invalid(f"Failed to write JSON value for tensor type: {dtype}")


def predict_answer(rows: bool, outputs: Mapping[str, np.ndarray]) -> dict:
    """The answer to a predict request, in the request's format."""
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    if rows:
        _check_batch(outputs)
    columns = {name: values(name, outputs[name]) for name in sorted(outputs)}
    only = next(iter(columns.values())) if len(columns) == 1 else None
    if not rows:
        return {"outputs": columns if only is None else only}
    if only is not None:
        return {"predictions": only}
    cells = zip(*columns.values(), strict=True)
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in cells]}


def _check_batch(outputs: Mapping[str, np.ndarray]) -> None:
    for name, tensor in outputs.items():
        if tensor.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
    for (_, one), (name, other) in itertools.pairwise(outputs.items()):
        if len(one) != len(other):
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(other)} expecting: "
                f"{len(one)}"
            )

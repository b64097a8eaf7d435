"""Tensors from and to the JSON of TensorFlow Serving's REST API.

Rules and messages are those of TensorFlow Serving's ``util/json_tensor.cc``: what it refuses is
refused here with the same words, except for what is no JSON at all; what it lets pass (text after
the document, NaN) passes. All functions raise `RequestError` for what does not fit. Types of
tensors go by the names that TensorFlow has for them: nothing here needs TensorFlow, so that large
requests are read in processes of their own.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasnets.serving.status import RequestError, invalid

DEFAULT_SIGNATURE = "serving_default"
# An error quotes a request's value up to this many characters.
QUOTED = 256
# The dimensions that an array of NumPy can have, in all of its versions.
MAX_RANK = 32
# What TensorFlow Serving calls some types.
NAMES = {"float16": "half", "float32": "float", "float64": "double"}
# The integers that a type's elements may be. TensorFlow Serving keeps small ones in 32 bits until
# the tensor is made.
INTEGERS = {
    **dict.fromkeys(("int8", "int16", "int32", "uint8"), np.int32),
    "int64": np.int64,
    "uint32": np.uint32,
    "uint64": np.uint64,
}
# The types of Python's values that a tensor's elements may be.
ELEMENTS = {
    "string": (str, dict),
    "bool": (bool,),
    **dict.fromkeys(("float32", "float64"), (int, float)),
    **dict.fromkeys(INTEGERS, (int,)),
}
KINDS = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
Tensors = Mapping[str, np.ndarray]


class PredictRequest(NamedTuple):
    """What a predict request says.

    Attributes:
        signature: The signature that it names; empty where it names none.
        rows: Whether it is in row format.
        inputs: The tensors by name; ``None`` where the model has no such signature.
    """

    signature: str
    rows: bool
    inputs: Tensors | None


def read_predict(
    body: bytes, signatures: Mapping[str, Mapping[str, str]], max_rows: int
) -> PredictRequest:
    """Reads the body of a predict request.

    Args:
        body: JSON.
        signatures: The types of each signature's inputs, by their names.
        max_rows: The most instances that a request may have.
    """
    document = parse(body)
    name = signature_name(document)
    types = signatures.get(name or DEFAULT_SIGNATURE)
    if not types:
        return PredictRequest(name, False, None)
    return PredictRequest(name, *predict_inputs(document, types, max_rows))


def parse(body: bytes) -> dict:
    """The JSON object of a request."""
    # Bytes that are not UTF-8 go through, as TensorFlow Serving lets them.
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff").lstrip(" \t\r\n")
    try:
        document, _ = json.JSONDecoder().raw_decode(text)
    except (RecursionError, ValueError) as error:  # no JSON; nested too deep; too many digits
        raise invalid(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise wrong(document, "Is not object")
    return document


def signature_name(document: Mapping) -> str:
    """The signature a request asks for; empty where it names none."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise wrong(document, "'signature_name' key must be a string value.")
    return name


def wrong(value: object, problem: str) -> RequestError:
    """The error for a JSON value, quoted up to a length."""
    return invalid(f"JSON Value: {_quoted(value)} {problem}")


def too_many(rows: int, limit: int) -> RequestError:
    """The error for a request of more rows than the queue has places."""
    return invalid(f"Task size {rows} is larger than the batch scheduling queue, {limit}.")


def _quoted(value: object) -> str:
    chunks = itertools.islice(json.JSONEncoder(ensure_ascii=False).iterencode(value), QUOTED)
    return "".join(chunks)[:QUOTED].encode("utf-8", "replace").decode()


def json_kind(value: object) -> str:
    """The name that TensorFlow Serving has for the type of a JSON value."""
    return str(value) if isinstance(value, bool) else KINDS.get(type(value), "Null")


def _type_name(dtype: str) -> str:
    return NAMES.get(dtype, dtype)


def _wrong_type(value: object, dtype: str) -> RequestError:
    kind = json_kind(value)
    return wrong(value, f"Type: {kind} is not of expected type: {_type_name(dtype)}")


def is_base64(value: object) -> bool:
    """Whether a value is ``{"b64": "..."}``."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_bytes(value: Any) -> bytes:
    """The bytes of text, or of ``{"b64": "..."}``, whose padding may lack."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if not is_base64(value):
        raise wrong(value, "not formatted correctly for base64 data")
    text = value["b64"]
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        # White space may stand between.
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


def _tensor(value: object, dtype: str) -> np.ndarray:
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
    return _vector(elements, dtype).reshape(shape)


def _collect(value: object, level: int, shape: Sequence[int], elements: list) -> None:
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            place = f"found at incorrect level: {level + 1} in the JSON DOM."
            raise wrong(value, f"{place} Expected at level: {rank}")
        elements.append(value)
    elif level == rank:
        raise invalid(f"Encountered list at unexpected level: {level} expected < {rank}")
    elif len(value) != shape[level]:
        found = f"Encountered list at unexpected size: {len(value)} at level: {level}"
        raise invalid(f"{found} expected size: {shape[level]}")
    # Pixels and features: the elements of an innermost list need no look at each.
    elif level + 1 == rank and list not in set(map(type, value)):
        elements.extend(value)
    else:
        for element in value:
            _collect(element, level + 1, shape, elements)


def _vector(elements: list, dtype: str) -> np.ndarray:
    """A vector of JSON values, if JSON has all of them as elements of `dtype`."""
    if dtype not in ELEMENTS:
        message = f"Conversion of JSON Value: {_quoted(elements)} to type: {_type_name(dtype)}"
        raise RequestError("UNIMPLEMENTED", message)
    # Once for each type, since most tensors are long and of one.
    if others := set(map(type, elements)).difference(ELEMENTS[dtype]):
        raise _wrong_type(next(each for each in elements if type(each) in others), dtype)
    if dtype == "string":
        return strings(list(map(decode_bytes, elements)))
    wide = INTEGERS.get(dtype, np.dtype(dtype))
    if dtype in INTEGERS and elements:
        bounds = np.iinfo(wide)
        for each in (min(elements), max(elements)):
            if not bounds.min <= each <= bounds.max:
                raise _wrong_type(each, dtype)
    try:
        with np.errstate(over="ignore"):
            return np.array(elements, wide).astype(dtype)
    except OverflowError:  # an integer beyond the floats
        raise _wrong_type(max(elements, key=abs), dtype) from None


def predict_inputs(
    document: Mapping, types: Mapping[str, str], max_rows: int
) -> tuple[bool, dict[str, np.ndarray]]:
    """The tensors of a predict request.

    Args:
        document: The request.
        types: Types of the signature's inputs, by name.
        max_rows: The most instances that a request may have.

    Returns:
        Whether the request is in row format, and the inputs by name.
    """
    rows = document.get("instances")
    if "instances" in document and "inputs" in document:
        problem = "expecting only one of 'inputs' or 'instances' keys to exist"
    elif "inputs" in document:
        return False, _from_columns(document["inputs"], types)
    elif "instances" not in document:
        raise invalid("Missing 'inputs' or 'instances' key")
    elif not isinstance(rows, list):
        problem = "Expecting 'instances' to be an list/array"
    elif not rows:
        problem = "No values in 'instances' array"
    elif len(rows) > max_rows:
        raise too_many(len(rows), max_rows)
    else:
        return True, _from_rows(rows, types)
    raise wrong(document, problem)


def _is_named(value: object) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _from_rows(items: list, types: Mapping[str, str]) -> dict[str, np.ndarray]:
    named = _is_named(items[0])
    if not named and len(types) > 1:
        raise invalid("instances is a plain list, but expecting list of objects: several inputs")
    columns: dict[str, list[np.ndarray]] = {name: [] for name in types}
    for number, item in enumerate(items):
        if _is_named(item) != named:
            expected, got = ("object", "list") if named else ("value/list", "object")
            raise invalid(f"Expecting {expected} but got {got} at item {number} of input list")
        row = item if named else {next(iter(types)): item}
        failed = f"Failed to process element: {number}"
        for name, value in row.items():
            try:
                _add_row(name, value, types, columns)
            except RequestError as error:
                where = f"{failed} key: {name} of 'instances' list."
                raise invalid(f"{where} Error: {error.code}: {error.message}") from None
        if row.keys() != types.keys():
            keys = f"{_quoted(item)} keys must be equal to: {','.join(sorted(types))}"
            raise invalid(f"{failed} of 'instances' list. JSON object: {keys}")
    return {name: np.stack(tensors) for name, tensors in columns.items()}


def _add_row(name: str, value: object, types: Mapping, columns: Mapping[str, list]) -> None:
    if name not in types:
        raise invalid(f"JSON object: does not have named input: {name}")
    columns[name].append(tensor := _tensor(value, types[name]))
    first = columns[name][0]
    if tensor.size != first.size:
        raise invalid(f"Expecting tensor size: {first.size} but got: {tensor.size}")
    if tensor.shape != first.shape:
        expected, got = (",".join(map(str, each.shape)) for each in (first, tensor))
        raise invalid(f"Expecting shape [{expected}] but got: [{got}]")


def _from_columns(value: Any, types: Mapping[str, str]) -> dict[str, np.ndarray]:
    if not _is_named(value):
        if len(types) > 1:
            raise invalid("inputs is a plain value/list, but expecting an object: several inputs")
        value = {next(iter(types)): value}
    if missing := [name for name in types if name not in value]:
        raise invalid(f"Missing named input: {missing[0]} in 'inputs' object.")
    return {name: _tensor(value[name], dtype) for name, dtype in types.items()}


def values(name: str, tensor: np.ndarray) -> list:
    """An output as nested lists for JSON.

    Strings of an output whose name ends in ``_bytes`` become ``{"b64": ...}``. A 32-bit float
    gets the fewest digits that stand for it: 0.2, not 0.20000000298023224.
    """
    if tensor.dtype.kind in "OSU":
        write = _base64 if name.endswith("_bytes") else _text
        return strings(list(map(write, tensor.ravel()))).reshape(tensor.shape).tolist()
    if tensor.dtype == np.float32:
        return tensor.astype("U").astype(np.float64).tolist()
    if tensor.dtype.kind in "biu" or tensor.dtype == np.float64:
        return tensor.tolist()
    dtype = _type_name(str(tensor.dtype))
    raise invalid(f"Failed to write JSON value for tensor type: {dtype}")


def _base64(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def to_json(answer: object) -> bytes:
    """An answer as JSON, in which NaN and infinity stand as TensorFlow Serving writes them."""
    # Text that came with the request may hold lone surrogates, which UTF-8 has no place for.
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace")


def predict_answer(rows: bool, outputs: Tensors) -> bytes:
    """The answer to a predict request, in the request's format."""
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    columns = {name: values(name, tensor) for name, tensor in sorted(outputs.items())}
    if rows:
        if scalars := [name for name, tensor in outputs.items() if tensor.ndim == 0]:
            raise invalid(f"Tensor name: {scalars[0]} has no shape information ")
        if len(sizes := {len(tensor) for tensor in outputs.values()}) > 1:
            raise invalid(f"The outputs have inconsistent batch sizes: {sorted(sizes)}.")
    if len(columns) == 1:
        (answer,) = columns.values()
    elif rows:
        cells = zip(*columns.values(), strict=True)
        answer = [dict(zip(columns, row, strict=True)) for row in cells]
    else:
        answer = columns
    return to_json({"predictions" if rows else "outputs": answer})

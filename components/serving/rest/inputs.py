"""Inputs of a signature from the JSON of TensorFlow Serving's REST interface.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from components.messages.spelling import did_you_mean
from components.serving.rest.errors import TOO_LARGE, RequestError
from components.serving.rest.signatures import COLUMNS, DEFAULT, Input, Signature

Arrays = dict[str, NDArray[Any]]
"""Arrays by name; the rows are the first dimension."""
MAX_ROWS = 4_096
"""Maximum number of rows in a request."""
BASE64 = "b64"
"""Key of bytes that are base64."""
_SHOWN = 80
_INTEGERS = {"DT_INT64": np.int64, "DT_INT32": np.int32, "DT_INT16": np.int16, "DT_INT8": np.int8, "DT_UINT8": np.uint8}
_FLOATS = {"DT_FLOAT": np.float32, "DT_DOUBLE": np.float64}


@dataclass(frozen=True)
class Asked:
    """Inputs of a request.

    Attributes:
        inputs: Inputs of the signature.
        by_row: True for the format with `instances`, False for the format with `inputs`.
        rows: Number of rows; 0 if the inputs differ in the size of their first dimension.
    """

    inputs: Arrays
    by_row: bool
    rows: int


def document(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a request. As in TensorFlow Serving, NaN and Infinity are numbers.

    Raises:
        RequestError: The body is no JSON object.
    """
    if not body:
        raise RequestError("JSON Parse error: The document is empty")
    try:
        # orjson is the faster parser, but does not read NaN.
        found = json.loads(body) if b"NaN" in body or b"Infinity" in body else orjson.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"JSON Parse error: {error}") from error
    if not isinstance(found, dict):
        raise RequestError(f"JSON Value: {_text(found)} Is not object")
    return found


def signature_of(asked: Mapping[str, Any], signatures: Mapping[str, Signature]) -> Signature:
    """Return the signature that a request names, by default `serving_default`.

    Args:
        asked: JSON object of the request.
        signatures: Signatures of the model by name.

    Raises:
        RequestError: The model has no such signature, or the name is not a string.
    """
    name = asked.get("signature_name", DEFAULT)
    if not isinstance(name, str):
        raise RequestError("'signature_name' key must be a string value")
    name = name or DEFAULT
    if name not in signatures:
        raise RequestError(
            f'Serving signature name: "{name}" not found in signature def{did_you_mean(name, signatures)} '
            f"(there are: {', '.join(sorted(signatures))})"
        )
    return signatures[name]


def inputs_of(asked: Mapping[str, Any], signature: Signature) -> Asked:
    """Return the inputs of a request in either format.

    Args:
        asked: JSON object of the request, with one of the keys `instances` and `inputs`.
        signature: Signature that the request names.

    Raises:
        RequestError: The request does not fit the signature, or has more than `MAX_ROWS` rows. The message names the
            row, and the nearest correct name.
    """
    if ("instances" in asked) == ("inputs" in asked):
        both = "inputs" in asked
        reason = "expecting only one of 'inputs' or 'instances'" if both else "Missing 'inputs' or 'instances' key"
        near = "" if both else did_you_mean(next(iter(asked.keys() - {"signature_name"}), ""), ("inputs", "instances"))
        raise RequestError(f"{reason}{near}")
    by_row = "instances" in asked
    columns = _of_instances(asked["instances"], signature) if by_row else _of_inputs(asked["inputs"], signature)
    arrays = {name: _array(value, signature.inputs[name], name, by_row) for name, value in columns.items()}
    sizes = {array.shape[0] if array.ndim else 0 for array in arrays.values()}
    rows = sizes.pop() if len(sizes) == 1 else 0
    if signature.name in (DEFAULT, COLUMNS):
        if not rows:
            counts = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
            raise RequestError(f"the inputs must have the same number of rows, and at least one: {counts}")
        if rows > MAX_ROWS:
            raise RequestError(f"{rows} rows: a request may have {MAX_ROWS}; send several requests", TOO_LARGE)
    return Asked(arrays, by_row, rows)


def _of_instances(instances: Any, signature: Signature) -> dict[str, list[Any]]:
    """Return the values of each input, one for each instance."""
    if not isinstance(instances, list) or not instances:
        raise RequestError("Expecting 'instances' to be a list with at least one value")
    if len(instances) > MAX_ROWS:
        raise RequestError(f"{len(instances)} rows: a request may have {MAX_ROWS}; send several requests", TOO_LARGE)
    names = signature.inputs
    if not _is_object(instances[0]):
        if len(names) > 1:
            raise RequestError(
                f"instances is a plain list, but expecting list of objects as signature '{signature.name}' has the "
                f"inputs {', '.join(names)}"
            )
        for number, instance in enumerate(instances):
            if _is_object(instance):
                raise RequestError(f"Expecting value/list but got object at item {number} of input list")
        return {next(iter(names)): instances}
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for number, instance in enumerate(instances):
        if not _is_object(instance):
            raise RequestError(f"Expecting object but got list at item {number} of input list")
        if instance.keys() != names.keys():
            where = f"Failed to process element: {number} of 'instances' list"
            raise RequestError(f"{where}. {_wrong_names(instance, signature)}")
        for name, values in columns.items():
            values.append(instance[name])
    return columns


def _of_inputs(inputs: Any, signature: Signature) -> dict[str, Any]:
    """Return the value of each input."""
    if not _is_object(inputs):
        if len(signature.inputs) > 1:
            raise RequestError(
                f"inputs is a plain value/list, but expecting an object as signature '{signature.name}' has the "
                f"inputs {', '.join(signature.inputs)}"
            )
        return {next(iter(signature.inputs)): inputs}
    if inputs.keys() != signature.inputs.keys():
        raise RequestError(_wrong_names(inputs, signature))
    return inputs


def _wrong_names(given: Iterable[str], signature: Signature) -> str:
    """Return the description of inputs that are missing or unknown."""
    given, known = [*given], [*signature.inputs]
    hint = f"; signature '{COLUMNS}' takes columns by name" if signature.name == DEFAULT else ""
    for name in given:
        if name not in known:
            missing = [other for other in known if other not in given]
            near = did_you_mean(name, missing or known)
            return f"JSON object: does not have named input: {name}{near or ';'} inputs: {', '.join(known)}{hint}"
    missing = ", ".join(name for name in known if name not in given)
    return f"Missing named input: {missing}; inputs: {', '.join(known)}{hint}"


def _is_object(value: Any) -> bool:
    """Return True for an object that is not base64 data."""
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(BASE64), str)


def _array(value: Any, spec: Input, name: str, by_row: bool) -> NDArray[Any]:
    """Return a value of JSON as an array. All lists of a dimension must have the same length."""
    shape, flat = _flattened(value, name, by_row)
    if spec.rank is not None:
        if shape and not flat:  # Rows without values.
            shape = (*shape, *[0] * (spec.rank - len(shape)))
        if len(shape) != spec.rank:
            raise RequestError(f"input '{name}': lists nested {len(shape)} deep, expected {spec.rank}{_form(spec)}")
    if spec.shape is not None:
        for size, wanted in zip(shape, spec.shape, strict=True):
            if wanted not in (-1, size):
                raise RequestError(f"input '{name}': expecting size {wanted} but got {size}")
    return _converted(flat, spec.dtype, name).reshape(shape)


def _form(spec: Input) -> str:
    return ": one list for each row" if spec.rank == 2 else ": one value for each row" if spec.rank == 1 else ""


def _flattened(value: Any, name: str, by_row: bool) -> tuple[tuple[int, ...], list[Any]]:
    """Return the shape of nested lists, and their elements."""
    shape: list[int] = []
    flat = [value]
    while flat and any(isinstance(each, list) for each in flat):
        if not all(isinstance(each, list) for each in flat):
            other = next(each for each in flat if not isinstance(each, list))
            raise RequestError(f"input '{name}': {_text(other)} stands where a list belongs")
        sizes = {len(each) for each in flat}
        if len(sizes) > 1:
            number, size = next((i, len(each)) for i, each in enumerate(flat) if len(each) != len(flat[0]))
            where = f"element {number} of 'instances'" if by_row else f"row {number}"
            raise RequestError(
                f"input '{name}', {where}: a list of {size} values, expected {len(flat[0])} as in the first row; "
                'pad the shorter rows with "", or with NaN if they are numbers'
            )
        shape.append(sizes.pop())
        flat = [element for each in flat for element in each]
    return tuple(shape), flat


def _converted(values: list[Any], dtype: str, name: str) -> NDArray[Any]:
    if dtype == "DT_STRING":
        return np.array([*map(_bytes, values, [name] * len(values))] or [], dtype=object)
    if dtype in _FLOATS:
        return _numbers(values, _FLOATS[dtype], dtype, name)
    if dtype in _INTEGERS:
        limits = np.iinfo(_INTEGERS[dtype])
        for each in values:
            if type(each) is not int or not limits.min <= each <= limits.max:
                raise RequestError(_type_error(each, dtype, name))
        return np.array(values, _INTEGERS[dtype])
    if dtype == "DT_BOOL":
        for each in values:
            if not isinstance(each, bool):
                raise RequestError(_type_error(each, dtype, name))
        return np.array(values, np.bool_)
    raise RequestError(f"input '{name}': conversion of JSON to type {dtype} is not supported")


def _numbers(values: list[Any], kind: Any, dtype: str, name: str) -> NDArray[Any]:
    for each in values:
        if type(each) is not float and type(each) is not int:
            hint = "; write NaN for a missing number" if each is None else ""
            raise RequestError(f"{_type_error(each, dtype, name)}{hint}")
    try:
        wide = np.array(values, np.float64)
    except OverflowError as error:
        raise RequestError(f"input '{name}': a number is too large for {dtype}") from error
    if (np.abs(wide[np.isfinite(wide)]) > np.finfo(kind).max).any():
        raise RequestError(f"input '{name}': a number is too large for {dtype}")
    return wide.astype(kind)


def _bytes(value: Any, name: str) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise RequestError(f"input '{name}': the text holds half of a surrogate pair") from error
    if _is_base64(value):
        try:
            return base64.b64decode(value[BASE64], validate=True)
        except (binascii.Error, ValueError) as error:
            raise RequestError(f"input '{name}': Unable to base64 decode") from error
    hint = '; write "" for a missing text' if value is None else ""
    raise RequestError(f"{_type_error(value, 'DT_STRING', name)}{hint}")


def _type_error(value: Any, dtype: str, name: str) -> str:
    expected = dtype.removeprefix("DT_").lower()
    return f"input '{name}': JSON Value: {_text(value)} is not of expected type: {expected}"


def _text(value: Any) -> str:
    """Return a value as JSON, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."

"""Outputs of a signature as the JSON of TensorFlow Serving's REST interface.

Source: https://www.tensorflow.org/tfx/serving/api_rest
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from components.serving.rest.errors import RequestError
from components.serving.rest.inputs import BASE64

_BYTES = "_bytes"
"""Ending of the names of outputs that are base64 in JSON."""


def answer(outputs: Mapping[str, NDArray[Any]], by_row: bool) -> bytes:
    """Return the outputs as JSON: `predictions` by row, or `outputs` by name. A single output has no name.

    Args:
        outputs: Outputs by name; (rows, ...) each if they are by row.
        by_row: True for the format with `instances`, False for the format with `inputs`.

    Raises:
        RequestError: The format with `instances` needs outputs with one entry for each row.
    """
    plain = {name: _plain(array, name.endswith(_BYTES)) for name, array in outputs.items()}
    if not by_row:
        return _json({"outputs": next(iter(plain.values())) if len(plain) == 1 else plain})
    sizes = {array.shape[:1] for array in outputs.values()}
    if len(sizes) != 1 or () in sizes:
        raise RequestError("the outputs of this signature differ in the number of rows: ask with 'inputs'")
    if len(plain) == 1:
        return _json({"predictions": next(iter(plain.values()))})
    return _json({"predictions": [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]})


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _plain(array: NDArray[Any], as_base64: bool) -> Any:
    """Return an array in a form that orjson writes: float32 with as many digits as it has, bytes as text or base64."""
    if array.dtype != object:
        if not array.ndim:
            return array[()]
        return np.ascontiguousarray(array) if array.ndim < 2 else [np.ascontiguousarray(row) for row in array]
    return _texts(array.tolist(), as_base64)


def _texts(value: Any, as_base64: bool) -> Any:
    if isinstance(value, list):
        return [_texts(each, as_base64) for each in value]
    return {BASE64: base64.b64encode(value).decode()} if as_base64 else value.decode("utf-8", "replace")

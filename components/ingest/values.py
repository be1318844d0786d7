r"""Conversion of the values of a row to texts and numbers, the same for JSON, CSV, Parquet and TFRecord.

| value                                   | as a token, a category or a label class | as a number          |
| --------------------------------------- | --------------------------------------- | -------------------- |
| text                                    | the text; leading zeros stay            | if it is a number    |
| integer of any size                     | its digits                              | the integer          |
| number without a fraction, as `123.0`   | the digits of the integer, `123`        | the number           |
| number with a fraction                  | the shortest text of it, as `0.5`       | the number           |
| decimal                                 | its digits without zeros at the end     | the decimal          |
| `true`, `false`                         | `true`, `false`                         | 1, 0                 |
| date; time; date and time               | ISO 8601                                | refused              |
| bytes                                   | as UTF-8                                | as its text          |
| null, NaN, empty text                   | missing                                 | missing              |
| number or truth value of NumPy          | as that of Python                       | as that of Python    |
| list of one value; empty list           | the value; missing                      | the value; missing   |
| list of several values                  | refused, except for tokens and classes  | refused              |
| object                                  | refused                                 | refused              |

A text of `data.missing` is missing too. pandas writes integers with nulls as numbers without a fraction, so `123.0` and
`123` are the same token. In a CSV file, `123.0` is text, unless `data.whole_numbers` is set.
"""

from __future__ import annotations

import ast
import datetime
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from components.ingest.errors import RowError

_FLOAT32_MAX = 3.4028234663852886e38
_SHOWN = 40


def text_of(name: str, value: Any) -> str | None:
    """Return a value as text, or None if it is missing; see the table of this module.

    Args:
        name: Name of the column, for messages.
        value: Value of the column.

    Raises:
        RowError: The value is a list or an object, or bytes that are not UTF-8.
    """
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            return None if value.is_nan() else str(value)
        text = format(value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        try:
            return value.decode() or None
        except UnicodeDecodeError as error:
            raise RowError(f"{name}: not UTF-8", f"column '{name}' holds bytes that are not UTF-8 text") from error
    if (of_python := _of_python(value)) is not None:
        return text_of(name, of_python)
    raise RowError(
        f"{name}: wrong type",
        f"column '{name}' holds a {type(value).__name__} where one value belongs: {_shown(value)}",
    )


def number_of(name: str, value: Any) -> float | None:
    """Return a value as a number in the range of float32, or None if it is missing; see the table of this module.

    Args:
        name: Name of the column, for messages.
        value: Value of the column.

    Raises:
        RowError: The value is not a number, or is too large for float32.
    """
    if isinstance(value, bytes):
        value = text_of(name, value)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            number = float("not a number" if "_" in value else value)
        except ValueError:
            number = math.inf
    elif isinstance(value, int | float | Decimal):
        if value != value:  # NaN, which data frames write for a missing number.
            return None
        number = float(value) if abs(value) <= _FLOAT32_MAX else math.inf
    elif (of_python := _of_python(value)) is not None:
        return number_of(name, of_python)
    else:
        number = math.inf
    if not abs(number) <= _FLOAT32_MAX:
        raise RowError(
            f"{name}: not a number",
            f"column '{name}' holds {_shown(value)}; if it stands for a missing value, list it in data.missing",
        )
    return number


def whole(text: str) -> str:
    """Return a text such as `3.0` without the `.0`, and any other text unchanged."""
    digits = text[:-2]
    return digits if text.endswith(".0") and digits.removeprefix("-").isdecimal() else text


def one_of(value: Any) -> Any:
    """Return the only value of a list, None for an empty list, and any other value unchanged."""
    if isinstance(value, list) and len(value) <= 1:
        return value[0] if value else None
    return value


def nested(row: Mapping[str, Any], name: str) -> tuple[bool, Any]:
    """Return True if a row has a column, and its value. `user.os` also means the key `os` of the object `user`.

    Args:
        row: Row from the source.
        name: Name of the column.
    """
    if name in row:
        return True, row[name]
    head, dot, rest = name.partition(".")
    while dot:
        inner = row.get(head)
        if isinstance(inner, Mapping):
            found, value = nested(inner, rest)
            if found:
                return True, value
        elif inner is None and head in row:
            return True, None
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return False, None


def list_of(text: str, separator: str, keep_empty: bool = False) -> list[Any]:
    """Return the values of a list in a text: a JSON or Python list such as `['a', 'b']`, or values with a separator.

    Args:
        text: Text of a cell.
        separator: Text between the values.
        keep_empty: True to return also the empty texts between two separators.
    """
    values = literal_list(text)
    return values if values is not None else [value for value in text.split(separator) if value or keep_empty]


def literal_list(text: str) -> list[Any] | None:
    """Return the values of a JSON or Python list in a text such as `['a', 'b']`, or None for another text."""
    stripped = text.strip()
    if stripped.startswith("[") and stripped.endswith("]"):
        for parse, errors in ((json.loads, ValueError), (ast.literal_eval, (ValueError, SyntaxError, MemoryError))):
            try:
                values = parse(stripped)
            except errors:
                continue
            if isinstance(values, list):
                return values
    return None


def _of_python(value: Any) -> bool | int | float | None:
    """Convert a NumPy number or Boolean, such as a `float16` from Parquet, to Python; None for other values."""
    if isinstance(value, np.timedelta64):  # NumPy counts it as an integer.
        return None
    for numpy, python in ((np.bool_, bool), (np.integer, int), (np.floating, float)):
        if isinstance(value, numpy):
            return python(value)
    return None


def _shown(value: Any) -> str:
    shown = str(value) if not isinstance(value, str) else repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."

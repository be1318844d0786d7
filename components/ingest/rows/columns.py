"""Conversion of a user's row to the columns of an Example."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from components.ingest.errors import RowError, ShortRow, nearest
from components.ingest.rows.tokenize import tokenize
from components.ingest.spec import DataSpec

Columns = dict[str, list[str] | list[float] | list[int]]
"""Values of each column: any number of tokens, at most one category, or at most one number."""

HASH_BYTES = 16
_FLOAT32_MAX = 3.4028234663852886e38


def columns_of(data: DataSpec) -> list[str]:
    """Return the names of all columns of an Example: inputs, label, features, targets, slices."""
    names = [*data.inputs, *([data.label] if data.label else []), *data.features, *data.targets, *data.slices]
    return list(dict.fromkeys(names))


def columns_read(data: DataSpec) -> list[str]:
    """Return the names of all columns to read: those of an Example, and those that only decide the split."""
    return list(dict.fromkeys([*columns_of(data), *data.split_by, *data.splits.columns]))


class RowReader:
    """Reader of rows that returns the columns of the configuration.

    Args:
        data: Configuration of the columns.
        labelled: False for rows of `bigvocab predict`: no label and no target is required, and in shape `sequence` one
            token is enough.
    """

    def __init__(self, data: DataSpec, labelled: bool = True) -> None:
        self._data = data
        self._label = data.label if labelled else None
        self._least = 2 if data.shape == "sequence" and labelled else 1
        self._read_label = _number if data.label_kind == "number" else self._category
        side = {**data.features, **(data.targets if labelled else {})}
        taken = [*data.inputs, data.label, *data.features, *data.targets]
        self._numbers = [name for name, column in side.items() if column.kind == "number"]
        self._categories = [name for name, column in side.items() if column.kind == "category"]
        self._categories += [name for name in dict.fromkeys(data.slices) if name not in taken]

    def __call__(self, row: Mapping[str, Any]) -> Columns:
        """Return the columns of one row.

        Raises:
            RowError: A value is missing or of a wrong type.
            ShortRow: The row has too few tokens for an example.
        """
        columns: Columns = {}
        total = 0
        for name in self._data.inputs:
            if name not in row:
                raise RowError(f"{name}: missing column", f"no column '{name}'{nearest(name, row)}")
            tokens = columns[name] = self._tokens(name, row[name])
            total += len(tokens)
        if self._label is not None:
            if self._label not in row:
                reason = f"no column '{self._label}'{nearest(self._label, row)}"
                raise RowError(f"{self._label}: missing column", reason)
            columns[self._label] = self._read_label(self._label, row[self._label])
            if not columns[self._label]:
                raise RowError(f"{self._label}: no label", f"column '{self._label}' is empty")
        for name in self._numbers:
            columns[name] = _number(name, row.get(name))
        for name in self._categories:
            columns[name] = self._category(name, row.get(name))
        if total < self._least:
            raise ShortRow(f"{total} tokens, at least {self._least} are needed")
        return columns

    def _tokens(self, name: str, value: Any) -> list[str]:
        if isinstance(value, str):
            tokens = tokenize(value, self._data.tokenizer, self._data.lowercase)
        elif value is None:
            tokens = []
        elif isinstance(value, list):
            if self._data.tokenizer != "none":
                raise RowError(
                    f"{name}: wrong type",
                    f"column '{name}' holds a list, and data.tokenizer is '{self._data.tokenizer}': "
                    "lists of tokens need data.tokenizer 'none'",
                )
            tokens = [_text(name, element) for element in value]
            if "" in tokens:
                raise RowError(f"{name}: empty token", f"the list in column '{name}' holds an empty token")
        else:
            tokens = tokenize(_text(name, value), self._data.tokenizer, self._data.lowercase)
        return tokens

    def _category(self, name: str, value: Any) -> list[str]:
        if isinstance(value, list) and len(value) <= 1:
            value = value[0] if value else None
        if value is None or value == "":
            return []
        return [value if isinstance(value, str) else _text(name, value)]


def row_to_columns(row: Mapping[str, Any], data: DataSpec) -> Columns:
    """Return the columns of a row of `bigvocab predict`; no label is required.

    Args:
        row: Column name to value, as parsed from JSON: text, a number, or a list of tokens with tokenizer `none`.
            A feature without a value counts as missing.
        data: Configuration of the columns.

    Raises:
        RowError: An input column is missing, or a value is of a wrong type.
        ShortRow: The row holds no token.
    """
    return RowReader(data, labelled=False)(row)


def row_hash(columns: Columns, data: DataSpec, row: Mapping[str, Any]) -> bytes:
    """Return a hash of the values that decide the split of a row. Rows with equal values share a split.

    For a sequence the tokens decide, so that a paragraph that occurs in two years is in one split. For a labelled row
    all columns decide, as in TFX's own split by hash: equal pairs of inputs and label are frequent there, and each is
    an observation of its own.

    Args:
        columns: Columns of the row.
        data: Configuration of the columns.
        row: The row from the source.

    Returns:
        `HASH_BYTES` bytes.

    Raises:
        RowError: A column of `data.split_by` is missing, or a text cannot be written as UTF-8.
    """
    parts: list[str] = []
    if data.split_by:
        for name in data.split_by:
            if row.get(name) is None:
                raise RowError(f"{name}: missing column", f"no value in '{name}', which decides the row's split")
            parts.append(str(row[name]))
    else:
        for name in data.inputs if data.shape == "sequence" else columns_of(data):
            values = columns[name]
            parts += values if values and isinstance(values[0], str) else map(str, values)  # type: ignore[arg-type]
            parts.append("")
    try:
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=HASH_BYTES).digest()
    except UnicodeEncodeError as error:
        raise RowError("not UTF-8", "the text holds half of a surrogate pair") from error


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    shown = "nothing" if value is None else f"a {type(value).__name__}"
    raise RowError(f"{name}: wrong type", f"column '{name}' holds {shown} where a text or a whole number belongs")


def _number(name: str, value: Any) -> list[float]:
    if isinstance(value, list) and len(value) <= 1:
        value = value[0] if value else None
    if value is None or value == "":
        return []
    if isinstance(value, str):
        try:
            number = float("not a number" if "_" in value else value)
        except ValueError:
            number = math.inf
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value) if abs(value) <= _FLOAT32_MAX or value != value else math.inf
        if math.isnan(number):  # data frames write a missing number as NaN
            return []
    else:
        number = math.inf
    if not abs(number) <= _FLOAT32_MAX:
        raise RowError(f"{name}: not a number", f"column '{name}' holds {str(value)[:40]!r}")
    return [number]

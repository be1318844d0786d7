"""Conversion of tables of a source to the columns of Examples, with the same results as `RowReader`.

Arrow's kernels convert the columns for which they give the same results. The functions of `RowReader` convert the
values of all other columns one by one. Rows that they refuse are left to `RowReader`, which reports the reason.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.ingest.errors import RowError
from components.ingest.rows.columns import HASH_BYTES, RowReader, columns_hashed, columns_read
from components.ingest.rows.weights import MISSING
from components.ingest.sources.files.table import Table
from components.ingest.spec import DataSpec

_NUMBER = r"^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$"
"""Pattern of numbers that Arrow and Python parse in the same way."""
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_SEPARATORS = "[\x1c-\x1f]"
"""Characters that are white space for Python, but not for Arrow."""
_NUL, _NONE = pa.scalar(b"\0", pa.binary()), pa.scalar(b"", pa.binary())


@dataclass(frozen=True)
class Converted:
    """Columns of the Examples of a table.

    Attributes:
        columns: Lists of binary texts, or numbers, by name of the column; null for a missing number. A token feature
            that is a number, and the weights of sequences, have lists of numbers.
        refused: (rows,) bool, True for rows that `RowReader` must read.
        short: (rows,) bool, True for rows with too few tokens, without a label where a row may have several, or without
            a value in a column with `if_missing: drop`.
        tokens: (rows,) number of tokens in all input columns.
    """

    columns: dict[str, pa.ListArray | pa.DoubleArray]
    refused: NDArray[np.bool_]
    short: NDArray[np.bool_]
    tokens: NDArray[np.int64]

    def row(self, number: int) -> dict[str, list[Any]]:
        """Return the columns of a row in the form of `RowReader`."""
        found = {name: column[number].as_py() for name, column in self.columns.items()}
        return {
            name: [each.decode() if isinstance(each, bytes) else each for each in value]
            if isinstance(value, list)
            else [value]
            if value is not None
            else []
            for name, value in found.items()
        }

    def take(self, rows: NDArray[np.int64]) -> Converted:
        """Return the rows with the given indices, which must ascend."""
        if len(rows) == len(self.tokens):
            return self
        columns = {name: column.take(pa.array(rows)) for name, column in self.columns.items()}
        return Converted(columns, self.refused[rows], self.short[rows], self.tokens[rows])


class TableReader:
    """Reader of tables that returns the columns of the configuration.

    Args:
        data: Configuration of the columns.
        reader: Reader of single rows, for the same configuration.
    """

    def __init__(self, data: DataSpec, reader: RowReader) -> None:
        self._data, self._reader = data, reader
        self._needed = columns_read(data)

    def reads(self, table: Table) -> bool:
        """Return True if the table has all required columns, none of them in an object."""
        return all(name in table.columns for name in self._needed)

    def __call__(self, table: Table) -> Converted:
        """Return the columns of all rows. The values of a refused row are arbitrary."""
        reader, rows = self._reader, table.rows
        refused, short, tokens = np.zeros(rows, bool), np.zeros(rows, bool), np.zeros(rows, np.int64)
        columns: dict[str, Any] = {}
        for name in self._data.inputs:
            columns[name] = self._tokens(name, table.columns[name], refused)
            tokens = tokens + np.diff(np.asarray(columns[name].offsets)).astype(np.int64)
        if name := reader.label:
            read = {"class": self._categories, "classes": self._labels, "number": self._numbers}[self._data.label_kind]
            columns[name] = read(name, table.columns[name], refused)
            if self._data.several_labels:
                short |= _empty(columns[name])
            else:
                refused |= _empty(columns[name])
        for name in reader.numbers:
            columns[name] = self._numbers(name, table.columns[name], refused)
        for name in reader.categories:
            columns[name] = self._categories(name, table.columns[name], refused)
        for name, is_category in reader.token_values.names.items():
            columns[name] = self._token_values(name, table.columns[name], tokens, refused, is_category)
        if reader.weights is not None:
            columns[reader.weights.name] = self._weights(table.columns[reader.weights.name], tokens, refused)
        short |= tokens < reader.least
        for name in reader.dropped:
            short |= _empty(columns[name])
        return Converted(columns, refused, short, tokens)

    def hashes(self, converted: Converted, table: Table, rows: NDArray[np.int64]) -> pa.BinaryArray | None:
        """Return the results of `row_hash` for some rows, or None if `row_hash` must read the rows.

        Args:
            converted: Columns of the rows to hash.
            table: Table of all rows.
            rows: (any,) indices of the rows to hash in the table.
        """
        data, texts = self._data, []
        if decisive := data.split_by or data.group_by:
            for name in decisive:
                column = table.columns[name].take(pa.array(rows))
                if not pa.types.is_string(column.type) or column.null_count or pc.any(pc.equal(column, "")).as_py():
                    return None
                texts += [column.cast(pa.binary()), _NUL]
            texts.pop()
        else:
            for name in data.inputs if data.shape == "sequence" else columns_hashed(data):
                column = converted.columns[name]
                if pa.types.is_floating(column.type):
                    numbers = pa.array(map(str, column.drop_null().to_pylist()), pa.string())
                    column = pa.ListArray.from_arrays(
                        _offsets(np.asarray(column.is_valid())), numbers.cast(pa.binary())
                    )
                elif pa.types.is_floating(column.type.value_type):
                    numbers = pa.array(map(str, column.values.to_pylist()), pa.string())
                    column = pa.ListArray.from_arrays(column.offsets, numbers.cast(pa.binary()))
                # Each value ends with a zero byte, and another zero byte separates columns.
                ended = pa.ListArray.from_arrays(
                    column.offsets, pc.binary_join_element_wise(column.values, _NUL, _NONE)
                )
                texts += [pc.binary_join(ended, _NONE), _NUL]
            texts.pop()
        joined = pc.binary_join_element_wise(*texts, _NONE) if len(texts) > 1 else texts[0]
        blake2b = hashlib.blake2b
        hashes = [blake2b(text, digest_size=HASH_BYTES).digest() for text in joined.to_pylist()]
        return pa.array(hashes, pa.binary())

    def _tokens(self, name: str, column: pa.Array, refused: NDArray[np.bool_]) -> pa.ListArray:
        data, reader = self._data, self._reader
        if reader.plain and pa.types.is_string(column.type):
            column = column.fill_null("")
            if data.tokenizer == "none":
                return _present(column)
            if data.tokenizer == "whitespace" and _plain_ascii(column):
                lowered = pc.ascii_lower(column) if data.lowercase else column
                return _without_empty(pc.ascii_split_whitespace(pc.ascii_trim_whitespace(lowered)))
        elif reader.plain and data.tokenizer == "none" and _is_list_of_texts(column):
            lists = _normal(column)
            if not lists.values.null_count and not pc.any(pc.equal(pc.binary_length(lists.values), 0)).as_py():
                return lists
        return _lists(self._each(column, refused, lambda value: _encoded(reader.tokens_of(name, value))))

    def _categories(self, name: str, column: pa.Array, refused: NDArray[np.bool_]) -> pa.ListArray:
        if pa.types.is_integer(column.type):
            column = column.cast(pa.string())
        if pa.types.is_string(column.type) and not self._data.whole_numbers:
            column = column.fill_null("")
            if missing := self._reader.missing_in(name):
                column = pc.if_else(pc.is_in(column, value_set=pa.array([*missing], pa.string())), "", column)
            return _present(column)
        return _lists(self._each(column, refused, lambda value: _encoded(self._reader.category_of(name, value))))

    def _labels(self, name: str, column: pa.Array, refused: NDArray[np.bool_]) -> pa.ListArray:
        return _lists(self._each(column, refused, lambda value: _encoded(self._reader.labels_of(name, value))))

    def _numbers(self, name: str, column: pa.Array, refused: NDArray[np.bool_]) -> pa.DoubleArray:
        if pa.types.is_integer(column.type):
            return column.cast(pa.float64(), safe=False)
        if pa.types.is_floating(column.type):
            numbers = column.cast(pa.float64())
            if (pc.max(pc.abs(numbers)).as_py() or 0.0) <= _FLOAT32_MAX:  # Finite in float32. NaN means missing.
                return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
        if pa.types.is_string(column.type):
            column = column.fill_null("")
            missing = pa.array(["", *self._reader.missing_in(name)], pa.string())
            given = pc.if_else(pc.is_in(column, value_set=missing), pa.scalar(None, pa.string()), column)
            if pc.all(pc.match_substring_regex(given, _NUMBER)).as_py() is not False:
                # The kernel does not accept a plus sign.
                found = pc.utf8_ltrim(given, "+").cast(pa.float64())
                if (pc.max(pc.abs(found)).as_py() or 0.0) <= _FLOAT32_MAX:
                    return found
        values = self._each(column, refused, lambda value: self._reader.number_of(name, value))
        return pa.array([found[0] if found else None for found in values], pa.float64())

    def _weights(
        self, column: pa.Array, tokens: NDArray[np.int64], refused: NDArray[np.bool_]
    ) -> pa.DoubleArray | pa.ListArray:
        """Return the weight of each row or, in shape `sequence`, the weights of its tokens."""
        weights, kind = self._reader.weights, column.type
        assert weights is not None
        one = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_string(kind)
        if self._data.shape == "labelled" and one:
            numbers = self._numbers(weights.name, column, refused).fill_null(MISSING)
            refused |= np.asarray(numbers) < 0
            if pa.types.is_floating(kind):  # NaN is missing as a number, and refused as a weight.
                refused |= np.asarray(pc.is_nan(column.cast(pa.float64())).fill_null(False))
            return numbers
        lengths = iter(tokens.tolist())
        found = self._each(column, refused, lambda value: weights.of(value, next(lengths)))
        if self._data.shape == "sequence":
            return pa.array(found, pa.list_(pa.float64()))
        return pa.array([of_row[0] if of_row else MISSING for of_row in found], pa.float64())

    def _token_values(
        self, name: str, column: pa.Array, tokens: NDArray[np.int64], refused: NDArray[np.bool_], is_category: bool
    ) -> pa.ListArray:
        """Return the values of a token feature, as many in each row as `tokens`; in a refused row, none."""
        plain = _texts_of_lists if is_category else _numbers_of_lists
        # Texts that stand for a missing value, and texts such as `3.0`, are converted one by one.
        converted = not is_category or not (self._data.whole_numbers or self._reader.missing_in(name))
        if converted and (found := plain(column, tokens)) is not None:
            return found
        values: list[list[Any]] = []
        for row, (value, length) in enumerate(zip(column.to_pylist(), tokens.tolist(), strict=True)):
            try:
                each = self._reader.token_values.of(name, value, length)
                values.append(_encoded(each) if is_category else each)
            except (RowError, UnicodeEncodeError):
                refused[row] = True
                values.append([])
        return _lists(values) if is_category else pa.array(values, pa.list_(pa.float64()))

    @staticmethod
    def _each(column: pa.Array, refused: NDArray[np.bool_], of: Callable[[Any], list[Any]]) -> list[list[Any]]:
        """Return the values of each row, and record the refused rows."""
        found: list[list[Any]] = []
        for row, value in enumerate(column.to_pylist()):
            try:
                found.append(of(value))
            except (RowError, UnicodeEncodeError):
                refused[row] = True
                found.append([])
        return found


def _empty(column: pa.ListArray | pa.DoubleArray) -> NDArray[np.bool_]:
    """Return a mask of the rows without a value, (rows,) bool."""
    if pa.types.is_floating(column.type):
        return np.asarray(column.is_null())
    return np.diff(np.asarray(column.offsets)) == 0


def _present(column: pa.StringArray) -> pa.ListArray:
    """Return a list with the text of each row; empty for an empty text."""
    given = np.asarray(pc.greater(pc.binary_length(column), 0))
    return pa.ListArray.from_arrays(_offsets(given), column.filter(pa.array(given)).cast(pa.binary()))


def _without_empty(lists: pa.ListArray) -> pa.ListArray:
    values = lists.flatten()
    given = np.asarray(pc.greater(pc.binary_length(values), 0))
    lengths = np.diff(np.asarray(lists.offsets))
    if not given.all():
        # Splitting an empty text results in one empty text.
        lengths = np.where(lengths == 1, given[np.minimum(np.asarray(lists.offsets)[:-1], len(given) - 1)], lengths)
        values = values.filter(pa.array(given))
    return pa.ListArray.from_arrays(_offsets(lengths), values.cast(pa.binary()))


def _normal(lists: pa.ListArray) -> pa.ListArray:
    """Return lists of binary texts that begin at offset 0, with an empty list for null."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0))
    return pa.ListArray.from_arrays(_offsets(lengths), lists.flatten().cast(pa.binary()))


def _texts_of_lists(column: pa.Array, lengths: NDArray[np.int64]) -> pa.ListArray | None:
    """Return a column of lists of texts with an empty text for null, or None if a list has another length."""
    if not _is_list_of_texts(column) or not _have_lengths(column, lengths):
        return None
    return pa.ListArray.from_arrays(_offsets(lengths), column.flatten().fill_null("").cast(pa.binary()))


def _numbers_of_lists(column: pa.Array, lengths: NDArray[np.int64]) -> pa.ListArray | None:
    """Return a column of lists of numbers with NaN for null, or None if a number or the length of a list is wrong."""
    if not pa.types.is_list(column.type) or not _have_lengths(column, lengths):
        return None
    kind = column.type.value_type
    if not (pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind)):
        return None
    numbers = column.flatten().cast(pa.float64(), safe=False)
    if (pc.max(pc.abs(numbers)).as_py() or 0.0) > _FLOAT32_MAX:
        return None
    return pa.ListArray.from_arrays(_offsets(lengths), numbers.fill_null(math.nan))


def _have_lengths(column: pa.ListArray, lengths: NDArray[np.int64]) -> bool:
    return bool(np.array_equal(np.asarray(pc.fill_null(pc.list_value_length(column), -1)), lengths))


def _encoded(texts: Sequence[str]) -> list[bytes]:
    """Return texts as UTF-8.

    Raises:
        UnicodeEncodeError: A text contains half of a surrogate pair.
    """
    return [text.encode() for text in texts]


def _lists(values: Sequence[list[bytes]]) -> pa.ListArray:
    return pa.array(values, pa.list_(pa.binary()))


def _offsets(lengths: NDArray[Any]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


def _plain_ascii(column: pa.StringArray) -> bool:
    """Return True if Arrow and Python find the same white space in the texts."""
    ascii_alone = pc.all(pc.string_is_ascii(column)).as_py() is not False
    return ascii_alone and not pc.any(pc.match_substring_regex(column, _SEPARATORS)).as_py()


def _is_list_of_texts(column: pa.Array) -> bool:
    return pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type)

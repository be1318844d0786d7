"""Conversion of a user's row to the columns of an Example."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from components.ingest.errors import RowError, ShortRow, nearest
from components.ingest.options.baskets import basket_bounds
from components.ingest.options.token_features import elapsed
from components.ingest.rows.token_values import NO_TEXT, TokenValues
from components.ingest.rows.tokenize import tokenize
from components.ingest.rows.weights import Weights
from components.ingest.spec import DataSpec
from components.ingest.values import list_of, literal_list, nested, number_of, one_of, text_of, whole

Columns = dict[str, list[str] | list[float] | list[int]]
"""Values of each column: any number of tokens or labels, as many values of a token feature as tokens, at most one
category, or at most one number."""

HASH_BYTES = 16


def columns_of(data: DataSpec) -> list[str]:
    """Return the names of all columns of an Example: those of `columns_hashed`, and the weight."""
    return [*columns_hashed(data), *data.weights]


def columns_hashed(data: DataSpec) -> list[str]:
    """Return the names of the columns of an Example that identify a row: all but the weight.

    They are columns of rows (inputs, label, features, targets, slices) and of tokens. A row with another weight stays
    in its split.
    """
    names = [*data.inputs, *([data.label] if data.label else []), *data.features, *data.targets, *data.slices]
    return list(dict.fromkeys([*names, *data.token_columns]))


def columns_read(data: DataSpec) -> list[str]:
    """Return the names of all columns to read: the columns of an Example, and those that only determine the split."""
    order = [data.order_by] if data.order_by else []
    # The times of events give these features. A row that lists the events of a group has columns of them.
    derived = elapsed(data.token_features) if data.group_by else []
    names = [name for name in columns_of(data) if name not in derived]
    return list(dict.fromkeys([*names, *data.group_by, *order, *data.split_by, *data.splits.columns]))


class RowReader:
    """Reader of rows that returns the columns of the configuration.

    Args:
        data: Configuration of the columns.
        labelled: False for rows of `bigvocab predict`: label, targets and weight are not read, one token is enough in
            shape `sequence`, and no row is dropped for a missing value.
        tokenized: True if the input columns already contain lists of tokens.

    Attributes:
        label: Column of the label; None if the label is not read.
        least: Minimum number of tokens of a row.
        least_baskets: Minimum number of baskets of a row; 0: the baskets are not counted.
        numbers: Features and targets that are numbers.
        categories: Features and targets that are categories, and other slices.
        token_values: Reader of the token features.
        weights: Reader of the weights; None if they are not read.
        plain: True if only the tokenizer turns the text of an input column into tokens.
        dropped: Columns with `if_missing: drop`.
    """

    def __init__(self, data: DataSpec, labelled: bool = True, tokenized: bool = False) -> None:
        self._data = data
        self._tokenized = tokenized
        self._read_label = {"class": self.category_of, "classes": self.labels_of, "number": self.number_of}[
            data.label_kind
        ]
        side = {**data.features, **(data.targets if labelled else {})}
        taken = [*data.inputs, data.label, *data.features, *data.targets]
        self._whole = data.whole_numbers
        self._missing = frozenset(data.missing)
        own = {**side, **data.token_features}
        self._missing_in = {name: frozenset(c.missing) for name, c in own.items() if c.missing is not None}
        self.label = data.label if labelled else None
        self.least = 2 if data.shape == "sequence" and labelled else 1
        self.numbers = [name for name, column in side.items() if column.kind == "number"]
        self.categories = [name for name, column in side.items() if column.kind == "category"]
        self.categories += [name for name in dict.fromkeys(data.slices) if name not in taken]
        self.token_values = TokenValues(data, self.category_of, self.number_of, self.missing_in)
        self.weights = Weights(data, self.number_of) if data.weights and labelled else None
        self.plain = not (data.missing or data.separator or data.whole_numbers)
        self.least_baskets = data.min_baskets if labelled and data.baskets else 0
        self.dropped = [name for name, column in side.items() if column.if_missing == "drop"] if labelled else []

    def __call__(self, row: Mapping[str, Any]) -> Columns:
        """Return the columns of one row.

        Raises:
            RowError: A value is missing or of a wrong type.
            ShortRow: The row has too few tokens for an example, or a column with `if_missing: drop` has no value.
        """
        columns: Columns = {}
        total = 0
        for name in self._data.inputs:
            tokens = columns[name] = self.tokens_of(name, row[name] if name in row else _required(row, name))
            total += len(tokens)
        if self.label is not None:
            value = row[self.label] if self.label in row else _required(row, self.label)
            if isinstance(value, list) and len(value) > 1 and not self._data.several_labels:
                reason = f"column '{self.label}' holds {len(value)} labels: set data.label_kind: classes"
                raise RowError(f"{self.label}: several labels", reason)
            columns[self.label] = self._read_label(self.label, value)
            if not columns[self.label]:
                if self._data.several_labels:
                    raise ShortRow(f"column '{self.label}' has no label")
                raise RowError(f"{self.label}: no label", f"column '{self.label}' is empty")
        for name in self.numbers:
            columns[name] = self.number_of(name, row[name] if name in row else nested(row, name)[1])
        for name in self.categories:
            columns[name] = self.category_of(name, row[name] if name in row else nested(row, name)[1])
        if total < self.least:
            raise ShortRow(f"{total} tokens, at least {self.least} are needed")
        if self.token_values.names:
            columns |= self.token_values(row, total)
        if self.weights is not None:
            columns[self.weights.name] = self.weights(row, total)
        if self.least_baskets:
            self._check_baskets(str(self._data.baskets), columns)
        for name in self.dropped:
            if not columns[name]:
                raise ShortRow(f"no value in '{name}'")
        return columns

    def _check_baskets(self, name: str, columns: Columns) -> None:
        """Refuse a row with a token without a basket, or with too few baskets."""
        if NO_TEXT in columns[name]:
            raise RowError(f"{name}: no basket", f"column '{name}' has no value for a token, which decides its basket")
        number = len(basket_bounds(columns[name])) - 1
        if number < self.least_baskets:
            raise ShortRow(f"{number} baskets, data.min_baskets is {self.least_baskets}")

    def tokens(self, row: Mapping[str, Any]) -> list[str]:
        """Return the tokens of the first input column.

        Raises:
            RowError: The column is missing, or its value is of a wrong type.
        """
        name = self._data.inputs[0]
        return self.tokens_of(name, _required(row, name))

    def missing_in(self, name: str) -> frozenset[str]:
        """Return the texts that stand for a missing value in a column."""
        return self._missing_in.get(name, self._missing)

    def tokens_of(self, name: str, value: Any) -> list[str]:
        """Return the tokens of a value of an input column.

        Raises:
            RowError: The value is of a wrong type.
        """
        data = self._data
        if isinstance(value, str):
            if self.plain:
                return tokenize(value, data.tokenizer, data.lowercase)
            if value in self._missing:
                return []
            if data.separator is not None:
                value = list_of(value, data.separator)
            elif self._whole:
                value = whole(value)
            else:
                return tokenize(value, data.tokenizer, data.lowercase)
        elif self._tokenized:
            return value
        if isinstance(value, list):
            if data.tokenizer != "none":
                raise RowError(
                    f"{name}: wrong type",
                    f"column '{name}' holds a list, and data.tokenizer is '{data.tokenizer}': "
                    "lists of tokens need data.tokenizer 'none'",
                )
            tokens = [text_of(name, element) for element in value]
            if None in tokens:
                raise RowError(f"{name}: empty token", f"the list in column '{name}' holds an empty token")
            return [whole(token) for token in tokens] if self._whole else tokens  # type: ignore[return-value]
        text = text_of(name, value)
        return [] if text is None else tokenize(text, data.tokenizer, data.lowercase)

    def category_of(self, name: str, value: Any) -> list[str]:
        """Return a value as the only category of a column, or an empty list if it is missing.

        Raises:
            RowError: The value is of a wrong type.
        """
        # Most values are texts, and the conversion of other values is slower.
        text = value if isinstance(value, str) else text_of(name, one_of(value))
        if not text or text in self.missing_in(name):
            return []
        return [whole(text) if self._whole else text]

    def labels_of(self, name: str, value: Any) -> list[str]:
        """Return the distinct labels of a value, in order: a list, a text with a list, or a text with a separator.

        Raises:
            RowError: The value or one of the labels is of a wrong type.
        """
        if isinstance(value, str):
            if value in self.missing_in(name):
                return []
            values = literal_list(value)
            if values is None and self._data.label_separator is not None:
                values = [part.strip() for part in value.split(self._data.label_separator)]
            value = value if values is None else values
        if not isinstance(value, list):
            return self.category_of(name, value)
        # A list may contain missing values too.
        return list(dict.fromkeys(label for each in value for label in self.category_of(name, each)))

    def number_of(self, name: str, value: Any) -> list[float]:
        """Return a value as the only number of a column, or an empty list if it is missing.

        Raises:
            RowError: The value is not a number.
        """
        if isinstance(value, list):
            value = one_of(value)
        if isinstance(value, str) and value in self.missing_in(name):
            return []
        number = number_of(name, value)
        return [] if number is None else [number]


def _required(row: Mapping[str, Any], name: str) -> Any:
    """Return the value of a column, which may be in an object of the row.

    Raises:
        RowError: The row does not have the column. The message names the nearest column.
    """
    if name in row:
        return row[name]
    found, value = nested(row, name)
    if not found:
        raise RowError(f"{name}: missing column", f"no column '{name}'{nearest(name, row)}")
    return value


def row_to_columns(row: Mapping[str, Any], data: DataSpec) -> Columns:
    """Return the columns of a row of `bigvocab predict`; no label is required.

    Args:
        row: Value of each column, see the table of `components.ingest.values`; with tokenizer `none` also a list of
            tokens. A feature without a value counts as missing.
        data: Configuration of the columns.

    Raises:
        RowError: An input column is missing, or a value is of a wrong type.
        ShortRow: The row has no token.
    """
    return RowReader(data, labelled=False)(row)


def row_hash(columns: Columns, data: DataSpec, row: Mapping[str, Any]) -> bytes:
    """Return a hash of the values that determine the split of a row. Rows with equal values share a split.

    For a sequence, these are the tokens, so that a paragraph that occurs in two years is in one split. For a labelled
    row, these are all columns but the weight, as in TFX's split by hash: equal pairs of inputs and label are frequent
    in such data, and each pair is a separate observation.

    Args:
        columns: Columns of the row.
        data: Configuration of the columns.
        row: Row from the source.

    Returns:
        Hash of `HASH_BYTES` bytes.

    Raises:
        RowError: A column of `data.split_by` is missing, or a text cannot be written as UTF-8.
    """
    parts: list[str] = []
    if decisive := data.split_by or data.group_by:
        for name in decisive:
            value = text_of(name, one_of(nested(row, name)[1]))
            if value is None:
                raise RowError(f"{name}: missing column", f"no value in '{name}', which decides the row's split")
            parts.append(value)
    else:
        for name in data.inputs if data.shape == "sequence" else columns_hashed(data):
            values = columns[name]
            parts += values if values and isinstance(values[0], str) else map(str, values)  # type: ignore[arg-type]
            parts.append("")
    try:
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=HASH_BYTES).digest()
    except UnicodeEncodeError as error:
        raise RowError("not UTF-8", "the text holds half of a surrogate pair") from error

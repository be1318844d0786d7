"""Values of the token features of a row: one for each token, in the order of the tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from components.ingest.errors import RowError
from components.ingest.options.token_features import elapsed
from components.ingest.spec import DataSpec
from components.ingest.values import list_of, nested, one_of

NO_TEXT, NO_NUMBER = "", math.nan
"""Value of a token whose category or number is missing. The list stays as long as that of the tokens."""


class TokenValues:
    """Reader of the columns with a value for each token.

    Args:
        data: Configuration of the columns.
        category_of: Function from a column and a value to the only category, or to an empty list if it is missing.
        number_of: The same for a number.
        missing_in: Function from a column to the texts that stand for a missing value.

    Attributes:
        names: Names of all token features, and of the column of the baskets. True: texts.
    """

    def __init__(
        self,
        data: DataSpec,
        category_of: Callable[[str, Any], list[str]],
        number_of: Callable[[str, Any], list[float]],
        missing_in: Callable[[str], Collection[str]],
    ) -> None:
        self._tokens, self._separator = data.inputs[0], data.separator
        self._category_of, self._number_of, self._missing_in = category_of, number_of, missing_in
        self.names, derived = data.token_columns, elapsed(data.token_features)
        self._of_columns = [name for name in self.names if name not in derived]

    def __call__(self, row: Mapping[str, Any], length: int) -> dict[str, list[Any]]:
        """Return the values of all token features of a row, by column.

        Args:
            row: Row from the source. A column without a value counts as missing for all tokens.
            length: Number of tokens.

        Raises:
            RowError: A column has another number of values, or a value of a wrong type.
        """
        return {name: self.of(name, nested(row, name)[1], length) for name in self.names}

    def of(self, name: str, value: Any, length: int) -> list[Any]:
        """Return the values of one token feature of a row.

        Args:
            name: Name of the column.
            value: List of values; or the text of a cell; or one value, if the row has one token.
            length: Number of tokens.

        Raises:
            RowError: There is another number of values, or a value is of a wrong type.
        """
        values = listed(value, self._separator)
        missing = NO_TEXT if self.names[name] else NO_NUMBER
        if values is None:
            return [missing] * length
        if len(values) == length:
            return [self._converted(name, each) for each in values]
        if isinstance(value, str) and value in self._missing_in(name):
            return [missing] * length
        raise wrong_number(name, len(values), length, self._tokens, "write one value for each token")

    def of_event(self, row: Mapping[str, Any], length: int) -> dict[str, list[Any]]:
        """Return the unconverted values of the columns of an event, one for each of its tokens.

        Args:
            row: Event. A single value applies to all of its tokens.
            length: Number of tokens of the event.

        Raises:
            RowError: A column has another number of values, or a value of a wrong type.
        """
        found = {}
        for name in self._of_columns:
            value = nested(row, name)[1]
            values = listed(value, self._separator)
            if values is None or len(values) <= 1:
                values = [None if values is None else one_of(values)]
            elif len(values) != length:
                advice = "write one value for the event, or one for each of its tokens"
                raise wrong_number(name, len(values), length, self._tokens, advice)
            for each in values:
                self._converted(name, each)
            found[name] = values * length if len(values) == 1 else values
        return found

    def _converted(self, name: str, value: Any) -> Any:
        if self.names[name]:
            texts = self._category_of(name, value)
            return texts[0] if texts else NO_TEXT
        numbers = self._number_of(name, value)
        return numbers[0] if numbers else NO_NUMBER


def listed(value: Any, separator: str | None) -> list[Any] | None:
    """Return the values of a cell, or None for an empty cell."""
    if isinstance(value, list):
        return value
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, str) and separator is not None:
        return list_of(value, separator, keep_empty=True)
    return [value]


def wrong_number(name: str, found: int, length: int, tokens: str, advice: str) -> RowError:
    """Return the error of a row with another number of values than tokens."""
    return RowError(
        f"{name}: wrong number of values",
        f"column '{name}' holds {found} values, and column '{tokens}' {length} tokens: {advice}, in the same order",
    )

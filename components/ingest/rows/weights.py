"""Weight of a row, or of each token of a sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from components.ingest.errors import RowError
from components.ingest.rows.token_values import listed, wrong_number
from components.ingest.spec import DataSpec
from components.ingest.values import nested, one_of

MISSING = 1.0
"""Weight of a row or a token without a value."""


class Weights:
    """Reader of the column of the weights.

    A labelled row has one weight. A sequence has one for each token, because each of its labels counts by itself. One
    number applies to all tokens.

    Args:
        data: Configuration of the columns, with `data.weight`.
        number_of: Function from a column and a value to the only number, or to an empty list if it is missing.

    Attributes:
        name: Name of the column.
    """

    def __init__(self, data: DataSpec, number_of: Callable[[str, Any], list[float]]) -> None:
        self.name = str(data.weight)
        self._tokens, self._separator = data.inputs[0], data.separator
        self._of_tokens, self._has_lists = data.shape == "sequence", data.tokenizer == "none"
        self._number_of = number_of

    def __call__(self, row: Mapping[str, Any], length: int) -> list[float]:
        """Return the weight of a labelled row, or the weights of the tokens of a sequence.

        Args:
            row: Row from the source, or an event. A column without a value means `MISSING`.
            length: Number of tokens.

        Raises:
            RowError: See `of`.
        """
        return self.of(nested(row, self.name)[1], length)

    def of(self, value: Any, length: int) -> list[float]:
        """Return the weights of a value of the column.

        Args:
            value: One number or, in shape `sequence` with tokenizer `none`, a list or a cell with one for each token.
            length: Number of tokens.

        Raises:
            RowError: A weight is negative, NaN or not finite, or a list has another length than the tokens.
        """
        if not self._of_tokens:
            return [self._weight(one_of(value))]
        # `listed` takes NaN for an empty cell.
        values = [value] if value != value else listed(value, self._separator)
        if values is None or len(values) <= 1:
            return [self._weight(one_of(values or []))] * length
        if len(values) != length or not self._has_lists:
            advice = "write one weight, or with data.tokenizer: none one for each token"
            raise wrong_number(self.name, len(values), length, self._tokens, advice)
        return [self._weight(each) for each in values]

    def _weight(self, value: Any) -> float:
        if value != value:
            raise self._refused(value)
        numbers = self._number_of(self.name, value)
        if numbers and numbers[0] < 0:
            raise self._refused(value)
        return numbers[0] if numbers else MISSING

    def _refused(self, value: Any) -> RowError:
        return RowError(
            f"{self.name}: not a weight",
            f"column '{self.name}' holds {value}, and a weight is a number of at least 0; an empty value counts as 1",
        )

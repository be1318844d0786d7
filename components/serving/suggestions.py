"""Suggestions for the values of a column by a prefix, from the vocabulary of the model."""

from __future__ import annotations

import bisect
import heapq
from typing import Any

from components.messages.spelling import did_you_mean
from components.serving.model import Model
from components.serving.rest.errors import RequestError

MOST = 50
"""Maximum number of suggestions."""
_DEFAULT = 8


class Suggestions:
    """Index of the vocabularies of a model by prefix. Letter case is ignored.

    Args:
        model: The model.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._sorted: dict[str, list[tuple[str, int]]] = {}

    def of(self, column: str, prefix: str, limit: int = _DEFAULT) -> list[dict[str, Any]]:
        """Return the known values with a prefix, most frequent first, each with its count in the train split.

        Args:
            column: Input column, or feature that is a category.
            prefix: First characters. An empty text has all values.
            limit: Maximum number of values.

        Raises:
            RequestError: The column has no vocabulary.
        """
        known = self.model.vocabulary(column)
        if known is None:
            data = self.model.data
            columns = [*data.inputs, *(name for name, of in data.features.items() if of.kind == "category")]
            near = did_you_mean(column, columns)
            raise RequestError(f"column '{column}' has no vocabulary{near or ';'} columns: {', '.join(columns)}")
        if column not in self._sorted:
            self._sorted[column] = sorted((token.casefold(), number) for number, token in enumerate(known.tokens))
        lines, folded = self._sorted[column], prefix.casefold()
        first = bisect.bisect_left(lines, (folded, -1))
        last = bisect.bisect_left(lines, True, lo=first, key=lambda line: not line[0].startswith(folded))
        # The id of a token is its rank by frequency.
        ids = heapq.nsmallest(min(limit, MOST), (number for _, number in lines[first:last]))
        return [{"value": known.tokens[number], "count": int(known.counts[number])} for number in ids]

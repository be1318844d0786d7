"""Mapping of the rows of a table from one vocabulary to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """Mapping from the rows of an earlier table to the rows of a new table.

    Attributes:
        sources: (rows,) index of the earlier row for each new row. With n earlier rows, index n is the mean of the rows
            of rare tokens, and index n + 1 is the mean of the rows of the buckets.
        tokens: Number of earlier rows that belong to tokens.
        stayed: Number of tokens in both vocabularies.
        came: Number of new tokens.
        went: Number of removed tokens.
    """

    sources: NDArray[np.int64]
    tokens: int
    stayed: int
    came: int
    went: int

    @classmethod
    def between(
        cls, old: Sequence[bytes], old_rows: int, new: Sequence[bytes], new_rows: int, new_from_last: bool = False
    ) -> Rows:
        """Return the mapping between the tables of two vocabularies.

        Args:
            old: Tokens of the earlier vocabulary, in descending order of frequency.
            old_rows: Rows of the earlier table, at least one per token.
            new: Tokens of the new vocabulary, in descending order of frequency.
            new_rows: Rows of the new table, at least one per token.
            new_from_last: If True, new tokens start from the last row instead of the mean of the rows of rare tokens.
        """
        places = {token: place for place, token in enumerate(old)}
        start = old_rows - 1 if new_from_last else old_rows
        by_token = [places.get(token, start) for token in new]
        behind, before = new_rows - len(new), old_rows - len(old)
        if behind == before:
            others = range(len(old), old_rows)
        else:  # The last row is the padding.
            others = [old_rows + 1] * (behind - 1) + [old_rows - 1] * bool(behind)
        stayed = sum(token in places for token in new)
        sources = np.asarray([*by_token, *others], np.int64)
        return cls(sources, len(old), stayed, len(new) - stayed, len(old) - stayed)

    def of(self, table: NDArray[Any]) -> NDArray[Any]:
        """Return the new table or vector: (earlier rows, ...) -> (rows, ...)."""
        # A table without tokens has no rare tokens, so its last row replaces their mean.
        rare = table[self.tokens - max(1, self.tokens // 10) : self.tokens] if self.tokens else table[-1:]
        buckets = table[self.tokens : -1] if len(table) - self.tokens > 1 else table[-1:]
        means = [rows.mean(axis=0, keepdims=True, dtype=np.float64).astype(table.dtype) for rows in (rare, buckets)]
        return np.concatenate([table, *means])[self.sources]

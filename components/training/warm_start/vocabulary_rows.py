"""From the rows of a table that stand for the tokens of one vocabulary to those of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """How the rows of a table follow from those of an earlier one.

    Attributes:
        sources: (rows,) the earlier row each is taken from; one behind the last: the mean of the rare tokens' rows; two
            behind it: the mean of the buckets' rows.
        tokens: how many of the earlier rows stand for tokens.
        stayed: tokens in both.
        came: tokens that are new.
        went: tokens that are no more.
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
        """From the tokens before and after, by falling frequency, and the numbers of rows, which may be larger.

        Args:
            old: tokens before.
            old_rows: rows before.
            new: tokens after.
            new_rows: rows after.
            new_from_last: whether new tokens start from the last row instead of the mean of rare ones.
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
        """The new table, or vector: (earlier rows, ...) -> (rows, ...)."""
        # Of no tokens, what stands behind them.
        rare = table[self.tokens - max(1, self.tokens // 10) : self.tokens] if self.tokens else table[-1:]
        buckets = table[self.tokens : -1] if len(table) - self.tokens > 1 else table[-1:]
        means = [rows.mean(axis=0, keepdims=True, dtype=np.float64).astype(table.dtype) for rows in (rare, buckets)]
        return np.concatenate([table, *means])[self.sources]

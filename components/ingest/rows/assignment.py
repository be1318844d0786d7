"""Assignment of rows, or of the positions of a row, to the splits."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.ingest.errors import RowError, nearest
from components.ingest.options.baskets import basket_bounds
from components.ingest.options.splits import SPLITS
from components.ingest.rows.columns import Columns
from components.ingest.rows.times import Boundaries, times_of
from components.ingest.spec import DataSpec
from components.names import FIRST_LABEL

SYNONYMS = {"validation": "eval", "valid": "eval", "val": "eval", "dev": "eval"}
"""Other names of the splits in a column, in lower case."""


class Part(NamedTuple):
    """Part of a row that belongs to one split.

    Attributes:
        split: Name of the split.
        columns: Columns of the Example.
        labels: Number of labels in the part; of baskets that are labels, with `data.baskets`.
    """

    split: str
    columns: Columns
    labels: int


class Assignment:
    """Rule that assigns rows, or the positions of a row, to the splits; see `SplitSpec`.

    If the positions of a row are split, a split gets the tokens up to the last of its own labels. The tokens before the
    first label are context: they are labels of the earlier splits. The feature `FIRST_LABEL` holds the position of the
    first label. Each label is therefore in one split, with all tokens before it. The tokens of a basket stay together.

    Args:
        data: Configuration of the source and of the columns.
        boundaries: Times between the splits, with `data.splits.by_time`.

    Raises:
        ValueError: The times between the splits are missing.
    """

    def __init__(self, data: DataSpec, boundaries: Boundaries | None = None) -> None:
        if data.splits.by_time is not None and boundaries is None:
            raise ValueError("data.splits.by_time: the times between the splits are missing")
        self._column, self._by_time, self._leave_out = data.splits.column, data.splits.by_time, data.splits.leave_out
        self._eval_share = data.splits.eval_share
        self._times = boundaries.times if boundaries else ()
        self._positional = data.splits_positions
        self._sequence = data.shape == "sequence"
        self._tokens, self._baskets = data.inputs[0], data.baskets
        self._of_tokens = [self._tokens, *data.token_columns, *data.weights]
        self._bounds = list(itertools.accumulate(data.splits.shares.values()))
        # If the eval split has no files of its own, it is cut from the files of train.
        self._cut = self._bounds[:2] if "eval" not in data.source.split_paths else self._bounds[:1]

    def __call__(self, row: Mapping[str, Any], columns: Columns, key: bytes, split: str = "") -> list[Part]:
        """Return the parts of a row, at most one for each split.

        Args:
            row: Row from the source.
            columns: Columns of the row.
            key: Hash of the row, from `row_hash`.
            split: Split of the file of the row; empty if rows are assigned one by one.

        Raises:
            RowError: The column that determines the split has no value, or its value is not a split or not a time.
        """
        if self._positional:
            return list(self._positions(row, columns, key))
        if self._column is not None:
            split = split_named(row, self._column)
        elif self._by_time is not None:
            (time,) = times_of(row, self._by_time)
            split = SPLITS[bisect.bisect_left(self._times, time)]
        else:
            split = self.split_of(key, split)
        return [Part(split, columns, len(self._units(columns)) - 2 if self._sequence else 1)]

    def split_of(self, key: bytes, split: str = "") -> str:
        """Return the split of a row, as its hash or its file determines it.

        Args:
            key: Hash of the row.
            split: Split of the file of the row; empty if the hash determines the split.
        """
        if not split:
            return _by_hash(key, self._bounds)
        return _by_hash(key, self._cut) if split == "train" else split

    def splits_of(self, keys: NDArray[np.uint8], split: str = "") -> NDArray[np.int64]:
        """Return the results of `split_of` for many rows, as indices of `SPLITS`.

        Args:
            keys: (rows, 16) hashes of the rows.
            split: Split of the file of the rows; empty if the hash determines the split.
        """
        if split and split != "train":
            return np.full(len(keys), SPLITS.index(split))
        bounds = self._cut if split else self._bounds
        return np.searchsorted(bounds, keys.view(">u8")[:, 0] % np.uint64(bounds[-1]), side="right")

    def _positions(self, row: Mapping[str, Any], columns: Columns, key: bytes) -> Iterator[Part]:
        bounds, length = self._units(columns), len(columns[self._tokens])
        units = len(bounds) - 1
        if self._leave_out is not None:
            ends = [units - 2 * self._leave_out, units - self._leave_out]
            if not self._evaluated(key):
                ends[0] = ends[1]
        else:
            times = times_of(row, str(self._by_time), length)
            # A single time applies to all tokens.
            each = times if len(times) == length else times * length
            # A basket has the time of its last token.
            ends = [bisect.bisect_right([each[end - 1] for end in bounds[1:]], time) for time in self._times]
        start = 1
        for split, end in zip(SPLITS, [*ends, units], strict=True):
            if end > start:
                context = {name: columns[name][: bounds[end]] for name in self._of_tokens}
                yield Part(split, {**columns, **context, FIRST_LABEL: [bounds[start]]}, end - start)
                start = end

    def _units(self, columns: Columns) -> Sequence[int]:
        """Return the start of each token or basket of a row, followed by the number of tokens."""
        if self._baskets is None:
            return range(len(columns[self._tokens]) + 1)
        return basket_bounds(columns[self._baskets])

    def _evaluated(self, key: bytes) -> bool:
        """Return True if a row with `leave_out` has labels in the eval split."""
        # The bytes that determine the split of whole rows.
        return int.from_bytes(key[:8], "big") < self._eval_share * 2**64


def split_rule(data: DataSpec) -> str:
    """Return the rule in words; empty if a hash determines the split, or if the rule depends on the latest time."""
    rule, files = data.splits, data.source.split_paths
    if rule.column is not None:
        return f"Column '{rule.column}' names the split of each row."
    if rule.leave_out is not None:
        n, unit = rule.leave_out, "basket" if data.baskets else "token"
        test, evaluated = (f"{unit} is", unit) if n == 1 else (f"{n} {unit}s are", f"{n}")
        some = f" (in {rule.eval_share:.0%} of the rows, otherwise train)" if rule.eval_share < 1 else ""
        return (
            f"By position: the last {test} test, the {evaluated} before eval{some}, and all others train. A row may be "
            "in several splits, each of its labels in one."
        )
    if files and "eval" not in files:
        return "Each split has its own files; a hash cuts the eval split from the rows of the train files."
    return "Each split has its own files." if files else ""


def split_named(row: Mapping[str, Any], column: str) -> str:
    """Return the split that a column names, in any letter case.

    Raises:
        RowError: The column is missing, or names no split.
    """
    if column not in row:
        raise RowError(f"{column}: missing column", f"no column '{column}'{nearest(column, row)}")
    value = row[column]
    if value is None or value == "":
        raise RowError(f"{column}: no split", f"no value in '{column}', which names the row's split")
    name = str(value).strip().lower()
    split = SYNONYMS.get(name, name)
    if split not in SPLITS:
        reason = f"column '{column}' holds '{str(value)[:40]}', which is no split{nearest(name, [*SPLITS, *SYNONYMS])}"
        raise RowError(f"{column}: unknown split", reason)
    return split


def _by_hash(key: bytes, bounds: Sequence[int]) -> str:
    return SPLITS[bisect.bisect(bounds, int.from_bytes(key[:8], "big") % bounds[-1])]

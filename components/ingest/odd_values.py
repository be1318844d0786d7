"""Odd values of columns: texts that look like the numbers or lists of another program."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.ingest.spec import DataSpec

_ROWS = 200
"""Number of rows of a range to examine."""
_LEAST, _SHARE = 20, 0.9
"""Minimum number of texts of a column for advice, and minimum share of texts that match one pattern."""
_WHOLE, _LIST, _SEPARATED = "whole", "list", "separated"
_PATTERNS = {
    _WHOLE: re.compile(r"-?\d+\.0"),
    _LIST: re.compile(r"\[.*\]", re.DOTALL),
    _SEPARATED: re.compile(r"[^\s|]+(?:\|[^\s|]+)+"),
}
_ADVICE = {
    _WHOLE: "end in '.0', as pandas writes integers: data.whole_numbers: true reads 3.0 as 3",
    _LIST: 'look like lists: data.separator: "," reads them as lists',
    _SEPARATED: "look like lists: data.separator: '|' splits them",
}


@dataclass
class OddValues:
    """Counts of texts that look like the numbers or lists of another program, in the first rows of each range.

    Attributes:
        rows: Number of examined rows.
        texts: Number of texts by column.
        alike: Number of texts by column and pattern.
    """

    rows: int = 0
    texts: Counter[str] = field(default_factory=Counter)
    alike: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __add__(self, other: OddValues) -> OddValues:
        return OddValues(self.rows + other.rows, self.texts + other.texts, self.alike + other.alike)

    @property
    def left(self) -> int:
        """Number of rows that remain to be examined."""
        return max(0, _ROWS - self.rows)

    def look(self, columns: Mapping[str, Sequence[Any]], names: Mapping[str, bool]) -> None:
        """Examine a row.

        Args:
            columns: Columns of the row.
            names: Columns to examine. True: the values of the column are tokens, which may be lists.
        """
        if not self.left:
            return
        self.rows += 1
        for name, tokens in names.items():
            for text in columns.get(name, ()):
                if isinstance(text, str):
                    self.texts[name] += 1
                    for kind, pattern in _PATTERNS.items():
                        if (tokens or kind == _WHOLE) and pattern.fullmatch(text):
                            self.alike[name, kind] += 1

    def lines(self) -> Iterator[str]:
        """Yield a line for each column in which nearly all texts match one pattern."""
        for (name, kind), number in sorted(self.alike.items()):
            texts = self.texts[name]
            if texts >= _LEAST and number >= _SHARE * texts:
                yield f"{number / texts:.0%} of the values of '{name}' {_ADVICE[kind]}"


def columns_looked_at(data: DataSpec) -> dict[str, bool]:
    """Return the columns to examine: label, categories and, with tokenizer `none`, inputs. True: tokens."""
    names = dict.fromkeys(data.inputs if data.tokenizer == "none" else (), True)
    others = {**data.features, **data.targets, **data.token_features}
    names |= dict.fromkeys((name for name, column in others.items() if column.kind == "category"), False)
    if data.label and data.label_kind != "number":
        names[data.label] = False
    return names

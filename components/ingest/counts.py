"""What ingestion counted, and whether it is good enough."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from components.files import write_whole
from components.ingest.errors import IngestError, RowError, nearest
from components.ingest.spec import DataSpec

COUNTS_FILE = "counts.json"
DEAD_LETTERS_FILE = "dead_letters.jsonl"
_SURELY = 20
"""Rows that a split should have: if it has none, that is no chance."""


@dataclass
class Counts:
    """Counts of one part of the data, or of all of it.

    Attributes:
        rows: rows written, by split.
        examples: labels in them, by split: one a labelled row, one less than a sequence has tokens.
        bad: rows that could not be used, by kind.
        short: rows with too few tokens for an example.
        left_out: rows that `data.share` leaves out.
        read: all rows: written, bad, short and left out.
        letters: the first bad rows of each kind: (file, line, reason).
        unseen: declared columns that no row had.
        columns: some columns that rows had, to name the nearest one.
    """

    rows: Counter[str] = field(default_factory=Counter)
    examples: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    short: int = 0
    left_out: int = 0
    read: int = 0
    letters: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)

    def add_bad(self, file: str, line: int, error: RowError, keep: int) -> None:
        """Counts a bad row, and keeps it if it is among the first of its kind."""
        self.bad[error.kind] += 1
        letters = self.letters.setdefault(error.kind, [])
        if len(letters) < keep:
            letters.append((file, line, error.reason))

    def merge(self, other: Counts, keep: int) -> Counts:
        """Both together; of the letters the first by file and line are kept."""
        kinds = {*self.letters, *other.letters}
        letters = {k: sorted(self.letters.get(k, []) + other.letters.get(k, []))[:keep] for k in kinds}
        unseen = [part.unseen for part in (self, other) if part.read]
        return Counts(
            self.rows + other.rows,
            self.examples + other.examples,
            self.bad + other.bad,
            self.short + other.short,
            self.left_out + other.left_out,
            self.read + other.read,
            letters,
            set.intersection(*unseen) if unseen else set(),
            set(sorted(self.columns | other.columns)[:100]),
        )

    def write(self, uri: str, splits: list[str]) -> None:
        """Writes `counts.json` and `dead_letters.jsonl` into a folder."""
        counts: dict[str, Any] = {
            "rows": {split: self.rows[split] for split in splits},
            "examples": {split: self.examples[split] for split in splits},
            "bad": dict(self.bad.most_common()),
            "short": self.short,
            "left_out": self.left_out,
            "read": self.read,
        }
        write_whole(f"{uri}/{COUNTS_FILE}", json.dumps(counts, indent=2) + "\n")
        letters = [
            {"kind": kind, "file": file, "line": line, "reason": reason}
            for kind in sorted(self.letters)
            for file, line, reason in self.letters[kind]
        ]
        lines = [json.dumps(letter, ensure_ascii=False) + "\n" for letter in letters]
        write_whole(f"{uri}/{DEAD_LETTERS_FILE}", "".join(lines))

    def check(self, data: DataSpec, splits: list[str]) -> None:
        """Refuses data that no model should be trained on.

        Raises:
            IngestError: there is no row; more bad rows than the configuration allows; a declared column that no row
                has; a split without rows.
        """
        bad = self.bad.total()
        if self.read == 0:
            raise IngestError("data.source: the files hold no row")
        if bad > data.max_bad_share * self.read:
            raise IngestError(self._bad_rows(bad, data))
        for column in sorted(self.unseen):
            raise IngestError(f"data: no row has a column '{column}'{nearest(column, self.columns)}")
        empty = [split for split in splits if not self.rows[split]]
        if empty:
            raise IngestError(self._empty_splits(empty, data))

    def _bad_rows(self, bad: int, data: DataSpec) -> str:
        (kind, count), *_ = self.bad.most_common(1)
        shown = [f"  {file}:{line}: {reason}" for file, line, reason in self.letters.get(kind, [])[:5]]
        return "\n".join(
            [
                f"{bad:,} of {self.read:,} rows ({bad / self.read:.2%}) cannot be used, and data.max_bad_share allows "
                f"{data.max_bad_share:.2%}; most frequent: {kind} ({count:,})",
                *shown,
            ]
        )

    def _empty_splits(self, empty: list[str], data: DataSpec) -> str:
        shares = data.splits.model_dump()
        message = (
            f"no row fell into {' and '.join(f'split {s!r}' for s in empty)}: {self.rows.total():,} usable rows "
            f"of {self.read:,} read, {self.short:,} too short for an example, {self.left_out:,} left out by data.share"
        )
        if self.short > self.read / 2 and data.tokenizer == "none":
            message += "; data.tokenizer 'none' takes a text as one token: 'words' or 'whitespace' would cut it"
        elif any(self.rows.total() * shares[split] > _SURELY * sum(shares.values()) for split in empty):
            alike = f"data.split_by ({', '.join(data.split_by)})" if data.split_by else "all columns"
            if data.shape == "sequence" and not data.split_by:
                alike = "all tokens"
            message += f"; rows that agree in {alike} fall into one split: too few of them differ"
        elif self.rows.total():
            message += "; more rows, or a larger share in data.splits, are needed"
        return message

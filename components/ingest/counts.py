"""Counts of an ingestion, and the check that the data is fit for training."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from typing import TYPE_CHECKING, Any

from components.files import read_text, write_whole
from components.ingest.errors import IngestError, RowError, nearest
from components.ingest.odd_values import OddValues
from components.ingest.sources.files.ranges import Lines, Range
from components.ingest.sources.text import TextSpec
from components.ingest.spec import DataSpec
from components.ingest.values import nested

if TYPE_CHECKING:
    from tfx.types import Artifact

COUNTS_FILE = "counts.json"
FILES_FILE = "files.jsonl"
DEAD_LETTERS_FILE = "dead_letters.jsonl"
_FILES_SHOWN, _ROWS_SHOWN = 10, 3
"""Maximum number of files with unused rows, and of bad rows of each kind, in the summary of a run."""
_SHOWN = ("file", "rows", "bad", "short")
_SURELY = 20
"""Expected number of rows of a split above which an empty split is not due to chance."""
_LONG_PARAGRAPH = 10
"""Mean number of lines of a paragraph above which each line is probably meant to be a row."""
_ADVICE = {
    "column": "Rows of all three splits are needed.",
    "by_time": "Shorter or longer times in data.splits, or rows of other times, are needed.",
    "leave_out": "Longer rows, or a smaller data.splits.leave_out, are needed.",
}
"""Advice about an empty split, by the rule of the splits."""


def read_counts(uri: str) -> dict[str, Any]:
    """Return the counts that `Counts.write` wrote into a folder of examples."""
    return json.loads(read_text(f"{uri}/{COUNTS_FILE}"))


def rows_of(examples: Iterable[Artifact], splits: Sequence[str] | None = None, most: float = math.inf) -> int:
    """Return the number of rows of examples, for the progress of a node that reads them.

    Args:
        examples: Artifacts of ExampleGen.
        splits: Splits that the node reads. None: all.
        most: Number of rows of a split, at most, that the node reads.
    """
    counts = [read_counts(each.uri)["rows"] for each in examples]
    return sum(
        int(min(rows, most)) for each in counts for split, rows in each.items() if splits is None or split in splits
    )


def read_unused(uris: Sequence[str]) -> dict[str, Any] | None:
    """Return the unused rows and odd values of some folders of examples, or None if they have neither.

    Args:
        uris: Folders that `Counts.write` wrote into.
    """
    counts = [read_counts(uri) for uri in uris]
    bad = sum((Counter(each["bad"]) for each in counts), Counter[str]())
    short, odd = sum(each["short"] for each in counts), [line for each in counts for line in each.get("odd", [])]
    if not bad and not short and not odd:
        return None
    files = [file for uri in uris for file in _lines(uri, FILES_FILE)]
    worst = sorted(files, key=lambda file: -file["bad"] - file["short"])[:_FILES_SHOWN]
    letters: dict[str, list[dict[str, Any]]] = {}
    for letter in (letter for uri in uris for letter in _lines(uri, DEAD_LETTERS_FILE)):
        letters.setdefault(letter["kind"], []).append(letter)
    return {
        "bad": dict(bad.most_common()),
        "short": short,
        "files": [{key: file[key] for key in _SHOWN} for file in worst if file["bad"] or file["short"]],
        "examples": [letter for kind in letters for letter in letters[kind][:_ROWS_SHOWN]],
        "odd": list(dict.fromkeys(odd)),
    }


def _lines(uri: str, name: str) -> list[dict[str, Any]]:
    # Not `splitlines`: the texts in JSON may contain other line ends than "\n".
    return [json.loads(line) for line in read_text(f"{uri}/{name}").split("\n") if line]


@dataclass
class FileCounts:
    """Rows and lines of one file of the source.

    Attributes:
        read: Number of all rows: written, bad, short and left out.
        rows: Number of written rows.
        bad: Number of rows that cannot be used.
        short: Number of rows with too few tokens for an example, or without a label where a row may have several.
        left_out: Number of rows that `data.share` excludes.
        lines: Number of physical lines of a text file, counted by line ends.
        header: Number of lines of the header.
        blank: Number of lines between the rows.
        row_lines: Number of lines of all rows.
    """

    read: int = 0
    rows: int = 0
    bad: int = 0
    short: int = 0
    left_out: int = 0
    lines: int = 0
    header: int = 0
    blank: int = 0
    row_lines: int = 0

    def __add__(self, other: FileCounts) -> FileCounts:
        return FileCounts(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def fault(self) -> str:
        """Return a description of the rows or lines that are not accounted for; empty if all are."""
        differences = []
        if lost := self.read - self.rows - self.bad - self.short - self.left_out:
            differences.append(f"{lost:+,} rows of {self.read:,}")
        if lost := self.lines - self.header - self.blank - self.row_lines:
            differences.append(f"{lost:+,} lines of {self.lines:,}")
        return " and ".join(differences)


@dataclass
class Counts:
    """Counts of one range of a file, or of all files.

    Attributes:
        files: Rows and lines by file.
        rows: Number of written rows, by split. A row whose positions are split counts in each of its splits.
        examples: Number of labels in the written rows, by split: one in a labelled row, one fewer than the tokens in a
            sequence, or, if the positions of a row are split, the labels of the split.
        bad: Number of rows that cannot be used, by kind of fault.
        doubtful: Number of rows with inner lines that look like rows: a quote may be unclosed.
        broken: Fault of each file that cannot be read to its end.
        letters: First bad rows of each kind: (file, line, reason).
        unseen: Declared columns that no row has.
        columns: Some columns of the rows, for messages that name the nearest column.
        odd: Texts that look like the numbers or lists of another program.
        grouped: Counts of the rows made from events, for shape `events`. `files` then counts events.
    """

    files: dict[str, FileCounts] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    examples: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    doubtful: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    letters: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    odd: OddValues = field(default_factory=OddValues)
    grouped: FileCounts | None = None

    @property
    def all_files(self) -> FileCounts:
        """Sums over the files."""
        return sum(self.files.values(), FileCounts())

    def with_rows_of_events(self, made: Counts, keep: int) -> Counts:
        """Return these counts of events together with the counts of the rows made from the events."""
        both = self.merge(made, keep)
        both.files, both.grouped, both.unseen = self.files, made.all_files, self.unseen
        return both

    @property
    def all_rows(self) -> FileCounts:
        """Sums over the files; for events, over the rows made from the events."""
        return self.grouped or self.all_files

    def close(self, file_range: Range, lines: Lines, keep: int) -> None:
        """Add the lines of a range that was read to its end, and compare them with the lines of the cut."""
        file = self.files[file_range.path]
        file.lines, file.header, file.blank, file.row_lines = lines.counted, lines.header, lines.blank, lines.rows
        self.doubtful = len(lines.doubtful)
        for line in lines.doubtful[:keep]:
            reason = "the row spans lines that look like rows of their own: is the quote closed that opens its cell?"
            self.letters.setdefault("doubtful", []).append((file_range.path, line, reason))
        found = lines.counted or file.read
        if file_range.lines not in (None, found):
            self.broken[file_range.path] = (
                f"{file_range.path}: {found:,} lines or rows were read from number {file_range.line:,} on, where "
                f"{file_range.lines:,} were found before: the file changed while it was read; run again"
            )

    def see(self, row: Mapping[str, Any]) -> None:
        """Record the columns of a row."""
        if self.unseen:
            self.unseen = {name for name in self.unseen if not nested(row, name)[0]}
            self.columns.update(itertools.islice(row, 100 - len(self.columns)))

    def add_bad(self, file: str, line: int, error: RowError, keep: int) -> None:
        """Count a bad row, and keep the first rows of each kind."""
        self.bad[error.kind] += 1
        letters = self.letters.setdefault(error.kind, [])
        if len(letters) < keep:
            letters.append((file, line, error.reason))

    def merge(self, other: Counts, keep: int) -> Counts:
        """Return the sum of two counts, with the first letters of each kind by file and line."""
        kinds = {*self.letters, *other.letters}
        letters = {k: sorted(self.letters.get(k, []) + other.letters.get(k, []))[:keep] for k in kinds}
        unseen = [counts.unseen for counts in (self, other) if any(file.read for file in counts.files.values())]
        files = dict(self.files)
        for path, counts in other.files.items():
            files[path] = files[path] + counts if path in files else counts
        return Counts(
            files,
            self.rows + other.rows,
            self.examples + other.examples,
            self.bad + other.bad,
            self.doubtful + other.doubtful,
            {**self.broken, **other.broken},
            letters,
            set.intersection(*unseen) if unseen else set(),
            set(sorted(self.columns | other.columns)[:100]),
            self.odd + other.odd,
        )

    def write(self, uri: str, splits: list[str], rule: str = "") -> None:
        """Write `counts.json`, `files.jsonl` and `dead_letters.jsonl` into a folder.

        Args:
            uri: Folder to write to.
            splits: Names of all splits.
            rule: Rule of the splits in words; empty if a hash decides.
        """
        total, events = self.all_rows, self.all_files
        counts: dict[str, Any] = {
            "rows": {split: self.rows[split] for split in splits},
            "examples": {split: self.examples[split] for split in splits},
            "bad": dict(self.bad.most_common()),
            "doubtful": self.doubtful,
            "short": total.short,
            "left_out": total.left_out,
            "read": total.read,
            "odd": list(self.odd.lines()),
        }
        if rule:
            counts |= {"split_rule": rule, "source_rows": total.rows}
        if self.grouped:
            counts |= {"events": events.read, "events_without_token": events.short}
        write_whole(f"{uri}/{COUNTS_FILE}", json.dumps(counts, indent=2) + "\n")
        files = [{"file": path, **asdict(self.files[path])} for path in sorted(self.files)]
        letters = [
            {"kind": kind, "file": file, "line": line, "reason": reason}
            for kind in sorted(self.letters)
            for file, line, reason in self.letters[kind]
        ]
        for name, rows in ((FILES_FILE, files), (DEAD_LETTERS_FILE, letters)):
            write_whole(f"{uri}/{name}", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    def check(self, data: DataSpec, splits: list[str], written: Mapping[str, int], rule: str = "") -> None:
        """Check that the data is fit for training.

        Args:
            data: Data specification.
            splits: Names of all splits.
            written: Number of Examples in the files of each split.
            rule: Rule of the splits in words; empty if a hash decides.

        Raises:
            IngestError: A file cannot be read to its end; rows or lines are not accounted for; the files have no row,
                or more bad rows than the configuration allows; no row has a declared column; a split is empty.
        """
        if self.broken:
            raise IngestError("\n".join(self.broken[path] for path in sorted(self.broken)))
        counted = [*sorted(self.files.items()), *([("rows of events", self.grouped)] if self.grouped else [])]
        lost = [f"{path}: {fault}" for path, file in counted if (fault := file.fault())]
        lost += [
            f"split {split!r}: {written.get(split, 0):,} examples for {self.rows[split]:,} rows"
            for split in splits
            if written.get(split, 0) != self.rows[split]
        ]
        if lost:
            raise IngestError(
                "\n".join(["rows or lines of the source are not accounted for; please report this:", *lost[:20]])
            )
        bad, total = self.bad.total(), self.all_files
        if total.read == 0:
            raise IngestError("data.source: the files hold no row")
        if bad > data.max_bad_share * total.read:
            raise IngestError(self._bad_rows(bad, total.read, data))
        for column in sorted(self.unseen):
            raise IngestError(f"data: no row has a column '{column}'{nearest(column, self.columns)}")
        empty = [split for split in splits if not self.rows[split]]
        if empty:
            raise IngestError(self._empty_splits(empty, data, rule))

    def _bad_rows(self, bad: int, read: int, data: DataSpec) -> str:
        (kind, count), *_ = self.bad.most_common(1)
        shown = [f"  {file}:{line}: {reason}" for file, line, reason in self.letters.get(kind, [])[:5]]
        return "\n".join(
            [
                f"{bad:,} of {read:,} rows ({bad / read:.2%}) cannot be used, and data.max_bad_share allows "
                f"{data.max_bad_share:.2%}; most frequent: {kind} ({count:,})",
                *shown,
            ]
        )

    def _empty_splits(self, empty: list[str], data: DataSpec, rule: str) -> str:
        total = self.all_rows
        shares = data.splits.shares
        message = (
            f"no row fell into {' and '.join(f'split {s!r}' for s in empty)}: {total.rows:,} usable rows "
            f"of {total.read:,} read, {total.short:,} too short for an example or without a label, "
            f"{total.left_out:,} left out by data.share"
        )
        lines, paragraphs = self.all_files.row_lines, self.all_files.read
        by_paragraph = isinstance(data.source, TextSpec) and data.source.rows == "paragraph"
        if by_paragraph and lines > _LONG_PARAGRAPH * paragraphs:
            message += (
                f"; blank lines cut a text into rows, and {lines:,} lines make {paragraphs:,} here: "
                "data.source.rows: line makes each line a row"
            )
        elif total.short > total.read / 2 and data.tokenizer == "none":
            message += "; data.tokenizer 'none' takes a text as one token: 'words' or 'whitespace' would cut it"
        elif data.splits.form:
            message += f". {rule} {_ADVICE[data.splits.form]}"
        elif any(split in data.source.split_paths for split in empty):
            message += f"; data.source.{empty[0]} holds too few rows"
        elif any(total.rows * shares[split] > _SURELY * sum(shares.values()) for split in empty):
            alike = f"data.split_by ({', '.join(data.split_by)})" if data.split_by else "all columns"
            if data.shape == "sequence" and not data.split_by:
                alike = "all tokens"
            message += f"; rows that agree in {alike} fall into one split: too few of them differ"
        elif total.rows:
            message += "; more rows, or a larger share in data.splits, are needed"
        return message

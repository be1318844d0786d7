"""Rows for predictions, read in the same way as in training."""

from __future__ import annotations

import contextlib
import itertools
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from components.inference.errors import PredictError
from components.inference.rows.reading import STANDARD_INPUT, head_of_file, name_of_file, reading, rows_of_range
from components.inference.rows.unknown import OtherForms
from components.ingest.errors import IngestError, RowError, ShortRow
from components.ingest.events.grouped import grouped_events, write_partition
from components.ingest.events.spill import EventSpiller, partitions_for
from components.ingest.header import check_columns
from components.ingest.options.splits import SplitSpec
from components.ingest.rows.columns import Columns, RowReader, columns_read
from components.ingest.rows.example import serialize
from components.ingest.rows.times import Latest
from components.ingest.sources.base import RANGE_BYTES, Range, SourceSpec
from components.ingest.sources.registry import STREAMED, source_of, spec_of_file, spec_of_kind, with_label_lists
from components.ingest.spec import DataSpec
from components.ingest.values import nested
from components.messages.exit_codes import FAILED
from components.messages.spelling import did_you_mean

_STREAM_LINES = 256
_NEAR = 0.7
"""Minimum similarity of a column to a missing feature for a warning: rows have many columns that the model ignores."""
_REASON_LENGTH = 500
_WITHOUT_OPTIONAL: dict[str, Any] = {
    "features": {},
    "token_features": {},
    "targets": {},
    "weight": None,
    "baskets": None,
}
"""Changes of a data specification that leave the columns without which a row cannot be answered."""


@dataclass(frozen=True)
class Question:
    """Row for a prediction.

    Attributes:
        line: Line of the file (Parquet and TFRecord: row), or number of the text, from 1.
        where: Place of the row in messages: file and line.
        example: Serialized tf.Example, the input of `serving_default`; None if the row is unusable.
        reason: Reason why the row is unusable; empty otherwise.
        slices: Column and value of each slice of the row; empty unless rows are read with their labels.
        kept: Values of the columns to copy to the answers.
    """

    line: int
    where: str
    example: bytes | None
    reason: str = ""
    slices: tuple[tuple[str, str | float], ...] = ()
    kept: Mapping[str, Any] = field(default_factory=dict)


class Questions:
    """Reader of the rows for predictions.

    A row needs the input columns of the model, and the label if rows are read with their labels. Features, further
    targets and slices may be missing. All other columns are ignored.

    Args:
        data: Data specification of the model.
        warn: Function that prints a line of warning. It is called once for each missing column that another column
            resembles, and once for each input column with an unknown token that the model knows in another form.
        labelled: True to read rows with their labels, for the signature `eval`.
        keep: Columns to copy to the answers.
        model: Folder of the model. None: no check for unknown tokens.
    """

    def __init__(
        self,
        data: DataSpec,
        warn: Callable[[str], None],
        labelled: bool = False,
        keep: Sequence[str] = (),
        model: str | Path | None = None,
    ) -> None:
        self._known = {*columns_read(data), *data.token_columns}
        unused: dict[str, Any] = {} if labelled else {"label": None, "targets": {}, "weight": None, "slices": []}
        unused |= {"split_by": [], "splits": SplitSpec()}
        self._logged = data.model_copy(update={**unused, "min_length": 2 if labelled else 1})
        """Data specification that reads events, if the model was trained on events."""
        unused |= {"group_by": [], "order_by": None}
        self._data = data.model_copy(update=unused)
        self._of_tokens = RowReader(self._data, labelled, tokenized=True)
        self._events = bool(data.group_by) and data.tokenizer == "none"
        self._columns = RowReader(self._data, labelled)
        self._labelled = labelled
        self._warn = warn
        self._keep = tuple(keep)
        self._forms = OtherForms(Path(model) / "assets" / "inputs") if model is not None else None
        # Text is split and lowercased in the same way in training and in predictions, so it needs no check.
        self._looked_at = set(data.inputs) if data.tokenizer == "none" else set[str]()
        """Input columns whose tokens are looked up, until a warning names them."""
        self._without = {
            **dict.fromkeys(self._data.slices, "are in none of its slices"),
            **dict.fromkeys(self._data.targets, "do not count for it"),
            **dict.fromkeys(self._data.weights, "count with weight 1"),
            **dict.fromkeys(data.features, "are answered as if the value were unknown"),
            **dict.fromkeys(data.token_features, "are answered as if the values were unknown"),
            **({data.baskets: "are answered as if all tokens were one basket"} if data.baskets else {}),
        }
        """Consequence for rows without an optional column, by column."""
        self._unlike: dict[str, set[str]] = {name: set() for name in self._without}
        """Columns that were compared with an optional column, by that column, until a warning names it."""

    def of_texts(self, texts: list[str], features: Mapping[str, str]) -> Iterator[Question]:
        """Yield a question for each text, in order. The model must have one input column."""
        for number, text in enumerate(texts, 1):
            value = [text] if self._events else text
            yield self._question(number, f"text {number}", {self._data.inputs[0]: value, **features})

    def of_rows(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Question]:
        """Yield a question for each row, in order. A row maps columns to JSON values."""
        for number, row in enumerate(rows):
            where = f"rows[{number}]"
            if not isinstance(row, Mapping):
                row = RowError("not a row", f"a {type(row).__name__}, not a dict from column to value")
            yield self._question(number + 1, where, row)

    def of_file(self, file: str, option: str = "--input ") -> Iterator[Question]:
        """Yield a question for each row of a file, in order. Blank lines are not rows.

        Name and content determine the kind of the file, see `spec_of_file`. If it is the kind of the training data, the
        options of the source of the training data apply.

        Args:
            file: Local file, or `-` for standard input. Standard input and named pipes must contain JSON Lines.
            option: Name of the argument in messages.

        Raises:
            PredictError: The file cannot be read, or has a header without an input column.
        """
        if file == STANDARD_INPUT:
            yield from self._of_stream(sys.stdin.buffer, name_of_file(file))
            return
        head = head_of_file(file, option)
        if head is None:
            with Path(file).open("rb") as stream:
                yield from self._of_stream(stream, file)
            return
        data = self._checked(file, head)
        if self._holds_events(file, data):
            yield from self._of_events(file, data.source)
            return
        yield from self._of_range(Range(file), data)

    def of_range(self, file_range: Range) -> Iterator[Question]:
        """Yield a question for each row of a range of a file that `check` accepted, in order.

        Raises:
            PredictError: The file cannot be read.
        """
        yield from self._of_range(file_range, self._of_kind(file_range.path, ""))

    def ranges(self, file: str, size: int = RANGE_BYTES) -> list[Range]:
        """Return the ranges of a file, in order. Each row belongs to exactly one range.

        Args:
            file: Regular file.
            size: Minimum size of a range in bytes.

        Raises:
            PredictError: The file cannot be read.
        """
        with reading(file, file):
            return [*source_of(self._of_kind(file, "").source).ranges(file, size)]

    def check(self, file: str) -> None:
        """Check that each row of a regular file can be used on its own.

        Raises:
            PredictError: The file cannot be read, has a header without an input column, or its rows are events.
        """
        data = self._checked(file, head_of_file(file, ""))
        if self._holds_events(file, data):
            raise PredictError(
                f"{file}: a row is one event, and only `bigvocab predict --input` joins the events of a group. Write a "
                f"row for each group, with the list of its events in '{data.inputs[0]}'"
            )

    def _of_kind(self, file: str, option: str, head: bytes | None = None) -> DataSpec:
        """Return the data specification that reads a file, by the name and the first bytes of the file."""
        head = head_of_file(file, option) if head is None else head
        return self._with_source(spec_of_file(file, head or b"", self._data.source))

    def _checked(self, file: str, head: bytes | None) -> DataSpec:
        """Check the header of a file, and return the data specification that reads the file."""
        data = self._of_kind(file, "", head)
        with reading(file, file):
            # JSON Lines and TFRecord have no header. Only the required columns are checked.
            checked = {**_WITHOUT_OPTIONAL, "slices": [*self._keep]}
            check_columns(data.model_copy(update=checked), [file])
        return data

    def _of_range(self, file_range: Range, data: DataSpec) -> Iterator[Question]:
        file, source = file_range.path, source_of(data.source)
        with reading(file, file):
            others = tuple(source.all_columns(file, columns_read(data)) or ()) if source.partial else ()
        for line, row in rows_of_range(file, file_range, data, self._keep):
            yield self._question(line, f"{file}:{line}", row, others)

    def _holds_events(self, file: str, data: DataSpec) -> bool:
        """Return True if a row of the file is one event, not the list of all events of a group."""
        groups, name = self._logged.group_by, data.inputs[0]
        if not groups:
            return False
        rows = (row for _, row in rows_of_range(file, Range(file), data, groups) if not isinstance(row, RowError))
        first = next(rows, {})
        return not isinstance(first.get(name), list) and all(nested(first, group)[0] for group in groups)

    def _of_events(self, file: str, source: SourceSpec) -> Iterator[Question]:
        """Yield the questions of each group of events, in no particular order, after those of unusable events.

        The question of a group is its last row. If rows are read with their labels, each row is a question.
        """
        data = self._logged.model_copy(update={"source": source, "slices": [*self._logged.slices, *self._keep]})
        with tempfile.TemporaryDirectory(prefix="bigvocab-") as folder, reading(file, file):
            check_columns(data.model_copy(update=_WITHOUT_OPTIONAL), [file])
            times, partitions = Latest(), defaultdict(list)
            spiller = EventSpiller(data, partitions_for(source_of(source).size([file])), folder)
            for file_range in source_of(source).ranges(file):
                counts, latest, pieces = spiller(file_range)
                if counts.broken:
                    raise IngestError("\n".join(counts.broken.values()))
                times = times.merge(latest)
                for (_, partition), piece in pieces:
                    partitions[partition].append(piece)
                for letters in counts.letters.values():
                    yield from (Question(line, f"{path}:{line}", None, reason) for path, line, reason in letters)
            rows_of = grouped_events(data, times, last=not self._labelled)
            for number, pieces in sorted(partitions.items()):
                path = f"{folder}/partition-{number}.json"
                write_partition(path, pieces)
                for _, row in rows_of(Range(path)):
                    yield self._group(file, row)

    def _group(self, file: str, row: Mapping[str, Any] | ShortRow) -> Question:
        """Return the question of a group, with the group columns among the kept columns."""
        if isinstance(row, ShortRow):
            return Question(0, file, None, str(row))
        group = {name: row.get(name) for name in self._logged.group_by}
        where = f"{file}: {', '.join(f'{name} {value}' for name, value in group.items())}"
        question = self._question(0, where, row, reader=self._of_tokens)
        return replace(question, kept={**group, **question.kept})

    def kept(self, file: str) -> list[str]:
        """Return the columns to copy to the answers for a file. For events, these include the group columns."""
        head = head_of_file(file, "--input ") if file != STANDARD_INPUT else None
        if head is None or not self._logged.group_by:
            return [*self._keep]
        data = self._of_kind(file, "", head)
        groups = self._logged.group_by if self._holds_events(file, data) else []
        return list(dict.fromkeys([*groups, *self._keep]))

    def rows_of_file(self, file: str) -> int | None:
        """Return the approximate number of rows of a file from its lines, or None if it is unknown before reading."""
        if file == STANDARD_INPUT or head_of_file(file, "") is None:
            return None
        with contextlib.suppress(PredictError):
            lines = [each.lines for each in self.ranges(file)]
            return None if None in lines else sum(filter(None, lines))
        return None

    def _of_stream(self, stream: BinaryIO, name: str) -> Iterator[Question]:
        """Yield a question for each JSON line of a stream that can be read only once.

        The reader of rows needs a file, so the method writes some lines at a time to a temporary file.
        """
        first = 1
        with tempfile.TemporaryDirectory(prefix="bigvocab-") as folder:
            file = Path(folder) / "rows.jsonl"
            data = self._with_source(spec_of_kind(STREAMED, str(file), self._data.source))
            while lines := list(itertools.islice(stream, _STREAM_LINES)):
                if first == 1 and lines[0].startswith(b"\x1f\x8b"):
                    raise PredictError(f"{name}: packed with gzip: unpack it, as with `zcat FILE |`", FAILED)
                file.write_bytes(b"".join(lines))
                for line, row in rows_of_range(name, Range(str(file), line=first), data, self._keep):
                    yield self._question(line, f"{name}:{line}", row)
                first += len(lines)

    def _with_source(self, source: SourceSpec) -> DataSpec:
        if not self._labelled:
            source = source.to_predict()
        elif self._data.several_labels:
            source = with_label_lists(source)
        return self._data.model_copy(update={"source": source})

    def _question(
        self,
        line: int,
        where: str,
        row: Mapping[str, Any] | RowError,
        others: tuple[str, ...] = (),
        reader: RowReader | None = None,
    ) -> Question:
        """Return the question of a row, with the reason if the row is unusable.

        Args:
            line: Number of the line.
            where: Place of the row in messages.
            row: Row, or its fault.
            others: Columns of the file that were not read.
            reader: Reader of the row; None for the default reader.
        """
        kept = {} if isinstance(row, RowError) else {name: nested(row, name)[1] for name in self._keep}
        try:
            if isinstance(row, RowError):
                raise row
            if self._events and isinstance(row.get(self._data.inputs[0]), str):
                name = self._data.inputs[0]
                raise RowError("an event", f'a row has all events of a group, as in {{"{name}": ["a", "b"]}}')
            self._warn_of_near_misses(where, {**dict.fromkeys(others), **row} if others else row)
            columns = (reader or self._columns)(row)
            if self._forms and self._looked_at:
                self._warn_of_other_forms(where, columns, self._forms)
            slices = ((name, value) for name in self._data.slices for value in dict.fromkeys(columns[name]))
            return Question(line, where, serialize(columns), slices=tuple(slices), kept=kept)
        except (RowError, ShortRow) as error:
            reason = " ".join(str(error).split())
            return Question(line, where, None, reason[:_REASON_LENGTH], kept=kept)

    def _warn_of_near_misses(self, where: str, row: Mapping[str, Any]) -> None:
        for column in [name for name in self._unlike if name not in row]:
            new = row.keys() - self._known - self._unlike[column]
            if not new:
                continue
            if near := did_you_mean(column, sorted(new), _NEAR):
                self._warn(f"{where}: no column '{column}'{near} Rows without it {self._without[column]}.")
                del self._unlike[column]
            elif len(self._unlike[column]) < 1_000:  # Each row may have different keys.
                self._unlike[column] |= new

    def _warn_of_other_forms(self, where: str, columns: Columns, forms: OtherForms) -> None:
        for column in sorted(self._looked_at):
            for token in map(str, columns[column]):
                if (known := forms.of(column, token)) is not None:
                    self._warn(
                        f"{where}: column '{column}' holds {token!r}, which the model does not know; did you mean "
                        f"{known!r}? All tokens that it does not know are alike to it."
                    )
                    self._looked_at.discard(column)
                    break

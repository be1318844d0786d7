"""Detection of the kind and dialect of files, and sampling of their rows."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.ingest.errors import IngestError, RowError
from components.ingest.sources.base import Lines, Row, Source, SourceSpec
from components.ingest.sources.files.delimited.records import Dialect
from components.ingest.sources.files.delimited.sniffing import Guess, broken_rows, guess
from components.ingest.sources.files.opening import file_name, open_source, reading
from components.ingest.sources.files.text_form import Encoding, check_text, form_of
from components.ingest.sources.registry import kind_of_file, source_of, spec_of
from components.messages.exit_codes import UserError

ROWS = 20_000
"""Maximum number of rows in a sample."""
_FILES, _SECONDS = 5, 5.0
_SKIPPED = 10
"""Maximum number of lines before a header to try."""


@dataclass
class Sample:
    """Sample of the rows of some files.

    Attributes:
        source: Specification that reads the files.
        rows: Rows of the sample.
        files: Number of all files.
        complete: True if the sample contains all rows.
        notes: Findings about the form of the files.
        unsure: Findings that the user should check.
    """

    source: SourceSpec
    rows: list[Row]
    files: int
    complete: bool
    notes: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)

    @property
    def has_names(self) -> bool:
        """True if the columns have names in the files."""
        return getattr(self.source, "header", True)


def sample(path: Path) -> Sample:
    """Return a sample of the rows of a file or folder.

    Raises:
        UserError: The file does not exist, or its rows cannot be read.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist")
    notes: list[str] = []
    unsure: list[str] = []
    try:
        kind = _kind(path)
        spec = _spec(kind, path, notes, unsure)
        source = source_of(spec)
        files = source.files(*source.place(Path()))
        rows, complete, bad = _rows(source, files)
    except IngestError as error:
        raise UserError(str(error)) from error
    if not rows:
        reason = f": {bad.most_common(1)[0][0]}" if bad else ""
        raise UserError(f"{path}: no row can be read as {kind}{reason}")
    if bad:
        [(reason, _)] = bad.most_common(1)
        unsure.append(f"{bad.total():,} of {bad.total() + len(rows):,} rows cannot be read: {reason}")
    return Sample(spec, rows, len(files), complete, notes, unsure)


def _kind(path: Path) -> str:
    """Return the kind of a file, or of most files of a folder."""
    files = [path] if path.is_file() else [file for file in sorted(path.rglob("*")) if _is_data(file, path)]
    if not files:
        raise UserError(f"{path}: no file to read")
    found = Counter(_kind_of(file) for file in files[:100])
    return found.most_common(1)[0][0]


def _kind_of(file: Path) -> str:
    with reading(str(file)), open_source(str(file)) as stream:
        head = stream.read(1 << 16)
    kind = kind_of_file(str(file), head)
    if kind is not None and kind != "text":
        return kind
    # A file without a known ending, or a `.txt` file, is a table or plain text.
    table = guess(check_text(str(file), _encoding(str(file))), Dialect())
    return "csv" if table and len(table.rows) > 1 and table.dialect.delimiter not in (" ", ":") else "text"


def _is_data(file: Path, folder: Path) -> bool:
    parts = file.relative_to(folder).parts
    return file.is_file() and not any(part[0] in "._" and "=" not in part for part in parts)


def _spec(kind: str, path: Path, notes: list[str], unsure: list[str]) -> SourceSpec:
    """Return the specification of the source, with the dialect of its first file."""
    keys: dict[str, Any] = {"kind": kind, "path": str(path)}
    found = detect(spec_of(keys))
    if found is None:
        return spec_of(keys)
    notes += found.notes
    unsure += found.unsure
    return spec_of({**keys, **found.keys})


@dataclass(frozen=True)
class Detected:
    """Form of the text of a file.

    Attributes:
        file: The file.
        keys: Keys of `data.source` that differ from their defaults.
        notes: Findings about the form.
        unsure: Findings that the user should check.
    """

    file: str
    keys: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)


def detect(spec: SourceSpec) -> Detected | None:
    """Return the form of the first file of a source, or None if the source does not read text.

    Args:
        spec: Source. Only its kind and its files matter.

    Raises:
        IngestError: No file can be read.
    """
    if "encoding" not in type(spec).model_fields:
        return None
    source = source_of(spec.at(next(iter(spec.split_paths.values()))) if spec.split_paths else spec)
    found = Detected(source.files(*source.place(Path()))[0])
    encoding = _encoding(found.file)
    if encoding != "utf-8":
        found.keys["encoding"] = encoding
        found.unsure.append(f"the text is not UTF-8, and is read as {encoding}: check names with umlauts and accents")
    if spec.kind == "csv":
        found.keys.update(_dialect(found.file, encoding, found.unsure))
    elif spec.kind == "text" and _by_line(check_text(found.file, encoding)):
        found.keys["rows"] = "line"
        found.notes.append("text without blank lines: each line is a row")
    return found


def _encoding(file: str) -> Encoding:
    """Return the encoding of a text file without a byte order mark."""
    form = form_of(file)
    if form.mark:
        return "utf-8"
    with reading(file), open_source(file) as stream:
        head = stream.read(1 << 16)
    if head.count(0) > len(head) // 4:
        return "utf-16"
    try:
        head[: head.rfind(b"\n") + 1 or len(head)].decode()
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _dialect(file: str, encoding: Encoding, unsure: list[str]) -> dict[str, Any]:
    """Return the keys of the dialect that reads most rows of a CSV file."""
    head = check_text(file, encoding)
    tabs = file_name(file)[0].endswith((".tsv", ".tab"))
    best: tuple[float, Guess, dict[str, Any]] | None = None
    for options in _options(head):
        rest = _without_lines(head, options.get("skip", 0))
        quote, escape, comment = options.get("quote", "double"), options.get("escape"), options.get("comment", "")
        found = guess(rest, Dialect(quote=quote, escape=escape, comment=comment))
        if found is None:
            continue
        broken = broken_rows(rest, found.dialect)
        # The simplest dialect wins a tie.
        if best is None or broken < best[0] - 0.001:
            best = (broken, found, options)
        if best[0] == 0:
            break
    if best is None:
        return {}
    _, found, options = best
    keys = dict(options)
    if found.dialect.delimiter != ("\t" if tabs else ","):
        keys["delimiter"] = found.dialect.delimiter
    if not found.header:
        keys |= {"header": False, "columns": _names(len(found.rows[0]))}
        unsure.append("the first row looks like data, so the columns have no names: replace c1, c2 and so on")
    return keys


def _options(head: bytes) -> Iterator[dict[str, Any]]:
    """Yield the keys of dialects, without the delimiter, the simplest first."""
    comments: list[dict[str, Any]] = [{}, *([{"comment": "#"}] if head.startswith(b"#") or b"\n#" in head else [])]
    quotes: list[dict[str, Any]] = [{}, *([{"escape": "\\"}] if rb"\"" in head else []), {"quote": "none"}]
    for comment, quote in itertools.product(comments, quotes):
        yield {**comment, **quote}
    for lines in range(1, _SKIPPED + 1):
        yield {"skip": lines}


def _without_lines(head: bytes, number: int) -> bytes:
    return head.split(b"\n", number)[-1] if number else head


def _names(width: int) -> list[str]:
    return [f"c{number}" for number in range(1, width + 1)]


def _by_line(head: bytes) -> bool:
    lines = head.split(b"\n")[:-1] or [head]
    return len(lines) > 1 and all(line.strip() for line in lines)


def _rows(source: Source[Any], files: Sequence[str]) -> tuple[list[Row], bool, Counter[str]]:
    """Return rows of the first files, True if these are all rows, and the number of bad rows by reason."""
    rows: list[Row] = []
    bad: Counter[str] = Counter()
    until = time.monotonic() + _SECONDS
    chosen = files[:: max(1, len(files) // _FILES)][:_FILES]
    complete = len(chosen) == len(files)
    for file in chosen:
        used = source.all_columns(file, ["text"]) or []
        most = len(rows) + ROWS // len(chosen)
        for file_range in source.ranges(file):
            for _, row in source.read(file_range, used or ["text"], Lines()):
                if isinstance(row, RowError):
                    bad[row.reason] += 1
                else:
                    rows.append(row)
                if len(rows) >= most or time.monotonic() > until:
                    complete = False
                    break
            else:
                continue
            break
    return rows, complete, bad
